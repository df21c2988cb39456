//! Runs a command on its node and brings the reply home.
//!
//! No sent write is ever sent twice. A read of which nothing was delivered may run again, on the manager.

use std::time::Instant;

use peer::connect::ConnectError;
use peer::inbox::Command;
use peer::relay::{self, Ended, Moved, RelayError, UploadError};
use statement::Facts;
use tokio::io::AsyncWriteExt;
use wire::reply::{PrepareOk, Progress, Shape};
use wire::{Capabilities, ServerError};

use super::link::{Link, Login, Verdict, encode_init_db, encode_query};
use super::proxy_statement::LastRoute;
use super::watch::{ManagerWatch, WorkerWatch};
use super::{Flow, Session};
use crate::cluster::{NodeId, Role};
use crate::metrics::ErrorKind;
use crate::route::{self, Reason, Route, RouteHint, SessionView};

/// What one statement asks of its route besides its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    pub(super) hint: Option<RouteHint>,
    pub(super) cursor: bool,
    pub(super) long_data: bool,
}

/// How a read on a worker ended.
enum OnWorker {
    /// Its reply is home, or an error in its place.
    Answered,
    /// Nothing was delivered: it may run on the manager.
    NothingDelivered,
    /// The client cannot be answered any more.
    ClientLost,
}

/// How a command on the manager ended.
pub(super) struct OnManager {
    pub(super) flow: Flow,
    pub(super) prepared: Option<PrepareOk>,
}

impl Session {
    /// Where a text belongs.
    pub(super) fn route(&self, facts: &Facts, needs: Needs) -> Route {
        let view = SessionView {
            hint: needs.hint,
            cursor: needs.cursor,
            long_data: needs.long_data,
            ..self.state.view(self.capabilities)
        };
        route::route(
            facts,
            &view,
            &self.host.cluster.view(),
            self.strategy,
            rand::random(),
        )
    }

    /// Runs a text where its route says, and again on the manager when a worker could not.
    pub(super) async fn run(
        &mut self,
        command: &mut Command,
        shape: Shape,
        facts: &Facts,
        route: Route,
    ) -> Flow {
        self.run_or(command, shape, facts, route, |_| {}).await
    }

    /// The same, with a last change to the command before the manager gets it in the worker's place.
    pub(super) async fn run_or(
        &mut self,
        command: &mut Command,
        shape: Shape,
        facts: &Facts,
        route: Route,
        for_manager: impl FnOnce(&mut Command),
    ) -> Flow {
        let begun = Instant::now();
        let mut route = route;
        if route.role == Role::Worker {
            match self.on_worker(route.target, command, shape).await {
                OnWorker::Answered => return self.ran(route, begun),
                OnWorker::ClientLost => return Flow::End,
                OnWorker::NothingDelivered => {
                    self.host.metrics.retried_reads.increment(1);
                    for_manager(command);
                    route = self.retried(route);
                }
            }
        }
        let ended = self.on_manager_run(command, shape, Some(facts)).await;
        self.ran(route, begun);
        ended.flow
    }

    /// The manager in a worker's place.
    pub(super) fn retried(&self, route: Route) -> Route {
        Route {
            target: self.manager.node,
            role: Role::Manager,
            reason: Reason::RetriedOnManager,
            ..route
        }
    }

    /// A command that is not routed.
    pub(super) async fn on_manager(
        &mut self,
        command: &mut Command,
        shape: Shape,
        facts: Option<&Facts>,
    ) -> Flow {
        self.on_manager_run(command, shape, facts).await.flow
    }

    pub(super) async fn on_manager_run(
        &mut self,
        command: &mut Command,
        shape: Shape,
        facts: Option<&Facts>,
    ) -> OnManager {
        let mut moved = Moved::default();
        let mut watch = ManagerWatch {
            state: &mut self.state,
            capabilities: self.capabilities,
            prepared: None,
            error: None,
        };
        let mut progress = Progress::new(shape, self.capabilities);
        let link = &mut self.manager;
        let relayed = async {
            relay::send(&mut link.stream, command)
                .await
                .map_err(RelayError::From)?;
            loop {
                let client = Some(&mut self.client);
                let ended = link
                    .outbox
                    .relay(&mut link.stream, client, &mut progress, &mut watch, &mut moved)
                    .await?;
                if ended != Ended::Upload {
                    return Ok(());
                }
                match relay::upload(&mut self.inbox, &mut self.client, &mut link.stream).await {
                    Ok(()) => progress.upload_sent(),
                    Err(UploadError::Client(error)) => {
                        return Err(RelayError::To(std::io::Error::other(error)));
                    }
                    Err(UploadError::Server(error)) => return Err(RelayError::From(error)),
                }
            }
        }
        .await;
        let (prepared, error) = (watch.prepared, watch.error);
        self.host.metrics.client_sent_bytes.increment(moved.bytes);
        self.state.previous = Some(self.manager.node);
        let flow = match relayed {
            Ok(()) => {
                if error.is_none()
                    && let Some(facts) = facts
                {
                    self.state.ran(facts);
                }
                Flow::Continue
            }
            Err(error) => self.manager_lost(&error, moved, facts).await,
        };
        OnManager { flow, prepared }
    }

    /// The manager's connection broke: with it goes the session, after an error where one still fits.
    async fn manager_lost(&mut self, error: &RelayError, moved: Moved, facts: Option<&Facts>) -> Flow {
        if matches!(error, RelayError::To(_)) {
            return Flow::End;
        }
        tracing::warn!(%error, "lost the manager while a statement ran");
        self.host.cluster.suspect(self.manager.node);
        let outcome_unknown = facts.is_none_or(|facts| !facts.is_surely_read());
        self.lost(moved, outcome_unknown).await;
        Flow::End
    }

    /// Tells the client that a server was lost, unless it is in the middle of a packet.
    async fn lost(&mut self, moved: Moved, outcome_unknown: bool) -> Flow {
        let error = ServerError::lost_connection("the database server", outcome_unknown);
        self.host.metrics.error(ErrorKind::ServerLost);
        if outcome_unknown {
            self.host.metrics.error(ErrorKind::OutcomeUnknown);
        }
        if moved.bytes > 0 && !moved.at_boundary {
            return Flow::End;
        }
        let sequence = if moved.bytes == 0 {
            1
        } else {
            moved.sequence.wrapping_add(1)
        };
        let mut packet = Vec::new();
        error.encode(sequence, &mut packet);
        self.answer(&packet).await
    }

    /// A read on a worker. Its connection is put back only when it is in a known state.
    async fn on_worker(&mut self, node: NodeId, command: &Command, shape: Shape) -> OnWorker {
        let Some(mut link) = self.worker(node).await else {
            return OnWorker::NothingDelivered;
        };
        if self.bring_up_to_date(&mut link, command).await.is_err() {
            return OnWorker::NothingDelivered;
        }
        let (mut moved, mut watch) = (Moved::default(), WorkerWatch::default());
        let mut progress = Progress::new(shape, self.capabilities);
        let client = Some(&mut self.client);
        let relayed = link
            .outbox
            .relay(&mut link.stream, client, &mut progress, &mut watch, &mut moved)
            .await;
        self.host.metrics.client_sent_bytes.increment(moved.bytes);
        match relayed {
            Ok(Ended::Done) => {
                self.state.previous = Some(node);
                self.put_back(link);
                OnWorker::Answered
            }
            Ok(Ended::Withheld) => {
                tracing::debug!(code = watch.refusal, "a worker answered a read with an error");
                link.outbox.discard_withheld();
                if watch.connection_is_good() {
                    self.put_back(link);
                }
                OnWorker::NothingDelivered
            }
            // a worker never asks for a file: what loads data is a write
            Ok(Ended::Upload) => OnWorker::ClientLost,
            Err(RelayError::To(_)) => OnWorker::ClientLost,
            Err(RelayError::From(_) | RelayError::Protocol(_)) if moved.bytes == 0 => {
                self.host.cluster.suspect(node);
                OnWorker::NothingDelivered
            }
            Err(RelayError::From(error)) => {
                tracing::warn!(%error, "lost a worker while it sent a result");
                self.host.cluster.suspect(node);
                match self.lost(moved, false).await {
                    Flow::Continue => OnWorker::Answered,
                    Flow::End => OnWorker::ClientLost,
                }
            }
            Err(RelayError::Protocol(error)) => {
                tracing::error!(%error, "a worker's reply is not of the protocol");
                OnWorker::ClientLost
            }
        }
    }

    /// The connection to a worker, taken out of its place; opened when there is none.
    pub(super) async fn worker(&mut self, node: NodeId) -> Option<Box<Link>> {
        if let Some(link) = self.workers.get_mut(node.index()).and_then(Option::take)
            // only a new connection has no schema
            && (link.schema.is_empty() || !self.state.schema.is_empty())
        {
            return Some(link);
        }
        let worker = self.host.config.nodes.get(node.index())?;
        let login = Login {
            account: &self.account,
            capabilities: self.capabilities,
            collation: self.collation,
            schema: &self.state.schema,
            attributes: &self.attributes,
            timeout: self.host.config.limits.connect_timeout,
            counted: self.host.metrics.server_connection(node),
        };
        // seldom, and large: not a part of every session's own future
        match Box::pin(Link::open(node, worker, login)).await {
            Ok(opened)
                if opened
                    .link
                    .capabilities
                    .has(self.capabilities & Capabilities::ROW_FLAGS) =>
            {
                Some(Box::new(opened.link))
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(node = %worker.name, %error, "failed to open a connection to a worker");
                self.host.metrics.error(connect_error_kind(&error));
                self.host.cluster.suspect(node);
                None
            }
        }
    }

    pub(super) fn put_back(&mut self, link: Box<Link>) {
        if let Some(place) = self.workers.get_mut(link.node.index()) {
            *place = Some(link);
        }
    }

    /// Sends the difference of session state and the read behind it in one write, and reads the replies
    /// to the former. An error means that the connection is of no use any more.
    async fn bring_up_to_date(&mut self, link: &mut Link, command: &Command) -> Result<(), RelayError> {
        let mut front = Vec::new();
        let replies = self.difference(link, &mut front).await;
        match command {
            Command::Packet(chunk) if replies > 0 => {
                front.extend_from_slice(chunk.filled());
                write(link, &front).await?;
            }
            Command::Packet(_) | Command::Split(_) => {
                if replies > 0 {
                    write(link, &front).await?;
                }
                relay::send(&mut link.stream, command)
                    .await
                    .map_err(RelayError::From)?;
            }
        }
        self.confirm(link, replies).await
    }

    /// Brings the connection's state up to date alone.
    pub(super) async fn synchronise(&mut self, link: &mut Link) -> Result<(), RelayError> {
        let mut front = Vec::new();
        let replies = self.difference(link, &mut front).await;
        if replies > 0 {
            write(link, &front).await?;
        }
        self.confirm(link, replies).await
    }

    /// Appends the commands that make the connection's state the session's; returns how many.
    async fn difference(&mut self, link: &Link, out: &mut Vec<u8>) -> usize {
        let mut commands = 0;
        if link.schema != self.state.schema {
            encode_init_db(&self.state.schema, out);
            commands += 1;
        }
        if self.state.collation_is_stale {
            Box::pin(self.read_collation()).await;
        }
        if let Some(set) = self.state.variables.render_set(link.variables_version) {
            encode_query(&set, link.capabilities, out);
            commands += 1;
        }
        commands
    }

    /// Reads the replies to them; the connection then has the session's state.
    async fn confirm(&mut self, link: &mut Link, replies: usize) -> Result<(), RelayError> {
        for _ in 0..replies {
            let mut verdict = Verdict::new(link.capabilities);
            link.drain(Shape::Verdict, &mut verdict).await?;
            if verdict.refused.is_some() {
                self.host.metrics.error(ErrorKind::StateReplay);
                let refused = std::io::Error::other("the worker refused the session's state");
                return Err(RelayError::From(refused));
            }
        }
        if replies > 0 {
            link.schema.clone_from(&self.state.schema);
        }
        link.variables_version = self.state.variables.version();
        Ok(())
    }

    /// Asks the manager for the session's collation: no server reports it when SET NAMES changes it.
    async fn read_collation(&mut self) {
        if let Ok(Some(collation)) = self.manager.value("SELECT @@SESSION.collation_connection").await {
            self.state.collation(&collation);
        }
    }

    /// Keeps where the statement ran, for PROXY SHOW ROUTE and the counters.
    fn ran(&mut self, route: Route, begun: Instant) -> Flow {
        let elapsed = begun.elapsed();
        self.host.metrics.statement(route.target, route.reason);
        self.host.metrics.duration(route.role, elapsed);
        let view = self.host.cluster.view();
        let Some(node) = view.node(route.target) else {
            return Flow::Continue;
        };
        self.last_route = Some(LastRoute {
            node: std::sync::Arc::clone(&node.node.name),
            role: route.role,
            strategy: route.strategy,
            reason: route.reason,
            microseconds: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        });
        Flow::Continue
    }
}

/// What to count for a connection that could not be opened.
pub(super) fn connect_error_kind(error: &ConnectError) -> ErrorKind {
    match error {
        ConnectError::Refused { .. } => ErrorKind::ServerAuth,
        ConnectError::Handshake(_) | ConnectError::NotProven => ErrorKind::ServerProtocol,
        ConnectError::Io(_) | ConnectError::Tls(_) | ConnectError::Reply(_) | ConnectError::Timeout => {
            ErrorKind::ServerConnect
        }
    }
}

async fn write(link: &mut Link, bytes: &[u8]) -> Result<(), RelayError> {
    link.stream.write_all(bytes).await.map_err(RelayError::From)?;
    link.stream.flush().await.map_err(RelayError::From)
}

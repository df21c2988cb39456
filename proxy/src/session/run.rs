//! Runs a command on its node and brings the reply home.
//!
//! No sent write is ever sent twice. A read of which nothing was delivered may run again, on the manager.

use std::time::Instant;

use peer::connect::ConnectError;
use peer::inbox::Command;
use peer::relay::{self, Conversed, Ends, Moved, RelayError};
use peer::rest::Rest;
use statement::Facts;
use wire::ServerError;
use wire::command::{Asked, CommandCode};
use wire::reply::{PrepareOk, Progress, Shape};

use super::found_rows::FoundRows;
use super::link::Verdict;
use super::proxy_statement::LastRoute;
use super::trackers::{self, Afterwards};
use super::watch::ManagerWatch;
use super::worker::OnWorker;
use super::{Flow, Session, leavings};
use crate::cluster::{NodeId, Role};
use crate::digests::{self, Outcome};
use crate::metrics::ErrorKind;
use crate::route::{self, Reason, Route, RouteHint, SessionView};
use crate::session_registry::Holds;

/// MariaDB keeps the warnings of older statements behind a read without a table.
const FORGET_WARNINGS: &str = "SELECT 1 FROM (SELECT 1) t";

/// What one statement asks of its route besides its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    pub(super) hint: Option<RouteHint>,
    pub(super) cursor: bool,
    pub(super) long_data: bool,
    /// The worker that it should go to.
    pub(super) worker: Option<NodeId>,
}

/// How a command on the manager ended.
pub(super) struct OnManager {
    pub(super) flow: Flow,
    pub(super) prepared: Option<PrepareOk>,
    /// What the reply leaves.
    pub(super) ended: leavings::Ended,
}

impl OnManager {
    /// Ended before it began.
    pub(super) fn of(flow: Flow) -> Self {
        Self {
            flow,
            prepared: None,
            ended: leavings::Ended::default(),
        }
    }
}

impl Session {
    /// Where a text belongs.
    pub(super) fn route(&self, facts: &Facts, needs: Needs) -> Route {
        let view = SessionView {
            hint: needs.hint,
            cursor: needs.cursor,
            long_data: needs.long_data,
            worker: needs.worker,
            previous_target: self.state.leavings.owner(facts),
            ..self.state.view(self.capabilities)
        };
        route::route(
            facts,
            &view,
            (&self.host.cluster.view(), self.host.cluster.loads()),
            self.strategy.unwrap_or_else(|| self.host.strategy.get()),
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
        let begun = self.begins(facts, route.target);
        let mut route = route;
        if route.role == Role::Worker {
            let bound = self
                .state
                .leavings
                .bind(route.target, facts, self.manager.is_mariadb);
            match self.on_worker(route.target, command, shape, bound).await {
                OnWorker::Answered(ended) => {
                    let is_mariadb = self.manager.is_mariadb;
                    self.state.previous = Some(route.target);
                    self.state.causality.answered(route.target, self.mark());
                    self.state
                        .leavings
                        .left_by(route.target, facts, ended, is_mariadb);
                    for_manager(command);
                    let manager = self.manager.node;
                    self.state.leavings.keep(facts, command.payload(), manager);
                    return self.ran(facts, route, begun, ended);
                }
                OnWorker::ClientLost => return Flow::End,
                OnWorker::NothingDelivered => {
                    self.host.metrics.retried_reads.increment(1);
                    for_manager(command);
                    route = self.retried(route);
                }
            }
        }
        let on_manager = self.on_manager_run(command, shape, Some(facts)).await;
        self.ran(facts, route, begun, on_manager.ended);
        on_manager.flow
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
        if let Some(facts) = facts
            && self.is_fenced(facts)
            && let Some(flow) = Box::pin(self.behind_the_fence()).await
        {
            return OnManager::of(flow);
        }
        let asked = Asked::of(command.payload());
        let afterwards = match self.arrange(facts).await {
            Ok(afterwards) => afterwards,
            Err(ended) => return ended,
        };
        if let (Afterwards::Report, Some(facts)) = (afterwards, facts) {
            return Box::pin(self.run_reporting(command, facts)).await;
        }
        if command.is_large() {
            let rest = Rest::of(std::mem::take(command));
            // seldom: not a part of every session's own future
            return Box::pin(self.converse(asked, Some(Box::new(rest)), shape, facts, afterwards)).await;
        }
        if let Err(error) = relay::send(&mut self.manager.stream, command).await {
            let error = RelayError::From(error);
            let flow = self.manager_lost(&error, Moved::default(), facts).await;
            return OnManager::of(flow);
        }
        self.converse(asked, None, shape, facts, afterwards).await
    }

    /// The same for a command that is not there as a whole. What it sets is not seen: it cannot be reported.
    pub(super) async fn on_manager_rest(
        &mut self,
        asked: Asked,
        rest: Rest,
        shape: Shape,
        facts: Option<&Facts>,
    ) -> OnManager {
        if let Some(facts) = facts
            && self.is_fenced(facts)
            && Box::pin(self.behind_the_fence()).await.is_some()
        {
            // the rest of it is still coming
            relay::linger(&mut self.client).await;
            return OnManager::of(Flow::End);
        }
        match self.arrange(facts).await {
            Ok(afterwards) => {
                self.converse(asked, Some(Box::new(rest)), shape, facts, afterwards)
                    .await
            }
            Err(ended) => ended,
        }
    }

    /// Puts in place what the statement must find.
    async fn arrange(&mut self, facts: Option<&Facts>) -> Result<Afterwards, OnManager> {
        let Some(facts) = facts else {
            return Ok(Afterwards::Nothing);
        };
        if facts.follows_previous()
            && self.state.leavings.are_missing_on(self.manager.node, facts)
            && !Box::pin(self.find_on_manager(facts)).await
        {
            if self.state.leavings.reads().iter().all(|read| read.is_empty()) {
                self.host.metrics.error(ErrorKind::LeavingsLost);
                return Err(OnManager::of(self.refuse(&leavings_lost()).await));
            }
            Box::pin(self.leave_on_manager()).await;
        }
        if !self.needs_frame(facts) {
            return Ok(trackers::after_unseen(facts));
        }
        // seldom, and large: not a part of every session's own future
        match Box::pin(self.frame(facts)).await {
            Ok(afterwards) => Ok(afterwards),
            Err(error) => {
                let flow = Box::pin(self.manager_failed(&error)).await;
                Err(OnManager::of(flow))
            }
        }
    }

    async fn converse(
        &mut self,
        asked: Asked,
        rest: Option<Box<Rest>>,
        shape: Shape,
        facts: Option<&Facts>,
        afterwards: Afterwards,
    ) -> OnManager {
        let mut moved = Moved::default();
        let counts_instead = (!self.manager.is_mariadb() && leavings::keeps_leavings(asked.code))
            .then(|| self.state.leavings.warnings_elsewhere(self.manager.node))
            .flatten();
        let in_transaction = self.state.transaction.open || !self.state.transaction.autocommit;
        self.state.causality.begins();
        let visits_schema = facts.is_some_and(|facts| self.state.visits_schema(facts));
        let mut watch = ManagerWatch::new(&mut self.state, self.capabilities, self.manager.is_mariadb);
        watch.counts_instead = counts_instead;
        watch.visits_schema = visits_schema;
        watch.for_statement = facts
            .map(Facts::statements)
            .unwrap_or_default()
            .iter()
            .flat_map(|statement| statement.for_statement.iter().map(|name| &**name))
            .collect();
        let mut progress = Progress::new(shape, self.capabilities).with_cursor(asked.cursor);
        let ends = Ends {
            inbox: &mut self.inbox,
            client: &mut self.client,
            server: &mut self.manager.stream,
            outbox: &mut self.manager.outbox,
            read_timeout: None,
        };
        let conversed = relay::converse(ends, rest, &mut progress, &mut watch, &mut moved).await;
        let (prepared, error) = (watch.prepared, watch.error);
        let ended = leavings::Ended {
            warnings: watch.warnings,
            failed: error.is_some(),
            rows: progress.rows().saturating_add(watch.affected_rows),
        };
        self.state.error = error;
        self.host.metrics.client_sent_bytes.increment(moved.bytes);
        if moved.taken_bytes > 0 {
            self.host
                .metrics
                .client_received_bytes
                .increment(moved.taken_bytes);
        }
        let (node, is_mariadb) = (self.manager.node, self.manager.is_mariadb);
        self.state.previous = Some(node);
        self.seen_on_manager(facts, in_transaction);
        match facts {
            Some(facts) => self.state.leavings.left_by(node, facts, ended, is_mariadb),
            // COM_STMT_PREPARE is left to who knows its facts
            None if shape == Shape::Prepare => {}
            None => self.state.leavings.commanded(node, asked.code, ended),
        }
        let flow = match conversed {
            Ok(Conversed::Done) => {
                self.framed(afterwards);
                if error.is_none()
                    && let Some(facts) = facts
                {
                    self.state.ran(facts);
                }
                Flow::Continue
            }
            // its last words are delivered, and the gatekeeper may still be sending
            Ok(Conversed::ServerLeft | Conversed::Withheld) => {
                relay::linger(&mut self.client).await;
                Flow::End
            }
            Ok(Conversed::Unasked) => {
                if let Some(said) = self.manager.outbox.take() {
                    self.answer(said.filled()).await;
                    relay::linger(&mut self.client).await;
                }
                Flow::End
            }
            Err(error) => self.manager_lost(&error, moved, facts).await,
        };
        OnManager {
            flow,
            prepared,
            ended,
        }
    }

    /// Makes the manager find as many rows as the worker found, when that is all that the statement asks for, and the reply
    /// told or the worker's connection still knows.
    async fn find_on_manager(&mut self, facts: &Facts) -> bool {
        let manager = self.manager.node;
        let Some(owner) = self.state.leavings.found_rows_elsewhere(manager, facts) else {
            return false;
        };
        let found = match self.state.leavings.found() {
            Some(rows) => FoundRows::of(rows),
            None => {
                let Some(mut link) = self.own_worker(owner) else {
                    return false;
                };
                // one that does not answer is dropped
                let Ok(found) = link.found_rows().await else {
                    return false;
                };
                self.put_back(link);
                found
            }
        };
        let is_found = self.manager.find(found).await.unwrap_or(false);
        if is_found {
            self.state.leavings.found_on(manager);
        }
        is_found
    }

    /// Runs the previous read again, on the manager, for what it leaves there: the next statement asks for it and cannot
    /// run on the worker that answered. A read may run twice.
    async fn leave_on_manager(&mut self) {
        let [diagnosed, last] = self.state.leavings.reads();
        if last.is_empty() {
            return;
        }
        let mut verdict = Verdict::new(self.capabilities);
        let link = &mut self.manager;
        // a connection that breaks here is found broken by the statement itself
        if diagnosed.is_empty() && link.is_mariadb && link.verdict(FORGET_WARNINGS).await.is_err() {
            return;
        }
        for payload in [diagnosed, last] {
            // as above
            if !payload.is_empty()
                && (relay::send_payload(&mut link.stream, payload).await.is_err()
                    || link.drain(Shape::Results, &mut verdict).await.is_err())
            {
                return;
            }
        }
        // COM_PING leaves 0 in ROW_COUNT(), as SET and its like do, and touches nothing else
        if self.state.leavings.counts_on(link.node)
            && relay::send_payload(&mut link.stream, &[CommandCode::PING.0])
                .await
                .is_ok()
        {
            // as above
            let _ = link.drain(Shape::Verdict, &mut verdict).await;
        }
        self.state.leavings.all_on(self.manager.node);
    }

    /// The manager's connection broke: with it goes the session, after an error where one still fits.
    pub(super) async fn manager_lost(
        &mut self,
        error: &RelayError,
        moved: Moved,
        facts: Option<&Facts>,
    ) -> Flow {
        match error {
            RelayError::To(_) => return Flow::End,
            RelayError::Input { error, sequence } => {
                return Box::pin(self.refuse_input(error, *sequence)).await;
            }
            RelayError::From(_) | RelayError::Protocol(_) => {}
        }
        if self.registered.is_killed() {
            return self.end_killed(moved).await;
        }
        tracing::warn!(%error, "lost the manager while a statement ran");
        self.host.cluster.suspect(self.manager.node);
        let outcome_unknown = facts.is_none_or(|facts| !facts.is_surely_read());
        self.lost(moved, outcome_unknown).await;
        Flow::End
    }

    /// The session was killed while a statement ran: its client sees what a server does then, which is nothing but
    /// the end. The gatekeeper is told so, for it could not tell this end from a proxy that is lost.
    pub(super) async fn end_killed(&mut self, moved: Moved) -> Flow {
        if let Some(sequence) = moved.next_sequence() {
            let mut packet = Vec::new();
            peer::proof::killed().encode(sequence, &mut packet);
            self.answer(&packet).await;
        }
        Flow::End
    }

    /// Tells the client that a server was lost, unless it is in the middle of a packet.
    pub(super) async fn lost(&mut self, moved: Moved, outcome_unknown: bool) -> Flow {
        let error = ServerError::lost_connection("the database server", outcome_unknown);
        self.host.metrics.error(ErrorKind::ServerLost);
        if outcome_unknown {
            self.host.metrics.error(ErrorKind::OutcomeUnknown);
        }
        let Some(sequence) = moved.next_sequence() else {
            return Flow::End;
        };
        let mut packet = Vec::new();
        error.encode(sequence, &mut packet);
        self.answer(&packet).await
    }

    /// A statement begins: others may see it from now on.
    #[inline]
    pub(super) fn begins(&self, facts: &Facts, node: NodeId) -> Instant {
        let begun = Instant::now();
        if self.host.keeps_digests {
            digests::begin(facts.shape());
        }
        self.registered
            .activity()
            .begin(facts.shape().number(), node, begun);
        begun
    }

    /// Keeps where the statement ran, for PROXY SHOW ROUTE, the counters and the admin console.
    pub(super) fn ran(
        &mut self,
        facts: &Facts,
        route: Route,
        begun: Instant,
        ended: leavings::Ended,
    ) -> Flow {
        let now = Instant::now();
        let elapsed = now.duration_since(begun);
        self.host.metrics.statement(route.target, route.reason);
        self.host.metrics.duration(route.role, elapsed);
        if self.host.keeps_digests {
            let outcome = Outcome {
                rows: ended.rows,
                failed: ended.failed,
            };
            digests::end(facts.shape(), (route.target, route.reason), outcome, elapsed, now);
        }
        let holds = Holds::of(&self.state.view(self.capabilities));
        self.registered.activity().end(route.target, holds, now);
        self.last_route = Some(LastRoute {
            node: route.target,
            role: route.role,
            strategy: route.strategy,
            reason: route.reason,
            microseconds: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        });
        Flow::Continue
    }
}

/// The previous read was too long to be kept, and the connection that ran it serves another session.
fn leavings_lost() -> ServerError {
    let message = "What the previous statement left (rows found, warnings) is gone: the worker's connection that ran it \
                   serves another session. Ask at once, or in a transaction.";
    ServerError::new(1105, b"HY000", message)
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

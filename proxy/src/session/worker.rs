//! A session's connections to the workers: taken from the pool when a read goes there, brought up to date in front of
//! it, put back when the session waits for its client, and closed whenever their state is in doubt.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use peer::connect::ConnectError;
use peer::inbox::Command;
use peer::relay::{self, Ended, Moved, RelayError};
use tokio::io::AsyncWriteExt;
use wire::reply::{Progress, Shape};
use wire::{Capabilities, ServerError};

use super::link::{Given, Link, Login, Verdict, encode_init_db, encode_query};
use super::run::connect_error_kind;
use super::watch::WorkerWatch;
use super::{Flow, Session, leavings};
use crate::cluster::{Cluster, Exclusion, Health, NodeId, Role};
use crate::metrics::ErrorKind;
use crate::pool::{Admitted, Place, Seeker};
use crate::session_registry::Reading;

/// In bytes, and with a limit of its own: neither `character_set_results` nor `sql_select_limit` changes the answer. The
/// text behind it is described with the collation of results.
const READ_COLLATION: &str = "SELECT CAST(@@SESSION.collation_connection AS BINARY), '' LIMIT 1";

/// How often a read that waits for a worker looks at what the monitor says of it.
const HUNG_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How a read on a worker ended.
pub(super) enum OnWorker {
    /// Its reply is home, or an error in its place.
    Answered(leavings::Ended),
    /// Nothing was delivered: it may run on the manager.
    NothingDelivered,
    /// The client cannot be answered any more.
    ClientLost,
}

impl Session {
    /// A read on a worker. Its connection is put back only when it is in a known state.
    ///
    /// `bound`: to the connection that has what the previous reads have left, which nothing of ours may disturb
    /// ([`Leavings::bind`](leavings::Leavings::bind)).
    pub(super) async fn on_worker(
        &mut self,
        node: NodeId,
        command: &Command,
        shape: Shape,
        bound: bool,
    ) -> OnWorker {
        let reading = self.registered.begin_reading(node);
        self.host.cluster.loads().begin(node);
        let ended = self.read_from(node, command, (shape, bound), reading).await;
        if self.registered.is_killed() || self.registered.is_stopped(reading) {
            // a KILL may be on its way to it: whoever used it next would be hit
            self.give_up(node);
        }
        self.host.cluster.loads().end(node);
        self.registered.end_reading();
        match ended {
            OnWorker::NothingDelivered if self.registered.is_killed() => {
                self.end_killed(Moved::default()).await;
                OnWorker::ClientLost
            }
            // to run it again would undo the KILL QUERY
            OnWorker::NothingDelivered if self.registered.is_stopped(reading) => {
                let error = ServerError::query_interrupted();
                match self.refuse(&error).await {
                    Flow::Continue => OnWorker::Answered(leavings::Ended::default()),
                    Flow::End => OnWorker::ClientLost,
                }
            }
            ended => ended,
        }
    }

    async fn read_from(
        &mut self,
        node: NodeId,
        command: &Command,
        (shape, bound): (Shape, bool),
        reading: Reading,
    ) -> OnWorker {
        // the wait is a SELECT, and would leave its own
        if bound && self.wait_for_worker(node).is_some() {
            return OnWorker::NothingDelivered;
        }
        let link = if bound {
            self.own_worker(node)
        } else {
            self.worker(node).await
        };
        let Some(mut link) = link else {
            return OnWorker::NothingDelivered;
        };
        if self.registered.is_stopped(reading) {
            self.put_back(link);
            return OnWorker::NothingDelivered;
        }
        let sent = Instant::now();
        if self.bring_up_to_date(&mut link, command).await.is_err() {
            return OnWorker::NothingDelivered;
        }
        let delivered = AtomicBool::new(false);
        let mut moved = Moved::default();
        let mut watch = WorkerWatch::new(&delivered, self.capabilities, self.state.status);
        watch.executing = self.state.executing;
        watch.hides_schema = !self.state.trackers.client().schema;
        let mut progress = Progress::new(shape, self.capabilities);
        let client = Some(&mut self.client);
        let relayed = tokio::select! {
            biased;
            relayed = link.outbox.relay(&mut link.stream, client, &mut progress, &mut watch, &mut moved) => relayed,
            () = hung(&self.host.cluster, node, &delivered) => Err(RelayError::From(io::ErrorKind::TimedOut.into())),
        };
        self.host.metrics.client_sent_bytes.increment(moved.bytes);
        self.state.executing.found = watch.executing.found;
        if let Some(answered) = watch.answered {
            self.host
                .cluster
                .loads()
                .answered(node, answered.duration_since(sent));
        }
        match relayed {
            Ok(Ended::Done) => {
                let ended = leavings::Ended {
                    rows: progress.rows(),
                    ..watch.ended
                };
                self.put_back(link);
                OnWorker::Answered(ended)
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
            // nothing is taken from the gatekeeper while a worker answers
            Err(RelayError::To(_) | RelayError::Input { .. }) => OnWorker::ClientLost,
            Err(RelayError::From(_)) if self.registered.is_killed() => {
                if moved.bytes == 0 {
                    return OnWorker::NothingDelivered;
                }
                self.end_killed(moved).await;
                OnWorker::ClientLost
            }
            Err(RelayError::From(_) | RelayError::Protocol(_)) if moved.bytes == 0 => {
                self.host.cluster.suspect(node);
                OnWorker::NothingDelivered
            }
            Err(RelayError::From(error)) => {
                tracing::warn!(%error, "lost a worker while it sent a result");
                self.host.cluster.suspect(node);
                match self.lost(moved, false).await {
                    Flow::Continue => OnWorker::Answered(leavings::Ended::default()),
                    Flow::End => OnWorker::ClientLost,
                }
            }
            Err(RelayError::Protocol(error)) => {
                tracing::error!(%error, "a worker's reply is not of the protocol");
                OnWorker::ClientLost
            }
        }
    }

    /// A connection to a worker: the one at hand, one from the pool, or a new one.
    pub(super) async fn worker(&mut self, node: NodeId) -> Option<Box<Link>> {
        if let Some(link) = self.own_worker(node) {
            return Some(link);
        }
        match self.admitted(node).await? {
            Admitted::Taken(mut link) => {
                self.host.metrics.taken_over.increment(1);
                link.belongs_to(&self.registered);
                Some(link)
            }
            Admitted::Open(place) => self.open_worker(node, place).await,
        }
    }

    /// The connection to a worker that this session has used last, if nobody else has used it since.
    pub(super) fn own_worker(&mut self, node: NodeId) -> Option<Box<Link>> {
        let at_hand = self.workers.get_mut(node.index()).and_then(Option::take);
        let own = at_hand.or_else(|| self.host.pool.take_own(node, self.owner));
        // only a new connection has no schema
        own.filter(|link| link.schema.is_empty() || !self.state.schema.is_empty())
    }

    /// Another session's connection to a worker, or room for one more; none when there was neither in time.
    async fn admitted(&mut self, node: NodeId) -> Option<Admitted<Box<Link>>> {
        let Self {
            state,
            host,
            pool_key,
            attributes,
            ..
        } = self;
        #[allow(clippy::borrowed_box, reason = "that is what rests in the pool")]
        let suits = |link: &Box<Link>| {
            (link.schema.is_empty() || !state.schema.is_empty())
                && state.variables.can_follow(&link.given.values)
        };
        #[allow(clippy::borrowed_box, reason = "that is what rests in the pool")]
        let prefers = |link: &Box<Link>| link.attributes == *attributes;
        let seeker = Seeker {
            key: pool_key,
            suits: &suits,
            prefers: &prefers,
        };
        loop {
            let admitted = match host.pool.take_over(node, &seeker) {
                Some(link) => Some(Admitted::Taken(link)),
                None => host.pool.admit(node, &seeker).await,
            };
            match admitted {
                Some(Admitted::Taken(mut link)) => {
                    // else its server has ended it while it rested
                    if link.is_silent() {
                        return Some(Admitted::Taken(link));
                    }
                }
                Some(open) => return Some(open),
                None => {
                    host.metrics.error(ErrorKind::PoolExhausted);
                    return None;
                }
            }
        }
    }

    async fn open_worker(&mut self, node: NodeId, place: Place) -> Option<Box<Link>> {
        let worker = self.host.config.nodes.get(node.index())?;
        let login = Login {
            account: &self.account,
            capabilities: self.capabilities,
            collation: self.collation,
            schema: &self.state.schema,
            attributes: &self.attributes,
            client_way: self.client_way,
            timeout: self.host.config.limits.connect_timeout,
            counted: self.host.metrics.server_connection(node),
            role: Role::Worker,
            registered: &self.registered,
            place: Some(place),
            resets: self.pool_key.was_reset,
        };
        // seldom, and large: not a part of every session's own future
        let open = Box::pin(Link::open(node, worker, login));
        let nothing = AtomicBool::new(false);
        let opened = tokio::select! {
            biased;
            opened = open => opened,
            () = hung(&self.host.cluster, node, &nothing) => Err(ConnectError::Timeout),
        };
        match opened {
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

    /// The connection stays at hand until the session waits for its client.
    pub(super) fn put_back(&mut self, link: Box<Link>) {
        if let Some(place) = self.workers.get_mut(link.node.index()) {
            *place = Some(link);
        }
    }

    /// Others may use the connections at hand.
    pub(super) fn rest_workers(&mut self) {
        let (workers, prepared) = (self.workers.iter_mut(), &self.prepared);
        let may_rest = |link: &mut Box<Link>| !prepared.are_bound_to(link.node);
        for link in workers.filter_map(|place| place.take_if(may_rest)) {
            let (node, opened) = (link.node, link.opened);
            let cluster = &self.host.cluster;
            if cluster.is_drained(node) && !self.state.leavings.are_on(node) {
                continue;
            }
            self.host
                .pool
                .rest(node, &self.pool_key, self.owner, opened, link);
        }
    }

    /// Closes the connection at hand.
    fn give_up(&mut self, node: NodeId) {
        if let Some(place) = self.workers.get_mut(node.index()) {
            *place = None;
        }
    }

    /// Sends the difference of session state and the read behind it in one write, and reads the replies
    /// to the former. An error means that the connection is of no use any more.
    async fn bring_up_to_date(&mut self, link: &mut Link, command: &Command) -> Result<(), RelayError> {
        let mut front = Vec::new();
        let replies = self.difference(link, &mut front).await;
        match command {
            Command::Packet(chunk) if replies.any() => {
                front.extend_from_slice(chunk.filled());
                write(link, &front).await?;
            }
            Command::Packet(_) | Command::Split(_) => {
                if replies.any() {
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
        if replies.any() {
            write(link, &front).await?;
        }
        self.confirm(link, replies).await
    }

    /// Appends the commands that bring the connection to what the session has seen, and its state to the session's.
    async fn difference(&mut self, link: &Link, out: &mut Vec<u8>) -> Replies {
        let mut commands = 0;
        let wait = self.wait_for_worker(link.node);
        if let Some(wait) = &wait {
            encode_query(wait.as_bytes(), link.capabilities, out);
        }
        if link.schema != self.state.schema {
            encode_init_db(&self.state.schema, out);
            commands += 1;
        }
        if self.state.collation_is_stale || self.state.results_collation_is_stale {
            Box::pin(self.read_collations()).await;
        }
        let variables = &self.state.variables;
        let set = if link.given.owner == Some(self.owner) {
            variables.render_set(link.given.version)
        } else {
            variables.render_set_from(&link.given.values)
        };
        if let Some(set) = set {
            encode_query(&set, link.capabilities, out);
            commands += 1;
        }
        Replies {
            waits: wait.is_some(),
            commands,
        }
    }

    /// Reads the replies to them; the connection then has the session's state. They take no time: a worker that does
    /// not answer within the connect timeout is none.
    async fn confirm(&mut self, link: &mut Link, replies: Replies) -> Result<(), RelayError> {
        let node = link.node;
        if replies.waits {
            self.confirm_wait(link).await?;
        }
        for _ in 0..replies.commands {
            let mut verdict = Verdict::new(link.capabilities);
            let nothing = AtomicBool::new(false);
            tokio::select! {
                biased;
                drained = link.drain(Shape::Verdict, &mut verdict) => drained?,
                () = hung(&self.host.cluster, node, &nothing) => {
                    return Err(RelayError::From(io::ErrorKind::TimedOut.into()));
                }
                () = tokio::time::sleep(self.host.config.limits.connect_timeout) => {
                    return Err(RelayError::From(io::ErrorKind::TimedOut.into()));
                }
            };
            if verdict.refused.is_some() {
                self.host.metrics.error(ErrorKind::StateReplay);
                let refused = io::Error::other("the worker refused the session's state");
                return Err(RelayError::From(refused));
            }
        }
        if replies.commands > 0 {
            link.schema.clone_from(&self.state.schema);
        }
        let version = self.state.variables.version();
        if link.given.owner != Some(self.owner) || link.given.version != version {
            link.given = Given {
                owner: Some(self.owner),
                version,
                values: self.state.variables.snapshot(),
            };
        }
        Ok(())
    }

    /// Asks the manager for the session's collations: no server reports them when SET NAMES changes them.
    async fn read_collations(&mut self) {
        let asks_for_results = self.state.results_collation_is_stale;
        let asked = async {
            let found = self.manager.found_rows().await?;
            let (row, number) = self.manager.described_row(READ_COLLATION).await?;
            let results = match number.filter(|_| asks_for_results) {
                Some(number) => self.manager.value(&name_of_collation(number)).await?,
                None => None,
            };
            self.manager.find_again(found).await?;
            Ok::<_, ConnectError>((row, results))
        };
        let asked = tokio::select! {
            biased;
            asked = asked => asked,
            () = self.client.closed() => return,
        };
        let Ok((row, results)) = asked else { return };
        if let Some(Some(collation)) = row.and_then(|row| row.into_iter().next()) {
            self.state.collation(&collation);
        }
        if asks_for_results {
            self.state.results_collation(results.as_deref());
        }
    }
}

/// Asks for a collation's name. One of MariaDB's newer ones has its number only beside its character set.
fn name_of_collation(number: u16) -> String {
    const BESIDE_CHARACTER_SET_FROM: u16 = 2048;
    let (name, table) = if number < BESIDE_CHARACTER_SET_FROM {
        ("COLLATION_NAME", "COLLATIONS")
    } else {
        ("FULL_COLLATION_NAME", "COLLATION_CHARACTER_SET_APPLICABILITY")
    };
    format!("SELECT CAST({name} AS BINARY) FROM information_schema.{table} WHERE ID = {number} LIMIT 1")
}

/// What comes back in front of a read's own reply.
#[derive(Debug, Clone, Copy)]
struct Replies {
    /// A row: whether the worker has caught up.
    waits: bool,
    /// OK packets.
    commands: usize,
}

impl Replies {
    fn any(self) -> bool {
        self.waits || self.commands > 0
    }
}

/// Resolves once the monitor says that the node does not answer, while nothing of a reply was delivered: the
/// read may then run elsewhere. A worker that is merely slow is waited for, as a single server would be.
pub(super) async fn hung(cluster: &Cluster, node: NodeId, delivered: &AtomicBool) {
    loop {
        tokio::time::sleep(HUNG_CHECK_INTERVAL).await;
        if delivered.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let view = cluster.view();
        if view
            .node(node)
            .is_none_or(|view| view.health == Health::Excluded(Exclusion::Unreachable))
        {
            return;
        }
    }
}

async fn write(link: &mut Link, bytes: &[u8]) -> Result<(), RelayError> {
    link.stream.write_all(bytes).await.map_err(RelayError::From)?;
    link.stream.flush().await.map_err(RelayError::From)
}

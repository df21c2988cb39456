//! What the proxy counts. Every handle is resolved once, at the start; a statement only adds to it.
//!
//! Labels are closed sets: node names, [`Reason`], [`ErrorKind`], [`AuthFailure`], [`EchoKind`].

use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::cluster::{Latency, Node, NodeId, NodeView, Role, Unmanaged};
use crate::route::Reason;

/// Everything that sessions count.
#[derive(Clone)]
pub struct Metrics {
    /// Bytes from the gatekeeper.
    pub client_received_bytes: Counter,
    /// Bytes to the gatekeeper.
    pub client_sent_bytes: Counter,
    /// Reads that the manager answered in a worker's place.
    pub retried_reads: Counter,
    /// Reads that waited for their worker to catch up.
    pub consistency_waits: Counter,
    /// Of these, those that waited in vain.
    pub consistency_timeouts: Counter,
    connections: Gauge,
    statements: Vec<PerReason>,
    /// Statements of which the shape was not known, and those of which it cannot be kept.
    pub facts_misses: Counter,
    /// A literal decides, or the text is too long.
    pub facts_uncached: Counter,
    server_connections: Vec<Gauge>,
    resting_connections: Vec<Gauge>,
    /// Connections to workers that went from one session to another.
    pub taken_over: Counter,
    durations: [Histogram; 2],
    errors: [Counter; ErrorKind::ALL.len()],
    auth_failures: [Counter; AuthFailure::ALL.len()],
}

type PerReason = [Counter; Reason::COUNT];

macro_rules! labels {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The label's text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

labels! {
    /// What went wrong, as far as it is not the statement's own error.
    ErrorKind {
        /// The gatekeeper sent what the protocol does not allow.
        ClientProtocol = "client-protocol",
        /// The gatekeeper's connection ended in the middle of something.
        ClientLost = "client-lost",
        /// A server sent what the protocol does not allow.
        ServerProtocol = "server-protocol",
        /// No connection to a node.
        ServerConnect = "server-connect",
        /// A node refused the login of an account.
        ServerAuth = "server-auth",
        /// A node's connection ended in the middle of something.
        ServerLost = "server-lost",
        /// A write may or may not have happened.
        OutcomeUnknown = "outcome-unknown",
        /// A named limit was passed.
        LimitPassed = "limit-passed",
        /// Session state could not be given to a worker.
        StateReplay = "state-replay",
        /// No connection to a worker came free in time.
        PoolExhausted = "pool-exhausted",
        /// What a statement left was asked for when its connection served another session.
        LeavingsLost = "leavings-lost",
        /// There was no manager to begin a session or to run a statement on.
        NoManager = "no-manager",
        /// A mistake of ours.
        Internal = "internal",
    }
}

labels! {
    /// Why somebody was not let in.
    AuthFailure {
        /// It proved nothing: no gatekeeper.
        NoProof = "no-proof",
        /// It proved something wrong.
        WrongProof = "wrong-proof",
        /// Its certificate is not of our authority, or TLS failed.
        Tls = "tls",
        /// Bytes that are no handshake.
        Malformed = "malformed",
        /// It did not finish in time.
        Timeout = "timeout",
        /// The gatekeeper's user has no account here.
        NoAccount = "no-account",
        /// There is no room.
        TooManyConnections = "too-many-connections",
    }
}

labels! {
    /// How the way to a host is measured.
    EchoKind {
        /// ICMP echo by the unprivileged socket.
        Icmp = "icmp",
        /// ICMP echo by a raw socket.
        IcmpRaw = "icmp-raw",
        /// The time of a TCP connect.
        TcpConnect = "tcp-connect",
    }
}

impl Metrics {
    /// Resolves all handles; after the recorder has been installed.
    pub fn new(nodes: &[Arc<Node>]) -> Self {
        describe();
        let statements = |node: &Arc<Node>| {
            std::array::from_fn(|index| {
                let reason = Reason::ALL.get(index).map_or("", |reason| reason.as_str());
                counter!("proxy_statements_total", "node" => node.name.to_string(), "reason" => reason)
            })
        };
        let connections =
            |node: &Arc<Node>| gauge!("proxy_server_connections", "node" => node.name.to_string());
        let lookups = |result: &'static str| counter!("proxy_facts_cache_lookups_total", "result" => result);
        let resting =
            |node: &Arc<Node>| gauge!("proxy_pool_resting_connections", "node" => node.name.to_string());
        Self {
            connections: gauge!("proxy_connections"),
            client_received_bytes: counter!("proxy_client_received_bytes_total"),
            client_sent_bytes: counter!("proxy_client_sent_bytes_total"),
            retried_reads: counter!("proxy_retried_reads_total"),
            consistency_waits: counter!("proxy_consistency_waits_total"),
            consistency_timeouts: counter!("proxy_consistency_timeouts_total"),
            facts_misses: lookups("miss"),
            facts_uncached: lookups("uncached"),
            statements: nodes.iter().map(statements).collect(),
            server_connections: nodes.iter().map(connections).collect(),
            resting_connections: nodes.iter().map(resting).collect(),
            taken_over: counter!("proxy_pool_taken_over_total"),
            durations: [Role::Manager, Role::Worker]
                .map(|role| histogram!("proxy_statement_duration_seconds", "role" => role.as_str())),
            errors: std::array::from_fn(|index| {
                let kind = ErrorKind::ALL.get(index).map_or("", |kind| kind.as_str());
                counter!("proxy_errors_total", "kind" => kind)
            }),
            auth_failures: std::array::from_fn(|index| {
                let reason = AuthFailure::ALL.get(index).map_or("", |reason| reason.as_str());
                counter!("proxy_auth_failures_total", "reason" => reason)
            }),
        }
    }

    /// A statement has been sent to a node.
    #[inline]
    pub fn statement(&self, node: NodeId, reason: Reason) {
        if let Some(counter) = self
            .statements
            .get(node.index())
            .and_then(|node| node.get(reason.index()))
        {
            counter.increment(1);
        }
    }

    /// A statement's reply has been delivered to its end.
    #[inline]
    pub fn duration(&self, role: Role, duration: Duration) {
        let [manager, worker] = &self.durations;
        match role {
            Role::Manager => manager.record(duration),
            Role::Worker => worker.record(duration),
        }
    }

    /// Something went wrong.
    pub fn error(&self, kind: ErrorKind) {
        if let Some(counter) = self.errors.get(kind as usize) {
            counter.increment(1);
        }
    }

    /// Somebody was not let in.
    pub fn auth_failure(&self, reason: AuthFailure) {
        if let Some(counter) = self.auth_failures.get(reason as usize) {
            counter.increment(1);
        }
    }

    /// A session's connection to a node has been opened: counted until the guard is dropped.
    pub fn server_connection(&self, node: NodeId) -> GaugeGuard {
        GaugeGuard::count(self.server_connections.get(node.index()))
    }

    /// So many connections to a node are used by no session now.
    pub fn resting_connections(&self, node: NodeId, count: usize) {
        if let Some(gauge) = self.resting_connections.get(node.index()) {
            #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            gauge.set(count as f64);
        }
    }

    /// A session has begun: counted until the guard is dropped.
    pub fn connection(&self) -> GaugeGuard {
        GaugeGuard::count(Some(&self.connections))
    }
}

/// Takes back what it has added, however its holder ends.
pub struct GaugeGuard(Option<Gauge>);

impl GaugeGuard {
    fn count(gauge: Option<&Gauge>) -> Self {
        let gauge = gauge.cloned();
        if let Some(gauge) = &gauge {
            gauge.increment(1.0);
        }
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.decrement(1.0);
        }
    }
}

/// Who the manager is, as the cluster's tasks show it.
pub struct ManagerMetrics {
    nodes: Vec<Gauge>,
    none: [Gauge; Unmanaged::ALL.len()],
    /// Times that another node became the manager.
    pub changes: Counter,
    two_writable: Counter,
}

impl ManagerMetrics {
    /// Resolves the handles of all nodes, in their order.
    pub fn new(nodes: &[Arc<Node>]) -> Self {
        let of_node = |node: &Arc<Node>| gauge!("proxy_node_is_manager", "node" => node.name.to_string());
        Self {
            nodes: nodes.iter().map(of_node).collect(),
            none: Unmanaged::ALL.map(|reason| gauge!("proxy_no_manager", "reason" => reason.as_str())),
            changes: counter!("proxy_manager_changes_total"),
            two_writable: counter!("proxy_two_writable_total"),
        }
    }

    /// From now on.
    pub fn show(&self, manager: Result<NodeId, Unmanaged>) {
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        for (id, gauge) in (0u8..).map(NodeId).zip(&self.nodes) {
            gauge.set(flag(manager == Ok(id)));
        }
        for (reason, gauge) in Unmanaged::ALL.iter().zip(&self.none) {
            gauge.set(flag(manager == Err(*reason)));
        }
        if manager == Err(Unmanaged::TwoWritable) {
            self.two_writable.increment(1);
        }
    }
}

/// What the cluster's tasks show of one node.
pub struct NodeMetrics {
    name: String,
    up: Gauge,
    drained: Gauge,
    lag: Gauge,
    ping: Gauge,
    in_flight: Gauge,
    response_time: Gauge,
}

impl NodeMetrics {
    /// Resolves the handles of each node, in their order.
    pub fn of_all(nodes: &[Arc<Node>]) -> Vec<Self> {
        nodes.iter().map(|node| Self::new(&node.name)).collect()
    }

    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            up: gauge!("proxy_node_up", "node" => name.to_owned()),
            drained: gauge!("proxy_node_drained", "node" => name.to_owned()),
            lag: gauge!("proxy_node_lag_seconds", "node" => name.to_owned()),
            ping: gauge!("proxy_node_latency_seconds", "node" => name.to_owned(), "probe" => "com-ping"),
            in_flight: gauge!("proxy_node_reads_in_flight", "node" => name.to_owned()),
            response_time: gauge!("proxy_node_response_time_seconds", "node" => name.to_owned()),
        }
    }

    /// Health and lag.
    pub fn show(&self, view: &NodeView) {
        self.up.set(if view.health.is_up() { 1.0 } else { 0.0 });
        // a lag that is not known is no number: a graph shows a gap, an alert can ask for it
        self.lag.set(match (view.role, view.lag) {
            (Role::Manager, _) => 0.0,
            (Role::Worker, lag) => lag.map_or(f64::NAN, |lag| lag.as_secs_f64()),
        });
    }

    /// Whether an operator has taken the node out of service.
    pub fn drained(&self, drained: bool) {
        self.drained.set(if drained { 1.0 } else { 0.0 });
    }

    /// What the node does for sessions at this moment.
    pub fn load(&self, in_flight: u32, response_time: Option<Duration>) {
        self.in_flight.set(in_flight);
        self.response_time
            .set(response_time.map_or(f64::NAN, |time| time.as_secs_f64()));
    }

    /// Latency by each way of measuring it.
    pub fn latency(&self, kind: Option<EchoKind>, latency: Latency) {
        if let Some(ping) = latency.ping {
            self.ping.set(ping.as_secs_f64());
        }
        // a kind of echo is shown once it has been measured; twice a second and node, so by its name
        if let (Some(kind), Some(echo)) = (kind, latency.echo) {
            gauge!("proxy_node_latency_seconds", "node" => self.name.clone(), "probe" => kind.as_str())
                .set(echo.as_secs_f64());
        }
    }
}

fn describe() {
    describe_gauge!("proxy_node_is_manager", "Whether the node is the manager now");
    describe_gauge!("proxy_no_manager", "Whether there is no manager now, and why");
    describe_counter!(
        "proxy_manager_changes_total",
        "Times that another node became the manager"
    );
    describe_counter!(
        "proxy_two_writable_total",
        "Times that two nodes looked like the manager, so that neither was written to"
    );
    describe_gauge!("proxy_connections", "Sessions of the gatekeeper");
    describe_counter!(
        "proxy_statements_total",
        "Statements sent to a node, by the reason they went there"
    );
    describe_counter!(
        "proxy_errors_total",
        "What went wrong beside the statements' own errors"
    );
    describe_histogram!(
        "proxy_statement_duration_seconds",
        Unit::Seconds,
        "From a statement's arrival to the end of its reply"
    );
    describe_counter!(
        "proxy_client_received_bytes_total",
        Unit::Bytes,
        "Bytes from the gatekeeper"
    );
    describe_counter!(
        "proxy_client_sent_bytes_total",
        Unit::Bytes,
        "Bytes to the gatekeeper"
    );
    describe_gauge!("proxy_server_connections", "Sessions' connections to a node");
    describe_counter!(
        "proxy_facts_cache_lookups_total",
        "Statements whose facts had to be computed"
    );
    describe_gauge!(
        "proxy_pool_resting_connections",
        "Connections to a worker that no session uses now"
    );
    describe_counter!(
        "proxy_pool_taken_over_total",
        "Connections to workers that went from one session to another"
    );
    describe_gauge!("proxy_node_up", "Whether a node may serve");
    describe_gauge!("proxy_node_drained", "Whether an operator has drained a node");
    describe_gauge!(
        "proxy_node_lag_seconds",
        Unit::Seconds,
        "How far behind a node says it is; NaN when it does not know"
    );
    describe_gauge!(
        "proxy_node_latency_seconds",
        Unit::Seconds,
        "Smallest of the last few round trips to a node"
    );
    describe_gauge!("proxy_node_reads_in_flight", "Reads on their way to a worker");
    describe_gauge!(
        "proxy_node_response_time_seconds",
        Unit::Seconds,
        "Moving average of the time until a worker begins to answer a read; NaN before the first"
    );
    describe_counter!("proxy_auth_failures_total", "Connections that were not let in");
    describe_counter!(
        "proxy_retried_reads_total",
        "Reads that a worker refused and the manager answered"
    );
    describe_counter!(
        "proxy_consistency_waits_total",
        "Reads in front of which their worker had to catch up"
    );
    describe_counter!(
        "proxy_consistency_timeouts_total",
        "Reads for which their worker did not catch up in time: the manager answered"
    );
}

//! `proxy.toml` as it is written: serde types and their defaults, nothing checked yet.
//!
//! Public so that a tool can render a config file from the same types that read it.
//! Meaning, defaults and the reason of every limit stand beside the field; [`super::Config`] is the
//! checked form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Threads that carry sessions; as many as there are cores when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<u16>,
    /// Where the gatekeeper connects to.
    #[serde(default)]
    pub listen: Listen,
    /// How the gatekeeper proves itself.
    #[serde(default)]
    pub gatekeeper: Gatekeeper,
    /// `/metrics`, `/live`, `/ready`.
    #[serde(default)]
    pub http: Http,
    /// The admin console; none without this section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Where reads go.
    #[serde(default)]
    pub routing: Routing,
    /// How the nodes are watched.
    pub monitor: Monitor,
    /// How sessions share connections to workers.
    #[serde(default)]
    pub pool: Pool,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// The cluster: exactly one manager and any number of workers.
    #[serde(default, rename = "node")]
    pub nodes: Vec<Node>,
    /// Which database account a gatekeeper user gets.
    #[serde(default, rename = "account")]
    pub accounts: Vec<Account>,
}

/// `[listen]`: at least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listen {
    /// `IP:PORT`; anything but loopback demands `[gatekeeper.tls]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Path of a Unix socket, relative to the config file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

/// `[gatekeeper]`: at least one of the two; with both, both must be proven.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gatekeeper {
    /// File with the secret that gatekeeper and proxy share; never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Mutual TLS on the TCP listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GatekeeperTls>,
}

/// `[gatekeeper.tls]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GatekeeperTls {
    /// The proxy's own certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signs the gatekeeper's certificate, PEM.
    pub client_ca: PathBuf,
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Http {
    /// `IP:PORT`, loopback unless another address is written out.
    pub address: String,
}

/// `[admin]`: a MySQL server of the proxy's own, for its operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Admin {
    /// `IP:PORT`; anything but loopback demands `[admin.tls]`.
    #[serde(default = "admin_address_default")]
    pub address: String,
    /// Who may log in. It is no user of the gatekeeper and no account of the nodes.
    #[serde(default = "admin_user_default")]
    pub user: String,
    /// File with its password.
    pub password_file: PathBuf,
    /// Encryption; on loopback it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<AdminTls>,
}

/// `[admin.tls]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdminTls {
    /// The console's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// `[routing]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Routing {
    /// `direct` (always the manager), `random` (any healthy worker), `ping` (the nearest), `round-robin` (each in turn),
    /// `least-connections` (the one with the fewest reads in flight), `adaptive` (the better of two by response time
    /// and reads in flight).
    pub strategy: String,
    /// A worker that lags further behind serves no reads. Replication reports whole seconds.
    pub lag_max_ms: u64,
    /// `session` (a session never reads anything older than what it has written or read), `global` (than what anybody
    /// was told), `eventual` (a worker's answer is as old as the worker is). Not `eventual`: all nodes need GTIDs.
    pub consistency: String,
    /// Longest time that a read waits for its worker to catch up; then the manager answers. Shorter than what
    /// people notice, longer than replication needs on an ordinary day.
    pub consistency_wait_ms: u64,
    /// Longest time that a login, or a statement that was not sent yet, waits while there is no manager; then it gets an
    /// error. Below the 10 s after which some drivers give a login up without our answer.
    pub manager_wait_ms: u64,
}

/// `[monitor]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Monitor {
    /// Account on every node. It needs REPLICATION CLIENT (MariaDB also knows it as BINLOG MONITOR
    /// and wants REPLICA MONITOR beside it), nothing else.
    pub user: String,
    /// File with its password.
    pub password_file: PathBuf,
    /// Time between two checks of a node. Interval and timeout together bound how long reads still
    /// reach a worker that has stopped replicating.
    #[serde(default = "monitor_default::interval_ms")]
    pub interval_ms: u64,
    /// A check, or the connect before it, that takes longer has failed.
    #[serde(default = "monitor_default::timeout_ms")]
    pub timeout_ms: u64,
    /// Good checks in a row that bring a worker back, so that one that comes and goes stays away.
    #[serde(default = "monitor_default::recover_checks")]
    pub recover_checks: u32,
    /// Time between two latency probes of a node.
    #[serde(default = "monitor_default::latency_interval_ms")]
    pub latency_interval_ms: u64,
    /// A probe that is not answered within this time counts as this latency.
    #[serde(default = "monitor_default::latency_timeout_ms")]
    pub latency_timeout_ms: u64,
    /// Latency is the smallest of this many samples: scheduling only ever adds to a sample.
    #[serde(default = "monitor_default::latency_window")]
    pub latency_window: u32,
    /// `auto` (ICMP, TCP connect time where ICMP is not permitted), `icmp` or `tcp`.
    #[serde(default = "monitor_default::latency_probe")]
    pub latency_probe: String,
}

/// `[pool]`: connections to the workers, which sessions share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pool {
    /// Connections of sessions to one worker, resting ones included. Below the server's `max_connections` (151 by
    /// default on both engines), which others need too.
    pub connections_max: u32,
    /// From so many connections to a worker on, one that rests goes to the next session that needs one. With fewer a
    /// session that comes back finds its own, which needs nothing to be brought up to date.
    pub shared_above: u32,
    /// With fewer, one goes to another session only after it has rested for this time.
    pub rest_ms: u64,
    /// Longest time that a read waits for a connection; then the manager answers.
    pub wait_ms: u64,
    /// A connection that rests for longer is closed. Below the servers' `wait_timeout`.
    pub idle_ms: u64,
    /// An older one is closed when it rests: servers give back memory with a connection only.
    pub age_ms: u64,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at once; each holds one connection to the manager.
    pub connections_max: u32,
    /// Time for a gatekeeper to prove itself and finish its handshake.
    pub handshake_timeout_ms: u64,
    /// Time for a connection to a node to be opened and logged in.
    pub connect_timeout_ms: u64,
    /// Largest single statement. It costs no memory here: what is larger than 1 MiB passes as it comes. The servers'
    /// own limit, `max_allowed_packet`, is 1 GiB at most.
    pub statement_bytes_max: u64,
    /// Memory that all sessions together spend on statements that do not fit into one chunk of 32 KiB. When it is used
    /// up, statements pass as they come, to the manager.
    pub statement_memory_bytes_max: u64,
    /// Prepared statements that one session may hold open: each costs memory here and on the node.
    pub prepared_statements_max: u32,
    /// Time that open transactions get to finish after a request to stop.
    pub drain_timeout_ms: u64,
    /// Log lines per second; what is left out is counted. A flood of errors must not fill a disk.
    pub log_lines_per_second_max: u32,
}

/// One `[[node]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Node {
    /// What users see in the place of an address.
    pub name: String,
    /// Exactly one node is the `manager`, all others are a `worker`.
    pub role: Role,
    /// Host name or IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port.
    #[serde(default = "node_port_default")]
    pub port: u16,
    /// Unix socket, in the place of host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Encryption of the connections to this node.
    #[serde(default)]
    pub tls: NodeTls,
    /// Authority that signs the node's certificate, PEM; demanded by `tls = "verify"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Name in the node's certificate, when it is not `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Compression of the sessions' connections to this node, where the node offers it.
    #[serde(default)]
    pub compression: NodeCompression,
    /// A worker's share of the reads beside those of the others; `direct` and `ping` do not share.
    #[serde(default = "weight_default", skip_serializing_if = "is_weight_default")]
    pub weight: u32,
}

/// Compression towards a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCompression {
    /// None: on one machine and in one network bytes are cheaper than time.
    #[default]
    Off,
    /// As the client does: the server's `Compression` status is then true.
    AsClient,
    /// zlib.
    Zlib,
    /// zstd; MariaDB has none.
    Zstd,
}

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The primary: takes every write.
    Manager,
    /// A replica: serves reads.
    Worker,
}

/// Encryption towards a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeTls {
    /// Clear text; only sensible on loopback, a Unix socket or inside a protected network.
    #[default]
    Off,
    /// As `preferred` for sessions whose client came by TLS, clear text for all others: the server's `Ssl_…` status
    /// and accounts with REQUIRE SSL see what the client did.
    AsClient,
    /// TLS when the node offers it, its certificate not checked.
    Preferred,
    /// TLS or no connection, the certificate not checked.
    Required,
    /// TLS or no connection, the certificate checked against `ca`.
    Verify,
}

/// One `[[account]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Account {
    /// The user as the gatekeeper knows it.
    pub user: String,
    /// The database account on every node.
    pub name: String,
    /// File with its password; without one the account has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The user's own consistency, in the place of that of `[routing]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9102".to_owned(),
        }
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: "random".to_owned(),
            lag_max_ms: 10_000,
            consistency: "session".to_owned(),
            consistency_wait_ms: 200,
            manager_wait_ms: 8_000,
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            connections_max: 100,
            shared_above: 24,
            rest_ms: 10,
            wait_ms: 1_000,
            idle_ms: 60_000,
            age_ms: 3_600_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            handshake_timeout_ms: 10_000,
            connect_timeout_ms: 3_000,
            statement_bytes_max: 1 << 30,
            statement_memory_bytes_max: 256 * 1024 * 1024,
            prepared_statements_max: 16_382,
            drain_timeout_ms: 30_000,
            log_lines_per_second_max: 1_000,
        }
    }
}

impl Monitor {
    /// The defaults, for an account and the file of its password.
    pub fn new(user: impl Into<String>, password_file: impl Into<PathBuf>) -> Self {
        Self {
            user: user.into(),
            password_file: password_file.into(),
            interval_ms: monitor_default::interval_ms(),
            timeout_ms: monitor_default::timeout_ms(),
            recover_checks: monitor_default::recover_checks(),
            latency_interval_ms: monitor_default::latency_interval_ms(),
            latency_timeout_ms: monitor_default::latency_timeout_ms(),
            latency_window: monitor_default::latency_window(),
            latency_probe: monitor_default::latency_probe(),
        }
    }
}

impl Node {
    /// A node reached by clear TCP.
    pub fn new(name: impl Into<String>, role: Role, host: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            role,
            host: Some(host.into()),
            port,
            socket: None,
            tls: NodeTls::Off,
            ca: None,
            server_name: None,
            compression: NodeCompression::Off,
            weight: weight_default(),
        }
    }
}

impl Admin {
    /// The defaults, for the file of the password.
    pub fn new(password_file: impl Into<PathBuf>) -> Self {
        Self {
            address: admin_address_default(),
            user: admin_user_default(),
            password_file: password_file.into(),
            tls: None,
        }
    }
}

fn admin_address_default() -> String {
    "127.0.0.1:6032".to_owned()
}

fn admin_user_default() -> String {
    "admin".to_owned()
}

fn weight_default() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_weight_default(weight: &u32) -> bool {
    *weight == weight_default()
}

fn node_port_default() -> u16 {
    3306
}

mod monitor_default {
    pub(super) fn interval_ms() -> u64 {
        500
    }
    pub(super) fn timeout_ms() -> u64 {
        1_000
    }
    pub(super) fn recover_checks() -> u32 {
        3
    }
    pub(super) fn latency_interval_ms() -> u64 {
        500
    }
    pub(super) fn latency_timeout_ms() -> u64 {
        1_000
    }
    pub(super) fn latency_window() -> u32 {
        3
    }
    pub(super) fn latency_probe() -> String {
        "auto".to_owned()
    }
}

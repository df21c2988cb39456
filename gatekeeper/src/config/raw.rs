//! `gatekeeper.toml` as it is written: serde types and their defaults, nothing checked yet.
//!
//! Public so that a tool can render a config file from the same types that read it.
//! Meaning, defaults and the reason of every limit stand beside the field; [`super::Config`] is the
//! checked form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole file. Relative paths are relative to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Keeps the self-signed certificate and the last known facts of the greeting.
    pub state_dir: PathBuf,
    /// Who may log in.
    pub users_file: PathBuf,
    /// Threads that carry sessions; as many as there are cores when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<u16>,
    /// 0 to 63, different in every gatekeeper of a cluster: keeps their connection ids apart.
    #[serde(default)]
    pub number: u8,
    /// Where clients connect to.
    #[serde(default)]
    pub listen: Listen,
    /// Encryption towards clients.
    #[serde(default)]
    pub tls: Tls,
    /// Compression towards clients.
    #[serde(default)]
    pub compression: Compression,
    /// `/metrics`, `/live`, `/ready`.
    #[serde(default)]
    pub http: Http,
    /// The next hop.
    pub proxy: Proxy,
    /// What happens to statements.
    #[serde(default)]
    pub policy: Policy,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// What is logged.
    #[serde(default)]
    pub log: Log,
}

/// `[listen]`: at least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listen {
    /// `IP:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Path of a Unix socket. Everybody on the machine may connect to it, as with a MySQL server:
    /// who may log in is decided by password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Networks of load balancers in front, such as `10.0.0.0/8`. Every TCP connection from there must begin with a
    /// header of the PROXY protocol, version 2; from anywhere else such a header is a bad handshake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxy_protocol_networks: Vec<String>,
}

/// `[tls]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tls {
    /// Whether clients may, must or cannot encrypt.
    pub mode: TlsMode,
    /// Certificate chain, PEM. With no certificate and no key a self-signed one is made in `state-dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Encryption towards clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// TLS is not offered.
    Off,
    /// Offered; the client chooses.
    #[default]
    Optional,
    /// A client without TLS is refused, except on the Unix socket.
    Required,
}

/// `[compression]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Compression {
    /// What clients are offered, of what the servers' family knows (MariaDB has no zstd here); the client chooses.
    /// MySQL's `protocol_compression_algorithms`; an empty list is none.
    pub algorithms: Vec<Algorithm>,
    /// Highest level that replies are compressed with, 1 to 22: a client that asks for more gets this, and does not
    /// notice. Beyond 12 a packet of 64 KiB can take from 20 milliseconds to 2 seconds, in which the other sessions of
    /// its shard wait, and becomes a twentieth smaller.
    pub zstd_level_max: u8,
}

/// A way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// zlib.
    Zlib,
    /// zstd.
    Zstd,
}

/// Compression of a hop of our own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopCompression {
    /// None: on one machine and in one network bytes are cheaper than time.
    #[default]
    Off,
    /// zlib.
    Zlib,
    /// zstd.
    Zstd,
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Http {
    /// `IP:PORT`, loopback unless another address is written out: it has no password.
    pub address: String,
}

/// `[proxy]`: exactly one of `address` and `socket`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Proxy {
    /// `IP:PORT`; anything but loopback demands `[proxy.tls]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Path of the proxy's Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// File with the secret that gatekeeper and proxy share; never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Compression of the hop.
    #[serde(default)]
    pub compression: HopCompression,
    /// Mutual TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProxyTls>,
}

/// `[proxy.tls]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProxyTls {
    /// The authority that signs the proxy's certificate, PEM.
    pub ca: PathBuf,
    /// The gatekeeper's own certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Name in the proxy's certificate; the address itself when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// `[policy]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Policy {
    /// For users whose entry names none.
    pub default: PolicyName,
    /// Whether refusals are carried out or only counted and written down.
    pub mode: PolicyMode,
    /// Whether clients of users under a policy may send files for LOAD DATA LOCAL.
    pub local_infile: bool,
}

/// A set of rules by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyName {
    /// Destructive statements, and what cannot be understood, are refused.
    #[default]
    Strict,
    /// Every statement passes.
    Off,
}

/// What a refusal does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyMode {
    /// The client gets an error; nothing reaches the proxy.
    #[default]
    Enforce,
    /// The statement passes; metrics and audit say what would have been refused.
    Detect,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Clients at once. Each costs two descriptors and, idle, up to 10 KiB; one more gets ERROR 1040.
    pub connections_max: u32,
    /// Largest single statement, in bytes: what one client can make the gatekeeper hold. MySQL's own
    /// `max_allowed_packet` is 64 MiB.
    pub statement_bytes_max: u64,
    /// Memory that all sessions together spend on statements that do not fit into one chunk of 32 KiB, in bytes. Not
    /// given: 256 MiB, or `statement-bytes-max` when that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_memory_bytes_max: Option<u64>,
    /// Time for a client to finish its log-in: strangers hold a connection no longer.
    pub handshake_timeout_ms: u64,
    /// Time for the proxy to be reached.
    pub connect_timeout_ms: u64,
    /// Time for the proxy to let a session in. It may wait for a manager: above its `manager-wait-ms` and
    /// `connect-timeout-ms` together.
    pub session_timeout_ms: u64,
    /// A client that sends nothing for this long is disconnected; 8 hours, as MySQL's `wait_timeout`.
    pub idle_timeout_ms: u64,
    /// A client that stops in the middle of a statement or of a file for this long is disconnected, as with a
    /// server's `net_read_timeout`: it holds memory here, or locks on the server.
    pub read_timeout_ms: u64,
    /// A client that takes no bytes for this long while a reply waits is disconnected: it holds a
    /// worker's cursor and its locks.
    pub write_timeout_ms: u64,
    /// Time that open transactions get to finish after a request to stop.
    pub drain_timeout_ms: u64,
    /// Memory that each shard spends on what it knows of statement shapes, in bytes; a shape takes about 1 KiB.
    pub facts_cache_bytes_max: u64,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,peer=debug`.
    pub level: String,
    /// Lines per second that the process writes at most; what is left out is counted.
    pub lines_per_second_max: u32,
}

impl Config {
    /// The defaults, for the parts that have none.
    pub fn new(state_dir: impl Into<PathBuf>, users_file: impl Into<PathBuf>, proxy: Proxy) -> Self {
        Self {
            state_dir: state_dir.into(),
            users_file: users_file.into(),
            shards: None,
            number: 0,
            listen: Listen::default(),
            tls: Tls::default(),
            compression: Compression::default(),
            http: Http::default(),
            proxy,
            policy: Policy::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Zlib, Algorithm::Zstd],
            zstd_level_max: 12,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9101".to_owned(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            statement_bytes_max: 64 * 1024 * 1024,
            statement_memory_bytes_max: None,
            handshake_timeout_ms: 10_000,
            connect_timeout_ms: 5_000,
            session_timeout_ms: 15_000,
            idle_timeout_ms: 8 * 60 * 60 * 1000,
            read_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            drain_timeout_ms: 30_000,
            facts_cache_bytes_max: 8 * 1024 * 1024,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            lines_per_second_max: 1_000,
        }
    }
}

//! The checked configuration: raw types in, every problem out at once, each with its place.
//!
//! Secrets are named by file and read here, so that a missing one is found before the first client.
//! Paths are relative to the folder of the config file.

mod check;
pub mod raw;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::config_file::{self, ConfigFileError, Problems, Secret};
use daemon::exit::Failure;
use thiserror::Error;

use crate::accounts::Accounts;
use crate::cluster::Node;
use crate::consistency::Consistency;
use crate::pool::PoolLimits;
use crate::strategy::Strategy;

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads that carry sessions; as many as there are cores when not given.
    pub shards: Option<usize>,
    /// Where the gatekeeper connects to.
    pub listen: Listen,
    /// How the gatekeeper proves itself.
    pub gatekeeper: GatekeeperProof,
    /// `/metrics`, `/live`, `/ready`.
    pub http: SocketAddr,
    /// The admin console, when there is one.
    pub admin: Option<Admin>,
    /// The strategy of a session that has not chosen one.
    pub strategy: Strategy,
    /// How old the reads of a user may be who has no consistency of its own.
    pub consistency: Consistency,
    /// Longest time that a read waits for its worker to catch up.
    pub consistency_wait: Duration,
    /// Longest time that what needs the manager waits for one.
    pub manager_wait: Duration,
    /// How the nodes are watched.
    pub monitor: Monitor,
    /// The cluster in the order of its ids; exactly one manager.
    pub nodes: Vec<Arc<Node>>,
    /// Which database account a gatekeeper user gets.
    pub accounts: Arc<Accounts>,
    /// How sessions share connections to workers.
    pub pool: PoolLimits,
    /// Bounds.
    pub limits: Limits,
    /// All of it as it was written, with the defaults: for people to look at. Secrets are names of files.
    pub written: toml::Table,
}

/// Listening addresses; at least one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// TCP.
    pub tcp: Option<SocketAddr>,
    /// Unix socket.
    pub socket: Option<PathBuf>,
}

/// What the gatekeeper must prove; at least one is there.
#[derive(Debug, Clone)]
pub struct GatekeeperProof {
    /// Knowledge of the shared secret.
    pub secret: Option<Arc<Secret>>,
    /// A certificate of this authority, on TCP.
    pub tls: Option<GatekeeperTls>,
}

/// Files of mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatekeeperTls {
    /// The proxy's own certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority that signs the gatekeeper's certificate.
    pub client_ca: PathBuf,
}

/// The admin console.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who may log in.
    pub user: String,
    /// The password.
    pub password: Arc<Secret>,
    /// Certificate chain and private key; always there when the address is not loopback.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// How the nodes are watched. The raw field of the same name says why each exists.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// Account on every node.
    pub user: String,
    /// Its password.
    pub password: Arc<Secret>,
    /// Time between two checks.
    pub interval: Duration,
    /// Bound of one check and of the connect before it.
    pub timeout: Duration,
    /// Good checks in a row that bring a worker back.
    pub recover_checks: u32,
    /// Largest lag of a worker that serves.
    pub lag_max: Duration,
    /// How latency is measured.
    pub latency: LatencyProbing,
}

/// How latency is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyProbing {
    /// Time between two probes of a node.
    pub interval: Duration,
    /// What a probe without an answer counts as.
    pub timeout: Duration,
    /// Samples of which the smallest counts.
    pub window: usize,
    /// Which kind of echo.
    pub echo: EchoChoice,
}

/// Which echo measures the way to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoChoice {
    /// ICMP where it is permitted and answered, else TCP.
    Auto,
    /// ICMP.
    Icmp,
    /// The time of a TCP connect.
    Tcp,
}

/// Bounds. The raw field of the same name says why each exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once.
    pub connections_max: usize,
    /// Time for the gatekeeper's handshake.
    pub handshake_timeout: Duration,
    /// Time for a connection to a node to be opened and logged in.
    pub connect_timeout: Duration,
    /// Largest single statement, in bytes.
    pub statement_bytes_max: usize,
    /// Memory of all sessions for statements beyond one chunk, in bytes.
    pub statement_memory_bytes_max: usize,
    /// Prepared statements of one session.
    pub prepared_statements_max: usize,
    /// Time that open transactions get at a stop.
    pub drain_timeout: Duration,
    /// Log lines per second.
    pub log_lines_per_second_max: u32,
}

/// Why a configuration cannot be run.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read, is not TOML, or names what does not exist.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// It is understood but cannot be run.
    #[error("{}: {problems}", path.display())]
    Problems {
        /// Which file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let raw: raw::Config = config_file::read(path)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        Self::check(raw, directory).map_err(|problems| ConfigError::Problems {
            path: path.to_owned(),
            problems,
        })
    }

    /// Checks what was read; `directory` is what relative paths start from.
    pub fn check(raw: raw::Config, directory: &Path) -> Result<Self, Problems> {
        check::check(raw, directory)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::File(error) => error.into(),
            ConfigError::Problems { path, problems } => {
                let code = Failure::from(problems.clone()).code;
                Failure::new(code, ConfigError::Problems { path, problems }.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The checked configuration: raw types in, every problem out at once, each with its place.

mod check;
mod network;
pub mod raw;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::config_file::{self, Problems};
use daemon::exit::Failure;
use daemon::listener::Endpoint;
use daemon::telemetry::LogOptions;
use peer::proof::Secret;
use wire::Capabilities;
use wire::compressed::ZstdLevel;

pub use network::Network;
pub use raw::{PolicyMode, PolicyName};

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Keeps the self-signed certificate and the last known facts of the greeting.
    pub state_dir: PathBuf,
    /// Who may log in.
    pub users_file: PathBuf,
    /// Threads that carry sessions.
    pub shards: NonZero<usize>,
    /// Keeps the connection ids of several gatekeepers apart.
    pub number: GatekeeperNumber,
    /// Where clients connect to: one or two places.
    pub listen: Vec<Endpoint>,
    /// Load balancers, which say whom each connection is for.
    pub proxy_protocol_networks: Vec<Network>,
    /// Encryption towards clients.
    pub tls: Tls,
    /// Compression towards clients.
    pub compression: Compression,
    /// Where `/metrics`, `/live` and `/ready` are.
    pub http: SocketAddr,
    /// The next hop.
    pub proxy: Proxy,
    /// What happens to statements.
    pub policy: Policy,
    /// Bounds.
    pub limits: Limits,
    /// What is logged.
    pub log: LogOptions,
}

/// Which gatekeeper of the cluster this is, 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatekeeperNumber(u8);

impl GatekeeperNumber {
    /// How many there can be: what six bits of a connection id hold.
    pub const COUNT: u8 = 64;

    /// The number, when there is one such.
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// 0 to 63.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Encryption towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not offered.
    Off,
    /// Offered.
    On {
        /// A client without TLS is refused, except on the Unix socket.
        required: bool,
        /// What we show.
        identity: TlsIdentity,
    },
}

/// Compression towards clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// The flags that clients are offered.
    pub offered: Capabilities,
    /// Highest level of our own end.
    pub zstd_level_max: ZstdLevel,
}

/// Where certificate and key come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsIdentity {
    /// Made on the first start and kept in `state-dir`.
    SelfSigned,
    /// PEM files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// The next hop, and how each end proves itself to the other. At least one of the two proofs is there.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What both know.
    pub secret: Option<Secret>,
    /// The flag of the hop's compression, or none.
    pub compression: Capabilities,
    /// Mutual TLS; always there when the endpoint is not loopback.
    pub tls: Option<ProxyTls>,
}

/// Files and name of the mutual TLS to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyTls {
    /// The authority that signs the proxy's certificate, PEM.
    pub ca: PathBuf,
    /// Our own chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Name in the proxy's certificate.
    pub server_name: String,
}

/// What happens to statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For users whose entry names none.
    pub default: PolicyName,
    /// Whether refusals are carried out.
    pub mode: PolicyMode,
    /// Whether users under a policy may send files for LOAD DATA LOCAL.
    pub local_infile: bool,
}

/// The bounds; [`raw::Limits`] says why each is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Clients at once.
    pub connections_max: usize,
    /// Largest single statement.
    pub statement_bytes_max: usize,
    /// Memory of all sessions for statements beyond one chunk.
    pub statement_memory_bytes_max: usize,
    /// Time for a client to finish its log-in.
    pub handshake_timeout: Duration,
    /// Time for the proxy to be reached.
    pub connect_timeout: Duration,
    /// Time for the proxy to let a session in.
    pub session_timeout: Duration,
    /// A silent client's time.
    pub idle_timeout: Duration,
    /// A client's time to go on with a statement or a file.
    pub read_timeout: Duration,
    /// A client's time to take bytes of a reply.
    pub write_timeout: Duration,
    /// Time that open transactions get to finish.
    pub drain_timeout: Duration,
    /// Each shard's memory of statement shapes.
    pub facts_cache_bytes_max: usize,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let raw = config_file::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::check(raw, folder).map_err(|problems| {
            Failure::new(
                daemon::exit::Code::Config,
                format!("{}: {problems}", path.display()),
            )
        })
    }

    /// Checks what a file said; relative paths are relative to `folder`.
    pub fn check(raw: raw::Config, folder: &Path) -> Result<Self, Problems> {
        check::config(raw, folder)
    }
}

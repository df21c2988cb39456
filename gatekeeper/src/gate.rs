//! What every session shares.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use daemon::drain::Drain;
use daemon::exit::{Code, Failure};
use daemon::listener::PeerAddr;
use peer::accept::{Authenticator, Settings, fresh_nonce};
use peer::budget::Budget;
use peer::proof::HopConnection;
use peer::tls::Acceptor;
use wire::auth::{Plugin, ServerKey};
use wire::handshake::Greeting;
use wire::{Capabilities, StatusFlags};

use crate::config::{Config, GatekeeperNumber, Tls, TlsIdentity};
use crate::greet::Greetings;
use crate::hop::Hop;
use crate::metrics::Metrics;
use crate::users::{UserDirectory, write_atomically};

/// The key that clients without TLS encrypt their password with, in `state-dir`; the names of a server's own.
const PRIVATE_KEY_FILE: &str = "private_key.der";
const PUBLIC_KEY_FILE: &str = "public_key.pem";

/// What every session shares. Made once; sessions hold it in an `Arc`.
#[derive(Debug)]
pub struct Gate {
    /// As it was checked.
    pub config: Config,
    /// Who may log in.
    pub users: UserDirectory,
    /// Lets clients in.
    pub authenticator: Authenticator<UserDirectory>,
    /// The way to the proxy.
    pub hop: Hop,
    /// What clients are greeted with.
    pub greetings: Greetings,
    /// Memory for large statements, of all sessions.
    pub statement_memory: Budget,
    /// What is counted.
    pub metrics: Metrics,
    /// The wish to stop.
    pub drain: Drain,
    /// Numbers of connections.
    pub ids: ConnectionIds,
}

impl Gate {
    /// Opens everything that the configuration names. The metrics recorder must be installed.
    pub fn open(config: Config, drain: Drain) -> Result<Self, Failure> {
        let state_dir = &config.state_dir;
        let unusable = |error: io::Error| {
            Failure::new(
                Code::System,
                format!("cannot use state-dir {}: {error}", state_dir.display()),
            )
            .next_step("it must be a folder that this process may write to")
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(unusable)?;
        let tls_failed = |error: peer::tls::TlsError| Failure::new(Code::Config, error.to_string());
        let (tls, tls_required) = match &config.tls {
            Tls::Off => (None, false),
            Tls::On {
                required,
                identity: TlsIdentity::SelfSigned,
            } => (
                Some(Acceptor::self_signed(state_dir).map_err(tls_failed)?),
                *required,
            ),
            Tls::On {
                required,
                identity: TlsIdentity::Files { certificate, key },
            } => (
                Some(Acceptor::from_files(certificate, key).map_err(tls_failed)?),
                *required,
            ),
        };
        let users = UserDirectory::open(&config.users_file, config.policy.default)?;
        let key = server_key(state_dir).map_err(unusable)?;
        let settings = Settings {
            key: Some(key.into()),
            tls,
            tls_required,
            deadline: config.limits.handshake_timeout,
        };
        Ok(Self {
            authenticator: Authenticator::new(users.clone(), settings),
            users,
            hop: Hop::new(
                &config.proxy,
                config.limits.connect_timeout,
                config.limits.session_timeout,
            )
            .map_err(tls_failed)?,
            greetings: Greetings::open(state_dir),
            statement_memory: Budget::new(config.limits.statement_memory_bytes_max),
            metrics: Metrics::resolve(),
            ids: ConnectionIds::new(config.number),
            drain,
            config,
        })
    }

    /// Whether a connection from there begins with a header that says whom it is for.
    pub fn is_load_balancer(&self, peer: PeerAddr) -> bool {
        let PeerAddr::Tcp(address) = peer else {
            return false;
        };
        let mut networks = self.config.proxy_protocol_networks.iter();
        networks.any(|network| network.contains(address.ip()))
    }

    /// The greeting for a new connection: the servers' facts, our number and nonce, and what changes because
    /// TLS, compression and passwords end here. `None` while nothing is known of the servers.
    pub fn greeting(&self, connection_id: ConnectionId) -> Option<Greeting> {
        let facts = self.greetings.facts()?;
        let ours = if self.config.tls == Tls::Off {
            self.config.compression.offered
        } else {
            self.config.compression.offered | Capabilities::SSL
        };
        let capabilities = to_clients(facts.capabilities, ours);
        let mariadb = !capabilities.has(Capabilities::LONG_PASSWORD);
        // the servers' own defaults: most clients answer it without another round trip
        let plugin = if mariadb {
            Plugin::NativePassword
        } else {
            Plugin::CachingSha2
        };
        Some(Greeting {
            version: facts.version.clone(),
            connection_id: connection_id.number(),
            nonce: fresh_nonce(),
            capabilities,
            collation: facts.collation,
            status: StatusFlags::AUTOCOMMIT,
            auth_plugin: plugin.name().as_bytes().to_vec(),
        })
    }
}

/// What clients are offered of what the servers can do, with what is `ours`: TLS and compression.
fn to_clients(servers: Capabilities, ours: Capabilities) -> Capabilities {
    let foreign = if servers.has(Capabilities::LONG_PASSWORD) {
        Capabilities::NONE
    } else {
        // a MariaDB server has no zstd to offer
        Capabilities::ZSTD_COMPRESSION
    };
    servers.without(ENDS_HERE) | ALWAYS_HERE | ours.without(foreign)
}

/// Capabilities between the proxy and us, of which the client's side has its own or none.
const ENDS_HERE: Capabilities =
    Capabilities(Capabilities::SSL.0 | Capabilities::COMPRESS.0 | Capabilities::ZSTD_COMPRESSION.0);

/// What the login needs.
const ALWAYS_HERE: Capabilities = Capabilities(
    Capabilities::PROTOCOL_41.0
        | Capabilities::RESERVED.0
        | Capabilities::SECURE_CONNECTION.0
        | Capabilities::CONNECT_WITH_DB.0
        | Capabilities::PLUGIN_AUTH.0
        | Capabilities::PLUGIN_AUTH_LENENC_DATA.0
        | Capabilities::CONNECT_ATTRS.0,
);

/// The key of the last run, or a new one: clients may have kept its public half.
fn server_key(state_dir: &Path) -> io::Result<ServerKey> {
    let (private, public) = (state_dir.join(PRIVATE_KEY_FILE), state_dir.join(PUBLIC_KEY_FILE));
    match std::fs::read(&private) {
        Ok(der) => match ServerKey::from_pkcs8(&der) {
            Ok(key) => return Ok(key),
            Err(error) => {
                tracing::warn!(file = %private.display(), %error, "the RSA key cannot be used; a new one is made");
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = ServerKey::generate().map_err(io::Error::other)?;
    write_atomically(&private, key.pkcs8())?;
    write_atomically(&public, key.public_pem())?;
    Ok(key)
}

/// The number of a client's connection, as `CONNECTION_ID()` and KILL would have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u32);

impl ConnectionId {
    /// As it stands in the greeting.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives numbers out: `0x40000000 | gatekeeper << 24 | counter`, a range that servers reach after a billion
/// connections, a part of it for each gatekeeper. The counter begins anew after 16 million connections, and passes
/// over numbers that are still in use: a KILL must never reach somebody else.
#[derive(Debug)]
pub struct ConnectionIds {
    base: u32,
    counter: AtomicU32,
    in_use: Arc<Mutex<HashSet<u32>>>,
    /// Of this process: by it the proxy tells two gatekeepers apart that were given the same number.
    gatekeeper: u64,
}

/// A number that nobody else gets before this is dropped.
#[derive(Debug)]
pub struct OwnConnectionId {
    id: ConnectionId,
    in_use: Arc<Mutex<HashSet<u32>>>,
}

impl ConnectionIds {
    const RANGE: u32 = 0x4000_0000;
    const COUNTER_BITS: u32 = 24;

    /// The numbers of this gatekeeper.
    pub fn new(gatekeeper: GatekeeperNumber) -> Self {
        let base = Self::RANGE | u32::from(gatekeeper.number()) << Self::COUNTER_BITS;
        Self {
            base,
            counter: AtomicU32::new(0),
            in_use: Arc::default(),
            gatekeeper: rand::random(),
        }
    }

    /// The next one. There are more numbers than a process can have connections.
    pub fn next(&self) -> OwnConnectionId {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let count = self.counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let id = self.base | count & ((1 << Self::COUNTER_BITS) - 1);
            if in_use.insert(id) {
                return OwnConnectionId {
                    id: ConnectionId(id),
                    in_use: Arc::clone(&self.in_use),
                };
            }
        }
    }

    /// What the proxy knows a connection by.
    pub fn on_hop(&self, id: ConnectionId) -> HopConnection {
        HopConnection {
            gatekeeper: self.gatekeeper,
            id: id.number(),
        }
    }
}

impl OwnConnectionId {
    /// The number.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}

impl Drop for OwnConnectionId {
    fn drop(&mut self) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.remove(&self.id.number());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn connection_ids_stay_in_their_gatekeepers_range() {
        let ids = ConnectionIds::new(GatekeeperNumber::new(63).unwrap());
        assert_eq!(ids.next().id().number(), 0x7f00_0001);
        ids.counter.store(u32::MAX - 1, Ordering::Relaxed);
        assert_eq!(ids.next().id().number(), 0x7fff_ffff);
        assert_eq!(ids.next().id().number(), 0x7f00_0000);
    }

    #[test]
    fn a_number_in_use_is_passed_over() {
        let ids = ConnectionIds::new(GatekeeperNumber::new(0).unwrap());
        let first = ids.next();
        ids.counter.store(0, Ordering::Relaxed);
        let second = ids.next();
        assert_eq!(
            (first.id().number(), second.id().number()),
            (0x4000_0001, 0x4000_0002)
        );
        drop(first);
        ids.counter.store(0, Ordering::Relaxed);
        assert_eq!(ids.next().id().number(), 0x4000_0001);
    }

    #[test]
    fn clients_are_offered_what_the_servers_can_do_but_our_tls_and_compression() {
        let mariadb = Capabilities::DEPRECATE_EOF | Capabilities::MARIADB_STMT_BULK;
        let servers = mariadb | Capabilities::COMPRESS | Capabilities::SSL;
        assert_eq!(to_clients(servers, Capabilities::NONE), mariadb | ALWAYS_HERE);
        assert_eq!(
            to_clients(mariadb, Capabilities::SSL),
            mariadb | ALWAYS_HERE | Capabilities::SSL
        );
        // MariaDB is known by its absence
        assert!(!to_clients(mariadb, Capabilities::SSL).has(Capabilities::LONG_PASSWORD));
        let both = Capabilities::COMPRESS | Capabilities::ZSTD_COMPRESSION;
        assert_eq!(
            to_clients(mariadb, both),
            mariadb | ALWAYS_HERE | Capabilities::COMPRESS
        );
        assert!(to_clients(Capabilities::LONG_PASSWORD, both).has(both));
    }

    #[test]
    fn the_key_is_kept_and_a_broken_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = server_key(folder.path()).unwrap();
        let file = folder.path().join(PRIVATE_KEY_FILE);
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            server_key(folder.path()).unwrap().public_pem(),
            first.public_pem()
        );
        std::fs::write(&file, "broken").unwrap();
        assert_ne!(
            server_key(folder.path()).unwrap().public_pem(),
            first.public_pem()
        );
    }
}

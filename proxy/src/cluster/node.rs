//! A node as the configuration names it. Users see its name, never its address.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use peer::connect::TlsPolicy;
use peer::tls::{Connector, TlsError};
use wire::Capabilities;
use wire::compressed::Compression;

pub use peer::connect::Address;

pub use crate::config::raw::{NodeCompression, NodeTls, Role};

/// Most nodes of one cluster, so that a [`NodeId`] fits in one byte with room to spare.
pub const NODES_MAX: usize = 64;

/// A node's place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u8);

impl NodeId {
    /// The place as a bit of a word.
    #[inline]
    pub fn bit(self) -> u64 {
        1u64.checked_shl(u32::from(self.0)).unwrap_or(0)
    }

    /// The place as an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One server of the cluster.
#[derive(Debug, Clone)]
pub struct Node {
    /// What users see.
    pub name: Arc<str>,
    /// Manager or worker.
    pub role: Role,
    /// Where it listens. Never shown to a client.
    pub address: Address,
    /// How connections to it are protected.
    pub tls: Tls,
    /// How sessions' connections to it are compressed, where it can.
    pub compression: NodeCompression,
    /// Share of the reads, beside those of other workers; at least 1.
    pub weight: u32,
}

/// How connections to a node are protected.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Off, as the client, preferred, required or verified.
    pub mode: NodeTls,
    /// Authority that must have signed the node's certificate.
    pub ca: Option<PathBuf>,
    /// Name that the certificate must carry, when it is not the host's.
    pub server_name: Option<String>,
    /// Made once from the above.
    connector: Option<Connector>,
    /// For clients of TLS 1.2, where nodes are reached as the client reaches us.
    connector_1_2: Option<Connector>,
}

/// How a client reaches us, for nodes that are to be reached as the client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientWay {
    /// By TLS, and by which.
    pub tls: ClientTls,
    /// The flag of its compression, or none.
    pub compression: Capabilities,
}

/// A client's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientTls {
    /// None.
    #[default]
    Off,
    /// Version 1.2.
    V1_2,
    /// Version 1.3.
    V1_3,
}

impl ClientTls {
    /// From a version and a cipher, as the gatekeeper tells them.
    pub fn of(told: Option<&str>) -> Self {
        match told {
            None => ClientTls::Off,
            Some(told) if told.starts_with("TLSv1.2") => ClientTls::V1_2,
            Some(_) => ClientTls::V1_3,
        }
    }
}

impl Tls {
    /// Reads the files that TLS needs. `host` is the name in the certificate when no other is given.
    pub fn new(
        mode: NodeTls,
        ca: Option<PathBuf>,
        server_name: Option<String>,
        host: &str,
    ) -> Result<Self, TlsError> {
        let connector = match mode {
            NodeTls::Off => None,
            NodeTls::AsClient | NodeTls::Preferred | NodeTls::Required => Some(Connector::encrypt_only()?),
            NodeTls::Verify => {
                let ca = ca.as_deref().unwrap_or(Path::new(""));
                Some(Connector::verifying(ca, server_name.as_deref().unwrap_or(host))?)
            }
        };
        let connector_1_2 = match mode {
            NodeTls::AsClient => Some(Connector::encrypt_only_by_1_2()?),
            NodeTls::Off | NodeTls::Preferred | NodeTls::Required | NodeTls::Verify => None,
        };
        Ok(Self {
            mode,
            ca,
            server_name,
            connector,
            connector_1_2,
        })
    }
}

impl Node {
    /// Where to connect to.
    pub fn peer_address(&self) -> &Address {
        &self.address
    }

    /// What TLS to ask for, on behalf of a client.
    pub fn peer_tls(&self, client: ClientWay) -> TlsPolicy<'_> {
        let connector = match client.tls {
            ClientTls::V1_2 if self.tls.mode == NodeTls::AsClient => &self.tls.connector_1_2,
            ClientTls::Off | ClientTls::V1_2 | ClientTls::V1_3 => &self.tls.connector,
        };
        match (self.tls.mode, connector) {
            (NodeTls::Off, _) | (_, None) => TlsPolicy::Off,
            (NodeTls::AsClient, Some(_)) if client.tls == ClientTls::Off => TlsPolicy::Off,
            (NodeTls::AsClient, Some(connector)) => TlsPolicy::Preferred(connector),
            (NodeTls::Preferred, Some(connector)) => TlsPolicy::Preferred(connector),
            (NodeTls::Required | NodeTls::Verify, Some(connector)) => TlsPolicy::Required(connector),
        }
    }

    /// What a session's connection asks for: the session's own capabilities, and this node's compression.
    pub fn compressed(&self, session: Capabilities, client: ClientWay) -> Capabilities {
        let session = session.without(Compression::FLAGS);
        match self.compression {
            NodeCompression::Off => session,
            NodeCompression::AsClient => session | client.compression,
            NodeCompression::Zlib => session | Capabilities::COMPRESS,
            NodeCompression::Zstd => session | Capabilities::ZSTD_COMPRESSION,
        }
    }

    /// Its address, for the operator's log only.
    pub(crate) fn address_in_log(&self) -> String {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(path) => path.display().to_string(),
        }
    }
}

/// What a node says about itself in its greeting, before any login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Version string, byte for byte.
    pub version: Vec<u8>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its default collation.
    pub collation: u8,
    /// Its default authentication plugin.
    pub auth_plugin: Vec<u8>,
}

impl Role {
    /// The name in configuration, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Manager => "manager",
            Role::Worker => "worker",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

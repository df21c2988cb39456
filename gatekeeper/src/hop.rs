//! The way to the proxy: where it is, and how both ends prove themselves.

use std::time::Duration;

use daemon::listener::Endpoint;
use peer::connect::{Address, ConnectError};
use peer::proof::{self, HopIdentity, HopLogin, Secret};
use peer::tls::{Connector, TlsError};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use wire::Capabilities;
use wire::frame::Header;
use wire::handshake::Greeting;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::ErrPacket;

use crate::config::Proxy;

/// Largest greeting, in bytes: a version string of the longest kind and the fixed fields fit well.
const GREETING_BYTES_MAX: usize = 4096;

/// The proxy, as sessions reach it.
#[derive(Debug)]
pub struct Hop {
    address: Address,
    secret: Option<Secret>,
    connector: Option<Connector>,
    /// The flag of the hop's compression, or none.
    compression: Capabilities,
    connect_timeout: Duration,
    session_timeout: Duration,
}

impl Hop {
    /// The proxy of the configuration.
    pub fn new(
        proxy: &Proxy,
        connect_timeout: Duration,
        session_timeout: Duration,
    ) -> Result<Self, TlsError> {
        let address = match &proxy.endpoint {
            Endpoint::Tcp(address) => Address::Tcp {
                host: address.ip().to_string(),
                port: address.port(),
            },
            Endpoint::Unix(path) => Address::Unix(path.clone()),
        };
        let connector = proxy
            .tls
            .as_ref()
            .map(|tls| Connector::mutual(&tls.ca, &tls.certificate, &tls.key, &tls.server_name))
            .transpose()?;
        Ok(Self {
            address,
            secret: proxy.secret.clone(),
            connector,
            compression: proxy.compression,
            connect_timeout,
            session_timeout,
        })
    }

    /// Opens a session for a client that has logged in: connected within the connect timeout, let in within the session
    /// timeout, as the proxy may wait for a manager.
    pub async fn login(&self, identity: &HopIdentity) -> Result<HopLogin, ConnectError> {
        let compressed = (self.compression != Capabilities::NONE).then(|| HopIdentity {
            capabilities: identity.capabilities | self.compression,
            ..identity.clone()
        });
        let identity = compressed.as_ref().unwrap_or(identity);
        let stream = timeout(self.connect_timeout, peer::connect::open(&self.address))
            .await
            .map_err(|_elapsed| ConnectError::Timeout)??;
        let login = proof::connect(stream, self.secret.as_ref(), self.connector.as_ref(), identity);
        timeout(self.session_timeout, Box::pin(login))
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    /// Asks the proxy for its greeting and leaves, within the connect timeout.
    pub async fn greeting(&self) -> Result<Greeting, ConnectError> {
        let ask = async {
            let mut stream = peer::connect::open(&self.address).await?;
            let mut header = [0; PACKET_HEADER_BYTES];
            stream.read_exact(&mut header).await?;
            let length = Header::peek(&header).map_or(0, |header| header.payload_bytes);
            if length > GREETING_BYTES_MAX {
                return Err(wire::DecodeError::Invalid("greeting").into());
            }
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await?;
            if payload.first() == Some(&ErrPacket::MARKER) {
                return Err(ConnectError::refused(&payload));
            }
            let greeting = Greeting::decode(&payload)?;
            if greeting.auth_plugin != proof::PLUGIN {
                // a database server, say: the address is wrong
                return Err(ConnectError::NotProven);
            }
            Ok(greeting)
        };
        timeout(self.connect_timeout, Box::pin(ask))
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }
}

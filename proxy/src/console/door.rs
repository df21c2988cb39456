//! Who comes in: the one account of the console, proved by whichever method the client has. The password is known here,
//! so that a proof of caching_sha2_password is checked at once: no client needs TLS or a key to log in on loopback.

use std::sync::Arc;
use std::time::Duration;

use daemon::exit::{Code, Failure};
use peer::accept::{self, Accounts, Authenticator, Credential, LoggedIn, Settings};
use peer::stream::Stream;
use peer::tls::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wire::auth::Plugin;
use wire::handshake::Greeting;
use wire::reply::OkPacket;
use wire::{Capabilities, ServerError, StatusFlags};

use super::dialect::Asker;
use super::{SCHEMA, VERSION};
use crate::config::Admin;

/// For the whole login: people have typed their password before.
const LOGIN_TIME_MAX: Duration = Duration::from_secs(10);

/// utf8mb4_general_ci, as its number.
const COLLATION: u8 = 45;

/// What a client and the console may agree on: what opensrv-mysql can do.
const OFFERED: Capabilities = Capabilities(
    Capabilities::LONG_PASSWORD.0
        | Capabilities::PROTOCOL_41.0
        | Capabilities::RESERVED.0
        | Capabilities::TRANSACTIONS.0
        | Capabilities::SECURE_CONNECTION.0
        | Capabilities::CONNECT_WITH_DB.0
        | Capabilities::PLUGIN_AUTH.0
        | Capabilities::PLUGIN_AUTH_LENENC_DATA.0
        | Capabilities::CONNECT_ATTRS.0
        | Capabilities::DEPRECATE_EOF.0,
);

/// The way in.
pub(super) struct Door {
    authenticator: Authenticator<Account>,
    offered: Capabilities,
}

/// Somebody who was let in, and has been told so.
pub(super) struct Guest {
    pub(super) stream: Stream,
    pub(super) capabilities: Capabilities,
    user: String,
    address: String,
    schema: Option<String>,
    number: u32,
}

/// The one account.
struct Account {
    user: String,
    credential: Arc<Credential>,
    decoy: Arc<Credential>,
}

impl Accounts for Account {
    fn find(&self, user: &[u8]) -> Option<Arc<Credential>> {
        (user == self.user.as_bytes()).then(|| Arc::clone(&self.credential))
    }

    fn decoy(&self) -> Arc<Credential> {
        Arc::clone(&self.decoy)
    }
}

impl Door {
    pub(super) fn new(admin: &Admin) -> Result<Self, Failure> {
        let tls = admin.tls.as_ref().map(|(certificate, key)| {
            Acceptor::from_files(certificate, key)
                .map_err(|error| Failure::new(Code::Config, format!("[admin.tls]: {error}")))
        });
        let tls = tls.transpose()?;
        let offered = if tls.is_some() {
            OFFERED | Capabilities::SSL
        } else {
            OFFERED
        };
        let account = Account {
            user: admin.user.clone(),
            credential: Arc::new(Credential::of_password(admin.password.expose().trim_ascii())),
            decoy: Arc::new(Credential::of_password(&rand::random::<[u8; 32]>())),
        };
        let settings = Settings {
            key: None,
            tls,
            // what is not loopback has TLS (the configuration's check), and must use it
            tls_required: !admin.address.ip().is_loopback(),
            deadline: LOGIN_TIME_MAX,
        };
        Ok(Self {
            authenticator: Authenticator::new(account, settings),
            offered,
        })
    }

    /// Lets somebody in, or tells why not.
    pub(super) async fn let_in(&self, stream: TcpStream, number: u32, peer: &str) -> Option<Guest> {
        let failed = |error: std::io::Error| tracing::debug!(peer, %error, "a console's connection failed");
        let stream = stream
            .into_std()
            .and_then(Stream::from_tcp)
            .map_err(failed)
            .ok()?;
        let greeting = self.greeting(number);
        let logged_in = match self.authenticator.login(stream, &greeting, peer).await {
            Ok(logged_in) => logged_in,
            Err(error) => {
                tracing::warn!(
                    peer,
                    reason = error.reason.label(),
                    "turned away at the admin console: {error}"
                );
                return None;
            }
        };
        welcome(logged_in, number, peer).await.map_err(failed).ok()?
    }

    fn greeting(&self, number: u32) -> Greeting {
        Greeting {
            version: VERSION.as_bytes().to_vec(),
            connection_id: number,
            nonce: accept::fresh_nonce(),
            capabilities: self.offered,
            collation: COLLATION,
            status: StatusFlags::AUTOCOMMIT,
            auth_plugin: Plugin::CachingSha2.name().as_bytes().to_vec(),
        }
    }
}

/// Tells the client that it is in; not when it wants a schema that there is not.
async fn welcome(logged_in: LoggedIn, number: u32, peer: &str) -> std::io::Result<Option<Guest>> {
    let LoggedIn {
        mut stream,
        response,
        sequence,
        tls: _,
        ok_info,
    } = logged_in;
    let schema = response
        .database
        .as_ref()
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let mut packet = Vec::new();
    let unknown = schema.as_ref().filter(|name| !is_schema(name));
    if let Some(name) = unknown {
        let message = format!("Unknown database '{name}'; there is {SCHEMA}");
        ServerError::new(1049, b"42000", message).encode(sequence, &mut packet);
    } else {
        OkPacket {
            info: &ok_info,
            ..OkPacket::plain(StatusFlags::AUTOCOMMIT)
        }
        .encode(response.capabilities, sequence, &mut packet);
    }
    stream.write_all(&packet).await?;
    stream.flush().await?;
    if unknown.is_some() {
        return Ok(None);
    }
    Ok(Some(Guest {
        stream,
        capabilities: response.capabilities,
        user: String::from_utf8_lossy(&response.user).into_owned(),
        address: peer.to_owned(),
        schema,
        number,
    }))
}

/// Whether one can USE it.
pub(super) fn is_schema(name: &str) -> bool {
    [SCHEMA, "information_schema"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

impl Guest {
    /// Who asks.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            user: self.user.clone(),
            host: self.address.clone(),
            connection_id: self.number,
            schema: self.schema.clone(),
            strategy: "",
        }
    }
}

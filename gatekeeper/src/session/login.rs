//! The beginning of a session: the client proves who it is, the proxy opens a session for it, and only
//! then the client is told OK.

use std::sync::Arc;

use daemon::listener::{Accepted, AcceptedStream, PeerAddr, Permit};
use peer::accept::LoggedIn;
use peer::inbox::{Command, Inbox};
use peer::proof::{HopIdentity, HopLogin};
use peer::proxy_protocol::{self, Announced};
use peer::relay::Outbox;
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::compressed::Compression;
use wire::handshake::ChangeUser;
use wire::reply::OkPacket;
use wire::{Capabilities, ServerError, StatusFlags};

use super::client_view::{ClientView, shown};
use super::last_prepared::LastPrepared;
use super::reading::Reading;
use super::{Flow, Link, Session, Who};
use crate::audit::{self, Subject};
use crate::config::PolicyName;
use crate::gate::{ConnectionId, Gate};
use crate::metrics::ErrorKind;
use crate::policy::{self, Profile};
use crate::users::User;

/// Logs one connection in. Whoever fails has been told why, and is counted.
pub(super) async fn login(accepted: Accepted, gate: &Arc<Gate>) -> Option<(Session, Permit)> {
    let mut host = match accepted.peer {
        PeerAddr::Tcp(address) => address.ip().to_canonical().to_string(),
        PeerAddr::Unix => "localhost".to_owned(),
    };
    let stream = match accepted.stream {
        AcceptedStream::Tcp(stream) => Stream::from_tcp(stream),
        AcceptedStream::Unix(stream) => Stream::from_unix(stream),
    };
    let mut stream = stream
        .inspect_err(|error| tracing::warn!(%error, "failed to take a connection over"))
        .ok()?;
    let Some(permit) = accepted.permit else {
        gate.metrics.error(ErrorKind::TooManyConnections);
        turn_away(&mut stream, &ServerError::too_many_connections()).await;
        return None;
    };
    let own_id = gate.ids.next();
    let connection_id = own_id.id();
    if gate.is_load_balancer(accepted.peer) {
        match proxy_protocol::read(&mut stream, gate.config.limits.handshake_timeout).await {
            Ok(Announced::Client(address)) => host = address.to_string(),
            Ok(Announced::Itself) => {}
            Err(error) => {
                gate.metrics.auth_failure(error.reason);
                login_failed(connection_id, &host, &error);
                if let Some(told) = &error.told {
                    turn_away(&mut stream, told).await;
                }
                return None;
            }
        }
    }
    let Some(greeting) = gate.greeting(connection_id) else {
        gate.metrics.error(ErrorKind::ProxyUnreachable);
        turn_away(&mut stream, &ServerError::cannot_connect("the database server")).await;
        return None;
    };
    let LoggedIn {
        stream,
        response,
        sequence,
        tls,
        ok_info,
    } = match gate.authenticator.login(stream, &greeting, &host).await {
        Ok(logged_in) => logged_in,
        Err(error) => {
            gate.metrics.auth_failure(error.reason);
            login_failed(connection_id, &host, &error);
            return None;
        }
    };
    let mut client = stream;
    let Some(user) = gate.users.user(&response.user) else {
        // removed between the proof and now
        let error = ServerError::access_denied(&response.user, &host, true);
        answer(&mut client, &error, sequence).await;
        return None;
    };
    let who = Who {
        connection_id,
        _own_id: own_id,
        family: greeting.family(),
        nonce: greeting.nonce,
        user,
        host,
        tls: tls.map(|tls| format!("{} {}", tls.version, tls.cipher)),
    };
    let database = response.database.clone();
    let identity = who.identity(
        gate,
        database,
        for_user(gate, &who.user, response.capabilities),
        response.collation.into(),
        response.attributes.to_vec(),
    );
    let hop = match open_hop(gate, &identity).await {
        Ok(hop) => hop,
        Err(error) => {
            answer(&mut client, &error, sequence).await;
            return None;
        }
    };
    let compression = Compression::agreed(
        response.capabilities,
        response
            .zstd_level
            .map(|level| level.min(gate.config.compression.zstd_level_max.number())),
    );
    let mut session = Session::new(
        gate,
        client,
        hop,
        who,
        response.capabilities,
        (sequence, &ok_info),
    )
    .await?;
    if let Some(compression) = compression {
        session.client = session.client.compressed_for_client(compression);
    }
    Some((session, permit))
}

impl Session {
    /// Tells the client OK.
    async fn new(
        gate: &Arc<Gate>,
        mut client: Stream,
        hop: HopLogin,
        who: Who,
        capabilities: Capabilities,
        (sequence, info): (u8, &[u8]),
    ) -> Option<Self> {
        let reading = Reading::of_login(&hop.session_track);
        let status = hop.status.without(StatusFlags::SESSION_STATE_CHANGED);
        let mut packet = Vec::new();
        let state = &shown(&hop.session_track);
        OkPacket {
            state,
            info,
            ..OkPacket::plain(status)
        }
        .encode(capabilities, sequence, &mut packet);
        client.write_all(&packet).await.ok()?;
        client.flush().await.ok()?;
        audit::logged_in(who.subject(), who.tls.is_some());
        Some(Self {
            profile: Profile::of(&who.user, gate.config.policy.mode),
            gate: Arc::clone(gate),
            client,
            inbox: Inbox::default(),
            hop: Link {
                stream: hop.stream,
                outbox: Outbox::with_write_timeout(gate.config.limits.write_timeout),
                capabilities: hop.capabilities,
            },
            who,
            capabilities,
            view: ClientView::new(capabilities),
            reading,
            last_prepared: LastPrepared::new(hop.capabilities),
            status,
        })
    }

    /// COM_CHANGE_USER: a full authentication here, and a new session at the proxy; the old one goes, and with
    /// it everything it held.
    pub(super) async fn change_user(&mut self, command: Command) -> Flow {
        let Ok(change) = ChangeUser::decode(command.payload(), self.capabilities) else {
            return self.refuse(&ServerError::unknown_command()).await;
        };
        let (client, host) = (&mut self.client, &self.who.host);
        let greeted = (self.who.family, self.who.nonce);
        let proved = self
            .gate
            .authenticator
            .change_user(client, &change, greeted, 1, host)
            .await;
        let sequence = match proved {
            Ok(sequence) => sequence,
            Err(error) => {
                self.gate.metrics.auth_failure(error.reason);
                login_failed(self.who.connection_id, &self.who.host, &error);
                return Flow::End;
            }
        };
        let Some(user) = self.gate.users.user(&change.user) else {
            let error = ServerError::access_denied(&change.user, &self.who.host, true);
            answer(&mut self.client, &error, sequence).await;
            return Flow::End;
        };
        self.who.user = user;
        // none: the server's default, as an id that it does not know
        let collation = change.collation.unwrap_or_default();
        let identity = self.who.identity(
            &self.gate,
            change.database.clone(),
            for_user(&self.gate, &self.who.user, self.capabilities),
            collation,
            change.attributes.to_vec(),
        );
        let hop = match open_hop(&self.gate, &identity).await {
            Ok(hop) => hop,
            Err(error) => {
                answer(&mut self.client, &error, sequence).await;
                return Flow::End;
            }
        };
        self.reading = Reading::of_login(&hop.session_track);
        self.status = hop.status.without(StatusFlags::SESSION_STATE_CHANGED);
        self.view = ClientView::new(self.capabilities);
        self.profile = Profile::of(&self.who.user, self.gate.config.policy.mode);
        self.last_prepared = LastPrepared::new(hop.capabilities);
        self.hop = Link {
            stream: hop.stream,
            outbox: Outbox::with_write_timeout(self.gate.config.limits.write_timeout),
            capabilities: hop.capabilities,
        };
        audit::logged_in(self.who.subject(), self.who.tls.is_some());
        let mut packet = Vec::new();
        let state = &shown(&hop.session_track);
        OkPacket {
            state,
            ..OkPacket::plain(self.status)
        }
        .encode(self.capabilities, sequence, &mut packet);
        self.answer(&packet).await
    }
}

fn login_failed(connection_id: ConnectionId, host: &str, error: &peer::LoginError) {
    let user = error.user.as_deref().unwrap_or_default();
    audit::login_failed(
        Subject {
            connection_id,
            user,
            client_address: host,
        },
        error.reason,
    );
}

impl Who {
    /// Whom a line of the audit is about.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            connection_id: self.connection_id,
            user: self.user.name().as_bytes(),
            client_address: &self.host,
        }
    }

    fn identity(
        &self,
        gate: &Gate,
        database: Option<Vec<u8>>,
        capabilities: Capabilities,
        collation: u16,
        attributes: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> HopIdentity {
        HopIdentity {
            user: self.user.name().as_bytes().to_vec(),
            database: database.filter(|name| !name.is_empty()),
            capabilities: (capabilities & Capabilities::ROW_FLAGS) | Capabilities::BOOKKEEPING_FLAGS,
            collation,
            attributes,
            client_address: self.host.clone(),
            client_tls: self.tls.clone(),
            client_compression: Compression::agreed(capabilities, None)
                .map_or(Capabilities::NONE, Compression::flag),
            connection: Some(gate.ids.on_hop(self.connection_id)),
            kill: policy::kill_reach(self.user.policy()),
        }
    }
}

/// What a client may use of what it can do. Without LOCAL_FILES on the hop the server refuses LOAD DATA LOCAL in its
/// own words.
fn for_user(gate: &Gate, user: &User, capabilities: Capabilities) -> Capabilities {
    match user.policy() {
        PolicyName::Strict if !gate.config.policy.local_infile => {
            capabilities.without(Capabilities::LOCAL_FILES)
        }
        PolicyName::Strict | PolicyName::Off => capabilities,
    }
}

/// Opens a session at the proxy; the error is what the client is told.
async fn open_hop(gate: &Gate, identity: &HopIdentity) -> Result<HopLogin, ServerError> {
    let error = match gate.hop.login(identity).await {
        Ok(hop)
            if hop
                .capabilities
                .has(identity.capabilities & Capabilities::ROW_FLAGS) =>
        {
            return Ok(hop);
        }
        // other servers than those that the client was greeted for: it would misread their replies
        Ok(_) => {
            tracing::warn!("the proxy can do less than it could when the client was greeted");
            gate.metrics.error(ErrorKind::ProxyUnreachable);
            return Err(ServerError::cannot_connect("the database server"));
        }
        Err(error) => error,
    };
    if let Some(refused) = error.server_error() {
        gate.metrics.error(ErrorKind::ProxyRefused);
        return Err(refused);
    }
    tracing::warn!(%error, "failed to open a session at the proxy");
    gate.metrics.error(ErrorKind::ProxyUnreachable);
    Err(ServerError::cannot_connect("the database server"))
}

async fn answer(client: &mut Stream, error: &ServerError, sequence: u8) {
    let mut packet = Vec::new();
    error.encode(sequence, &mut packet);
    // the client may be gone; then nobody needs to be told
    let _ = client.write_all(&packet).await;
    let _ = client.flush().await;
}

async fn turn_away(stream: &mut Stream, error: &ServerError) {
    let mut packet = Vec::new();
    error.encode_in_place_of_greeting(&mut packet);
    let _ = stream.write_all(&packet).await;
    let _ = stream.shutdown().await;
}

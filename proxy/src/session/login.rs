//! The beginning of a session: the gatekeeper proves itself, the manager lets the account in, and only
//! then the gatekeeper is told OK.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::listener::{Accepted, AcceptedStream};
use peer::connect::ConnectError;
use peer::inbox::Inbox;
use peer::proof::{self, HopAccepted, HopIdentity, Pending};
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::compressed::Compression;
use wire::handshake::Greeting;
use wire::{Capabilities, ServerError, StatusFlags};

use super::Session;
use super::link::{Attributes, Link, Login, Opened};
use super::prepared::PreparedStatements;
use super::run::connect_error_kind;
use super::state::SessionState;
use super::{fence, trackers};
use crate::accounts::Account;
use crate::cluster::{ClientTls, ClientWay, NodeFacts, NodeId, Role, Unmanaged};
use crate::host::Host;
use crate::metrics::{AuthFailure, ErrorKind};
use crate::pool::Key;
use crate::session_registry::{Client, Registered};

/// What is offered on the hop of what the nodes can do. MARIADB_CACHE_METADATA is not among it (decision 0021).
const OFFERED: Capabilities = Capabilities(
    Capabilities::BOOKKEEPING_FLAGS.0 | Capabilities::ROW_FLAGS.0 | Capabilities::CLIENTS_OWN_FLAGS.0,
);

/// Between two attempts to reach the manager.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a session did not get its connection to the manager.
enum NotOpened {
    /// There is none.
    NoManager(Unmanaged),
    /// There is one.
    Failed(ConnectError),
}

/// Logs one connection in. Whoever fails has been told why, and is counted.
pub(super) async fn login(
    accepted: Accepted,
    host: &Arc<Host>,
) -> Option<(Session, daemon::listener::Permit)> {
    let stream = match accepted.stream {
        AcceptedStream::Tcp(stream) => Stream::from_tcp(stream),
        AcceptedStream::Unix(stream) => Stream::from_unix(stream),
    };
    let mut stream = stream
        .inspect_err(|error| tracing::warn!(%error, "failed to take a connection over"))
        .ok()?;
    let Some(permit) = accepted.permit else {
        host.metrics.auth_failure(AuthFailure::TooManyConnections);
        turn_away(&mut stream, &ServerError::too_many_connections()).await;
        return None;
    };
    let Some(facts) = host.cluster.view().greeting_facts() else {
        turn_away(&mut stream, &ServerError::cannot_connect("the database server")).await;
        return None;
    };
    let greeting = greeting(&facts, host);
    let timeout = host.config.limits.handshake_timeout;
    let secret = match host
        .config
        .gatekeeper
        .secret
        .as_deref()
        .map(|secret| proof::Secret::new(secret.expose().trim_ascii()))
    {
        Some(Ok(secret)) => Some(secret),
        None => None,
        Some(Err(error)) => {
            tracing::error!(%error, "nobody can be let in");
            return None;
        }
    };
    let hop = match proof::accept(stream, &greeting, secret.as_ref(), host.tls.as_ref(), timeout).await {
        Ok(hop) => hop,
        // a gatekeeper that only asks for the greeting goes like this
        Err(error) if error.reason == peer::Reason::Disconnected => return None,
        Err(error) => {
            tracing::info!(peer = %accepted.peer, reason = error.reason.label(), "turned away: {error}");
            host.metrics.auth_failure(failure_of(error.reason));
            return None;
        }
    };
    Box::pin(open_session(hop, host))
        .await
        .map(|session| (session, permit))
}

async fn open_session(hop: HopAccepted, host: &Arc<Host>) -> Option<Session> {
    let HopAccepted { identity, pending } = hop;
    let Some(account) = host.config.accounts.of(&identity.user).cloned() else {
        host.metrics.auth_failure(AuthFailure::NoAccount);
        tracing::warn!(user = %String::from_utf8_lossy(&identity.user), "no database account for this user");
        let error = ServerError::new(1045, b"28000", "the proxy has no database account for this user");
        refuse(pending, &error).await;
        return None;
    };
    // first: servers keep so many bytes of all, and cut at the end
    let mut attributes = vec![(
        b"_client_address".to_vec(),
        identity.client_address.clone().into_bytes(),
    )];
    attributes.extend_from_slice(&identity.attributes);
    let attributes: Attributes = attributes.into();
    let schema = identity.database.clone().unwrap_or_default();
    let client = Client {
        user: String::from_utf8_lossy(&identity.user).into(),
        address: identity.client_address.as_str().into(),
    };
    let registered = host
        .sessions
        .register(identity.connection, Arc::clone(&account), client);
    let opened = match open_manager(host, (&account, &registered), &identity, &attributes).await {
        Ok(opened) => opened,
        Err(NotOpened::Failed(error)) => {
            host.metrics.error(connect_error_kind(&error));
            refuse(pending, &for_client(&error, host)).await;
            return None;
        }
        Err(NotOpened::NoManager(reason)) => {
            host.metrics.error(ErrorKind::NoManager);
            refuse(pending, &fence::no_manager(reason)).await;
            return None;
        }
    };
    let Opened {
        link,
        status,
        state: mut block,
        ready,
    } = opened;
    let row_flags = identity.capabilities & Capabilities::ROW_FLAGS;
    if !link.capabilities.has(row_flags) {
        // another server than the one that was greeted for: the client would misread its replies
        tracing::warn!(missing = ?row_flags.without(link.capabilities), "the manager can do less than it could");
        refuse(pending, &ServerError::cannot_connect("the database server")).await;
        return None;
    }
    let mut state = SessionState::default();
    state.schema = schema;
    state.status(status);
    state.learn(&block);
    if let Some(ready) = ready {
        state.learn(&ready.state);
        state.trackers.learn(ready.client);
        trackers::hide(&ready.state, &mut block);
    }
    let mark = host
        .cluster
        .positions(link.node)
        .map_or(0, crate::cluster::Positions::mark);
    state.causality = super::causality::Causality::begun(link.node, mark);
    let tracked = status | StatusFlags::SESSION_STATE_CHANGED;
    let client = pending.succeed(tracked, &block).await.ok()?;
    let nodes = host.config.nodes.len();
    let pool_key = Arc::new(Key {
        account: account.name.clone(),
        capabilities: link.capabilities,
        collation: identity.collation,
        client_way: client_way(&identity),
        was_reset: false,
    });
    Some(Session {
        host: Arc::clone(host),
        client,
        inbox: Inbox::default(),
        capabilities: link.capabilities,
        consistency: account.consistency.unwrap_or(host.config.consistency),
        account,
        kill_reach: identity.kill,
        registered,
        collation: identity.collation,
        attributes,
        client_way: client_way(&identity),
        manager: link,
        pool_key,
        owner: host.pool.owner(),
        workers: std::iter::repeat_with(|| None).take(nodes).collect(),
        state,
        prepared: PreparedStatements::default(),
        strategy: None,
        last_route: None,
    })
}

/// How the client reaches the gatekeeper.
fn client_way(identity: &HopIdentity) -> ClientWay {
    ClientWay {
        tls: ClientTls::of(identity.client_tls.as_deref()),
        compression: identity.client_compression,
    }
}

/// A connection to the manager, waited for while there is none. Nothing was sent: another attempt is no repetition.
async fn open_manager(
    host: &Host,
    whose: (&Account, &Registered),
    identity: &HopIdentity,
    attributes: &Attributes,
) -> Result<Opened, NotOpened> {
    let begun = Instant::now();
    let wait = host.config.manager_wait;
    loop {
        let manager = match host.cluster.manager(wait.saturating_sub(begun.elapsed())).await {
            Ok(manager) => manager,
            // its own word for it is the one that clients know
            Err(Unmanaged::ReadOnly) => host.cluster.view().manager(),
            Err(reason) => return Err(NotOpened::NoManager(reason)),
        };
        let error = match open_once(host, manager, whose, identity, attributes).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if error.server_error().is_some() || begun.elapsed() >= wait {
            return Err(NotOpened::Failed(error));
        }
        // the monitor has been asked, and may say that there is none
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
}

async fn open_once(
    host: &Host,
    manager: NodeId,
    (account, registered): (&Account, &Registered),
    identity: &HopIdentity,
    attributes: &Attributes,
) -> Result<Opened, ConnectError> {
    let Some(node) = host.config.nodes.get(manager.index()) else {
        return Err(ConnectError::Timeout);
    };
    let login = Login {
        account,
        capabilities: identity.capabilities,
        collation: identity.collation,
        schema: identity.database.as_deref().unwrap_or_default(),
        attributes,
        client_way: client_way(identity),
        timeout: host.config.limits.connect_timeout,
        counted: host.metrics.server_connection(manager),
        role: Role::Manager,
        registered,
        place: None,
        resets: false,
    };
    let opened = Link::open(manager, node, login).await;
    if let Err(error) = &opened {
        tracing::warn!(%error, "failed to open a session on the manager");
        host.cluster.suspect(manager);
    }
    opened
}

/// The greeting on the hop: the manager's own, with what every node can do and the relay can carry.
fn greeting(facts: &NodeFacts, host: &Host) -> Greeting {
    // a MariaDB server is known by the flag that it leaves out
    let always = Capabilities::BOOKKEEPING_FLAGS.without(Capabilities::LONG_PASSWORD);
    // whether the hop is compressed is the gatekeeper's to choose
    let mut capabilities = (facts.capabilities & OFFERED) | always | Compression::FLAGS;
    if host.tls.is_some() {
        capabilities |= Capabilities::SSL;
    }
    Greeting {
        version: facts.version.clone(),
        connection_id: 0,
        nonce: peer::accept::fresh_nonce(),
        capabilities,
        collation: facts.collation,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: proof::PLUGIN.to_vec(),
    }
}

/// What the client reads: the manager's own refusal, except where it speaks of our account.
fn for_client(error: &ConnectError, host: &Host) -> ServerError {
    const ACCESS_DENIED: [u16; 2] = [1045, 1698];
    match error.server_error() {
        Some(error) if ACCESS_DENIED.contains(&error.code) => {
            tracing::error!(message = %error.message, "the manager refuses the proxy's account");
            host.metrics.auth_failure(AuthFailure::NoAccount);
            ServerError::new(
                1045,
                b"28000",
                "the database refuses the account that the proxy has for this user",
            )
        }
        Some(error) => error,
        None => ServerError::cannot_connect("the database server"),
    }
}

fn failure_of(reason: peer::Reason) -> AuthFailure {
    match reason {
        peer::Reason::NotProven | peer::Reason::TlsRequired => AuthFailure::NoProof,
        peer::Reason::WrongPassword | peer::Reason::UnknownUser | peer::Reason::NoPassword => {
            AuthFailure::WrongProof
        }
        peer::Reason::TlsFailed => AuthFailure::Tls,
        peer::Reason::BadHandshake | peer::Reason::PluginNotSupported => AuthFailure::Malformed,
        peer::Reason::Timeout | peer::Reason::Disconnected | peer::Reason::Internal => AuthFailure::Timeout,
    }
}

async fn refuse(pending: Pending, error: &ServerError) {
    // the gatekeeper may be gone; then nobody needs to be told
    let _ = pending.refuse(error).await;
}

async fn turn_away(stream: &mut Stream, error: &ServerError) {
    let mut packet = Vec::new();
    error.encode_in_place_of_greeting(&mut packet);
    let _ = stream.write_all(&packet).await;
    let _ = stream.shutdown().await;
}

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use wire::handshake::Greeting;
use wire::limits::CONTROL_PACKET_BYTES_MAX;
use wire::reply::OkPacket;
use wire::{Capabilities, ServerError, StatusFlags, frame};

use super::*;
use crate::accept::fresh_nonce;
use crate::connect::{self, LoginRequest, TlsPolicy};
use crate::error::{ConnectError, LoginError, Reason};
use crate::exchange;
use crate::stream::Stream;
use crate::tls::{Acceptor, Connector, TestAuthority};

const DEADLINE: Duration = Duration::from_secs(10);
const STATE: &[u8] = b"\x01\x05\x04shop";

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).unwrap()
}

fn greeting(tls: bool) -> Greeting {
    let tls = if tls {
        Capabilities::SSL
    } else {
        Capabilities::NONE
    };
    Greeting {
        version: b"5.5.5-10.11.19-MariaDB".to_vec(),
        connection_id: 3,
        nonce: fresh_nonce(),
        // MariaDB's: no LONG_PASSWORD, therefore extended flags
        capabilities: Capabilities::BOOKKEEPING_FLAGS.without(Capabilities::LONG_PASSWORD)
            | Capabilities::DEPRECATE_EOF
            | Capabilities::MARIADB_STMT_BULK
            | tls,
        collation: 45,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: Vec::new(),
    }
}

fn identity() -> HopIdentity {
    HopIdentity {
        user: b"app".to_vec(),
        database: Some(b"shop".to_vec()),
        capabilities: Capabilities::BOOKKEEPING_FLAGS
            | Capabilities::MARIADB_STMT_BULK
            | Capabilities::QUERY_ATTRIBUTES,
        collation: 45,
        attributes: vec![
            (b"program_name".to_vec(), b"mysql".to_vec()),
            (b"_client_address".to_vec(), b"127.0.0.1".to_vec()),
            (b"_gatekeeper_nonce".to_vec(), b"00".to_vec()),
            (b"_gatekeeper_kill".to_vec(), b"anything".to_vec()),
        ],
        client_address: "192.0.2.7:50123".to_owned(),
        client_tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384".to_owned()),
        client_compression: Capabilities::ZSTD_COMPRESSION,
        connection: Some(HopConnection {
            gatekeeper: 0x0123_4567_89ab_cdef,
            id: 0x4100_0007,
        }),
        kill: KillReach::Anything,
    }
}

async fn tcp() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (
        Stream::Tcp(listener.accept().await.unwrap().0),
        Stream::Tcp(client),
    )
}

fn unix() -> (Stream, Stream) {
    let (a, b) = UnixStream::pair().unwrap();
    (Stream::Unix(a), Stream::Unix(b))
}

/// What one end knows: the secret, and its side of TLS.
type Knows<'a, T> = (Option<&'a Secret>, Option<&'a T>);

/// Both ends; the proxy says OK when it is convinced.
async fn hop(
    (proxy, gatekeeper): (Stream, Stream),
    (proxys, acceptor): Knows<'_, Acceptor>,
    (gatekeepers, connector): Knows<'_, Connector>,
) -> (Result<HopIdentity, LoginError>, Result<HopLogin, ConnectError>) {
    let greeting = greeting(acceptor.is_some());
    let identity = identity();
    let proxy = async {
        let accepted = accept(proxy, &greeting, proxys, acceptor, DEADLINE).await?;
        accepted.pending.succeed(StatusFlags::AUTOCOMMIT, STATE).await?;
        Ok(accepted.identity)
    };
    tokio::join!(proxy, connect(gatekeeper, gatekeepers, connector, &identity))
}

fn assert_arrived(result: (Result<HopIdentity, LoginError>, Result<HopLogin, ConnectError>)) {
    let (seen, login) = (result.0.unwrap(), result.1.unwrap());
    let sent = identity();
    assert_eq!((&seen.user, &seen.database), (&sent.user, &sent.database));
    assert_eq!(
        (&seen.client_address, &seen.client_tls, seen.client_compression),
        (&sent.client_address, &sent.client_tls, sent.client_compression)
    );
    assert_eq!((seen.connection, seen.kill), (sent.connection, sent.kill));
    assert_eq!(
        seen.attributes,
        sent.attributes[..1],
        "what poses as ours is dropped"
    );
    assert_eq!(seen.collation, 45);
    assert_eq!(
        seen.capabilities,
        login.capabilities.without(Capabilities::SSL) | (seen.capabilities & Capabilities::SSL)
    );
    assert!(
        seen.capabilities
            .has(Capabilities::MARIADB_STMT_BULK | Capabilities::SESSION_TRACK)
    );
    assert!(
        !seen.capabilities.has(Capabilities::QUERY_ATTRIBUTES),
        "was not offered"
    );
    assert_eq!(
        (login.session_track.as_slice(), login.greeting.connection_id),
        (STATE, 3)
    );
    assert_eq!(
        login.status,
        StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED
    );
}

#[tokio::test]
async fn who_knows_the_secret_is_let_in() {
    let secret = secret("a secret of many bytes");
    assert_arrived(hop(tcp().await, (Some(&secret), None), (Some(&secret), None)).await);
    assert_arrived(hop(unix(), (Some(&secret), None), (Some(&secret), None)).await);
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (ours, theirs) = (
        secret("a secret of many bytes"),
        secret("another one of many bytes"),
    );
    let (proxy, gatekeeper) = hop(tcp().await, (Some(&ours), None), (Some(&theirs), None)).await;
    assert_eq!(proxy.unwrap_err().reason, Reason::NotProven);
    let refusal = gatekeeper.unwrap_err().server_error().unwrap();
    assert_eq!(
        (refusal.code, &*refusal.message),
        (1045, "this proxy accepts its gatekeeper only")
    );
}

#[tokio::test]
async fn nobody_is_let_in_where_nothing_can_be_proved() {
    let secret = secret("a secret of many bytes");
    let (proxy, gatekeeper) = hop(tcp().await, (None, None), (Some(&secret), None)).await;
    assert_eq!(proxy.unwrap_err().reason, Reason::NotProven);
    assert!(matches!(
        gatekeeper,
        Err(ConnectError::Refused { code: 1045, .. })
    ));
    let (_, gatekeeper) = hop(tcp().await, (None, None), (None, None)).await;
    assert!(matches!(gatekeeper, Err(ConnectError::NotProven)));
}

#[tokio::test]
async fn certificates_on_both_sides() {
    let (ours, stranger) = (TestAuthority::new(), TestAuthority::new());
    let secret = secret("a secret of many bytes");
    let acceptor =
        Acceptor::mutual(&ours.certificate("localhost"), &ours.key("localhost"), &ours.ca()).unwrap();
    let good = Connector::mutual(
        &ours.ca(),
        &ours.certificate("gate"),
        &ours.key("gate"),
        "localhost",
    )
    .unwrap();
    assert_arrived(hop(tcp().await, (None, Some(&acceptor)), (None, Some(&good))).await);
    assert_arrived(
        hop(
            tcp().await,
            (Some(&secret), Some(&acceptor)),
            (Some(&secret), Some(&good)),
        )
        .await,
    );

    // with certificates, and without the secret that is asked for too
    let (proxy, _) = hop(tcp().await, (Some(&secret), Some(&acceptor)), (None, Some(&good))).await;
    assert_eq!(proxy.unwrap_err().reason, Reason::NotProven);

    // with the secret, and without TLS
    let (proxy, _) = hop(
        tcp().await,
        (Some(&secret), Some(&acceptor)),
        (Some(&secret), None),
    )
    .await;
    assert_eq!(proxy.unwrap_err().reason, Reason::NotProven);

    // a certificate that another authority signed, and none
    let bad = Connector::mutual(
        &ours.ca(),
        &stranger.certificate("gate"),
        &stranger.key("gate"),
        "localhost",
    );
    for bad in [
        bad.unwrap(),
        Connector::verifying(&ours.ca(), "localhost").unwrap(),
    ] {
        let (proxy, gatekeeper) = hop(tcp().await, (None, Some(&acceptor)), (None, Some(&bad))).await;
        assert_eq!(proxy.unwrap_err().reason, Reason::TlsFailed);
        gatekeeper.unwrap_err();
    }

    // a proxy whose certificate is for another name, or that another authority signed
    for bad in [
        Connector::mutual(
            &ours.ca(),
            &ours.certificate("gate"),
            &ours.key("gate"),
            "proxy.example",
        ),
        Connector::mutual(
            &stranger.ca(),
            &ours.certificate("gate"),
            &ours.key("gate"),
            "localhost",
        ),
    ] {
        let (proxy, gatekeeper) =
            hop(tcp().await, (None, Some(&acceptor)), (None, Some(&bad.unwrap()))).await;
        assert_eq!(proxy.unwrap_err().reason, Reason::TlsFailed);
        assert!(matches!(gatekeeper, Err(ConnectError::Tls(_))));
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_know_the_secret_is_found_out() {
    let (mut proxy, gatekeeper) = tcp().await;
    let greeting = Greeting {
        auth_plugin: PLUGIN.to_vec(),
        ..greeting(false)
    };
    let impostor = async {
        let mut bytes = Vec::new();
        frame::encode_with(&mut bytes, 0, |out| greeting.encode(out));
        exchange::write(&mut proxy, &bytes).await.unwrap();
        exchange::read(&mut proxy, CONTROL_PACKET_BYTES_MAX)
            .await
            .unwrap();
        let mut ok = Vec::new();
        OkPacket {
            info: &[b'0'; 64],
            ..OkPacket::plain(StatusFlags::AUTOCOMMIT)
        }
        .encode(greeting.capabilities, 2, &mut ok);
        exchange::write(&mut proxy, &ok).await.unwrap();
    };
    let (secret, identity) = (secret("a secret of many bytes"), identity());
    let (login, ()) = tokio::join!(connect(gatekeeper, Some(&secret), None, &identity), impostor);
    assert!(matches!(login, Err(ConnectError::NotProven)));
}

#[tokio::test]
async fn nothing_can_be_changed_on_the_way() {
    let secret = secret("a secret of many bytes");
    let (proxy, mut between) = tcp().await;
    let (mut other_side, gatekeeper) = tcp().await;
    let greeting = greeting(false);
    let mallory = async {
        let first = exchange::read(&mut between, CONTROL_PACKET_BYTES_MAX)
            .await
            .unwrap();
        let mut bytes = Vec::new();
        frame::encode(first.packet().payload, 0, &mut bytes);
        exchange::write(&mut other_side, &bytes).await.unwrap();
        let response = exchange::read(&mut other_side, CONTROL_PACKET_BYTES_MAX)
            .await
            .unwrap();
        let mut payload = response.packet().payload.to_vec();
        let at = payload.windows(4).position(|part| part == b"app\0").unwrap();
        payload[at..at + 3].copy_from_slice(b"dba");
        bytes.clear();
        frame::encode(&payload, 1, &mut bytes);
        exchange::write(&mut between, &bytes).await.unwrap();
        // nobody answers the gatekeeper
        drop(other_side);
    };
    let (identity, known) = (identity(), Some(&secret));
    let (accepted, _, ()) = tokio::join!(
        accept(proxy, &greeting, known, None, DEADLINE),
        connect(gatekeeper, known, None, &identity),
        mallory
    );
    assert_eq!(accepted.unwrap_err().reason, Reason::NotProven);
}

#[tokio::test]
async fn a_stock_client_is_told_whom_the_proxy_accepts() {
    let secret = secret("a secret of many bytes");
    let (proxy, client) = tcp().await;
    let greeting = greeting(false);
    let request = LoginRequest {
        user: b"root",
        password: b"guess",
        database: None,
        capabilities: Capabilities::BOOKKEEPING_FLAGS,
        collation: 45,
        attributes: &[],
        tls: TlsPolicy::Off,
    };
    let (proxy, client) = tokio::join!(
        accept(proxy, &greeting, Some(&secret), None, DEADLINE),
        connect::login_over(client, request)
    );
    assert_eq!(proxy.unwrap_err().reason, Reason::NotProven);
    let refusal = client.unwrap_err().server_error().unwrap();
    assert_eq!(
        (refusal.code, &*refusal.message),
        (1045, "this proxy accepts its gatekeeper only")
    );
}

#[tokio::test]
async fn the_manager_s_refusal_reaches_the_gatekeeper() {
    let secret = secret("a secret of many bytes");
    let (proxy, gatekeeper) = unix();
    let greeting = greeting(false);
    let identity = identity();
    let proxy = async {
        let accepted = accept(proxy, &greeting, Some(&secret), None, DEADLINE)
            .await
            .unwrap();
        let error = ServerError::new(1049, b"42000", "Unknown database 'shop'");
        accepted.pending.refuse(&error).await.unwrap();
    };
    let ((), login) = tokio::join!(proxy, connect(gatekeeper, Some(&secret), None, &identity));
    let refusal = login.unwrap_err().server_error().unwrap();
    assert_eq!(
        refusal,
        ServerError::new(1049, b"42000", "Unknown database 'shop'")
    );
}

#[test]
fn a_short_secret_is_refused() {
    assert!(matches!(
        Secret::new(b"fifteen bytes.."),
        Err(SecretError::TooShort)
    ));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, b"  sixteen bytes...\n").unwrap();
    Secret::read(&path).unwrap();
    std::fs::write(&path, b"  fifteen bytes..\n").unwrap();
    assert!(matches!(Secret::read(&path), Err(SecretError::TooShort)));
}

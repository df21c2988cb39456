use std::collections::HashMap;
use std::sync::LazyLock;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use wire::auth::{Password, Plugin, caching_sha2, ed25519, native_password};
use wire::handshake::{AuthSwitchRequest, HandshakeResponse};
use wire::limits::PRE_AUTH_PACKET_BYTES_MAX;
use wire::reply::{ErrPacket, OkPacket};
use wire::{Capabilities, StatusFlags, frame};

use super::*;
use crate::connect::{self, ConnectError, LoginRequest, ServerConnection, TlsPolicy};
use crate::exchange;
use crate::tls::Connector;

struct Table(HashMap<&'static str, Arc<Credential>>);

impl Accounts for Table {
    fn find(&self, user: &[u8]) -> Option<Arc<Credential>> {
        self.0.get(std::str::from_utf8(user).ok()?).cloned()
    }

    fn decoy(&self) -> Arc<Credential> {
        static DECOY: LazyLock<Arc<Credential>> =
            LazyLock::new(|| Arc::new(Credential::decoy(Shape::default())));
        Arc::clone(&DECOY)
    }
}

static KEY: LazyLock<Arc<ServerKey>> = LazyLock::new(|| Arc::new(ServerKey::generate().unwrap()));

fn credential(native: bool, sha2: bool, require_tls: bool) -> Arc<Credential> {
    let native = native.then(|| native_password::Verifier::make(b"secret"));
    let sha2 = sha2.then(|| caching_sha2::Verifier::make(b"secret", [7; 20]));
    Arc::new(Credential::new(native, sha2, None, require_tls))
}

fn by_ed25519() -> Arc<Credential> {
    let verifier = ed25519::Verifier::make(b"secret");
    Arc::new(Credential::new(None, None, Some(verifier), false))
}

/// Accounts by the names of what they can be proved with.
fn authenticator() -> Authenticator<Table> {
    let directory = tempfile::tempdir().unwrap();
    let accounts = [
        ("native", credential(true, false, false)),
        ("sha2", credential(false, true, false)),
        ("both", credential(true, true, false)),
        ("careful", credential(true, true, true)),
        ("ed25519", by_ed25519()),
    ];
    let settings = Settings {
        key: Some(Arc::clone(&KEY)),
        tls: Some(Acceptor::self_signed(directory.path()).unwrap()),
        tls_required: false,
        deadline: Duration::from_secs(10),
    };
    Authenticator::new(Table(accounts.into()), settings)
}

fn greeting(plugin: Plugin) -> Greeting {
    Greeting {
        version: b"8.4.3".to_vec(),
        connection_id: 11,
        nonce: fresh_nonce(),
        capabilities: Capabilities::BOOKKEEPING_FLAGS
            | Capabilities::SSL
            | Capabilities::DEPRECATE_EOF
            | Capabilities::MULTI_RESULTS,
        collation: 255,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: plugin.name().as_bytes().to_vec(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Tcp,
    Unix,
    Tls,
}

async fn pair(way: Way) -> (Stream, Stream) {
    if way == Way::Unix {
        let (a, b) = UnixStream::pair().unwrap();
        return (Stream::Unix(a), Stream::Unix(b));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (
        Stream::Tcp(listener.accept().await.unwrap().0),
        Stream::Tcp(client),
    )
}

/// One login with both ends ours; the server's end says OK when the client is let in.
async fn log_in(
    gate: &Authenticator<Table>,
    way: Way,
    plugin: Plugin,
    user: &str,
    password: &str,
) -> (
    Result<LoggedIn, LoginError>,
    Result<ServerConnection, ConnectError>,
) {
    log_in_as(gate, way, &greeting(plugin), user, password).await
}

async fn log_in_as(
    gate: &Authenticator<Table>,
    way: Way,
    greeting: &Greeting,
    user: &str,
    password: &str,
) -> (
    Result<LoggedIn, LoginError>,
    Result<ServerConnection, ConnectError>,
) {
    log_in_by(
        &Connector::encrypt_only().unwrap(),
        gate,
        way,
        greeting,
        user,
        password,
    )
    .await
}

async fn log_in_by(
    connector: &Connector,
    gate: &Authenticator<Table>,
    way: Way,
    greeting: &Greeting,
    user: &str,
    password: &str,
) -> (
    Result<LoggedIn, LoginError>,
    Result<ServerConnection, ConnectError>,
) {
    let (server, client) = pair(way).await;
    let attributes = [(b"program_name".to_vec(), b"test".to_vec())];
    let request = LoginRequest {
        user: user.as_bytes(),
        password: password.as_bytes(),
        database: Some(b"shop"),
        capabilities: Capabilities::BOOKKEEPING_FLAGS | Capabilities::DEPRECATE_EOF,
        collation: 45,
        attributes: &attributes,
        tls: if way == Way::Tls {
            TlsPolicy::Required(connector)
        } else {
            TlsPolicy::Off
        },
    };
    let server = async {
        let mut logged_in = gate.login(server, greeting, "localhost").await?;
        let mut bytes = Vec::new();
        let capabilities = logged_in.response.capabilities;
        OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(capabilities, logged_in.sequence, &mut bytes);
        exchange::write(&mut logged_in.stream, &bytes).await?;
        Ok(logged_in)
    };
    tokio::join!(server, connect::login_over(client, request))
}

#[tokio::test]
async fn every_plugin_over_every_way_first_and_again() {
    for way in [Way::Tcp, Way::Unix, Way::Tls] {
        let gate = authenticator();
        for greeted in [Plugin::NativePassword, Plugin::CachingSha2] {
            // the first login with caching_sha2_password is a full one, the second a fast one
            for user in ["native", "sha2", "both", "sha2", "both", "ed25519"] {
                let (server, client) = log_in(&gate, way, greeted, user, "secret").await;
                let (server, client) = (server.unwrap(), client.unwrap());
                assert_eq!(server.response.user, user.as_bytes());
                assert_eq!(server.response.database.as_deref(), Some(&b"shop"[..]));
                assert_eq!(server.response.attributes.len(), 1);
                assert!(server.response.auth_response.is_empty(), "the proof is gone");
                assert_eq!(server.tls.is_some(), way == Way::Tls);
                assert_eq!(client.capabilities, server.response.capabilities);
                assert_eq!(client.connection_id, 11);
                assert_eq!(client.status, StatusFlags::AUTOCOMMIT);
            }
        }
    }
}

#[tokio::test]
async fn a_password_once_proved_is_remembered() {
    let gate = authenticator();
    let account = gate.accounts().find(b"sha2").unwrap();
    let remembered = || account.remembers_password();
    assert!(!remembered());
    log_in(&gate, Way::Tcp, Plugin::CachingSha2, "sha2", "wrong")
        .await
        .0
        .unwrap_err();
    assert!(!remembered());
    log_in(&gate, Way::Tcp, Plugin::CachingSha2, "sha2", "secret")
        .await
        .0
        .unwrap();
    assert!(remembered());
    let (server, client) = log_in(&gate, Way::Tcp, Plugin::CachingSha2, "sha2", "secret").await;
    client.unwrap();
    // greeting 0, response 1, fast success 2: a full login has more packets
    assert_eq!(server.unwrap().sequence, 3);
}

fn refusal(error: ConnectError) -> (u16, String) {
    match error {
        ConnectError::Refused { code, message, .. } => (code, String::from_utf8(message).unwrap()),
        error => panic!("not refused: {error}"),
    }
}

#[tokio::test]
async fn whoever_cannot_prove_a_password_is_denied_in_the_servers_words() {
    let gate = authenticator();
    let denied = |user: &str, used: &str| {
        (
            1045,
            format!("Access denied for user '{user}'@'localhost' (using password: {used})"),
        )
    };
    for way in [Way::Tcp, Way::Unix, Way::Tls] {
        for plugin in [Plugin::NativePassword, Plugin::CachingSha2] {
            for (user, password, reason, used) in [
                ("native", "wrong", Reason::WrongPassword, "YES"),
                ("sha2", "wrong", Reason::WrongPassword, "YES"),
                ("both", "", Reason::NoPassword, "NO"),
                ("sha2", "", Reason::NoPassword, "NO"),
                ("ed25519", "wrong", Reason::WrongPassword, "YES"),
                // a signature says that a password was used, whatever it is
                ("ed25519", "", Reason::WrongPassword, "YES"),
                ("nobody", "secret", Reason::UnknownUser, "YES"),
                ("nobody", "", Reason::UnknownUser, "NO"),
            ] {
                let (server, client) = log_in(&gate, way, plugin, user, password).await;
                let server = server.unwrap_err();
                assert_eq!(server.reason, reason, "{way:?} {plugin:?} {user}");
                assert_eq!(server.user.as_deref(), Some(user.as_bytes()));
                assert_eq!(refusal(client.unwrap_err()), denied(user, used));
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_still_wrong_when_the_right_one_is_remembered() {
    let gate = authenticator();
    for way in [Way::Tcp, Way::Unix, Way::Tls] {
        log_in(&gate, way, Plugin::CachingSha2, "sha2", "secret")
            .await
            .1
            .unwrap();
        let (server, client) = log_in(&gate, way, Plugin::CachingSha2, "sha2", "wrong").await;
        assert_eq!(server.unwrap_err().reason, Reason::WrongPassword);
        assert_eq!(refusal(client.unwrap_err()).0, 1045);
    }
}

#[tokio::test]
async fn a_plain_connection_is_refused_where_a_secure_one_is_required() {
    let mut gate = authenticator();
    // an account that asks for it, once the password is right
    let (server, client) = log_in(&gate, Way::Tcp, Plugin::CachingSha2, "careful", "secret").await;
    assert_eq!(server.unwrap_err().reason, Reason::TlsRequired);
    assert_eq!(refusal(client.unwrap_err()).0, 3159);
    let (_, client) = log_in(&gate, Way::Tcp, Plugin::CachingSha2, "careful", "wrong").await;
    assert_eq!(refusal(client.unwrap_err()).0, 1045);
    log_in(&gate, Way::Tls, Plugin::CachingSha2, "careful", "secret")
        .await
        .1
        .unwrap();
    // everybody
    gate.settings.tls_required = true;
    let (server, client) = log_in(&gate, Way::Tcp, Plugin::NativePassword, "native", "secret").await;
    assert_eq!(server.unwrap_err().reason, Reason::TlsRequired);
    let (code, message) = refusal(client.unwrap_err());
    assert_eq!(code, 3159);
    assert!(message.ends_with("--require_secure_transport=ON."), "{message}");
    log_in(&gate, Way::Unix, Plugin::NativePassword, "native", "secret")
        .await
        .1
        .unwrap();
    log_in(&gate, Way::Tls, Plugin::NativePassword, "native", "secret")
        .await
        .1
        .unwrap();
}

/// What a client that sends `bytes` after the greeting reads then, up to the end.
async fn send_raw(gate: &Authenticator<Table>, bytes: &[u8], hang_up: bool) -> (LoginError, Vec<u8>) {
    let (server, mut client) = pair(Way::Tcp).await;
    let greeting = greeting(Plugin::CachingSha2);
    let client = async move {
        exchange::read(&mut client, PRE_AUTH_PACKET_BYTES_MAX)
            .await
            .unwrap();
        client.write_all(bytes).await.unwrap();
        if hang_up {
            client.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        // a reset is an end as well
        let _ = client.read_to_end(&mut answer).await;
        answer
    };
    let (server, answer) = tokio::join!(gate.login(server, &greeting, "localhost"), client);
    (server.unwrap_err(), answer)
}

#[tokio::test]
async fn a_client_from_before_4_1_reads_an_error_of_its_time() {
    let gate = authenticator();
    let short = b"\x0a\0\0\x01\x05\x24\0\0\0app\0\0";
    let (error, answer) = send_raw(&gate, short, false).await;
    assert_eq!(error.reason, Reason::BadHandshake);
    assert_eq!(answer, b"\x10\0\0\x02\xff\x13\x04Bad handshake");
    let long = [&[0x2d, 0, 0, 1, 0x05, 0x24, 0, 0, 0][..], b"app\0", &[0; 36]].concat();
    let (_, answer) = send_raw(&gate, &long, false).await;
    assert!(
        answer[4..].starts_with(b"\xff\xe3\x04Client does not support"),
        "{answer:?}"
    );
    assert!(answer.ends_with(b"consider upgrading MySQL client"));
}

#[tokio::test]
async fn a_resumed_session_still_proves_its_password() {
    let (gate, connector) = (authenticator(), Connector::encrypt_only().unwrap());
    let greeting = greeting(Plugin::CachingSha2);
    let log_in = |password| log_in_by(&connector, &gate, Way::Tls, &greeting, "sha2", password);
    let (server, client) = log_in("secret").await;
    client.unwrap();
    assert!(!server.unwrap().tls.unwrap().resumed);
    let (server, client) = log_in("wrong").await;
    assert_eq!(server.unwrap_err().reason, Reason::WrongPassword);
    assert_eq!(refusal(client.unwrap_err()).0, 1045);
    let (server, _) = log_in("secret").await;
    assert!(server.unwrap().tls.unwrap().resumed);
}

/// What a MariaDB client of 11.4 or later compares with its own: by its own means, not by the code under test.
#[tokio::test]
async fn a_client_in_tls_is_told_what_its_password_says_of_the_certificate() {
    let gate = authenticator();
    let certificate = gate.settings.tls.as_ref().unwrap().fingerprint();
    for (user, way, told) in [
        ("native", Way::Tls, 65),
        ("ed25519", Way::Tls, 65),
        ("sha2", Way::Tls, 0),
        ("native", Way::Tcp, 0),
        ("ed25519", Way::Unix, 0),
    ] {
        let mut greeting = greeting(Plugin::NativePassword);
        greeting.capabilities = greeting.capabilities.without(Capabilities::LONG_PASSWORD);
        let (server, client) = log_in_as(&gate, way, &greeting, user, "secret").await;
        client.unwrap();
        let info = server.unwrap().ok_info;
        assert_eq!(info.len(), told, "{user} {way:?}");
        let account = gate.accounts().find(user.as_bytes()).unwrap();
        let hash = match (&account.native, &account.ed25519) {
            (Some(native), _) => native.0.to_vec(),
            (None, Some(ed25519)) => ed25519.0.to_vec(),
            (None, None) => continue,
        };
        if told > 0 {
            let all = [&hash[..], &greeting.nonce.0, &certificate.0].concat();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &all);
            let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
            assert_eq!(info, [&[1], digits.as_bytes()].concat());
        }
    }
    // MySQL's servers say nothing, so a client of one is told nothing
    let (server, _) = log_in(&gate, Way::Tls, Plugin::CachingSha2, "native", "secret").await;
    assert!(server.unwrap().ok_info.is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_login_are_answered_as_servers_answer_them() {
    let gate = authenticator();
    let without_tls = [&[0x20, 0, 0, 1][..], &[0x8c, 0xa2, 0xbf, 0], &[0; 28]].concat();
    let (bad_handshake, out_of_order) = ((1043, "Bad handshake"), (1156, "Got packets out of order"));
    for (bytes, (code, message)) in [
        (
            &b"GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"[..],
            bad_handshake,
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", out_of_order),
        (b"\x03\0\0\x01abc", bad_handshake),
        (b"\x03\0\0\x07abc", out_of_order),
        (b"\0\0\0\x01", bad_handshake),
        (&without_tls, bad_handshake),
        (&[0xff; 9000], bad_handshake),
    ] {
        let (error, answer) = send_raw(&gate, bytes, false).await;
        assert_eq!(error.reason, Reason::BadHandshake, "{bytes:?}");
        let err = ErrPacket::decode(&answer[4..]).unwrap();
        assert_eq!(
            (err.code, &err.sql_state, err.message),
            (code, b"08S01", message.as_bytes()),
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_stops_half_way_is_let_go_in_time() {
    let mut gate = authenticator();
    gate.settings.deadline = Duration::from_millis(200);
    for bytes in [&b""[..], b"\xb4\0\0\x01", b"\xb4\0\0\x01\x8c\xa2", b"\x20\0\0"] {
        let (error, answer) = send_raw(&gate, bytes, false).await;
        assert_eq!(error.reason, Reason::Timeout);
        // in MySQL's words
        let err = ErrPacket::decode(&answer[4..]).unwrap();
        assert_eq!((err.code, &err.sql_state), (1159, b"08S01"));
        assert_eq!(err.message, b"Got timeout reading communication packets");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_as_gone() {
    let gate = authenticator();
    for bytes in [&b""[..], b"\xb4\0\0\x01\x8c\xa2"] {
        let (error, answer) = send_raw(&gate, bytes, true).await;
        assert_eq!((error.reason, error.told), (Reason::Disconnected, None));
        assert_eq!(answer, b"");
    }
}

#[tokio::test]
async fn a_broken_tls_handshake_is_counted_as_such() {
    let gate = authenticator();
    let request = wire::handshake::SslRequest {
        capabilities: Capabilities::BOOKKEEPING_FLAGS | Capabilities::SSL,
        packet_bytes_max: 0,
        collation: 8,
    };
    let mut bytes = Vec::new();
    frame::encode_with(&mut bytes, 1, |out| request.encode(out));
    bytes.extend_from_slice(b"this is no hello of a client");
    assert_eq!(send_raw(&gate, &bytes, false).await.0.reason, Reason::TlsFailed);
}

/// A login by native password, all packets written out by hand.
async fn raw_login(stream: &mut Stream, user: &str, password: &[u8], behind: &[u8]) {
    let greeted = exchange::read(stream, PRE_AUTH_PACKET_BYTES_MAX).await.unwrap();
    let greeted = Greeting::decode(greeted.packet().payload).unwrap();
    let response = HandshakeResponse {
        capabilities: Capabilities::BOOKKEEPING_FLAGS.without(Capabilities::CONNECT_WITH_DB)
            | Capabilities::MARIADB_STMT_BULK
            | Capabilities::QUERY_ATTRIBUTES,
        packet_bytes_max: 0,
        collation: 8,
        user: user.as_bytes().to_vec(),
        auth_response: Password::new(native_password::scramble(greeted.nonce, password)),
        database: None,
        auth_plugin: Some(b"mysql_native_password".to_vec()),
        attributes: Vec::new(),
        zstd_level: None,
    };
    let mut bytes = Vec::new();
    frame::encode_with(&mut bytes, 1, |out| response.encode(out));
    bytes.extend_from_slice(behind);
    exchange::write(stream, &bytes).await.unwrap();
}

#[tokio::test]
async fn bytes_behind_the_login_stay_in_the_stream() {
    let gate = authenticator();
    let (server, mut client) = pair(Way::Tcp).await;
    let greeting = greeting(Plugin::NativePassword);
    let ping = b"\x01\0\0\0\x0e";
    let (server, ()) = tokio::join!(
        gate.login(server, &greeting, "localhost"),
        raw_login(&mut client, "native", b"secret", ping)
    );
    let mut server = server.unwrap();
    assert_eq!(server.sequence, 2);
    assert!(
        !server.response.capabilities.has(Capabilities::QUERY_ATTRIBUTES),
        "was not offered"
    );
    let mut early = [0; 5];
    server.stream.readable().await.unwrap();
    server.stream.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, ping);
}

/// COM_CHANGE_USER on a connection that is logged in; the client answers the switch.
async fn change_user(password: &[u8], user: &str) -> (Result<u8, LoginError>, Option<u16>) {
    let gate = authenticator();
    let (mut server, mut client) = pair(Way::Unix).await;
    let change = ChangeUser {
        user: user.as_bytes().to_vec(),
        auth_response: Password::new(vec![1; 20]),
        database: None,
        collation: Some(45),
        auth_plugin: Some(b"mysql_native_password".to_vec()),
        attributes: Vec::new(),
    };
    let client = async {
        let switch = exchange::read(&mut client, PRE_AUTH_PACKET_BYTES_MAX)
            .await
            .unwrap();
        assert_eq!(switch.sequence, 1);
        let switch = AuthSwitchRequest::decode(switch.packet().payload).unwrap();
        assert_eq!(switch.plugin, b"mysql_native_password");
        assert_eq!(switch.nonce(), Ok(Nonce([0x61; 20])));
        let proof = native_password::scramble(switch.nonce().unwrap(), password);
        let mut bytes = Vec::new();
        frame::encode(&proof, 2, &mut bytes);
        exchange::write(&mut client, &bytes).await.unwrap();
        let answer = exchange::read(&mut client, PRE_AUTH_PACKET_BYTES_MAX)
            .await
            .ok()?;
        assert_eq!(answer.sequence, 3);
        Some(ErrPacket::decode(answer.packet().payload).unwrap().code)
    };
    let server = async {
        let result = gate
            .change_user(
                &mut server,
                &change,
                (Family::Mysql, Nonce([0x61; 20])),
                1,
                "localhost",
            )
            .await;
        drop(server);
        result
    };
    tokio::join!(server, client)
}

#[tokio::test]
async fn a_change_of_user_is_proved_anew() {
    assert_eq!(change_user(b"secret", "both").await.0.unwrap(), 3);
    for (password, user, reason) in [
        (&b"wrong"[..], "both", Reason::WrongPassword),
        (b"", "both", Reason::NoPassword),
        (b"secret", "nobody", Reason::UnknownUser),
    ] {
        let (server, code) = change_user(password, user).await;
        assert_eq!(server.unwrap_err().reason, reason);
        assert_eq!(code, Some(1045));
    }
}

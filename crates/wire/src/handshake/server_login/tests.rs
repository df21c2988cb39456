use super::*;
use crate::auth::ed25519;
use crate::handshake::{ClientLogin, ClientStart, ClientStep, Identity, TlsWish};

fn greeting(plugin: Plugin) -> Greeting {
    Greeting {
        version: b"8.4.0".to_vec(),
        connection_id: 7,
        nonce: Nonce([0x31; 20]),
        capabilities: Capabilities::BOOKKEEPING_FLAGS | Capabilities::SSL,
        collation: 255,
        status: crate::StatusFlags::AUTOCOMMIT,
        auth_plugin: plugin.name().as_bytes().to_vec(),
    }
}

fn identity(password: &[u8]) -> Identity {
    Identity {
        user: b"app".to_vec(),
        password: Password::new(password.to_vec()),
        database: None,
        capabilities: Capabilities::BOOKKEEPING_FLAGS,
        collation: 255,
        attributes: Vec::new(),
    }
}

const CHALLENGE: Challenge = Challenge([0x77; 32]);

fn accepts(plugins: &[Plugin]) -> Accepts<'_> {
    Accepts {
        plugins,
        challenge: CHALLENGE,
    }
}

/// The greeting as MariaDB's family of servers sends it.
fn mariadb(plugin: Plugin) -> Greeting {
    let greeting = greeting(plugin);
    Greeting {
        capabilities: greeting.capabilities.without(Capabilities::LONG_PASSWORD),
        ..greeting
    }
}

fn packet(bytes: &[u8]) -> Packet<'_> {
    let header = frame::Header::peek(bytes).unwrap();
    assert_eq!(header.packet_bytes(), bytes.len());
    Packet {
        sequence: header.sequence,
        payload: &bytes[4..],
    }
}

/// The two ends against each other, up to the first question to the caller.
fn first_proof(claimed: Plugin, accepts: &[Plugin], password: &[u8]) -> ServerStep {
    let mut bytes = Vec::new();
    let server = ServerLogin::greet(&greeting(claimed), Transport::Plain, &mut bytes);
    let client = ClientLogin::new(identity(password), Transport::Plain, TlsWish::Off);
    let Ok(ClientStart::Respond(client)) = client.on_greeting(packet(&bytes)) else {
        panic!("no response")
    };
    let (bytes, client) = client.respond();
    let Ok(FirstStep::Identify(server)) = server.on_packet(packet(&bytes)) else {
        panic!("not identified")
    };
    match server.prove(self::accepts(accepts)).unwrap().1 {
        ServerStep::Send(bytes, server) => {
            let Ok(ClientStep::Send(bytes, _)) = client.on_packet(packet(&bytes)) else {
                panic!("no answer")
            };
            server.on_packet(packet(&bytes)).unwrap()
        }
        step => step,
    }
}

#[test]
fn the_clients_plugin_is_taken_when_the_account_has_it() {
    let both = [Plugin::NativePassword, Plugin::CachingSha2];
    let step = first_proof(Plugin::NativePassword, &both, b"secret");
    assert!(
        matches!(step, ServerStep::Verify(Proof::Native { sequence: 2, .. })),
        "{step:?}"
    );
    let step = first_proof(Plugin::CachingSha2, &both, b"secret");
    assert!(matches!(step, ServerStep::Verify(Proof::Fast(_))), "{step:?}");
}

#[test]
fn otherwise_the_client_is_asked_to_switch() {
    let step = first_proof(Plugin::CachingSha2, &[Plugin::NativePassword], b"secret");
    assert!(
        matches!(step, ServerStep::Verify(Proof::Native { sequence: 4, .. })),
        "{step:?}"
    );
    let step = first_proof(Plugin::NativePassword, &[Plugin::CachingSha2], b"secret");
    assert!(matches!(step, ServerStep::Verify(Proof::Fast(_))), "{step:?}");
}

#[test]
fn no_password_is_seen_whatever_the_plugin() {
    for plugin in [Plugin::NativePassword, Plugin::CachingSha2] {
        let step = first_proof(plugin, &[plugin], b"");
        assert!(
            matches!(step, ServerStep::Verify(Proof::Nothing { sequence: 2 })),
            "{step:?}"
        );
    }
}

#[test]
fn a_password_in_clear_is_not_taken_from_a_plain_connection() {
    let ServerStep::Verify(Proof::Fast(fast)) =
        first_proof(Plugin::CachingSha2, &[Plugin::CachingSha2], b"secret")
    else {
        panic!("no fast proof")
    };
    let (_, server) = fast.full_authentication();
    let step = server
        .on_packet(Packet {
            sequence: 3,
            payload: b"secret\0",
        })
        .unwrap();
    assert!(
        matches!(step, ServerStep::Verify(Proof::Encrypted { .. })),
        "{step:?}"
    );
}

#[test]
fn a_client_without_plugins_cannot_be_switched() {
    let mut bytes = Vec::new();
    let server = ServerLogin::greet(&greeting(Plugin::CachingSha2), Transport::Plain, &mut bytes);
    let response = HandshakeResponse {
        capabilities: Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION,
        packet_bytes_max: 0,
        collation: 8,
        user: b"app".to_vec(),
        auth_response: Password::new(vec![1; 20]),
        database: None,
        auth_plugin: None,
        attributes: Vec::new(),
        zstd_level: None,
    };
    let mut payload = Vec::new();
    response.encode(&mut payload);
    let Ok(FirstStep::Identify(server)) = server.on_packet(Packet {
        sequence: 1,
        payload: &payload,
    }) else {
        panic!("not identified")
    };
    assert_eq!(
        server.prove(accepts(&[Plugin::CachingSha2])).unwrap_err(),
        HandshakeError::PluginNotSupported(Family::Mysql)
    );
}

/// A response of an old kind: these flags, this proof, this plugin's name.
fn old_response(flags: Capabilities, proof: &[u8], plugin: Option<&[u8]>) -> Vec<u8> {
    let response = HandshakeResponse {
        capabilities: Capabilities::PROTOCOL_41 | flags,
        packet_bytes_max: 0,
        collation: 8,
        user: b"app".to_vec(),
        auth_response: Password::new(proof.to_vec()),
        database: None,
        auth_plugin: plugin.map(Vec::from),
        attributes: Vec::new(),
        zstd_level: None,
    };
    let mut payload = Vec::new();
    response.encode(&mut payload);
    payload
}

/// What a server of that family makes of a response, for an account with these plugins.
fn verdict_on(greeting: &Greeting, payload: &[u8], plugins: &[Plugin]) -> Result<ServerStep, HandshakeError> {
    let server = ServerLogin::greet(greeting, Transport::Plain, &mut Vec::new());
    match server.on_packet(Packet { sequence: 1, payload })? {
        FirstStep::Identify(identify) => Ok(identify.prove(accepts(plugins))?.1),
        FirstStep::StartTls(_) => panic!("no TLS was asked for"),
    }
}

#[test]
fn ed25519_is_always_switched_to_and_proved_for_its_own_challenge() {
    let step = first_proof(Plugin::NativePassword, &[Plugin::Ed25519], b"secret");
    let ServerStep::Verify(Proof::Ed25519 {
        challenge,
        response,
        sequence: 4,
    }) = step
    else {
        panic!("{step:?}")
    };
    assert_eq!(challenge, CHALLENGE);
    assert!(ed25519::Verifier::make(b"secret").verify(challenge, &response));
    // a client that names the plugin at once has not seen the challenge either
    let flags = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
    let eager = old_response(flags, &[7; 64], Some(b"client_ed25519"));
    let step = verdict_on(&mariadb(Plugin::NativePassword), &eager, &[Plugin::Ed25519]).unwrap();
    let ServerStep::Send(bytes, _) = step else {
        panic!("{step:?}")
    };
    assert_eq!(
        AuthSwitchRequest::decode(packet(&bytes).payload),
        Ok(AuthSwitchRequest::ed25519(CHALLENGE))
    );
    assert_eq!(packet(&bytes).payload.len(), 1 + "client_ed25519".len() + 1 + 32);
}

#[test]
fn a_client_that_can_do_nothing_of_the_accounts_is_switched_to_what_its_family_knows() {
    let flags = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
    let all = [Plugin::CachingSha2, Plugin::NativePassword, Plugin::Ed25519];
    for name in [
        &b"dialog"[..],
        b"mysql_clear_password",
        b"sha256_password",
        b"no_such",
        b"",
    ] {
        let payload = old_response(flags, b"zz", Some(name));
        for (greeting, plugin) in [
            (greeting(Plugin::CachingSha2), Plugin::CachingSha2),
            (mariadb(Plugin::NativePassword), Plugin::NativePassword),
        ] {
            let step = verdict_on(&greeting, &payload, &all).unwrap();
            let ServerStep::Send(bytes, _) = step else {
                panic!("{step:?}")
            };
            let request = AuthSwitchRequest::decode(packet(&bytes).payload).unwrap();
            assert_eq!(request.plugin, plugin.name().as_bytes());
        }
    }
}

#[test]
fn old_clients_get_what_their_servers_say() {
    let (native, sha2) = ([Plugin::NativePassword], [Plugin::CachingSha2]);
    let (maria, mysql) = (mariadb(Plugin::NativePassword), greeting(Plugin::CachingSha2));
    let unsupported = HandshakeError::PluginNotSupported;
    let secure = Capabilities::SECURE_CONNECTION;

    // without plugins a native proof is taken, and nothing else can be asked for
    let payload = old_response(secure, &[1; 20], None);
    for greeting in [&maria, &mysql] {
        let step = verdict_on(greeting, &payload, &native).unwrap();
        assert!(
            matches!(step, ServerStep::Verify(Proof::Native { .. })),
            "{step:?}"
        );
        let error = verdict_on(greeting, &payload, &sha2).unwrap_err();
        assert_eq!(error, unsupported(greeting.family()));
    }
    // a proof of another length is none
    let payload = old_response(secure, &[1; 19], None);
    let invalid = HandshakeError::Decode(DecodeError::Invalid("authentication data"));
    assert_eq!(verdict_on(&maria, &payload, &native).unwrap_err(), invalid);

    // without the passwords of 4.1
    let payload = old_response(Capabilities::NONE, b"ABCDEFGH", None);
    let error = verdict_on(&maria, &payload, &native).unwrap_err();
    assert_eq!(error, unsupported(Family::Mariadb));
    assert_eq!(verdict_on(&mysql, &payload, &native).unwrap_err(), invalid);
    let payload = old_response(Capabilities::NONE, b"", None);
    let step = verdict_on(&maria, &payload, &native).unwrap();
    assert!(
        matches!(step, ServerStep::Verify(Proof::Nothing { .. })),
        "{step:?}"
    );
    let error = verdict_on(&mysql, &payload, &sha2).unwrap_err();
    assert_eq!(error, unsupported(Family::Mysql));

    // the plugin of servers before 4.1, by its name
    let flags = secure | Capabilities::PLUGIN_AUTH;
    let payload = old_response(flags, b"ABCDEFGH", Some(b"mysql_old_password"));
    let error = verdict_on(&maria, &payload, &native).unwrap_err();
    assert_eq!(error, unsupported(Family::Mariadb));
    assert!(verdict_on(&mysql, &payload, &sha2).is_ok());

    // plugins announced and none named
    let mut payload = old_response(flags, &[1; 20], Some(b""));
    payload.pop();
    let step = verdict_on(&maria, &payload, &native).unwrap();
    assert!(
        matches!(step, ServerStep::Verify(Proof::Native { .. })),
        "{step:?}"
    );
    let step = verdict_on(&mysql, &payload, &sha2).unwrap();
    assert!(matches!(step, ServerStep::Send(..)), "{step:?}");

    // before 4.1 altogether
    for (payload, short) in [(&b"\x05\x00\xff\xff\xffapp\0"[..], true), (&[0; 60], false)] {
        for greeting in [&maria, &mysql] {
            let family = greeting.family();
            let error = verdict_on(greeting, payload, &native).unwrap_err();
            assert_eq!(error, HandshakeError::OldClient { family, short });
        }
    }
}

#[test]
fn a_fast_proof_of_another_length_is_wrong_at_once() {
    let flags = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
    let payload = old_response(flags, &[1; 20], Some(b"caching_sha2_password"));
    let step = verdict_on(&greeting(Plugin::CachingSha2), &payload, &[Plugin::CachingSha2]).unwrap();
    assert!(
        matches!(step, ServerStep::Verify(Proof::Wrong { sequence: 2 })),
        "{step:?}"
    );
}

fn start() -> ServerLogin {
    ServerLogin::greet(&greeting(Plugin::CachingSha2), Transport::Plain, &mut Vec::new())
}

#[test]
fn tls_is_taken_up_once() {
    let client = ClientLogin::new(identity(b"secret"), Transport::Plain, TlsWish::Required);
    let mut bytes = Vec::new();
    let server = ServerLogin::greet(&greeting(Plugin::CachingSha2), Transport::Plain, &mut bytes);
    let Ok(ClientStart::StartTls(bytes, client)) = client.on_greeting(packet(&bytes)) else {
        panic!("no TLS")
    };
    let Ok(FirstStep::StartTls(server)) = server.on_packet(packet(&bytes)) else {
        panic!("no TLS")
    };
    let (bytes, _) = client.respond();
    assert_eq!(packet(&bytes).sequence, 2);
    let Ok(FirstStep::Identify(server)) = server.on_packet(packet(&bytes)) else {
        panic!("not identified")
    };
    assert_eq!(server.transport(), Transport::Tls);
}

#[test]
fn a_response_that_announces_tls_without_it_is_refused() {
    let client = ClientLogin::new(identity(b"secret"), Transport::Plain, TlsWish::Required);
    let mut bytes = Vec::new();
    ServerLogin::greet(&greeting(Plugin::CachingSha2), Transport::Plain, &mut bytes);
    let Ok(ClientStart::StartTls(_, client)) = client.on_greeting(packet(&bytes)) else {
        panic!("no TLS")
    };
    let (bytes, _) = client.respond();
    let result = start().on_packet(Packet {
        sequence: 1,
        payload: &bytes[4..],
    });
    assert_eq!(result.unwrap_err(), HandshakeError::TlsSkipped);
}

#[test]
fn packets_out_of_order_are_refused() {
    let result = start().on_packet(Packet {
        sequence: 0x20,
        payload: b" / HTTP/1.1",
    });
    let error = DecodeError::OutOfOrder {
        expected: 1,
        found: 0x20,
    };
    assert_eq!(result.unwrap_err(), error.into());
}

#[test]
fn a_change_of_user_always_begins_with_a_switch() {
    let change = ChangeUser {
        user: b"app".to_vec(),
        auth_response: Password::new(vec![1; 20]),
        database: None,
        collation: Some(255),
        auth_plugin: Some(b"mysql_native_password".to_vec()),
        attributes: Vec::new(),
    };
    let both = [Plugin::NativePassword, Plugin::CachingSha2];
    let step = change
        .prove(accepts(&both), Family::Mysql, Nonce([9; 20]), Transport::Plain, 1)
        .unwrap();
    let ServerStep::Send(bytes, _) = step else {
        panic!("{step:?}")
    };
    let request = AuthSwitchRequest::decode(packet(&bytes).payload).unwrap();
    assert_eq!(
        request,
        AuthSwitchRequest::new(b"mysql_native_password", Nonce([9; 20]))
    );
}

use super::*;
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
    match server.prove(accepts).unwrap().1 {
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
        server.prove(&[Plugin::CachingSha2]).unwrap_err(),
        HandshakeError::PluginNotSupported
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
    let step = change.prove(&both, Nonce([9; 20]), Transport::Plain, 1).unwrap();
    let ServerStep::Send(bytes, _) = step else {
        panic!("{step:?}")
    };
    let request = AuthSwitchRequest::decode(packet(&bytes).payload).unwrap();
    assert_eq!(
        request,
        AuthSwitchRequest::new(b"mysql_native_password", Nonce([9; 20]))
    );
}

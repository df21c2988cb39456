//! Properties of the connection phase: what is written is read back, and no bytes panic.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::auth::ed25519::Challenge;
use wire::auth::{Password, Plugin, caching_sha2, ed25519, native_password};
use wire::handshake::{
    Accepts, AuthMoreData, AuthSwitchRequest, ChangeUser, ClientLogin, ClientStart, ClientStep, FirstStep,
    Greeting, HandshakeResponse, Identity, Nonce, Packet, Proof, ServerLogin, ServerStep, SslRequest,
    TlsWish, Transport,
};
use wire::{Capabilities, StatusFlags};

fn accepts(plugins: &[Plugin]) -> Accepts<'_> {
    Accepts {
        plugins,
        challenge: Challenge([3; 32]),
    }
}

/// A name as fields ended by a zero byte can carry it.
fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255u8, 1..40)
}

fn attributes() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    vec((vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..300)), 0..8)
}

/// Flags that agree with what the packet then holds.
fn flags(base: u32, extended: u32, database: bool, plugin: bool) -> Capabilities {
    let choice = Capabilities::CONNECT_WITH_DB | Capabilities::PLUGIN_AUTH;
    let mut flags = Capabilities(u64::from(base)).without(choice)
        | Capabilities::PROTOCOL_41
        | Capabilities::CONNECT_ATTRS
        | Capabilities::SECURE_CONNECTION;
    if !flags.has(Capabilities::LONG_PASSWORD) {
        flags |= Capabilities::from_parts(0, extended);
    }
    if database {
        flags |= Capabilities::CONNECT_WITH_DB;
    }
    if plugin {
        flags |= Capabilities::PLUGIN_AUTH;
    }
    flags
}

prop_compose! {
    fn response()(
        (base, extended) in any::<(u32, u32)>(),
        (packet_bytes_max, collation) in any::<(u32, u8)>(),
        user in name(),
        proof in vec(any::<u8>(), 0..250),
        database in proptest::option::of(name()),
        auth_plugin in proptest::option::of(name()),
        attributes in attributes(),
        level in any::<u8>(),
    ) -> HandshakeResponse {
        let capabilities = flags(base, extended, database.is_some(), auth_plugin.is_some());
        HandshakeResponse {
            capabilities,
            packet_bytes_max,
            collation,
            user,
            auth_response: Password::new(proof),
            database,
            auth_plugin,
            attributes,
            zstd_level: capabilities.has(Capabilities::ZSTD_COMPRESSION).then_some(level),
        }
    }
}

prop_compose! {
    fn greeting()(
        version in name(),
        connection_id in any::<u32>(),
        nonce in any::<[u8; 20]>(),
        (base, extended) in any::<(u32, u32)>(),
        collation in any::<u8>(),
        status in any::<u16>(),
        plugin in proptest::option::of(name()),
    ) -> Greeting {
        Greeting {
            version,
            connection_id,
            nonce: Nonce(nonce),
            capabilities: flags(base, extended, true, plugin.is_some()),
            collation,
            status: StatusFlags(status),
            auth_plugin: plugin.unwrap_or_default(),
        }
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

proptest! {
    #[test]
    fn a_response_is_read_back(sent in response()) {
        let bytes = encoded(|out| sent.encode(out));
        prop_assert_eq!(HandshakeResponse::decode(&bytes), Ok(sent.clone()));
        let head = encoded(|out| sent.ssl_request().encode(out));
        prop_assert_eq!(SslRequest::decode(&head), Ok(sent.ssl_request()));
        prop_assert!(bytes.starts_with(&head));
    }

    #[test]
    fn a_greeting_is_read_back(sent in greeting()) {
        prop_assert_eq!(Greeting::decode(&encoded(|out| sent.encode(out))), Ok(sent));
    }

    #[test]
    fn a_change_of_user_is_read_back(sent in response(), collation in any::<u16>()) {
        let capabilities = sent.capabilities;
        let change = ChangeUser {
            user: sent.user,
            auth_response: sent.auth_response,
            database: sent.database,
            collation: Some(collation),
            auth_plugin: sent.auth_plugin,
            attributes: sent.attributes,
        };
        let bytes = encoded(|out| change.encode(capabilities, out));
        prop_assert_eq!(ChangeUser::decode(&bytes, capabilities), Ok(change));
    }

    #[test]
    fn a_cut_response_is_an_error_or_less(sent in response(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(|out| sent.encode(out));
        if let Ok(read) = HandshakeResponse::decode(&bytes[..at.index(bytes.len())]) {
            // a block of no attributes may be missing: it says the same
            prop_assert!(read != sent || sent.attributes.is_empty());
        }
    }

    #[test]
    fn bytes_never_panic(bytes in vec(any::<u8>(), 0..400), flags in any::<u64>()) {
        let _ = Greeting::decode(&bytes);
        let _ = SslRequest::decode(&bytes);
        let _ = HandshakeResponse::decode(&bytes);
        let _ = AuthSwitchRequest::decode(&bytes).map(|request| request.nonce());
        let _ = AuthMoreData::decode(&bytes);
        let _ = ChangeUser::decode(&bytes, Capabilities(flags));
        let _ = caching_sha2::Verifier::parse(&bytes);
        let _ = wire::auth::encrypt_password(&bytes, Nonce([1; 20]), b"secret");
        let _ = ed25519::Verifier::make(b"secret").verify(Challenge([1; 32]), &bytes);
        let _ = native_password::Verifier([0; 20]).verify(Nonce([1; 20]), &bytes);
    }

    #[test]
    fn a_server_ends_after_a_few_packets_whatever_comes(
        greeting in greeting(),
        first in prop_oneof![
            response().prop_map(|response| encoded(|out| response.encode(out))),
            vec(any::<u8>(), 0..200),
        ],
        rest in vec(vec(any::<u8>(), 0..300), 8),
        plugins in prop::sample::subsequence(vec![Plugin::NativePassword, Plugin::CachingSha2, Plugin::Ed25519], 1..=3),
    ) {
        let mut sequence = 1;
        let mut number = |payload| {
            let packet = Packet { sequence, payload };
            sequence += 2;
            packet
        };
        let mut greeted = Vec::new();
        let login = ServerLogin::greet(&greeting, Transport::UnixSocket, &mut greeted);
        let Ok(FirstStep::Identify(identify)) = login.on_packet(number(&first)) else { return Ok(()) };
        let Ok((_, mut step)) = identify.prove(accepts(&plugins)) else { return Ok(()) };
        let mut rounds = 0;
        for payload in &rest {
            let state = match step {
                ServerStep::Send(_, state) => state,
                ServerStep::PublicKey(request) => request.send(b"key").1,
                ServerStep::Verify(Proof::Fast(proof)) => proof.full_authentication().1,
                ServerStep::Verify(_) => break,
            };
            rounds += 1;
            match state.on_packet(number(payload)) {
                Ok(next) => step = next,
                Err(_) => break,
            }
        }
        // switch, full authentication, public key
        prop_assert!(rounds <= 3);
    }

    #[test]
    fn a_client_ends_after_a_few_packets_whatever_comes(
        greeting in greeting(),
        packets in vec(
            prop_oneof![
                vec(any::<u8>(), 0..200),
                Just(vec![0x01, 0x03]),
                Just(vec![0x01, 0x04]),
                Just(b"\x01-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n".to_vec()),
                Just(encoded(|out| {
                    AuthSwitchRequest::new(b"caching_sha2_password", Nonce([7; 20])).encode(out);
                })),
                Just(encoded(|out| AuthSwitchRequest::new(b"sha256_password", Nonce([7; 20])).encode(out))),
                Just(encoded(|out| AuthSwitchRequest::ed25519(Challenge([7; 32])).encode(out))),
            ],
            8,
        ),
        transport in prop_oneof![Just(Transport::Plain), Just(Transport::UnixSocket)],
    ) {
        let identity = Identity {
            user: b"app".to_vec(),
            password: Password::new(b"secret".to_vec()),
            database: None,
            capabilities: Capabilities::BOOKKEEPING_FLAGS,
            collation: 45,
            attributes: Vec::new(),
        };
        let greeted = encoded(|out| greeting.encode(out));
        let login = ClientLogin::new(identity, transport, TlsWish::Off);
        let Ok(ClientStart::Respond(greeted)) = login.on_greeting(Packet { sequence: 0, payload: &greeted }) else {
            return Err(TestCaseError::fail("a greeting that is not answered"));
        };
        let (mut sequence, mut state, mut ended) = (2, greeted.respond().1, false);
        for payload in &packets {
            let step = state.on_packet(Packet { sequence, payload });
            (sequence, state) = match step {
                Ok(ClientStep::Send(bytes, next)) => {
                    // the password in clear only where nobody else reads
                    let clear = bytes.windows(6).any(|part| part == b"secret");
                    prop_assert!(!clear || transport.is_secure());
                    (sequence + 2, next)
                }
                Ok(ClientStep::Wait(next)) => (sequence + 1, next),
                Ok(ClientStep::Done(_) | ClientStep::Refused(_)) | Err(_) => {
                    ended = true;
                    break;
                }
            };
        }
        prop_assert!(ended, "eight packets and no end");
    }
}

//! A client that sends anything gets to the end of a login in a bounded number of packets, never in without a
//! password, and never sends one in clear where others can read it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wire::auth::caching_sha2::FastVerifier;
use wire::auth::ed25519::{self, Challenge};
use wire::auth::native_password::Verifier;
use wire::auth::{Plugin, ServerKey};
use wire::handshake::{
    Accepts, ChangeUser, Family, FirstStep, Greeting, Nonce, Packet, Proof, ServerLogin, ServerStep,
    Transport,
};
use wire::{Capabilities, StatusFlags};

/// SslRequest, response, answer to a switch, request for the key, encrypted password.
const PACKETS_MAX: usize = 5;

const PASSWORD: &[u8] = b"a password that no input proves";

const CHALLENGE: Challenge = Challenge([0x77; 32]);

static SIGNED: LazyLock<ed25519::Verifier> = LazyLock::new(|| ed25519::Verifier::make(PASSWORD));

static KEY: LazyLock<ServerKey> = LazyLock::new(|| ServerKey::generate().expect("a key"));

/// Packets out of the input: a length of two bytes (its top bit asks for a wrong number), then the payload.
struct Client<'a> {
    rest: &'a [u8],
    sequence: u8,
    sent: usize,
}

impl<'a> Client<'a> {
    fn packet(&mut self) -> Option<Packet<'a>> {
        let [low, high, rest @ ..] = self.rest else {
            return None;
        };
        let length = usize::from(u16::from_le_bytes([*low, high & 0x7f])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        self.rest = rest;
        self.sent += 1;
        assert!(self.sent <= PACKETS_MAX, "a login takes packet after packet");
        let sequence = self.sequence.wrapping_add(u8::from(high & 0x80 != 0));
        // the server answers each of them with one packet of its own
        self.sequence = self.sequence.wrapping_add(2);
        Some(Packet { sequence, payload })
    }
}

fn greeting(capabilities: Capabilities, plugin: Plugin) -> Greeting {
    Greeting {
        version: b"8.4.0".to_vec(),
        connection_id: 7,
        nonce: Nonce([0x31; 20]),
        capabilities,
        collation: 255,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: plugin.name().as_bytes().to_vec(),
    }
}

/// Goes on until somebody must decide, and decides. The transport may have become TLS on the way.
fn go_on(mut step: ServerStep, transport: Transport, client: &mut Client<'_>, accept_fast: bool) {
    loop {
        let waiting = match step {
            ServerStep::Send(bytes, waiting) => {
                assert!(bytes.len() > 4);
                waiting
            }
            ServerStep::PublicKey(request) => request.send(KEY.public_pem()).1,
            ServerStep::Verify(proof) => match proof {
                Proof::Nothing { .. } | Proof::Wrong { .. } => return,
                Proof::Ed25519 {
                    challenge, response, ..
                } => {
                    assert_eq!(challenge, CHALLENGE);
                    assert!(!SIGNED.verify(challenge, &response));
                    return;
                }
                Proof::Native { nonce, response, .. } => {
                    assert!(!Verifier::make(PASSWORD).verify(nonce, &response));
                    return;
                }
                Proof::Fast(fast) => {
                    assert!(!FastVerifier::make(PASSWORD).verify(fast.nonce(), fast.response()));
                    if accept_fast {
                        assert!(fast.accept().0.len() > 4);
                        return;
                    }
                    fast.full_authentication().1
                }
                Proof::Full { password, .. } => {
                    assert!(transport.is_secure(), "a password in clear");
                    assert!(*password != PASSWORD);
                    return;
                }
                Proof::Encrypted { nonce, block, .. } => {
                    if let Ok(password) = KEY.decrypt_password(nonce, &block) {
                        assert!(*password != PASSWORD);
                    }
                    return;
                }
            },
        };
        let Some(packet) = client.packet() else { return };
        match waiting.on_packet(packet) {
            Ok(next) => step = next,
            Err(_) => return,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, more, rest @ ..] = data else { return };
    let is = |bit: u8| choice & (1 << bit) != 0;
    let mut transport = [Transport::Plain, Transport::UnixSocket][usize::from(is(0))];
    let tls = if is(1) {
        Capabilities::SSL
    } else {
        Capabilities::NONE
    };
    let mut plugins = Vec::new();
    for (bit, plugin) in [(2, Plugin::NativePassword), (3, Plugin::CachingSha2)] {
        if is(bit) {
            plugins.push(plugin);
        }
    }
    if more & 1 != 0 {
        plugins.push(Plugin::Ed25519);
    }
    let accepts = Accepts {
        plugins: &plugins,
        challenge: CHALLENGE,
    };
    // a MariaDB server leaves the flag out
    let (family, left_out) = if more & 2 != 0 {
        (Family::Mariadb, Capabilities::LONG_PASSWORD)
    } else {
        (Family::Mysql, Capabilities::NONE)
    };
    let accept_fast = is(4);
    let claimed = [Plugin::NativePassword, Plugin::CachingSha2][usize::from(is(5))];
    let mut client = Client {
        rest,
        sequence: 1,
        sent: 0,
    };

    if is(6) {
        let Some(packet) = client.packet() else { return };
        let capabilities = Capabilities::BOOKKEEPING_FLAGS;
        let Ok(change) = ChangeUser::decode(packet.payload, capabilities) else {
            return;
        };
        client.sequence = 2;
        if let Ok(step) = change.prove(accepts, family, Nonce([9; 20]), transport, 1) {
            go_on(step, transport, &mut client, accept_fast);
        }
        return;
    }

    let greeting = greeting(Capabilities::BOOKKEEPING_FLAGS.without(left_out) | tls, claimed);
    let mut server = ServerLogin::greet(&greeting, transport, &mut Vec::new());
    loop {
        let Some(packet) = client.packet() else { return };
        match server.on_packet(packet) {
            Ok(FirstStep::StartTls(again)) => {
                assert!(transport != Transport::Tls, "TLS twice");
                transport = Transport::Tls;
                // TLS is taken up without a packet of the server
                client.sequence = client.sequence.wrapping_sub(1);
                server = again;
            }
            Ok(FirstStep::Identify(identify)) => {
                assert_eq!(identify.transport(), transport);
                if let Ok((_, step)) = identify.prove(accepts) {
                    go_on(step, transport, &mut client, accept_fast);
                }
                return;
            }
            Err(_) => return,
        }
    }
});

//! The server's end of a login, without I/O and without one expensive digest.
//!
//! ```text
//! ServerLogin ──on_packet──▶ StartTls(ServerLogin)         the caller starts TLS, reads again
//!                          ▶ Identify ──prove(account's plugins)──▶ ServerStep
//! ServerStep::Send(bytes, AwaitProof) ──on_packet──▶ ServerStep
//! ServerStep::Verify(Native | Ed25519 | Fast | Full | …)   the caller decides
//!                     Fast ──full_authentication──▶ (bytes, AwaitProof)
//! ServerStep::PublicKey ──send(key)──▶ (bytes, AwaitProof)
//! ```
//!
//! OK or ERR is the caller's, with the `sequence` that a proof carries. Each state takes one packet, and
//! no state is entered twice, so the number of round trips is bounded by the types.

use super::auth_more::AuthMoreData;
use super::auth_switch::AuthSwitchRequest;
use super::change_user::ChangeUser;
use super::greeting::{Greeting, Nonce};
use super::packet::{Family, HandshakeError, Packet, Transport};
use super::response::HandshakeResponse;
use super::ssl_request::SslRequest;
use crate::auth::ed25519::Challenge;
use crate::auth::{Password, Plugin, caching_sha2, native_password};
use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::frame;

/// What an account can be proved by.
#[derive(Debug, Clone, Copy)]
pub struct Accepts<'a> {
    /// The plugins that it has a verifier for.
    pub plugins: &'a [Plugin],
    /// Random bytes for this login, should it be `client_ed25519`.
    pub challenge: Challenge,
}

/// A greeting has been sent; waits for the client's first packet.
#[derive(Debug)]
pub struct ServerLogin {
    capabilities: Capabilities,
    /// The plugin that the greeting's nonce is for.
    greeted: Option<Plugin>,
    family: Family,
    exchange: Exchange,
}

/// What follows from the client's first packet.
#[derive(Debug)]
pub enum FirstStep {
    /// Take TLS up, then give the next packet to this state.
    StartTls(ServerLogin),
    /// The client said who it is: look the account up.
    Identify(Box<Identify>),
}

/// What both ends keep count of.
#[derive(Debug, Clone, Copy)]
struct Exchange {
    nonce: Nonce,
    transport: Transport,
    /// Of the next packet, in either direction.
    sequence: u8,
}

impl Exchange {
    fn send(mut self, write: impl FnOnce(&mut Vec<u8>)) -> (Vec<u8>, Exchange) {
        let mut bytes = Vec::new();
        self.sequence = frame::encode_with(&mut bytes, self.sequence, write);
        (bytes, self)
    }
}

impl ServerLogin {
    /// Appends the greeting's packet to `out`.
    pub fn greet(greeting: &Greeting, transport: Transport, out: &mut Vec<u8>) -> Self {
        let sequence = frame::encode_with(out, 0, |out| greeting.encode(out));
        let exchange = Exchange {
            nonce: greeting.nonce,
            transport,
            sequence,
        };
        Self {
            capabilities: greeting.capabilities,
            greeted: Plugin::from_name(&greeting.auth_plugin),
            family: greeting.family(),
            exchange,
        }
    }

    /// Reads an [`SslRequest`] or a [`HandshakeResponse`].
    pub fn on_packet(mut self, packet: Packet<'_>) -> Result<FirstStep, HandshakeError> {
        self.exchange.sequence = packet.follows(self.exchange.sequence)?;
        let in_tls = self.exchange.transport == Transport::Tls;
        if packet.payload.len() == SslRequest::BYTES && !in_tls {
            let request = SslRequest::decode(packet.payload)?;
            if !request.capabilities.has(Capabilities::PROTOCOL_41) {
                return Err(self.old_client(packet.payload));
            }
            if !request.capabilities.has(Capabilities::SSL) {
                return Err(DecodeError::Truncated("user name").into());
            }
            if !self.capabilities.has(Capabilities::SSL) {
                return Err(HandshakeError::TlsNotOffered);
            }
            self.exchange.transport = Transport::Tls;
            return Ok(FirstStep::StartTls(self));
        }
        let response = match HandshakeResponse::decode(packet.payload) {
            Err(HandshakeError::OldProtocol) => return Err(self.old_client(packet.payload)),
            response => response?,
        };
        if response.capabilities.has(Capabilities::SSL) && !in_tls {
            return Err(HandshakeError::TlsSkipped);
        }
        Ok(FirstStep::Identify(Box::new(Identify {
            response,
            greeted: self.greeted,
            family: self.family,
            exchange: self.exchange,
        })))
    }

    fn old_client(&self, payload: &[u8]) -> HandshakeError {
        HandshakeError::OldClient {
            family: self.family,
            short: payload.len() < SslRequest::BYTES,
        }
    }
}

/// The client said who it is; waits for the account's plugins.
#[derive(Debug)]
pub struct Identify {
    /// What the client sent.
    pub response: HandshakeResponse,
    greeted: Option<Plugin>,
    family: Family,
    exchange: Exchange,
}

impl Identify {
    /// The number of the next packet, for a refusal in this place.
    pub fn sequence(&self) -> u8 {
        self.exchange.sequence
    }

    /// What carries the bytes by now.
    pub fn transport(&self) -> Transport {
        self.exchange.transport
    }

    /// Goes on with a plugin that the account `accepts`: the client's own if it is among them.
    pub fn prove(self, accepts: Accepts<'_>) -> Result<(HandshakeResponse, ServerStep), HandshakeError> {
        let Self {
            mut response,
            greeted,
            family,
            exchange,
        } = self;
        let proof = std::mem::take(&mut response.auth_response);
        let knows_plugins = response.capabilities.has(Capabilities::PLUGIN_AUTH);
        if !response.capabilities.has(Capabilities::SECURE_CONNECTION) && !knows_plugins {
            before_4_1_passwords(&proof, family)?;
        }
        let accepted = |plugin: &Plugin| accepts.plugins.contains(plugin);
        let claimed = match response.auth_plugin.as_deref() {
            Some(name) => Plugin::from_name(name),
            // MySQL takes the missing name for an empty one, MariaDB the client for an older one
            None if knows_plugins && family == Family::Mysql => None,
            None => Some(Plugin::NativePassword),
        };
        // MySQL 9's client has one plugin only: greeted with another it sends nothing, and waits to be switched
        let waits = proof.is_empty() && greeted.is_some() && claimed != greeted;
        let step = match claimed.filter(accepted) {
            // nobody has the challenge before the switch
            Some(Plugin::Ed25519) => exchange.switch(Plugin::Ed25519, accepts.challenge),
            Some(plugin) if waits => exchange.switch(plugin, accepts.challenge),
            Some(plugin) => exchange.on_proof(plugin, proof)?,
            None if !knows_plugins => return Err(HandshakeError::PluginNotSupported(family)),
            None => {
                let plugin = preferred(accepts.plugins, family)?;
                let old = response.auth_plugin.as_deref() == Some(OLD_PASSWORD);
                if old && family == Family::Mariadb && plugin == Plugin::NativePassword {
                    return Err(HandshakeError::PluginNotSupported(family));
                }
                exchange.switch(plugin, accepts.challenge)
            }
        };
        Ok((response, step))
    }
}

/// The plugin of servers before 4.1, which MariaDB switches nobody away from.
const OLD_PASSWORD: &[u8] = b"mysql_old_password";

/// A client that knows the packets of 4.1 but not its passwords; what it sends says so only where it has one.
fn before_4_1_passwords(proof: &[u8], family: Family) -> Result<(), HandshakeError> {
    match family {
        _ if proof.is_empty() => Ok(()),
        Family::Mariadb => Err(HandshakeError::PluginNotSupported(family)),
        Family::Mysql => Err(DecodeError::Invalid("authentication data").into()),
    }
}

/// COM_CHANGE_USER: the exchange begins again with a switch. `sequence` is the command's plus one.
pub(super) fn change_user(
    change: &ChangeUser,
    accepts: Accepts<'_>,
    family: Family,
    nonce: Nonce,
    transport: Transport,
    sequence: u8,
) -> Result<ServerStep, HandshakeError> {
    let exchange = Exchange {
        nonce,
        transport,
        sequence,
    };
    let claimed = change.auth_plugin.as_deref().and_then(Plugin::from_name);
    let plugin = match claimed.filter(|plugin| accepts.plugins.contains(plugin)) {
        Some(plugin) => plugin,
        None => preferred(accepts.plugins, family)?,
    };
    Ok(exchange.switch(plugin, accepts.challenge))
}

/// What a client that can do nothing of the account's is asked for: what its family's clients know best.
fn preferred(plugins: &[Plugin], family: Family) -> Result<Plugin, HandshakeError> {
    let order = match family {
        Family::Mariadb => [Plugin::NativePassword, Plugin::Ed25519, Plugin::CachingSha2],
        Family::Mysql => [Plugin::CachingSha2, Plugin::NativePassword, Plugin::Ed25519],
    };
    order
        .into_iter()
        .find(|plugin| plugins.contains(plugin))
        .ok_or(HandshakeError::PluginNotSupported(family))
}

/// What the server does next.
#[derive(Debug)]
pub enum ServerStep {
    /// Send these bytes, then give the next packet to this state.
    Send(Vec<u8>, AwaitProof),
    /// The client asks for the RSA public key.
    PublicKey(KeyRequest),
    /// Decide about this proof.
    Verify(Proof),
}

/// What a client brought to prove its password with.
#[derive(Debug)]
pub enum Proof {
    /// No password at all.
    Nothing {
        /// Number of the next packet.
        sequence: u8,
    },
    /// For [`crate::auth::native_password::Verifier::verify`].
    Native {
        /// What the proof is bound to.
        nonce: Nonce,
        /// The proof.
        response: Password,
        /// Number of the next packet.
        sequence: u8,
    },
    /// For [`crate::auth::ed25519::Verifier::verify`].
    Ed25519 {
        /// What the proof is bound to.
        challenge: Challenge,
        /// The proof; may be of any length.
        response: Password,
        /// Number of the next packet.
        sequence: u8,
    },
    /// Bytes that prove no password.
    Wrong {
        /// Number of the next packet.
        sequence: u8,
    },
    /// For [`crate::auth::caching_sha2::FastVerifier::verify`], when there is one.
    Fast(FastProof),
    /// The password itself, for [`crate::auth::caching_sha2::Verifier::verify`].
    Full {
        /// The password.
        password: Password,
        /// Number of the next packet.
        sequence: u8,
    },
    /// The password, for [`crate::auth::ServerKey::decrypt_password`] first.
    Encrypted {
        /// What the encryption is bound to.
        nonce: Nonce,
        /// One RSA block.
        block: Vec<u8>,
        /// Number of the next packet.
        sequence: u8,
    },
}

/// A fast proof of `caching_sha2_password`.
#[derive(Debug)]
pub struct FastProof {
    response: Password,
    exchange: Exchange,
}

impl FastProof {
    /// What the proof is bound to.
    pub fn nonce(&self) -> Nonce {
        self.exchange.nonce
    }

    /// The proof.
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// The proof is right: the bytes to send in front of OK or ERR, and the number of that packet.
    pub fn accept(self) -> (Vec<u8>, u8) {
        let (bytes, exchange) = self.exchange.send(|out| AuthMoreData::FastSuccess.encode(out));
        (bytes, exchange.sequence)
    }

    /// Nothing to compare the proof with, or not equal: the password itself is needed.
    pub fn full_authentication(self) -> (Vec<u8>, AwaitProof) {
        let (bytes, exchange) = self
            .exchange
            .send(|out| AuthMoreData::FullAuthentication.encode(out));
        (
            bytes,
            AwaitProof {
                exchange,
                awaited: Awaited::Password { key_sent: false },
            },
        )
    }
}

/// The client wants to encrypt its password.
#[derive(Debug)]
pub struct KeyRequest(Exchange);

impl KeyRequest {
    /// Answers with the key as PEM.
    pub fn send(self, public_pem: &[u8]) -> (Vec<u8>, AwaitProof) {
        let (bytes, exchange) = self.0.send(|out| AuthMoreData::PublicKey(public_pem).encode(out));
        (
            bytes,
            AwaitProof {
                exchange,
                awaited: Awaited::Password { key_sent: true },
            },
        )
    }
}

/// Waits for a plugin's answer.
#[derive(Debug)]
pub struct AwaitProof {
    exchange: Exchange,
    awaited: Awaited,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    /// The proof of this plugin, after a switch.
    Proof(Plugin),
    /// The signature of `client_ed25519`.
    Signature(Challenge),
    /// The password of `caching_sha2_password`.
    Password { key_sent: bool },
}

impl AwaitProof {
    /// The client asks for the public key with this byte alone; a password in clear ends with a zero byte.
    const KEY_REQUEST: &[u8] = &[0x02];

    /// Reads the client's answer.
    pub fn on_packet(self, packet: Packet<'_>) -> Result<ServerStep, HandshakeError> {
        let Self {
            mut exchange,
            awaited,
        } = self;
        exchange.sequence = packet.follows(exchange.sequence)?;
        let answer = Password::new(packet.payload.to_vec());
        match awaited {
            Awaited::Proof(plugin) => exchange.on_proof(plugin, answer),
            Awaited::Signature(challenge) => Ok(ServerStep::Verify(Proof::Ed25519 {
                challenge,
                response: answer,
                sequence: exchange.sequence,
            })),
            Awaited::Password { key_sent: false } if *answer == Self::KEY_REQUEST => {
                Ok(ServerStep::PublicKey(KeyRequest(exchange)))
            }
            Awaited::Password { key_sent } => {
                let encrypted = key_sent || !exchange.transport.is_secure();
                exchange.on_password(answer, encrypted)
            }
        }
    }
}

impl Exchange {
    fn switch(self, plugin: Plugin, challenge: Challenge) -> ServerStep {
        let (request, awaited) = match plugin {
            Plugin::Ed25519 => (
                AuthSwitchRequest::ed25519(challenge),
                Awaited::Signature(challenge),
            ),
            plugin => (
                AuthSwitchRequest::new(plugin.name().as_bytes(), self.nonce),
                Awaited::Proof(plugin),
            ),
        };
        let (bytes, exchange) = self.send(|out| request.encode(out));
        ServerStep::Send(bytes, AwaitProof { exchange, awaited })
    }

    fn on_proof(self, plugin: Plugin, response: Password) -> Result<ServerStep, HandshakeError> {
        let (nonce, sequence) = (self.nonce, self.sequence);
        // without a password one plugin sends nothing, the other a zero byte
        if matches!(response.as_slice(), [] | [0]) {
            return Ok(ServerStep::Verify(Proof::Nothing { sequence }));
        }
        Ok(ServerStep::Verify(match plugin {
            Plugin::CachingSha2 if response.len() == caching_sha2::RESPONSE_BYTES => Proof::Fast(FastProof {
                response,
                exchange: self,
            }),
            Plugin::NativePassword if response.len() == native_password::RESPONSE_BYTES => Proof::Native {
                nonce,
                response,
                sequence,
            },
            Plugin::NativePassword => return Err(DecodeError::Invalid("authentication data").into()),
            Plugin::CachingSha2 | Plugin::Ed25519 | Plugin::Sha256Password => Proof::Wrong { sequence },
        }))
    }

    fn on_password(self, mut answer: Password, encrypted: bool) -> Result<ServerStep, HandshakeError> {
        let Self { nonce, sequence, .. } = self;
        if encrypted {
            let block = answer.to_vec();
            return Ok(ServerStep::Verify(Proof::Encrypted {
                nonce,
                block,
                sequence,
            }));
        }
        if answer.pop() != Some(0) {
            return Err(DecodeError::Truncated("password").into());
        }
        Ok(ServerStep::Verify(Proof::Full {
            password: answer,
            sequence,
        }))
    }
}

#[cfg(test)]
mod tests;

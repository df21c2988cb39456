//! The server's end of a login, without I/O and without one expensive digest.
//!
//! ```text
//! ServerLogin ──on_packet──▶ StartTls(ServerLogin)         the caller starts TLS, reads again
//!                          ▶ Identify ──prove(account's plugins)──▶ ServerStep
//! ServerStep::Send(bytes, AwaitProof) ──on_packet──▶ ServerStep
//! ServerStep::Verify(Native | Fast | Full | Nothing)       the caller decides
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
use super::packet::{HandshakeError, Packet, Transport};
use super::response::HandshakeResponse;
use super::ssl_request::SslRequest;
use crate::auth::{Password, Plugin};
use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::frame;

/// A greeting has been sent; waits for the client's first packet.
#[derive(Debug)]
pub struct ServerLogin {
    capabilities: Capabilities,
    /// The plugin that the greeting's nonce is for.
    greeted: Option<Plugin>,
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
                return Err(HandshakeError::OldProtocol);
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
        let response = HandshakeResponse::decode(packet.payload)?;
        if response.capabilities.has(Capabilities::SSL) && !in_tls {
            return Err(HandshakeError::TlsSkipped);
        }
        Ok(FirstStep::Identify(Box::new(Identify {
            response,
            greeted: self.greeted,
            exchange: self.exchange,
        })))
    }
}

/// The client said who it is; waits for the account's plugins.
#[derive(Debug)]
pub struct Identify {
    /// What the client sent.
    pub response: HandshakeResponse,
    greeted: Option<Plugin>,
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
    pub fn prove(self, accepts: &[Plugin]) -> Result<(HandshakeResponse, ServerStep), HandshakeError> {
        let Self {
            mut response,
            greeted,
            exchange,
        } = self;
        let proof = std::mem::take(&mut response.auth_response);
        let claimed = match response.auth_plugin.as_deref() {
            Some(name) => Plugin::from_name(name),
            None => Some(Plugin::NativePassword),
        };
        // MySQL 9's client has one plugin only: greeted with another it sends nothing, and waits to be switched
        let waits = proof.is_empty() && greeted.is_some() && claimed != greeted;
        let step = match claimed {
            Some(plugin) if accepts.contains(&plugin) && waits => exchange.switch(plugin),
            Some(plugin) if accepts.contains(&plugin) => exchange.on_proof(plugin, proof)?,
            _ if response.auth_plugin.is_none() => return Err(HandshakeError::PluginNotSupported),
            _ => exchange.switch(preferred(accepts)?),
        };
        Ok((response, step))
    }
}

/// COM_CHANGE_USER: the exchange begins again with a switch. `sequence` is the command's plus one.
pub(super) fn change_user(
    change: &ChangeUser,
    accepts: &[Plugin],
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
    let plugin = match claimed.filter(|plugin| accepts.contains(plugin)) {
        Some(plugin) => plugin,
        None => preferred(accepts)?,
    };
    Ok(exchange.switch(plugin))
}

fn preferred(accepts: &[Plugin]) -> Result<Plugin, HandshakeError> {
    [Plugin::CachingSha2, Plugin::NativePassword]
        .into_iter()
        .find(|plugin| accepts.contains(plugin))
        .ok_or(HandshakeError::PluginNotSupported)
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
    fn switch(self, plugin: Plugin) -> ServerStep {
        let request = AuthSwitchRequest::new(plugin.name().as_bytes(), self.nonce);
        let (bytes, exchange) = self.send(|out| request.encode(out));
        ServerStep::Send(
            bytes,
            AwaitProof {
                exchange,
                awaited: Awaited::Proof(plugin),
            },
        )
    }

    fn on_proof(self, plugin: Plugin, response: Password) -> Result<ServerStep, HandshakeError> {
        // without a password one plugin sends nothing, the other a zero byte
        let nothing = matches!(response.as_slice(), [] | [0]);
        Ok(ServerStep::Verify(match plugin {
            _ if nothing => Proof::Nothing {
                sequence: self.sequence,
            },
            Plugin::NativePassword => Proof::Native {
                nonce: self.nonce,
                response,
                sequence: self.sequence,
            },
            Plugin::CachingSha2 => Proof::Fast(FastProof {
                response,
                exchange: self,
            }),
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

//! The client's end of a login, without I/O.
//!
//! ```text
//! ClientLogin ──on_greeting──▶ Refused
//!                            ▶ StartTls(bytes, ClientGreeted)   the caller starts TLS
//!                            ▶ Respond(ClientGreeted)
//! ClientGreeted ──respond──▶ (bytes, AwaitVerdict) ──on_packet──▶ ClientStep
//! ```

use super::attributes::Attributes;
use super::auth_more::AuthMoreData;
use super::auth_switch::AuthSwitchRequest;
use super::change_user::ChangeUser;
use super::greeting::{Greeting, Nonce};
use super::packet::{HandshakeError, Packet, Transport};
use super::response::HandshakeResponse;
use crate::auth::{Password, Plugin, caching_sha2, ed25519, encrypt_password, native_password};
use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::frame;
use crate::reply::{ErrPacket, OkPacket};

/// Largest packet that is announced; the servers' own bound is what counts.
const PACKET_BYTES_MAX: u32 = 1 << 30;

/// Who logs in, and what for.
#[derive(Clone)]
pub struct Identity {
    /// User name.
    pub user: Vec<u8>,
    /// The password; may be empty.
    pub password: Password,
    /// The schema to begin in.
    pub database: Option<Vec<u8>>,
    /// What is wanted; the server may be able to do less. With a flag of [`crate::compressed::Compression`] the
    /// connection is compressed behind the login, where the server can.
    pub capabilities: Capabilities,
    /// The lower byte of a collation.
    pub collation: u8,
    /// What to tell about oneself.
    pub attributes: Attributes,
}

/// Waits for the greeting.
pub struct ClientLogin {
    identity: Identity,
    transport: Transport,
    tls: TlsWish,
}

/// What is wanted of the server's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsWish {
    /// Stay without.
    Off,
    /// Take it if it is offered.
    Preferred,
    /// Do not go on without.
    Required,
}

/// What follows from the greeting.
pub enum ClientStart {
    /// The server does not want us; the payload of its ERR packet.
    Refused(Vec<u8>),
    /// Send these bytes, take TLS up, then respond.
    StartTls(Vec<u8>, ClientGreeted),
    /// Respond at once.
    Respond(ClientGreeted),
}

/// The greeting has been read.
pub struct ClientGreeted {
    identity: Identity,
    greeting: Greeting,
    capabilities: Capabilities,
    transport: Transport,
    sequence: u8,
}

impl ClientLogin {
    /// A login over this transport.
    pub fn new(identity: Identity, transport: Transport, tls: TlsWish) -> Self {
        Self {
            identity,
            transport,
            tls,
        }
    }

    /// Reads the server's first packet.
    pub fn on_greeting(self, packet: Packet<'_>) -> Result<ClientStart, HandshakeError> {
        let sequence = packet.follows(0)?;
        if packet.first() == Some(ErrPacket::MARKER) {
            return Ok(ClientStart::Refused(packet.payload.to_vec()));
        }
        let greeting = Greeting::decode(packet.payload)?;
        if !greeting
            .capabilities
            .has(Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION)
        {
            return Err(HandshakeError::OldProtocol);
        }
        let offered = greeting.capabilities.has(Capabilities::SSL);
        let tls = match self.tls {
            TlsWish::Off => false,
            _ if self.transport == Transport::Tls => false,
            TlsWish::Preferred => offered,
            TlsWish::Required if offered => true,
            TlsWish::Required => return Err(HandshakeError::TlsMissing),
        };
        let mut greeted = ClientGreeted {
            capabilities: self.identity.negotiate(greeting.capabilities),
            identity: self.identity,
            greeting,
            transport: self.transport,
            sequence,
        };
        if !tls {
            return Ok(ClientStart::Respond(greeted));
        }
        greeted.capabilities |= Capabilities::SSL;
        greeted.transport = Transport::Tls;
        let request = greeted.response(&[], None).ssl_request();
        let mut bytes = Vec::new();
        greeted.sequence = frame::encode_with(&mut bytes, sequence, |out| request.encode(out));
        Ok(ClientStart::StartTls(bytes, greeted))
    }
}

impl Identity {
    fn negotiate(&self, offered: Capabilities) -> Capabilities {
        let needed = Capabilities::PROTOCOL_41
            | Capabilities::SECURE_CONNECTION
            | Capabilities::PLUGIN_AUTH
            | Capabilities::LONG_PASSWORD;
        // not asked for a second factor here
        let mut never = Capabilities::SSL | Capabilities::MULTI_FACTOR_AUTHENTICATION;
        if self.database.is_none() {
            never |= Capabilities::CONNECT_WITH_DB;
        }
        let database = if self.database.is_some() {
            Capabilities::CONNECT_WITH_DB
        } else {
            Capabilities::NONE
        };
        ((self.capabilities | needed | database) & offered).without(never)
    }
}

impl ClientGreeted {
    /// The server's greeting.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// What both ends can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// The response of this identity with a given proof.
    pub fn response(&self, proof: &[u8], plugin: Option<&[u8]>) -> HandshakeResponse {
        HandshakeResponse {
            capabilities: self.capabilities,
            packet_bytes_max: PACKET_BYTES_MAX,
            collation: self.identity.collation,
            user: self.identity.user.clone(),
            auth_response: Password::new(proof.to_vec()),
            database: self.identity.database.clone(),
            auth_plugin: plugin.map(Vec::from),
            attributes: self.identity.attributes.clone(),
            zstd_level: None,
        }
    }

    /// The response's packet, with a proof by the greeting's plugin where that is spoken here.
    pub fn respond(self) -> (Vec<u8>, AwaitVerdict) {
        // the others need more than the greeting has; the server switches
        let plugin = Plugin::from_name(&self.greeting.auth_plugin)
            .filter(|plugin| *plugin == Plugin::CachingSha2)
            .unwrap_or(Plugin::NativePassword);
        let nonce = self.greeting.nonce;
        let proof = scramble(plugin, nonce, &self.identity.password);
        let response = self.response(&proof, Some(plugin.name().as_bytes()));
        let mut bytes = Vec::new();
        let sequence = frame::encode_with(&mut bytes, self.sequence, |out| response.encode(out));
        let state = AwaitVerdict {
            password: self.identity.password,
            greeting: self.greeting,
            capabilities: self.capabilities,
            transport: self.transport,
            sequence,
            nonce,
            plugin,
            may_switch: true,
            phase: Phase::Proved,
        };
        (bytes, state)
    }
}

/// What the client does next.
pub enum ClientStep {
    /// Send these bytes, then give the next packet to this state.
    Send(Vec<u8>, AwaitVerdict),
    /// Give the next packet to this state.
    Wait(AwaitVerdict),
    /// Logged in.
    Done(ClientDone),
    /// The payload of the server's ERR packet.
    Refused(Vec<u8>),
}

/// A login that succeeded.
#[derive(Debug, Clone)]
pub struct ClientDone {
    /// The server's greeting.
    pub greeting: Greeting,
    /// What both ends can do.
    pub capabilities: Capabilities,
    /// The payload of the server's OK packet.
    pub ok: Vec<u8>,
}

impl ClientDone {
    /// Logs in again on this connection, by COM_CHANGE_USER, for a collation that a handshake response has no room for.
    pub fn change_user(
        self,
        identity: Identity,
        collation: u16,
        transport: Transport,
    ) -> (Vec<u8>, AwaitVerdict) {
        let plugin = Plugin::CachingSha2;
        let change = ChangeUser {
            user: identity.user,
            // servers ask for a proof whatever is sent here
            auth_response: Password::default(),
            database: identity.database,
            collation: Some(collation),
            auth_plugin: Some(plugin.name().as_bytes().to_vec()),
            attributes: identity.attributes,
        };
        let mut bytes = Vec::new();
        let sequence = frame::encode_with(&mut bytes, 0, |out| change.encode(self.capabilities, out));
        let state = AwaitVerdict {
            password: identity.password,
            nonce: self.greeting.nonce,
            greeting: self.greeting,
            capabilities: self.capabilities,
            transport,
            sequence,
            plugin,
            may_switch: true,
            phase: Phase::Proved,
        };
        (bytes, state)
    }
}

/// The response has been sent.
pub struct AwaitVerdict {
    password: Password,
    greeting: Greeting,
    capabilities: Capabilities,
    transport: Transport,
    sequence: u8,
    nonce: Nonce,
    plugin: Plugin,
    may_switch: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A scrambled proof is at the server.
    Proved,
    /// The server's public key is on its way.
    KeyRequested,
    /// Only OK or ERR may follow.
    Settled,
}

impl AwaitVerdict {
    const KEY_REQUEST: &[u8] = &[0x02];

    /// Reads the server's next packet.
    pub fn on_packet(mut self, packet: Packet<'_>) -> Result<ClientStep, HandshakeError> {
        self.sequence = packet.follows(self.sequence)?;
        match packet.first() {
            Some(OkPacket::MARKER) => Ok(ClientStep::Done(ClientDone {
                greeting: self.greeting,
                capabilities: self.capabilities,
                ok: packet.payload.to_vec(),
            })),
            Some(ErrPacket::MARKER) => Ok(ClientStep::Refused(packet.payload.to_vec())),
            Some(AuthSwitchRequest::MARKER) if self.may_switch => {
                self.on_switch(&AuthSwitchRequest::decode(packet.payload)?)
            }
            Some(AuthMoreData::MARKER)
                if matches!(self.plugin, Plugin::CachingSha2 | Plugin::Sha256Password) =>
            {
                self.on_more(AuthMoreData::decode(packet.payload)?)
            }
            _ => Err(DecodeError::Invalid("the server's answer to a login").into()),
        }
    }

    fn on_switch(mut self, request: &AuthSwitchRequest) -> Result<ClientStep, HandshakeError> {
        self.plugin = Plugin::from_name(&request.plugin).ok_or_else(|| {
            HandshakeError::UnknownPlugin(String::from_utf8_lossy(&request.plugin).into_owned())
        })?;
        self.may_switch = false;
        if self.plugin == Plugin::Ed25519 {
            let proof = ed25519::sign(request.challenge()?, &self.password);
            return Ok(self.send(&proof, Phase::Settled));
        }
        self.nonce = request.nonce()?;
        if self.plugin == Plugin::Sha256Password {
            return Ok(self.send_sha256());
        }
        let proof = scramble(self.plugin, self.nonce, &self.password);
        Ok(self.send(&proof, Phase::Proved))
    }

    /// `sha256_password` has no fast way: the password over TLS, or encrypted. It does not trust a Unix socket.
    fn send_sha256(self) -> ClientStep {
        const KEY_REQUEST: &[u8] = &[0x01];
        if self.password.is_empty() || self.transport == Transport::Tls {
            self.send_password()
        } else {
            self.send(KEY_REQUEST, Phase::KeyRequested)
        }
    }

    fn send_password(self) -> ClientStep {
        let mut clear = Password::new(Vec::with_capacity(self.password.len() + 1));
        clear.extend_from_slice(&self.password);
        clear.push(0);
        self.send(&clear, Phase::Settled)
    }

    fn on_more(mut self, more: AuthMoreData<'_>) -> Result<ClientStep, HandshakeError> {
        self.may_switch = false;
        match (self.phase, more) {
            (Phase::Proved, AuthMoreData::FastSuccess) => {
                self.phase = Phase::Settled;
                Ok(ClientStep::Wait(self))
            }
            (Phase::Proved, AuthMoreData::FullAuthentication) if self.transport.is_secure() => {
                Ok(self.send_password())
            }
            (Phase::Proved, AuthMoreData::FullAuthentication) => {
                Ok(self.send(Self::KEY_REQUEST, Phase::KeyRequested))
            }
            (Phase::KeyRequested, AuthMoreData::PublicKey(pem)) => {
                let block = encrypt_password(pem, self.nonce, &self.password)
                    .map_err(|_| HandshakeError::PublicKey)?;
                Ok(self.send(&block, Phase::Settled))
            }
            _ => Err(DecodeError::Invalid("authentication data").into()),
        }
    }

    fn send(mut self, payload: &[u8], phase: Phase) -> ClientStep {
        let mut bytes = Vec::new();
        self.sequence = frame::encode(payload, self.sequence, &mut bytes);
        self.phase = phase;
        ClientStep::Send(bytes, self)
    }
}

/// The plugin's proof; without a password one sends nothing, the other a zero byte.
fn scramble(plugin: Plugin, nonce: Nonce, password: &[u8]) -> Vec<u8> {
    match plugin {
        Plugin::NativePassword | Plugin::Ed25519 | Plugin::Sha256Password => {
            native_password::scramble(nonce, password)
        }
        Plugin::CachingSha2 if password.is_empty() => vec![0],
        Plugin::CachingSha2 => caching_sha2::scramble(nonce, password),
    }
}

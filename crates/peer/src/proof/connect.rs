//! The gatekeeper's end.

use wire::auth::Password;
use wire::compressed::Compression;
use wire::frame;
use wire::handshake::{Greeting, HandshakeError, Transport};
use wire::limits::CONTROL_PACKET_BYTES_MAX;
use wire::reply::{ErrPacket, OkPacket};
use wire::{Capabilities, DecodeError, StatusFlags};

use super::{HopIdentity, PLUGIN, Secret, mac};
use crate::accept::fresh_nonce;
use crate::error::ConnectError;
use crate::exchange;
use crate::stream::Stream;
use crate::tls::Connector;

/// A session at the proxy.
#[derive(Debug)]
pub struct HopLogin {
    /// The stream, at the start of a command.
    pub stream: Stream,
    /// What the proxy said first.
    pub greeting: Greeting,
    /// What both ends can do.
    pub capabilities: Capabilities,
    /// Status flags of the OK packet: the manager's.
    pub status: StatusFlags,
    /// The OK packet's block of session state: the manager's.
    pub session_track: Vec<u8>,
}

/// Logs a client in at the proxy, over a stream that nothing was read from yet. The caller bounds the time.
///
/// With a `connector` TLS is demanded; with a flag of [`Compression`] among the identity's capabilities the hop is
/// compressed. A refusal of the proxy or of its manager comes back as
/// [`ConnectError::Refused`]; a proxy that does not know the secret as [`ConnectError::NotProven`].
pub async fn connect(
    mut stream: Stream,
    secret: Option<&Secret>,
    connector: Option<&Connector>,
    identity: &HopIdentity,
) -> Result<HopLogin, ConnectError> {
    if secret.is_none() && connector.is_none() {
        return Err(ConnectError::NotProven);
    }
    let first = exchange::read(&mut stream, CONTROL_PACKET_BYTES_MAX).await?;
    let payload = first.packet().payload;
    if payload.first() == Some(&ErrPacket::MARKER) {
        return Err(ConnectError::refused(payload));
    }
    let greeting = Greeting::decode(payload)?;
    if greeting.auth_plugin != PLUGIN {
        return Err(ConnectError::NotProven);
    }
    let nonce = fresh_nonce();
    let mut response = identity.response(negotiate(identity, &greeting), nonce);
    let (mut bytes, mut sequence) = (Vec::new(), 1);
    if let Some(connector) = connector.filter(|_| stream.transport() != Transport::Tls) {
        if !greeting.capabilities.has(Capabilities::SSL) {
            return Err(HandshakeError::TlsMissing.into());
        }
        response.capabilities |= Capabilities::SSL;
        sequence = frame::encode_with(&mut bytes, sequence, |out| response.ssl_request().encode(out));
        exchange::write(&mut stream, &bytes).await?;
        stream = connector.connect(stream).await.map_err(ConnectError::Tls)?;
        bytes.clear();
    }
    if let Some(secret) = secret {
        let proof = mac::of_gatekeeper(secret, greeting.nonce, nonce, &response);
        response.auth_response = Password::new(proof.as_ref().to_vec());
    }
    sequence = frame::encode_with(&mut bytes, sequence, |out| response.encode(out));
    exchange::write(&mut stream, &bytes).await?;

    let answer = exchange::read(&mut stream, CONTROL_PACKET_BYTES_MAX).await?;
    if answer.sequence != sequence {
        return Err(DecodeError::OutOfOrder {
            expected: sequence,
            found: answer.sequence,
        }
        .into());
    }
    let payload = answer.packet().payload;
    if payload.first() == Some(&ErrPacket::MARKER) {
        return Err(ConnectError::refused(payload));
    }
    let ok = OkPacket::decode(payload, response.capabilities)?;
    if let Some(secret) = secret
        && !mac::same(mac::of_proxy(secret, nonce, greeting.nonce).as_bytes(), ok.info)
    {
        return Err(ConnectError::NotProven);
    }
    Ok(HopLogin {
        stream: match Compression::agreed(response.capabilities, response.zstd_level) {
            Some(compression) => stream.compressed_for_server(compression),
            None => stream,
        },
        capabilities: response.capabilities,
        status: ok.status,
        session_track: ok.state.to_vec(),
        greeting,
    })
}

/// What the hop can do: what is wanted and offered, and what the proof needs.
fn negotiate(identity: &HopIdentity, greeting: &Greeting) -> Capabilities {
    let wanted = identity.capabilities | Capabilities::BOOKKEEPING_FLAGS;
    let common = (wanted & greeting.capabilities).without(Capabilities::SSL)
        | Capabilities::PROTOCOL_41
        | Capabilities::SECURE_CONNECTION
        | Capabilities::PLUGIN_AUTH
        | Capabilities::CONNECT_ATTRS;
    match &identity.database {
        Some(_) => common | Capabilities::CONNECT_WITH_DB,
        None => common.without(Capabilities::CONNECT_WITH_DB),
    }
}

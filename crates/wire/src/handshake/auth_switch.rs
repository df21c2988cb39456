//! [Protocol::AuthSwitchRequest](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html):
//! the server wants the proof of another plugin.

use super::greeting::Nonce;
use super::packet::HandshakeError;
use crate::auth::Plugin;
use crate::auth::ed25519::Challenge;
use crate::error::DecodeError;
use crate::limits::{AUTH_DATA_BYTES_MAX, PLUGIN_NAME_BYTES_MAX};
use crate::reader::Reader;
use crate::writer::Writer;

/// The server wants the proof of another plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSwitchRequest {
    /// The plugin that shall make the proof.
    pub plugin: Vec<u8>,
    /// The plugin's own data; for the password plugins the nonce and a zero byte.
    pub data: Vec<u8>,
}

impl AuthSwitchRequest {
    /// First byte of the payload.
    pub const MARKER: u8 = 0xfe;

    /// A request for a password plugin.
    pub fn new(plugin: &[u8], nonce: Nonce) -> Self {
        let mut data = nonce.0.to_vec();
        data.push(0);
        Self {
            plugin: plugin.to_vec(),
            data,
        }
    }

    /// A request for `client_ed25519`, whose data has no zero byte behind it.
    pub fn ed25519(challenge: Challenge) -> Self {
        Self {
            plugin: Plugin::Ed25519.name().as_bytes().to_vec(),
            data: challenge.0.to_vec(),
        }
    }

    /// Reads a payload. The marker alone asks for the passwords of servers before 4.1.
    pub fn decode(payload: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(payload);
        if reader.u8("auth switch")? != Self::MARKER {
            return Err(DecodeError::Invalid("auth switch").into());
        }
        if reader.is_empty() {
            return Err(HandshakeError::OldProtocol);
        }
        // string<NUL>  plugin
        let plugin = reader
            .nul_or_rest(PLUGIN_NAME_BYTES_MAX, "authentication plugin")?
            .to_vec();
        // string<EOF>  data
        let data = reader
            .take_rest(AUTH_DATA_BYTES_MAX, "authentication data")?
            .to_vec();
        Ok(Self { plugin, data })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(Self::MARKER);
        out.put_nul_bytes(&self.plugin);
        out.put_bytes(&self.data);
    }

    /// The challenge of `client_ed25519`.
    pub fn challenge(&self) -> Result<Challenge, DecodeError> {
        let bytes = self.data.first_chunk();
        bytes
            .map(|bytes| Challenge(*bytes))
            .ok_or(DecodeError::Truncated("challenge"))
    }

    /// The nonce of a password plugin.
    pub fn nonce(&self) -> Result<Nonce, DecodeError> {
        Nonce::from_prefix(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_wire() {
        let request = AuthSwitchRequest::new(b"caching_sha2_password", Nonce([9; 20]));
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let read = AuthSwitchRequest::decode(&bytes).unwrap();
        assert_eq!(read.nonce(), Ok(Nonce([9; 20])));
        assert_eq!(read, request);
    }

    #[test]
    fn the_switch_to_passwords_before_4_1_is_named_so() {
        assert_eq!(
            AuthSwitchRequest::decode(&[0xfe]),
            Err(HandshakeError::OldProtocol)
        );
    }
}

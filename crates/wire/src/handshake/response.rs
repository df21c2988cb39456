//! [Protocol::HandshakeResponse41](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html):
//! who the client is, what it can do, and its first proof.

use std::fmt;

use zeroize::Zeroizing;

use super::attributes::{self, Attributes};
use super::packet::HandshakeError;
use super::ssl_request::SslRequest;
use crate::capabilities::Capabilities;
use crate::limits::{AUTH_DATA_BYTES_MAX, PLUGIN_NAME_BYTES_MAX, SCHEMA_NAME_BYTES_MAX, USER_NAME_BYTES_MAX};
use crate::reader::Reader;
use crate::writer::Writer;

/// The client's answer to a greeting.
///
/// Which fields are there follows from the client's own flags, as in the servers. The proof may be a
/// password (plugins that send clear text), so it is wiped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// What the client can do and wants.
    pub capabilities: Capabilities,
    /// Largest packet that the client will take, in bytes.
    pub packet_bytes_max: u32,
    /// The lower byte of the client's collation.
    pub collation: u8,
    /// User name.
    pub user: Vec<u8>,
    /// The proof, made by `auth_plugin` for the greeting's nonce.
    pub auth_response: Zeroizing<Vec<u8>>,
    /// The schema to begin in.
    pub database: Option<Vec<u8>>,
    /// The plugin that made the proof; `None` from clients without plugins, whose proof is a
    /// `mysql_native_password` one, and from those that announce plugins and name none.
    pub auth_plugin: Option<Vec<u8>>,
    /// What the client tells about itself.
    pub attributes: Attributes,
    /// Level of zstd compression.
    pub zstd_level: Option<u8>,
}

impl HandshakeResponse {
    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(payload);
        // the old protocol has only two bytes of capabilities, in which this flag lies
        let lower = Reader::new(payload).u16("capabilities")?;
        if !Capabilities(u64::from(lower)).has(Capabilities::PROTOCOL_41) {
            return Err(HandshakeError::OldProtocol);
        }
        let SslRequest {
            capabilities,
            packet_bytes_max,
            collation,
        } = SslRequest::read(&mut reader)?;
        // string<NUL>         user
        let user = reader.nul_bytes(USER_NAME_BYTES_MAX, "user name")?.to_vec();
        // proof: one of three encodings
        let auth_response = if capabilities.has(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            // string<lenenc>
            reader.lenenc_bytes(AUTH_DATA_BYTES_MAX, "authentication data")?
        } else if capabilities.has(Capabilities::SECURE_CONNECTION) {
            // int<1> length, then as many bytes
            let length = usize::from(reader.u8("authentication data")?);
            reader.bytes(length, "authentication data")?
        } else {
            // string<NUL>
            reader.nul_or_rest(AUTH_DATA_BYTES_MAX, "authentication data")?
        };
        let auth_response = Zeroizing::new(auth_response.to_vec());
        // string<NUL>         schema
        let database = if capabilities.has(Capabilities::CONNECT_WITH_DB) {
            let name = reader.nul_or_rest(SCHEMA_NAME_BYTES_MAX, "schema name")?;
            Some(name.to_vec()).filter(|name| !name.is_empty())
        } else {
            None
        };
        // string<NUL>         plugin
        let auth_plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) && !reader.is_empty() {
            Some(
                reader
                    .nul_or_rest(PLUGIN_NAME_BYTES_MAX, "authentication plugin")?
                    .to_vec(),
            )
        } else {
            None
        };
        // attributes
        let attributes = if capabilities.has(Capabilities::CONNECT_ATTRS) {
            attributes::decode(&mut reader)?
        } else {
            Vec::new()
        };
        // int<1>              level of zstd compression
        let zstd_level = if capabilities.has(Capabilities::ZSTD_COMPRESSION) && !reader.is_empty() {
            Some(reader.u8("zstd level")?)
        } else {
            None
        };
        // servers ignore what is left over, and some clients leave a byte
        Ok(Self {
            capabilities,
            packet_bytes_max,
            collation,
            user,
            auth_response,
            database,
            auth_plugin,
            attributes,
            zstd_level,
        })
    }

    /// Appends the payload. Fields whose flag is not in `capabilities` are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.ssl_request().encode(out);
        out.put_nul_bytes(&self.user);
        if self.capabilities.has(Capabilities::PLUGIN_AUTH_LENENC_DATA) {
            out.put_lenenc_bytes(&self.auth_response);
        } else if self.capabilities.has(Capabilities::SECURE_CONNECTION) {
            // a longer proof cannot be carried without the other flag
            let length = u8::try_from(self.auth_response.len()).unwrap_or(u8::MAX);
            out.put_u8(length);
            out.extend(self.auth_response.iter().take(usize::from(length)));
        } else {
            out.put_nul_bytes(&self.auth_response);
        }
        if self.capabilities.has(Capabilities::CONNECT_WITH_DB) {
            out.put_nul_bytes(self.database.as_deref().unwrap_or_default());
        }
        if self.capabilities.has(Capabilities::PLUGIN_AUTH) {
            out.put_nul_bytes(self.auth_plugin.as_deref().unwrap_or_default());
        }
        if self.capabilities.has(Capabilities::CONNECT_ATTRS) {
            attributes::encode(&self.attributes, out);
        }
        if self.capabilities.has(Capabilities::ZSTD_COMPRESSION) {
            out.put_u8(self.zstd_level.unwrap_or(3));
        }
    }

    /// The head of this response, to be sent before TLS starts.
    pub fn ssl_request(&self) -> SslRequest {
        SslRequest {
            capabilities: self.capabilities,
            packet_bytes_max: self.packet_bytes_max,
            collation: self.collation,
        }
    }
}

impl fmt::Debug for HandshakeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeResponse")
            .field("capabilities", &self.capabilities)
            .field("collation", &self.collation)
            .field("user", &String::from_utf8_lossy(&self.user))
            .field("auth_response", &"[redacted]")
            .field("database", &self.database.as_deref().map(String::from_utf8_lossy))
            .field(
                "auth_plugin",
                &self.auth_plugin.as_deref().map(String::from_utf8_lossy),
            )
            .field("attributes", &self.attributes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

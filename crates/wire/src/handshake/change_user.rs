//! [COM_CHANGE_USER](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html):
//! log in again on the same connection.

use std::fmt;

use zeroize::Zeroizing;

use super::attributes::{self, Attributes};
use super::greeting::Nonce;
use super::packet::{Family, HandshakeError, Transport};
use super::server_login::{self, Accepts, ServerStep};
use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::limits::{AUTH_DATA_BYTES_MAX, PLUGIN_NAME_BYTES_MAX, SCHEMA_NAME_BYTES_MAX, USER_NAME_BYTES_MAX};
use crate::reader::Reader;
use crate::writer::Writer;

/// Who the client wants to be from now on.
#[derive(Clone, PartialEq, Eq)]
pub struct ChangeUser {
    /// User name.
    pub user: Vec<u8>,
    /// A proof for the greeting's nonce, which servers do not rely on: they switch.
    pub auth_response: Zeroizing<Vec<u8>>,
    /// The schema to begin in.
    pub database: Option<Vec<u8>>,
    /// The client's collation, all 16 bits of it.
    pub collation: Option<u16>,
    /// The plugin that made the proof.
    pub auth_plugin: Option<Vec<u8>>,
    /// What the client tells about itself.
    pub attributes: Attributes,
}

impl ChangeUser {
    /// First byte of the payload.
    pub const COMMAND: u8 = 0x11;

    /// Reads a payload, command byte included, of a connection with these `capabilities`.
    pub fn decode(payload: &[u8], capabilities: Capabilities) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        // int<1>        command
        if reader.u8("command")? != Self::COMMAND {
            return Err(DecodeError::Invalid("command"));
        }
        // string<NUL>   user
        let user = reader.nul_bytes(USER_NAME_BYTES_MAX, "user name")?.to_vec();
        let auth_response = if capabilities.has(Capabilities::SECURE_CONNECTION) {
            // int<1> length, then as many bytes
            let length = usize::from(reader.u8("authentication data")?);
            reader.bytes(length, "authentication data")?
        } else {
            // string<NUL>
            reader.nul_bytes(AUTH_DATA_BYTES_MAX, "authentication data")?
        };
        let auth_response = Zeroizing::new(auth_response.to_vec());
        // string<NUL>   schema
        let database = reader.nul_or_rest(SCHEMA_NAME_BYTES_MAX, "schema name")?.to_vec();
        let database = Some(database).filter(|name| !name.is_empty());
        // int<2>        collation; what follows is missing from old clients
        let collation = if reader.is_empty() {
            None
        } else {
            Some(reader.u16("collation")?)
        };
        // string<NUL>   plugin
        let auth_plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) {
            if reader.is_empty() {
                return Err(DecodeError::Truncated("authentication plugin"));
            }
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
        Ok(Self {
            user,
            auth_response,
            database,
            collation,
            auth_plugin,
            attributes,
        })
    }

    /// The server's end of the exchange: always a switch, as in the servers, which makes the proof in the
    /// command needless. `nonce` is the greeting's, for clients prove for that one; `sequence` is the command's
    /// plus one.
    pub fn prove(
        &self,
        accepts: Accepts<'_>,
        family: Family,
        nonce: Nonce,
        transport: Transport,
        sequence: u8,
    ) -> Result<ServerStep, HandshakeError> {
        server_login::change_user(self, accepts, family, nonce, transport, sequence)
    }

    /// Appends the payload, command byte included.
    pub fn encode(&self, capabilities: Capabilities, out: &mut Vec<u8>) {
        out.put_u8(Self::COMMAND);
        out.put_nul_bytes(&self.user);
        if capabilities.has(Capabilities::SECURE_CONNECTION) {
            let length = u8::try_from(self.auth_response.len()).unwrap_or(u8::MAX);
            out.put_u8(length);
            out.extend(self.auth_response.iter().take(usize::from(length)));
        } else {
            out.put_nul_bytes(&self.auth_response);
        }
        out.put_nul_bytes(self.database.as_deref().unwrap_or_default());
        let Some(collation) = self.collation else { return };
        out.put_u16(collation);
        if capabilities.has(Capabilities::PLUGIN_AUTH) {
            out.put_nul_bytes(self.auth_plugin.as_deref().unwrap_or_default());
        }
        if capabilities.has(Capabilities::CONNECT_ATTRS) {
            attributes::encode(&self.attributes, out);
        }
    }
}

impl fmt::Debug for ChangeUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeUser")
            .field("user", &String::from_utf8_lossy(&self.user))
            .field("auth_response", &"[redacted]")
            .field("database", &self.database.as_deref().map(String::from_utf8_lossy))
            .field("collation", &self.collation)
            .field(
                "auth_plugin",
                &self.auth_plugin.as_deref().map(String::from_utf8_lossy),
            )
            .field("attributes", &self.attributes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> ChangeUser {
        ChangeUser {
            user: b"app".to_vec(),
            auth_response: Zeroizing::new(vec![3; 20]),
            database: Some(b"shop".to_vec()),
            collation: Some(255),
            auth_plugin: Some(b"mysql_native_password".to_vec()),
            attributes: vec![(b"_os".to_vec(), b"Linux".to_vec())],
        }
    }

    #[test]
    fn a_change_of_user_survives_the_wire() {
        let flags = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH | Capabilities::CONNECT_ATTRS;
        let mut bytes = Vec::new();
        change().encode(flags, &mut bytes);
        assert_eq!(ChangeUser::decode(&bytes, flags), Ok(change()));
    }

    #[test]
    fn a_client_without_plugins_sends_less() {
        let flags = Capabilities::SECURE_CONNECTION;
        let short = ChangeUser {
            collation: None,
            auth_plugin: None,
            attributes: Vec::new(),
            ..change()
        };
        let mut bytes = Vec::new();
        short.encode(flags, &mut bytes);
        assert_eq!(ChangeUser::decode(&bytes, flags), Ok(short));
    }
}

//! [Protocol::HandshakeV10](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html):
//! the server's first packet.

use super::packet::Family;
use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::limits::{PLUGIN_NAME_BYTES_MAX, VERSION_BYTES_MAX};
use crate::reader::Reader;
use crate::status::StatusFlags;
use crate::writer::Writer;

/// Number of the only greeting that servers still send.
const PROTOCOL_VERSION: u8 = 10;

/// Twenty random bytes that a password proof is bound to, so that it cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; Nonce::BYTES]);

impl Nonce {
    /// Length of every nonce of the protocol.
    pub const BYTES: usize = 20;

    /// A nonce out of random bytes. Clients read it as text: no zero byte, seven bits, and no `$`, as in
    /// the servers' own.
    pub fn from_random(random: [u8; Nonce::BYTES]) -> Self {
        Self(random.map(|byte| match byte & 0x7f {
            0 => 1,
            b'$' => b'%',
            byte => byte,
        }))
    }

    /// The first twenty bytes of a plugin's data; a trailing zero byte is usual.
    pub(super) fn from_prefix(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes
            .first_chunk()
            .map(|bytes| Self(*bytes))
            .ok_or(DecodeError::Truncated("nonce"))
    }
}

/// The server's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version, byte for byte; MariaDB's begins with `5.5.5-` before 11.
    pub version: Vec<u8>,
    /// What `CONNECTION_ID()` will be.
    pub connection_id: u32,
    /// What the client's proof is bound to.
    pub nonce: Nonce,
    /// What the server can do.
    pub capabilities: Capabilities,
    /// The lower byte of the server's default collation.
    pub collation: u8,
    /// Status at this moment.
    pub status: StatusFlags,
    /// The plugin that `nonce` is meant for; empty from servers without plugins.
    pub auth_plugin: Vec<u8>,
}

impl Greeting {
    /// Reads a payload that is not an ERR packet.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        // int<1>            protocol version
        if reader.u8("protocol version")? != PROTOCOL_VERSION {
            return Err(DecodeError::Invalid("protocol version"));
        }
        // string<NUL>       server version
        let version = reader.nul_bytes(VERSION_BYTES_MAX, "server version")?.to_vec();
        // int<4>            connection id
        let connection_id = reader.u32("connection id")?;
        // string[8]         first part of the nonce
        let mut nonce = reader.bytes(8, "nonce")?.to_vec();
        // int<1>            filler
        reader.u8("filler")?;
        // int<2>            lower half of the capabilities
        let lower = reader.u16("capabilities")?;
        // int<1>            collation
        let collation = reader.u8("collation")?;
        // int<2>            status
        let status = StatusFlags(reader.u16("status")?);
        // int<2>            upper half of the capabilities
        let upper = reader.u16("capabilities")?;
        let base = u32::from(lower) | u32::from(upper) << 16;
        // int<1>            length of the nonce with its zero byte, 0 without plugins
        let nonce_bytes = usize::from(reader.u8("nonce length")?);
        // string[6]         filler
        reader.bytes(6, "filler")?;
        // int<4>            MariaDB: extended capabilities
        let extended = reader.u32("extended capabilities")?;
        let mariadb = !Capabilities(u64::from(base)).has(Capabilities::LONG_PASSWORD);
        let capabilities = Capabilities::from_parts(base, if mariadb { extended } else { 0 });
        // string[max(13, length - 8)]  second part of the nonce, with its zero byte
        let second = nonce_bytes.saturating_sub(8).max(13);
        nonce.extend_from_slice(reader.bytes(second, "nonce")?);
        let nonce = Nonce::from_prefix(&nonce)?;
        // string<NUL>       plugin
        let auth_plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) {
            reader
                .nul_or_rest(PLUGIN_NAME_BYTES_MAX, "authentication plugin")?
                .to_vec()
        } else {
            Vec::new()
        };
        reader.finish()?;
        Ok(Self {
            version,
            connection_id,
            nonce,
            capabilities,
            collation,
            status,
            auth_plugin,
        })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Nonce(nonce) = self.nonce;
        let (first, second) = nonce.split_at(8);
        let [low0, low1, high0, high1] = self.capabilities.base().to_le_bytes();
        let mariadb = !self.capabilities.has(Capabilities::LONG_PASSWORD);
        out.put_u8(PROTOCOL_VERSION);
        out.put_nul_bytes(self.version.get(..VERSION_BYTES_MAX).unwrap_or(&self.version));
        out.put_u32(self.connection_id);
        out.put_bytes(first);
        out.put_u8(0);
        out.put_bytes(&[low0, low1]);
        out.put_u8(self.collation);
        out.put_u16(self.status.0);
        out.put_bytes(&[high0, high1]);
        out.put_u8(if self.capabilities.has(Capabilities::PLUGIN_AUTH) {
            21
        } else {
            0
        });
        out.put_bytes(&[0; 6]);
        out.put_u32(if mariadb { self.capabilities.extended() } else { 0 });
        out.put_bytes(second);
        out.put_u8(0);
        if self.capabilities.has(Capabilities::PLUGIN_AUTH) {
            out.put_nul_bytes(&self.auth_plugin);
        }
    }

    /// Whose server this is.
    pub fn family(&self) -> Family {
        if self.is_mariadb() {
            Family::Mariadb
        } else {
            Family::Mysql
        }
    }

    /// Whether the server is MariaDB: it leaves LONG_PASSWORD out.
    pub fn is_mariadb(&self) -> bool {
        !self.capabilities.has(Capabilities::LONG_PASSWORD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_as_sent_by_mariadb_10_11() {
        let payload = hex::decode(
            "0a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531000600000069356a397b243b3e00feff080200\
             ff81150000000000001d00000062535c5161764d5c68773b61006d7973716c5f6e61746976655f70617373776f726400",
        )
        .unwrap();
        let greeting = Greeting::decode(&payload).unwrap();
        assert_eq!(greeting.version, b"5.5.5-10.11.19-MariaDB-0+deb12u1");
        assert_eq!(greeting.connection_id, 6);
        assert_eq!(greeting.nonce, Nonce(*b"i5j9{$;>bS\\QavM\\hw;a"));
        assert_eq!(greeting.capabilities, Capabilities(0x1d_81ff_fffe));
        assert!(
            greeting
                .capabilities
                .has(Capabilities::MARIADB_EXTENDED_METADATA | Capabilities::SSL)
        );
        assert_eq!(greeting.collation, 8);
        assert_eq!(greeting.status, StatusFlags::AUTOCOMMIT);
        assert_eq!(greeting.auth_plugin, b"mysql_native_password");
        assert!(greeting.is_mariadb());
        let mut again = Vec::new();
        greeting.encode(&mut again);
        assert_eq!(hex::encode(again), hex::encode(payload));
    }

    #[test]
    fn another_protocol_version_is_refused() {
        assert_eq!(
            Greeting::decode(&[9, b'3', 0]),
            Err(DecodeError::Invalid("protocol version"))
        );
    }

    #[test]
    fn a_nonce_is_text_without_zero_bytes() {
        let random: [u8; 20] = std::array::from_fn(|i| [0, 0x80, 0x24, 0xa4, 0xff][i % 5]);
        let Nonce(bytes) = Nonce::from_random(random);
        assert!(
            bytes.iter().all(|byte| (1..0x80).contains(byte) && *byte != b'$'),
            "{bytes:?}"
        );
    }
}

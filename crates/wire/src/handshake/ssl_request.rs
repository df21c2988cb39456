//! [Protocol::SSLRequest](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_ssl_request.html):
//! the head of a handshake response, sent in clear to say that TLS follows.

use crate::capabilities::Capabilities;
use crate::error::DecodeError;
use crate::reader::Reader;
use crate::writer::Writer;

/// The first 32 bytes of a handshake response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SslRequest {
    /// What the client can do and wants.
    pub capabilities: Capabilities,
    /// Largest packet that the client will take, in bytes.
    pub packet_bytes_max: u32,
    /// The lower byte of the client's collation.
    pub collation: u8,
}

impl SslRequest {
    /// Length of the payload; a handshake response is always longer.
    pub const BYTES: usize = 32;

    /// Reads the 32 bytes that both packets begin with.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // int<4>       capabilities
        let base = reader.u32("capabilities")?;
        // int<4>       largest packet
        let packet_bytes_max = reader.u32("largest packet")?;
        // int<1>       collation
        let collation = reader.u8("collation")?;
        // string[19]   filler
        reader.bytes(19, "filler")?;
        // int<4>       MariaDB: extended capabilities
        let extended = reader.u32("extended capabilities")?;
        let mariadb = !Capabilities(u64::from(base)).has(Capabilities::LONG_PASSWORD);
        let capabilities = Capabilities::from_parts(base, if mariadb { extended } else { 0 });
        Ok(Self {
            capabilities,
            packet_bytes_max,
            collation,
        })
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let request = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(request)
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mariadb = !self.capabilities.has(Capabilities::LONG_PASSWORD);
        out.put_u32(self.capabilities.base());
        out.put_u32(self.packet_bytes_max);
        out.put_u8(self.collation);
        out.put_bytes(&[0; 19]);
        out.put_u32(if mariadb { self.capabilities.extended() } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssl_request_as_sent_by_the_client_of_mariadb_10_11() {
        let payload =
            hex::decode("84aabf000000100021000000000000000000000000000000000000001d000000").unwrap();
        let request = SslRequest::decode(&payload).unwrap();
        assert_eq!(request.packet_bytes_max, 0x0010_0000);
        assert_eq!(request.collation, 0x21);
        assert_eq!(request.capabilities, Capabilities(0x1d_00bf_aa84));
        assert!(request.capabilities.has(Capabilities::SSL));
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(again, payload);
    }
}

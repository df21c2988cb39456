//! [Protocol::AuthMoreData](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_more_data.html):
//! a plugin's own words from server to client. Of the plugins spoken here only
//! [caching_sha2_password](https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html) uses it.

use crate::error::DecodeError;
use crate::limits::AUTH_DATA_BYTES_MAX;
use crate::reader::Reader;
use crate::writer::Writer;

/// What the server's plugin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMoreData<'a> {
    /// The proof matched the cache; OK follows.
    FastSuccess,
    /// The server needs the password itself.
    FullAuthentication,
    /// The key that the password shall be encrypted with, as PEM.
    PublicKey(&'a [u8]),
}

impl<'a> AuthMoreData<'a> {
    /// First byte of the payload.
    pub const MARKER: u8 = 0x01;
    const FAST_SUCCESS: u8 = 0x03;
    const FULL_AUTHENTICATION: u8 = 0x04;

    /// Reads a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        if reader.u8("authentication data")? != Self::MARKER {
            return Err(DecodeError::Invalid("authentication data"));
        }
        // string<EOF>  the plugin's own
        match reader.take_rest(AUTH_DATA_BYTES_MAX, "authentication data")? {
            [Self::FAST_SUCCESS] => Ok(Self::FastSuccess),
            [Self::FULL_AUTHENTICATION] => Ok(Self::FullAuthentication),
            [] | [_] => Err(DecodeError::Invalid("authentication data")),
            key => Ok(Self::PublicKey(key)),
        }
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.put_u8(Self::MARKER);
        match self {
            Self::FastSuccess => out.put_u8(Self::FAST_SUCCESS),
            Self::FullAuthentication => out.put_u8(Self::FULL_AUTHENTICATION),
            Self::PublicKey(key) => out.put_bytes(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_survives_the_wire() {
        for more in [
            AuthMoreData::FastSuccess,
            AuthMoreData::FullAuthentication,
            AuthMoreData::PublicKey(b"-----BEGIN PUBLIC KEY-----"),
        ] {
            let mut bytes = Vec::new();
            more.encode(&mut bytes);
            assert_eq!(AuthMoreData::decode(&bytes), Ok(more));
        }
        assert!(AuthMoreData::decode(&[1]).is_err());
        assert!(AuthMoreData::decode(&[1, 9]).is_err());
    }
}

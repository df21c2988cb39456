//! [ERR packet](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html).

use crate::{DecodeError, Reader};

/// An error as a server sends it; it passes to the client unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrPacket<'a> {
    /// Error number.
    pub code: u16,
    /// SQLSTATE; `HY000` where the packet carries none.
    pub sql_state: [u8; 5],
    /// The text, in the connection's character set.
    pub message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    /// First byte of the payload.
    pub const MARKER: u8 = 0xff;
    /// Not an error: a [report of progress](https://mariadb.com/kb/en/progress-reporting/), under MARIADB_PROGRESS.
    pub const PROGRESS_REPORT: u16 = 0xffff;

    /// Decodes a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        if r.u8("marker")? != Self::MARKER {
            return Err(DecodeError::Invalid("marker"));
        }
        let code = r.u16("error code")?; // int<2>
        let mut sql_state = *b"HY000";
        if r.peek() == Some(b'#') {
            r.u8("sqlstate marker")?; // string<1>
            sql_state.copy_from_slice(r.bytes(5, "sqlstate")?); // string<5>
        }
        Ok(Self {
            code,
            sql_state,
            message: r.rest(),
        }) // string<EOF>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_database_as_sent_by_mariadb_10_11() {
        let payload = b"\xff\x19\x04#42000Unknown database 'nope'";
        let err = ErrPacket::decode(payload).unwrap();
        assert_eq!((err.code, &err.sql_state), (1049, b"42000"));
        assert_eq!(err.message, b"Unknown database 'nope'");
    }

    #[test]
    fn before_the_handshake_there_is_no_sqlstate() {
        let err = ErrPacket::decode(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((err.code, &err.sql_state), (1040, b"HY000"));
    }
}

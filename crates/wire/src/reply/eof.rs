//! [EOF packet](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_eof_packet.html):
//! the end of columns or rows for clients without DEPRECATE_EOF. It carries no session state.

use crate::{DecodeError, Reader, StatusFlags};

/// The end of columns or rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EofPacket {
    /// Warnings of the statement.
    pub warnings: u16,
    /// Status flags.
    pub status: StatusFlags,
}

impl EofPacket {
    /// First byte of the payload.
    pub const MARKER: u8 = 0xfe;
    /// A payload of this size or more that begins with the marker is something else.
    pub const PAYLOAD_BYTES_MAX: usize = 9;

    /// Decodes a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        if r.u8("marker")? != Self::MARKER {
            return Err(DecodeError::Invalid("marker"));
        }
        let warnings = r.u16("warnings")?; // int<2>
        let status = StatusFlags(r.u16("status flags")?); // int<2>
        r.finish()?;
        Ok(Self { warnings, status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_rows_as_sent_by_mariadb_10_11() {
        assert_eq!(
            EofPacket::decode(&[0xfe, 0, 0, 2, 0]),
            Ok(EofPacket {
                warnings: 0,
                status: StatusFlags::AUTOCOMMIT
            })
        );
        assert_eq!(
            EofPacket::decode(&[0xfe, 0, 0, 2]),
            Err(DecodeError::Truncated("status flags"))
        );
    }
}

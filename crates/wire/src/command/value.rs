//! [Binary values](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html)
//! of parameters: only their length matters here.

use crate::{DecodeError, Reader};

const FIELD: &str = "parameter value";

/// Reads over one value of column type `kind`.
pub(super) fn skip(kind: u8, r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match kind {
        0x06 => Ok(()),                    // NULL
        0x01 => fixed(r, 1),               // TINY
        0x02 | 0x0d => fixed(r, 2),        // SHORT, YEAR
        0x03 | 0x04 | 0x09 => fixed(r, 4), // LONG, FLOAT, INT24
        0x05 | 0x08 => fixed(r, 8),        // DOUBLE, LONGLONG
        0x07 | 0x0a | 0x0b | 0x0c => {
            let length = usize::from(r.u8(FIELD)?); // TIMESTAMP, DATE, TIME, DATETIME
            r.take(length, 12, FIELD).map(|_| ())
        }
        // DECIMAL, VARCHAR, BIT, NEWDECIMAL, ENUM, SET, BLOBs, strings, GEOMETRY, JSON
        0x00 | 0x0f | 0x10 | 0xf5..=0xff => r.lenenc_bytes(usize::MAX, FIELD).map(|_| ()),
        _ => Err(DecodeError::Invalid(FIELD)),
    }
}

fn fixed(r: &mut Reader<'_>, bytes: usize) -> Result<(), DecodeError> {
    r.bytes(bytes, FIELD).map(|_| ())
}

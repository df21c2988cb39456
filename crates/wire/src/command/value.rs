//! [Binary values](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html)
//! of parameters: only their length matters here.

use crate::{DecodeError, Reader};

/// Reads over one value of column type `kind`.
pub(super) fn skip(kind: u8, r: &mut Reader<'_>) -> Result<(), DecodeError> {
    const FIELD: &str = "parameter value";
    match kind {
        0x06 => {}                                      // NULL
        0x01 => drop(r.bytes(1, FIELD)?),               // TINY
        0x02 | 0x0d => drop(r.bytes(2, FIELD)?),        // SHORT, YEAR
        0x03 | 0x04 | 0x09 => drop(r.bytes(4, FIELD)?), // LONG, FLOAT, INT24
        0x05 | 0x08 => drop(r.bytes(8, FIELD)?),        // DOUBLE, LONGLONG
        0x07 | 0x0a | 0x0b | 0x0c => {
            let length = usize::from(r.u8(FIELD)?); // TIMESTAMP, DATE, TIME, DATETIME
            drop(r.take(length, 12, FIELD)?);
        }
        // DECIMAL, VARCHAR, BIT, NEWDECIMAL, ENUM, SET, BLOBs, strings, GEOMETRY, JSON
        0x00 | 0x0f | 0x10 | 0xf5..=0xff => drop(r.lenenc_bytes(usize::MAX, FIELD)?),
        _ => return Err(DecodeError::Invalid("parameter type")),
    }
    Ok(())
}

//! [Binary values](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html)
//! of query attributes: only their length matters here, and it must be the server's.
//!
//! What a server reads over as a value is no part of the text that it runs: whoever reads over less, or more,
//! judges another text. The lengths are those of MySQL 9.7, tried for all 256 types: five widths, and a
//! length in front for everything else, types that no client sends included.

use crate::{DecodeError, Reader};

const FIELD: &str = "parameter value";

/// Reads over one value of column type `kind`, which is not NULL.
pub(super) fn skip(kind: u8, r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match kind {
        0x01 => fixed(r, 1),                      // TINY
        0x02 => fixed(r, 2),                      // SHORT
        0x03 | 0x04 => fixed(r, 4),               // LONG, FLOAT
        0x05 | 0x08 => fixed(r, 8),               // DOUBLE, LONGLONG
        0xf4 => Err(DecodeError::Invalid(FIELD)), // BOOL: servers refuse it
        _ => r.lenenc_bytes(usize::MAX, FIELD).map(|_| ()),
    }
}

fn fixed(r: &mut Reader<'_>, bytes: usize) -> Result<(), DecodeError> {
    r.bytes(bytes, FIELD).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_look_as_if_they_had_a_width_and_have_none() {
        // NULL, INT24, YEAR: the server reads a length
        for kind in [0x06, 0x09, 0x0d] {
            let mut r = Reader::new(b"\x03abcSELECT 1");
            skip(kind, &mut r).unwrap();
            assert_eq!(r.rest(), b"SELECT 1", "{kind:#04x}");
        }
    }
}

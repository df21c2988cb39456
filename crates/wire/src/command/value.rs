//! [Binary values](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html)
//! of query attributes: only their length matters here, and it must be the server's. Of parameters: a number where
//! one is asked for.
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

/// A whole value as an integer; a negative one wraps around, a text must be written in digits.
pub(super) fn integer(kind: u8, unsigned: bool, value: &[u8]) -> Option<u64> {
    let signed = |wide: i64| wide.cast_unsigned();
    match (kind, value) {
        (0x06, []) => Some(0),
        (0x01, &[byte]) if unsigned => Some(byte.into()),
        (0x01, &[byte]) => Some(signed(byte.cast_signed().into())),
        (0x02 | 0x0d, &[a, b]) if unsigned => Some(u16::from_le_bytes([a, b]).into()),
        (0x02 | 0x0d, &[a, b]) => Some(signed(i16::from_le_bytes([a, b]).into())),
        (0x03 | 0x09, &[a, b, c, d]) if unsigned => Some(u32::from_le_bytes([a, b, c, d]).into()),
        (0x03 | 0x09, &[a, b, c, d]) => Some(signed(i32::from_le_bytes([a, b, c, d]).into())),
        (0x08, bytes) => bytes.try_into().ok().map(u64::from_le_bytes),
        (0x00 | 0x0f | 0x10 | 0xf5..=0xff, _) => {
            let mut r = Reader::new(value);
            let text = r.lenenc_bytes(INTEGER_TEXT_BYTES_MAX, FIELD).ok()?;
            r.finish().ok()?;
            std::str::from_utf8(text).ok()?.trim().parse().ok()
        }
        _ => None,
    }
}

/// Longest text that is read as an integer, in bytes: twenty digits, a sign and blanks.
const INTEGER_TEXT_BYTES_MAX: usize = 64;

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

    #[test]
    fn integers_of_every_width_and_sign() {
        assert_eq!(integer(0x01, true, &[200]), Some(200));
        assert_eq!(integer(0x01, false, &[0xff]), Some(u64::MAX));
        assert_eq!(integer(0x02, false, &[1, 2]), Some(0x201));
        assert_eq!(integer(0x03, true, &[7, 0, 0, 0x40]), Some(0x4000_0007));
        assert_eq!(
            integer(0x08, false, &[7, 0, 0, 0x40, 0, 0, 0, 0]),
            Some(0x4000_0007)
        );
        assert_eq!(integer(0xfd, false, b"\x0242"), Some(42));
        assert_eq!(integer(0xfd, false, b"\x0142"), None);
        assert_eq!(integer(0xfd, false, b"\x02x2"), None);
        assert_eq!(integer(0x05, false, &[0; 8]), None);
        assert_eq!(integer(0x03, false, &[1]), None);
    }
}

//! Writes fields into a growing payload: the mirror image of [`crate::Reader`].

/// The protocol's field types, on a plain byte vector.
pub trait Writer {
    /// `int<1>`
    fn put_u8(&mut self, value: u8);
    /// `int<2>`
    fn put_u16(&mut self, value: u16);
    /// `int<3>`; the highest byte is dropped.
    fn put_u24(&mut self, value: u32);
    /// `int<4>`
    fn put_u32(&mut self, value: u32);
    /// `int<8>`
    fn put_u64(&mut self, value: u64);
    /// `int<lenenc>`
    fn put_lenenc(&mut self, value: u64);
    /// Bytes as they are: `string<fix>` and `string<EOF>`.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// `string<lenenc>`
    fn put_lenenc_bytes(&mut self, bytes: &[u8]);
    /// `string<NUL>`; cut at a zero byte inside, which the field cannot carry.
    fn put_nul_bytes(&mut self, bytes: &[u8]);
}

impl Writer for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u24(&mut self, value: u32) {
        let [a, b, c, _] = value.to_le_bytes();
        self.extend_from_slice(&[a, b, c]);
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_lenenc(&mut self, value: u64) {
        let [a, b, c, ..] = value.to_le_bytes();
        match value {
            0..=0xfa => self.push(a),
            0xfb..=0xffff => self.extend_from_slice(&[0xfc, a, b]),
            0x1_0000..=0xff_ffff => self.extend_from_slice(&[0xfd, a, b, c]),
            _ => {
                self.push(0xfe);
                self.put_u64(value);
            }
        }
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_lenenc_bytes(&mut self, bytes: &[u8]) {
        self.put_lenenc(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }

    fn put_nul_bytes(&mut self, bytes: &[u8]) {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        self.extend(bytes.iter().take(end));
        self.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;

    #[test]
    fn what_is_written_is_read_back() {
        for value in [0, 250, 251, 65_535, 65_536, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut bytes = Vec::new();
            bytes.put_lenenc(value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.lenenc("n"), Ok(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_zero_byte_inside_ends_the_text() {
        let mut bytes = Vec::new();
        bytes.put_nul_bytes(b"a\0b");
        assert_eq!(bytes, b"a\0");
    }
}

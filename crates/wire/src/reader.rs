//! A bounded reader over one packet's payload. Reads cannot fail to fail: no indexing, no panics.

use crate::error::DecodeError;

/// Walks over a payload from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `payload`.
    #[inline]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// The bytes not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte, without reading it.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next `count` bytes.
    #[inline]
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated(field))?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `count` bytes, when they do not pass `max`.
    #[inline]
    pub fn take(&mut self, count: usize, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        if count > max {
            return Err(DecodeError::TooLong { field, max });
        }
        self.bytes(count, field)
    }

    /// Everything that is left, when it does not pass `max`: `string<EOF>`.
    pub fn take_rest(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.take(self.rest.len(), max, field)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated(field))?;
        self.rest = tail;
        Ok(*head)
    }

    /// `int<1>`
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// `int<2>`
    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// `int<3>`
    #[inline]
    pub fn u24(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array::<3>(field)
            .map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// `int<4>`
    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// `int<8>`
    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// `int<lenenc>`: 1, 3, 4 or 9 bytes.
    #[inline]
    pub fn lenenc(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        match self.u8(field)? {
            byte @ 0..=0xfa => Ok(u64::from(byte)),
            0xfc => self.u16(field).map(u64::from),
            0xfd => self.u24(field).map(u64::from),
            0xfe => self.u64(field),
            0xfb | 0xff => Err(DecodeError::Invalid(field)),
        }
    }

    /// `string<lenenc>` of at most `max` bytes.
    #[inline]
    pub fn lenenc_bytes(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.lenenc(field)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::TooLong { field, max })?;
        self.take(length, max, field)
    }

    /// `string<NUL>` of at most `max` bytes; the zero byte is read and not returned.
    pub fn nul_bytes(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(DecodeError::Truncated(field))?;
        let text = self.take(end, max, field)?;
        self.bytes(1, field)?;
        Ok(text)
    }

    /// `string<NUL>` that some clients send without its zero byte at the very end of a packet.
    pub fn nul_or_rest(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        if self.rest.contains(&0) {
            self.nul_bytes(max, field)
        } else {
            self.take_rest(max, field)
        }
    }

    /// Ends the packet: nothing may be left over.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::LeftOver(self.rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers_of_each_width() {
        for (bytes, value) in [
            (&[0xfa][..], 250),
            (&[0xfc, 0xfb, 0x00], 251),
            (&[0xfd, 0x00, 0x00, 0x01], 65_536),
            (&[0xfe, 0, 0, 0, 1, 0, 0, 0, 0], 16_777_216),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.lenenc("n"), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert_eq!(Reader::new(&[0xfb]).lenenc("n"), Err(DecodeError::Invalid("n")));
        assert_eq!(
            Reader::new(&[0xfe, 1]).lenenc("n"),
            Err(DecodeError::Truncated("n"))
        );
    }

    #[test]
    fn a_length_from_outside_never_passes_its_limit() {
        let mut reader = Reader::new(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(
            reader.lenenc_bytes(8, "s"),
            Err(DecodeError::TooLong { field: "s", max: 8 })
        );
        assert_eq!(
            Reader::new(&[5, b'a']).lenenc_bytes(8, "s"),
            Err(DecodeError::Truncated("s"))
        );
    }

    #[test]
    fn a_text_without_its_zero_byte_at_the_end() {
        assert_eq!(
            Reader::new(b"ab").nul_bytes(8, "s"),
            Err(DecodeError::Truncated("s"))
        );
        assert_eq!(Reader::new(b"ab").nul_or_rest(8, "s"), Ok(&b"ab"[..]));
        let mut reader = Reader::new(b"ab\0c");
        assert_eq!(reader.nul_or_rest(8, "s"), Ok(&b"ab"[..]));
        assert_eq!(reader.finish(), Err(DecodeError::LeftOver(1)));
    }
}

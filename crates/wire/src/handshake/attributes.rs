//! Connection attributes: what a client tells about itself, as pairs of names and values.

use crate::error::DecodeError;
use crate::limits::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_COUNT_MAX};
use crate::reader::Reader;
use crate::writer::Writer;

/// Pairs of name and value, in the order of the wire.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// `int<lenenc>` length of all, then `string<lenenc>` name and value in turn.
///
/// As in the servers, which keep the block as it came and read of it what they can, a pair that is broken ends the
/// attributes and not the login; so does one beyond [`ATTRIBUTES_COUNT_MAX`]. Only the block itself must fit.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Attributes, DecodeError> {
    // some clients set the flag and send nothing
    if reader.is_empty() {
        return Ok(Vec::new());
    }
    let block = reader.lenenc_bytes(ATTRIBUTES_BYTES_MAX, "connection attributes")?;
    let mut block = Reader::new(block);
    let mut attributes = Vec::new();
    while !block.is_empty() && attributes.len() < ATTRIBUTES_COUNT_MAX {
        let Ok((name, value)) = pair(&mut block) else {
            break;
        };
        attributes.push((name.to_vec(), value.to_vec()));
    }
    Ok(attributes)
}

fn pair<'a>(block: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
    let name = block.lenenc_bytes(ATTRIBUTES_BYTES_MAX, "name of a connection attribute")?;
    let value = block.lenenc_bytes(ATTRIBUTES_BYTES_MAX, "value of a connection attribute")?;
    Ok((name, value))
}

/// Writes as many of the attributes, from the first on, as the limits let the other end read.
pub(super) fn encode(attributes: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) {
    let mut block = Vec::new();
    for (name, value) in attributes.iter().take(ATTRIBUTES_COUNT_MAX) {
        let before = block.len();
        block.put_lenenc_bytes(name);
        block.put_lenenc_bytes(value);
        if block.len() > ATTRIBUTES_BYTES_MAX {
            block.truncate(before);
            break;
        }
    }
    out.put_lenenc_bytes(&block);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_beyond_the_limit_are_left_out() {
        let mut block = Vec::new();
        for _ in 0..ATTRIBUTES_COUNT_MAX + 10 {
            block.put_lenenc_bytes(b"a");
            block.put_lenenc_bytes(b"");
        }
        let mut bytes = Vec::new();
        bytes.put_lenenc_bytes(&block);
        let read = decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(read.len(), ATTRIBUTES_COUNT_MAX);
    }

    #[test]
    fn a_block_that_is_too_long_is_refused() {
        let mut bytes = Vec::new();
        bytes.put_lenenc_bytes(&vec![0; ATTRIBUTES_BYTES_MAX + 1]);
        let result = decode(&mut Reader::new(&bytes));
        assert!(matches!(result, Err(DecodeError::TooLong { .. })), "{result:?}");
    }

    #[test]
    fn what_does_not_fit_is_left_out_when_writing() {
        let pair = |name: u8| (vec![name], vec![b'x'; 40_000]);
        let mut bytes = Vec::new();
        encode(&[pair(b'a'), pair(b'b')], &mut bytes);
        assert_eq!(decode(&mut Reader::new(&bytes)), Ok(vec![pair(b'a')]));
    }

    #[test]
    fn an_attribute_without_its_value_ends_the_attributes() {
        let read = decode(&mut Reader::new(&[6, 1, b'a', 1, b'b', 1, b'c'])).unwrap();
        assert_eq!(read, [(b"a".to_vec(), b"b".to_vec())]);
    }
}

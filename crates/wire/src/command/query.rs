//! [COM_QUERY](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html): SQL text,
//! with query attributes in front of it when both ends can do them.

use std::ops::Range;

use super::value;
use crate::limits::QUERY_ATTRIBUTES_COUNT_MAX;
use crate::{Capabilities, DecodeError, Reader};

/// Where the text stands in a COM_QUERY payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The SQL text, in the connection's character set.
    pub text: &'a [u8],
    /// Its place in the payload.
    pub range: Range<usize>,
}

impl<'a> Query<'a> {
    /// Decodes a payload, its first byte (the command) included.
    #[inline]
    pub fn decode(payload: &'a [u8], capabilities: Capabilities) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        r.u8("command")?; // int<1>
        if capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            attributes(&mut r)?;
        }
        let text = r.rest(); // string<EOF>
        Ok(Self {
            text,
            range: payload.len() - text.len()..payload.len(),
        })
    }
}

fn attributes(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let count = r.lenenc("attribute count")?; // int<lenenc>
    if r.lenenc("attribute set count")? != 1 {
        return Err(DecodeError::Invalid("attribute set count")); // int<lenenc>
    }
    if count == 0 {
        return Ok(());
    }
    if count > QUERY_ATTRIBUTES_COUNT_MAX {
        return Err(DecodeError::TooLong {
            field: "query attributes",
            max: QUERY_ATTRIBUTES_COUNT_MAX as usize,
        });
    }
    let count = count as usize;
    let nulls = r.bytes(count.div_ceil(8), "attribute null bitmap")?;
    if r.u8("attribute bind flag")? == 0 {
        return Err(DecodeError::Invalid("attribute bind flag"));
    }
    let mut kinds = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let [kind, _sign] = r.u16("attribute type")?.to_le_bytes(); // int<2>
        r.lenenc_bytes(usize::MAX, "attribute name")?; // string<lenenc>
        kinds.push(kind);
    }
    for (index, kind) in kinds.into_iter().enumerate() {
        let null = nulls
            .get(index / 8)
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0);
        if !null {
            value::skip(kind, r)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text() {
        let query = Query::decode(b"\x03SELECT 1", Capabilities::NONE).unwrap();
        assert_eq!((query.text, query.range), (&b"SELECT 1"[..], 1..9));
    }

    #[test]
    fn no_attributes_as_sent_by_mysql_9() {
        let query = Query::decode(b"\x03\x00\x01SELECT 1", Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!((query.text, query.range), (&b"SELECT 1"[..], 3..11));
    }

    #[test]
    fn two_attributes_one_of_them_null() {
        let mut payload = b"\x03\x02\x01\x02\x01\xfe\x00\x01a\x03\x00\x01b\x04text".to_vec();
        payload.extend(b"SELECT 2");
        let query = Query::decode(&payload, Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(query.text, b"SELECT 2");
    }

    #[test]
    fn what_the_server_reads_as_a_value_is_no_part_of_the_text() {
        let mut payload = b"\x03\x01\x01\x00\x01\x06\x00\x01a\x09SELECT 1;".to_vec();
        payload.extend(b"DROP TABLE t");
        let query = Query::decode(&payload, Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(query.text, b"DROP TABLE t");
    }

    #[test]
    fn a_broken_block_has_no_text() {
        for payload in [
            &b"\x03\x01\x02\x00\x01\xfe\x00\x01a\x03xyzSELECT 1"[..], // two sets
            b"\x03\x00\x00SELECT 1",                                  // none
            b"\x03\x01\x01\x00\x00\xfe\x00\x01a\x03xyzSELECT 1",      // no types
            b"\x03\x01\x01\x00\x01\xfe\x00\x01a\x7fxyzSELECT 1",      // a value beyond the end
            b"\x03\x00",
        ] {
            assert!(
                Query::decode(payload, Capabilities::QUERY_ATTRIBUTES).is_err(),
                "{payload:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Query::decode(&payload, Capabilities::QUERY_ATTRIBUTES);
        }
    }
}

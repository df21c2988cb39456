//! Small text result sets that answer questions of our own: read whole, with as little understanding as they need. Pure.

use wire::{Capabilities, frame};

/// A row of text; none is NULL.
pub(super) type Row = Vec<Option<Vec<u8>>>;

/// The number of the collation that the last column of a small text result set is sent in.
pub(super) fn last_collation(reply: &[u8], capabilities: Capabilities) -> Option<u16> {
    let mut packets = Packets(reply);
    let mut r = wire::Reader::new(packets.next()?);
    let last = r.lenenc("column count").ok()?.checked_sub(1)?;
    if capabilities.has(Capabilities::OPTIONAL_RESULTSET_METADATA) && r.u8("metadata follows").ok()? == 0 {
        return None;
    }
    let definition = packets.nth(usize::try_from(last).ok()?)?;
    let mut r = wire::Reader::new(definition);
    // catalogue, schema, table, its original, name, its original; MariaDB's extended metadata
    let texts = 6 + usize::from(capabilities.has(Capabilities::MARIADB_EXTENDED_METADATA));
    for _ in 0..texts {
        r.lenenc_bytes(wire::limits::CONTROL_PACKET_BYTES_MAX, "text of a column")
            .ok()?; // string<lenenc>
    }
    r.lenenc("bytes of the fixed part").ok()?; // int<lenenc>
    r.u16("collation").ok() // int<2>
}

/// The first row of a small text result set.
pub(super) fn first_row(reply: &[u8], capabilities: Capabilities) -> Option<Row> {
    let mut packets = Packets(reply);
    let mut r = wire::Reader::new(packets.next()?);
    let columns = r.lenenc("column count").ok()?;
    // the client may have chosen to do without metadata; then so do we
    let described =
        !capabilities.has(Capabilities::OPTIONAL_RESULTSET_METADATA) || r.u8("metadata follows").ok()? != 0;
    for _ in 0..if described { columns } else { 0 } {
        packets.next()?; // the columns
    }
    if !capabilities.has(Capabilities::DEPRECATE_EOF) {
        packets.next()?;
    }
    let row = packets.next()?;
    if row.first() == Some(&0xfe) {
        return None;
    }
    let mut r = wire::Reader::new(row);
    let mut cells = Vec::new();
    for _ in 0..columns {
        let is_null = r.peek() == Some(0xfb);
        cells.push(if is_null {
            r.u8("NULL").ok()?;
            None
        } else {
            let value = r
                .lenenc_bytes(wire::limits::CONTROL_PACKET_BYTES_MAX, "value")
                .ok()?;
            Some(value.to_vec())
        });
    }
    Some(cells)
}

/// The payloads of small packets, one behind the other.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let header = frame::Header::peek(self.0)?;
        let (packet, rest) = self.0.split_at_checked(header.packet_bytes())?;
        self.0 = rest;
        packet.get(wire::limits::PACKET_HEADER_BYTES..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::StatusFlags;
    use wire::reply::TextResultSet;

    #[test]
    fn the_collation_of_the_last_column() {
        for capabilities in [Capabilities::NONE, Capabilities::DEPRECATE_EOF] {
            let mut reply = Vec::new();
            TextResultSet::new(&["v", "w"]).encode(capabilities, StatusFlags::AUTOCOMMIT, &mut reply);
            assert_eq!(last_collation(&reply, capabilities), Some(45));
            for end in 0..reply.len() {
                let cut = reply.get(..end).unwrap();
                assert!(matches!(last_collation(cut, capabilities), None | Some(45)));
            }
        }
        let bare = b"\x02\0\0\x01\x01\0\x02\0\0\x02\x01x\x07\0\0\x03\xfe\0\0\x02\0\0\0";
        assert_eq!(
            last_collation(bare, Capabilities::OPTIONAL_RESULTSET_METADATA),
            None
        );
    }

    #[test]
    fn the_first_row_of_a_small_result() {
        for capabilities in [Capabilities::NONE, Capabilities::DEPRECATE_EOF] {
            let mut reply = Vec::new();
            let set = TextResultSet::new(&["v", "w"]);
            set.clone()
                .encode(capabilities, StatusFlags::AUTOCOMMIT, &mut reply);
            assert_eq!(first_row(&reply, capabilities), None);
            reply.clear();
            set.row(vec![None, Some("x".into())])
                .encode(capabilities, StatusFlags::AUTOCOMMIT, &mut reply);
            assert_eq!(
                first_row(&reply, capabilities),
                Some(vec![None, Some(b"x".to_vec())])
            );
        }
        let bare = b"\x02\0\0\x01\x01\0\x02\0\0\x02\x01x\x07\0\0\x03\xfe\0\0\x02\0\0\0";
        let capabilities = Capabilities::DEPRECATE_EOF | Capabilities::OPTIONAL_RESULTSET_METADATA;
        assert_eq!(first_row(bare, capabilities), Some(vec![Some(b"x".to_vec())]));
    }
}

//! Two records of a conversation side by side.
//!
//! What is never the same is left out everywhere: the order in which servers report changes of session state (they
//! keep them in a hash table), the numbers of prepared statements and those in GTIDs. Everything else is compared unless the step masks it.

use std::fmt::Write as _;

use wire::Capabilities;

use super::conversation::Mask;
use super::packets::Fields;
use super::reply::{Kind, Packet, Reply};

/// Bytes of a packet that a difference shows.
const SHOWN_BYTES_MAX: usize = 160;
/// Packets that are shown before something that is no reply.
const LAST_PACKETS: usize = 4;
const COLUMN_LENGTH_BYTES: usize = 4;

/// A reply with what it takes to read it.
pub(crate) struct Heard<'a> {
    pub(crate) reply: &'a Reply,
    pub(crate) capabilities: Capabilities,
    /// The numbers of the conversation's connections.
    pub(crate) ids: &'a [u32],
}

/// A packet as it is compared, and as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: Kind,
    sequence: u8,
    parts: usize,
    bytes: Vec<u8>,
}

/// What differs, in words; `None` when nothing does.
pub(crate) fn difference(through: &Heard<'_>, direct: &Heard<'_>, masks: &[Mask]) -> Option<String> {
    let sides = [through, direct];
    let mut text = String::new();
    if sides.iter().any(|side| side.reply.trouble.is_some()) {
        for (name, side) in ["through", "direct "].iter().zip(sides) {
            let _ = writeln!(text, "      {name} {:?}, after", side.reply.trouble);
            let packets = &side.reply.packets;
            for packet in packets.iter().skip(packets.len().saturating_sub(LAST_PACKETS)) {
                let _ = writeln!(
                    text,
                    "              {:?} {}",
                    packet.kind,
                    hex::encode(packet.framed.payload.iter().take(32).copied().collect::<Vec<_>>())
                );
            }
        }
    }
    let [one, other] = sides.map(|side| seen(side, masks));
    let differs = (0..one.len().max(other.len())).find(|index| one.get(*index) != other.get(*index));
    if let Some(index) = differs {
        let (one, other) = (one.get(index), other.get(index));
        let from = match (one, other) {
            (Some(one), Some(other)) => first_difference(&one.bytes, &other.bytes),
            _ => 0,
        };
        let _ = writeln!(text, "      packet {index}, from byte {from}:");
        for (name, packet) in [("through", one), ("direct ", other)] {
            let _ = writeln!(text, "      {name} {}", shown(packet, from));
        }
    }
    if through.reply.closed != direct.reply.closed {
        for (name, side) in ["through", "direct "].iter().zip(sides) {
            let what = if side.reply.closed { "closes" } else { "goes on" };
            let _ = writeln!(text, "      {name} {what}");
        }
    }
    (!text.is_empty()).then_some(text)
}

fn first_difference(one: &[u8], other: &[u8]) -> usize {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other);
    same.count()
}

fn shown(packet: Option<&Seen>, from: usize) -> String {
    let Some(packet) = packet else {
        return "nothing".to_owned();
    };
    let from = from.saturating_sub(24);
    let part = packet.bytes.get(from..).unwrap_or_default();
    let part = part.get(..SHOWN_BYTES_MAX).unwrap_or(part);
    let more = if packet.parts > 1 {
        format!(" in {} packets", packet.parts)
    } else {
        String::new()
    };
    let readable = format!("{:?}", String::from_utf8_lossy(part));
    let hex = match packet.kind {
        Kind::Ok | Kind::Greeting => String::new(),
        _ => format!("\n              {}", hex::encode(part)),
    };
    format!(
        "#{} {:?}{more}, {} bytes: {readable}{hex}",
        packet.sequence,
        packet.kind,
        packet.bytes.len()
    )
}

fn seen(heard: &Heard<'_>, masks: &[Mask]) -> Vec<Seen> {
    let masked = |mask: &Mask| masks.contains(mask);
    let mut all = Vec::new();
    let mut types = Vec::new();
    let mut sequence = SequenceView::default();
    for packet in &heard.reply.packets {
        let payload = &packet.framed.payload;
        match packet.kind {
            Kind::ColumnCount => types.clear(),
            Kind::Column => types.push(column_type(payload).unwrap_or(0)),
            _ => {}
        }
        let is_row = matches!(packet.kind, Kind::TextRow | Kind::BinaryRow);
        if is_row && masked(&Mask::Rows) {
            sequence.left_out += 1;
            continue;
        }
        let bytes = match packet.kind {
            Kind::Ok => ok(payload, heard.capabilities, masked(&Mask::IndexUse)),
            Kind::Eof => eof(payload, masked(&Mask::IndexUse), masked(&Mask::StateFlag)),
            Kind::TextRow | Kind::BinaryRow if !masks.is_empty() => row(packet, &types, heard, masks),
            Kind::Prepared => without_number(payload),
            Kind::Column if masked(&Mask::Lengths) => without_length(payload),
            _ => payload.clone(),
        };
        let bytes = match packet.kind {
            Kind::Err | Kind::Text | Kind::Ok => text(bytes, heard, masks),
            _ => bytes,
        };
        all.push(Seen {
            kind: packet.kind,
            sequence: sequence.of(packet.framed.sequence),
            parts: packet.framed.parts,
            bytes,
        });
    }
    if masked(&Mask::Order) {
        let is_row = |seen: &Seen| matches!(seen.kind, Kind::TextRow | Kind::BinaryRow);
        let mut rows: Vec<Vec<u8>> = all
            .iter()
            .filter(|seen| is_row(seen))
            .map(|seen| seen.bytes.clone())
            .collect();
        rows.sort();
        let places = all.iter_mut().filter(|seen| is_row(seen));
        for (place, bytes) in places.zip(rows) {
            place.bytes = bytes;
        }
    }
    all
}

/// Sequence numbers as if the rows that are left out had not been there.
#[derive(Default)]
struct SequenceView {
    left_out: usize,
}

impl SequenceView {
    fn of(&self, sequence: u8) -> u8 {
        let left_out = u8::try_from(self.left_out % 256).unwrap_or(0);
        sequence.wrapping_sub(left_out)
    }
}

/// The type in a column definition.
fn column_type(payload: &[u8]) -> Option<u8> {
    let (fixed, _) = column_tail(payload)?;
    let mut fields = Fields(payload.get(fixed..)?);
    fields.int(2)?;
    fields.int(COLUMN_LENGTH_BYTES)?;
    u8::try_from(fields.int(1)?).ok()
}

/// Where the fixed fields of a column definition begin, and how many bytes they say they have. Names go before them;
/// MariaDB puts extended metadata between.
fn column_tail(payload: &[u8]) -> Option<(usize, u64)> {
    // from the end: 2 charset, 4 length, 1 type, 2 flags, 1 decimals, 2 filler, after a length byte of 12
    let fixed = payload.len().checked_sub(12)?;
    let length = u64::from(*payload.get(fixed.checked_sub(1)?)?);
    Some((fixed, length))
}

fn without_length(payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    if let Some((fixed, _)) = column_tail(payload)
        && let Some(length) = bytes.get_mut(fixed + 2..fixed + 2 + COLUMN_LENGTH_BYTES)
    {
        length.fill(0);
    }
    bytes
}

/// MariaDB counts the statements of all connections together.
fn without_number(payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    if let Some(number) = bytes.get_mut(1..5) {
        number.fill(0);
    }
    bytes
}

/// An OK packet in words, the changes of session state in order.
fn ok(payload: &[u8], capabilities: Capabilities, without_index_use: bool) -> Vec<u8> {
    match ok_in_words(payload, capabilities, without_index_use) {
        Some(words) => words.into_bytes(),
        None => payload.to_vec(),
    }
}

/// NO_GOOD_INDEX_USED and NO_INDEX_USED.
const INDEX_USE: u8 = 0x30;

/// The upper byte of SESSION_STATE_CHANGED.
const STATE_FLAG: u8 = 0x40;

/// `fe`, two bytes of warnings, two of status.
fn eof(payload: &[u8], without_index_use: bool, without_state_flag: bool) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    if let Some([low, high]) = bytes.get_mut(3..5) {
        if without_index_use {
            *low &= !INDEX_USE;
        }
        if without_state_flag {
            *high &= !STATE_FLAG;
        }
    }
    bytes
}

fn ok_in_words(payload: &[u8], capabilities: Capabilities, without_index_use: bool) -> Option<String> {
    let mut fields = Fields(payload);
    let marker = fields.int(1)?;
    let affected = fields.lenenc()?;
    let insert_id = fields.lenenc()?;
    let mut status = fields.int(2)?;
    if without_index_use {
        status &= !u64::from(INDEX_USE);
    }
    let warnings = fields.int(2)?;
    let mut words = format!(
        "{marker:02x}, {affected} affected, insert id {insert_id}, status {status:04x}, {warnings} warnings"
    );
    if fields.0.is_empty() {
        return Some(words);
    }
    let info = fields.lenenc_bytes()?;
    let _ = write!(words, ", info {:?}", String::from_utf8_lossy(info));
    let _ = write!(words, " ({})", hex::encode(info));
    if capabilities.has(Capabilities::SESSION_TRACK) && status & 0x4000 != 0 {
        let state = fields.lenenc_bytes()?;
        let mut changes = changes(state)?;
        changes.sort();
        let _ = write!(words, ", state {changes:?}");
    }
    fields.0.is_empty().then_some(words)
}

fn changes(state: &[u8]) -> Option<Vec<String>> {
    let mut fields = Fields(state);
    let mut changes = Vec::new();
    while !fields.0.is_empty() {
        let tracker = fields.int(1)?;
        let data = fields.lenenc_bytes()?;
        match tracker {
            // MariaDB puts several variables into one entry
            0 => {
                let mut pairs = Fields(data);
                while !pairs.0.is_empty() {
                    let name = String::from_utf8_lossy(pairs.lenenc_bytes()?);
                    let value = String::from_utf8_lossy(pairs.lenenc_bytes()?);
                    changes.push(format!("{name}={value}"));
                }
            }
            3 => changes.push("gtids".to_owned()),
            tracker => changes.push(format!("{tracker}: {}", String::from_utf8_lossy(data))),
        }
    }
    Some(changes)
}

/// Values of a row, one per line.
fn row(packet: &Packet, types: &[u8], heard: &Heard<'_>, masks: &[Mask]) -> Vec<u8> {
    let payload = &packet.framed.payload;
    let values = match packet.kind {
        Kind::BinaryRow => binary_values(payload, types),
        _ => text_values(payload),
    };
    let Some(values) = values else {
        return payload.clone();
    };
    let mut bytes = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let value = if masks.contains(&Mask::Column(index + 1)) {
            b"<masked>".to_vec()
        } else {
            value.map_or_else(|| b"NULL".to_vec(), |value| text(value, heard, masks))
        };
        bytes.extend(value);
        bytes.push(b'\n');
    }
    bytes
}

fn text_values(payload: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut fields = Fields(payload);
    let mut values = Vec::new();
    while let Some(first) = fields.0.first() {
        if *first == 0xfb {
            fields.int(1)?;
            values.push(None);
        } else {
            values.push(Some(fields.lenenc_bytes()?.to_vec()));
        }
    }
    Some(values)
}

/// Numbers of a binary row become digits, so that a connection's number is found in them too.
fn binary_values(payload: &[u8], types: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut fields = Fields(payload);
    fields.int(1)?;
    let nulls = fields.bytes((types.len() + 9) / 8)?;
    let mut values = Vec::new();
    for (index, kind) in types.iter().enumerate() {
        let bit = index + 2;
        if nulls.get(bit / 8)? & (1 << (bit % 8)) != 0 {
            values.push(None);
            continue;
        }
        let number = |number: Option<u64>| number.map(|number| number.to_string().into_bytes());
        values.push(Some(match kind {
            1 => number(fields.int(1))?,
            2 | 13 => number(fields.int(2))?,
            3 | 9 => number(fields.int(4))?,
            8 => number(fields.int(8))?,
            4 => fields.bytes(4)?.to_vec(),
            5 => fields.bytes(8)?.to_vec(),
            7 | 10 | 11 | 12 => {
                let length = usize::try_from(fields.int(1)?).ok()?;
                fields.bytes(length)?.to_vec()
            }
            _ => fields.lenenc_bytes()?.to_vec(),
        }));
    }
    Some(values)
}

fn text(bytes: Vec<u8>, heard: &Heard<'_>, masks: &[Mask]) -> Vec<u8> {
    let mut bytes = bytes;
    if masks.contains(&Mask::Ids) {
        for (index, id) in heard.ids.iter().enumerate() {
            let name = format!("<id {}>", index + 1);
            bytes = replaced(&bytes, id.to_string().as_bytes(), name.as_bytes());
        }
    }
    if masks.contains(&Mask::Numbers) {
        let mut shorter = Vec::new();
        for byte in bytes {
            match byte {
                b'0'..=b'9' if shorter.last() == Some(&b'#') => {}
                b'0'..=b'9' => shorter.push(b'#'),
                byte => shorter.push(byte),
            }
        }
        bytes = shorter;
    }
    bytes
}

/// Whole numbers only: `12` is not found in `123`.
fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    while let Some(first) = rest.first() {
        match rest.strip_prefix(what) {
            Some(after) if !is_digit(out.last()) && !is_digit(after.first()) => {
                out.extend_from_slice(with);
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::packets::Framed;
    use super::*;

    fn reply(packets: &[(Kind, &[u8])]) -> Reply {
        let packets = packets.iter().enumerate().map(|(index, (kind, payload))| Packet {
            kind: *kind,
            framed: Framed {
                sequence: u8::try_from(index + 1).unwrap(),
                parts: 1,
                payload: payload.to_vec(),
            },
        });
        Reply {
            packets: packets.collect(),
            ..Reply::default()
        }
    }

    fn compare(one: &Reply, other: &Reply, masks: &[Mask]) -> Option<String> {
        let heard = |reply, ids| Heard {
            reply,
            capabilities: Capabilities::SESSION_TRACK,
            ids,
        };
        difference(&heard(one, &[12]), &heard(other, &[4711]), masks)
    }

    #[test]
    fn one_byte_is_a_difference_and_a_masked_one_is_not() {
        let (one, other) = (
            reply(&[(Kind::TextRow, b"\x0212\x01a")]),
            reply(&[(Kind::TextRow, b"\x044711\x01a")]),
        );
        assert_eq!(compare(&one, &one, &[]), None);
        assert!(
            compare(&one, &other, &[])
                .unwrap()
                .contains("packet 0, from byte 0")
        );
        assert_eq!(compare(&one, &other, &[Mask::Ids]), None);
        assert_eq!(compare(&one, &other, &[Mask::Column(1)]), None);
        assert!(compare(&one, &other, &[Mask::Column(2)]).is_some());
    }

    #[test]
    fn a_missing_packet_and_a_closed_connection_are_differences() {
        let one = reply(&[(Kind::Ok, b"\0\0\0\x02\0\0\0")]);
        assert!(compare(&one, &reply(&[]), &[]).unwrap().contains("nothing"));
        let closed = Reply {
            closed: true,
            ..one.clone()
        };
        assert!(compare(&one, &closed, &[]).unwrap().contains("closes"));
    }

    #[test]
    fn changes_of_state_may_come_in_another_order_and_not_with_another_value() {
        let ok = |state: &[u8]| {
            let mut payload = b"\0\0\0\x02\x40\0\0\0".to_vec();
            payload.push(u8::try_from(state.len()).unwrap());
            payload.extend_from_slice(state);
            reply(&[(Kind::Ok, &payload)])
        };
        let (a, b, c) = (b"\0\x04\x01a\x011", b"\x01\x02\x01s", b"\x01\x02\x01t");
        assert_eq!(
            compare(&ok(&[&a[..], b].concat()), &ok(&[&b[..], a].concat()), &[]),
            None
        );
        assert!(compare(&ok(b), &ok(c), &[]).is_some());
    }
}

//! Packets: `int<3>` payload length, `int<1>` sequence number, payload.
//!
//! A payload of 16 MiB - 1 or more is cut into packets of that size; the last one is shorter, and may
//! be empty. See <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>.

mod reframe;
mod walk;

pub use reframe::Reframe;
pub use walk::{PayloadWalk, Walked};

use crate::limits::{PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

/// The header of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload that follow, at most [`PACKET_PAYLOAD_BYTES_MAX`].
    pub payload_bytes: usize,
    /// Sequence number; starts at 0 with each command and wraps.
    pub sequence: u8,
}

impl Header {
    /// The header at the start of `bytes`, or `None` when fewer than four bytes are there.
    #[inline]
    pub fn peek(bytes: &[u8]) -> Option<Header> {
        let [a, b, c, sequence] = *bytes.first_chunk::<PACKET_HEADER_BYTES>()?;
        Some(Header {
            payload_bytes: u32::from_le_bytes([a, b, c, 0]) as usize,
            sequence,
        })
    }

    /// Whether the payload goes on in another packet.
    #[inline]
    pub fn continues(self) -> bool {
        self.payload_bytes == PACKET_PAYLOAD_BYTES_MAX
    }

    /// Header and payload together, in bytes.
    #[inline]
    pub fn packet_bytes(self) -> usize {
        PACKET_HEADER_BYTES + self.payload_bytes
    }

    /// The four bytes of the wire.
    #[inline]
    pub fn encode(self) -> [u8; PACKET_HEADER_BYTES] {
        let [a, b, c, ..] = self.payload_bytes.to_le_bytes();
        [a, b, c, self.sequence]
    }
}

/// Appends `payload` to `out` as one or more packets, the first with number `sequence`; returns the
/// sequence number that follows.
pub fn encode(payload: &[u8], sequence: u8, out: &mut Vec<u8>) -> u8 {
    let mut sequence = sequence;
    let mut rest = payload;
    loop {
        let (part, tail) = rest.split_at(rest.len().min(PACKET_PAYLOAD_BYTES_MAX));
        out.extend_from_slice(
            &Header {
                payload_bytes: part.len(),
                sequence,
            }
            .encode(),
        );
        out.extend_from_slice(part);
        sequence = sequence.wrapping_add(1);
        rest = tail;
        if part.len() < PACKET_PAYLOAD_BYTES_MAX {
            return sequence;
        }
    }
}

/// Appends one small packet whose payload `write` writes in place; returns the following sequence number.
///
/// For payloads known to be below 16 MiB; a longer one is split like any other.
pub fn encode_with(out: &mut Vec<u8>, sequence: u8, write: impl FnOnce(&mut Vec<u8>)) -> u8 {
    let start = out.len();
    out.extend_from_slice(&[0; PACKET_HEADER_BYTES]);
    write(out);
    let payload_bytes = out.len() - start - PACKET_HEADER_BYTES;
    if payload_bytes >= PACKET_PAYLOAD_BYTES_MAX {
        let payload = out.split_off(start + PACKET_HEADER_BYTES);
        out.truncate(start);
        return encode(&payload, sequence, out);
    }
    if let Some(header) = out.get_mut(start..start + PACKET_HEADER_BYTES) {
        header.copy_from_slice(
            &Header {
                payload_bytes,
                sequence,
            }
            .encode(),
        );
    }
    sequence.wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_as_captured() {
        let header = Header::peek(&[0x4a, 0, 0, 0, 0x0a]).unwrap();
        assert_eq!(
            header,
            Header {
                payload_bytes: 74,
                sequence: 0
            }
        );
        assert_eq!(header.encode(), [0x4a, 0, 0, 0]);
        assert_eq!(Header::peek(&[1, 2, 3]), None);
    }

    #[test]
    fn a_payload_of_exactly_the_limit_is_followed_by_an_empty_packet() {
        let mut out = Vec::new();
        let next = encode(&vec![7; PACKET_PAYLOAD_BYTES_MAX], 255, &mut out);
        assert_eq!(next, 1);
        assert_eq!(out.len(), PACKET_PAYLOAD_BYTES_MAX + 8);
        assert_eq!(out[PACKET_PAYLOAD_BYTES_MAX + 4..], [0, 0, 0, 0]);
    }

    #[test]
    fn writing_in_place_equals_writing_a_payload() {
        let (mut one, mut two) = (vec![9], vec![9]);
        encode(b"abc", 3, &mut one);
        encode_with(&mut two, 3, |out| out.extend_from_slice(b"abc"));
        assert_eq!(one, two);
    }
}

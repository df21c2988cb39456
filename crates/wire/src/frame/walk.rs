//! Finds the end of a payload that passes by in pieces of any size, from its packets' headers alone.
//!
//! ```text
//! pieces   |..........|.......|......|
//! packets  [hdr|payload      ][hdr|payload]   walk: how many bytes of this piece are its own, and was it the last
//! ```

use super::Header;
use crate::DecodeError;
use crate::limits::PACKET_HEADER_BYTES;

/// The state of one payload, or of a client's file: payloads one behind the other up to an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadWalk {
    /// Bytes of the current packet that have not come yet.
    left: usize,
    /// Another header follows the current packet.
    continues: bool,
    /// Number of the next header.
    sequence: u8,
    /// Bytes of the current payload, as far as headers have announced it.
    payload_bytes: u64,
    /// Bytes of all payloads before it.
    earlier_bytes: u64,
    file: bool,
}

/// What a piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// How many of its first bytes belong to the payload, headers included. Fewer than all of them without an end:
    /// a header begins there that is not whole yet, and the caller comes again with it and more.
    pub bytes: usize,
    /// Whether the payload ends with them.
    pub ended: bool,
}

impl PayloadWalk {
    /// One payload whose first header has number `sequence`.
    pub fn new(sequence: u8) -> Self {
        Self {
            left: 0,
            continues: true,
            sequence,
            payload_bytes: 0,
            earlier_bytes: 0,
            file: false,
        }
    }

    /// A file that a client sends for LOAD DATA LOCAL; an empty payload ends it. See
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_local_infile_request.html>.
    pub fn file(sequence: u8) -> Self {
        Self {
            file: true,
            ..Self::new(sequence)
        }
    }

    /// Looks at the next bytes.
    pub fn walk(&mut self, input: &[u8]) -> Result<Walked, DecodeError> {
        let mut bytes = 0;
        loop {
            let here = self.left.min(input.len() - bytes);
            bytes += here;
            self.left -= here;
            if self.left > 0 {
                return Ok(Walked { bytes, ended: false });
            }
            if !self.continues && !self.begins_another() {
                return Ok(Walked { bytes, ended: true });
            }
            let Some(header) = input.get(bytes..).and_then(Header::peek) else {
                return Ok(Walked { bytes, ended: false });
            };
            if header.sequence != self.sequence {
                return Err(DecodeError::OutOfOrder {
                    expected: self.sequence,
                    found: header.sequence,
                });
            }
            self.sequence = header.sequence.wrapping_add(1);
            self.left = header.payload_bytes;
            self.continues = header.continues();
            self.payload_bytes += header.payload_bytes as u64;
            bytes += PACKET_HEADER_BYTES;
        }
    }

    /// A file goes on behind each payload that is not empty.
    fn begins_another(&mut self) -> bool {
        let more = self.file && self.payload_bytes > 0;
        self.earlier_bytes += self.payload_bytes;
        self.payload_bytes = 0;
        self.continues = more;
        more
    }

    /// Bytes of the current packet that have not come yet.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Whether another header follows the current packet.
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Sequence number that the next packet has, of whoever sends it.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Payload bytes that headers have announced so far.
    pub fn announced_bytes(&self) -> u64 {
        self.earlier_bytes + self.payload_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;
    use crate::limits::PACKET_PAYLOAD_BYTES_MAX;
    use proptest::prelude::*;

    /// Gives the bytes to a walk in pieces and returns how many were the payload's own.
    fn in_pieces(walk: &mut PayloadWalk, bytes: &[u8], piece_bytes: usize) -> Result<usize, DecodeError> {
        let (mut position, mut wanted) = (0, piece_bytes);
        loop {
            let piece = &bytes[position..bytes.len().min(position + wanted)];
            let walked = walk.walk(piece)?;
            position += walked.bytes;
            if walked.ended || (walked.bytes == 0 && position + piece.len() == bytes.len()) {
                return Ok(position);
            }
            wanted = piece_bytes.max(piece.len() - walked.bytes + 1);
        }
    }

    #[test]
    fn a_payload_of_two_packets_ends_where_the_second_does() {
        for size in [PACKET_PAYLOAD_BYTES_MAX, PACKET_PAYLOAD_BYTES_MAX + 5] {
            let mut bytes = Vec::new();
            encode(&vec![7; size], 0, &mut bytes);
            let end = bytes.len();
            encode(b"\x0e", 0, &mut bytes);
            let mut walk = PayloadWalk::new(0);
            assert_eq!(in_pieces(&mut walk, &bytes, 30_000), Ok(end));
            assert_eq!((walk.sequence(), walk.announced_bytes()), (2, size as u64));
        }
    }

    #[test]
    fn an_empty_packet_behind_a_full_one_does_not_end_a_file() {
        let mut bytes = Vec::new();
        let next = encode(&vec![7; PACKET_PAYLOAD_BYTES_MAX], 2, &mut bytes);
        let next = encode(b"last", next, &mut bytes);
        encode(b"", next, &mut bytes);
        let mut walk = PayloadWalk::file(2);
        assert_eq!(in_pieces(&mut walk, &bytes, 65_536), Ok(bytes.len()));
        assert_eq!(walk.announced_bytes(), PACKET_PAYLOAD_BYTES_MAX as u64 + 4);
    }

    #[test]
    fn a_packet_out_of_order_is_an_error() {
        let mut walk = PayloadWalk::new(0);
        assert_eq!(
            walk.walk(&[1, 0, 0, 3, 9]),
            Err(DecodeError::OutOfOrder {
                expected: 0,
                found: 3
            })
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            behind in proptest::collection::vec(any::<u8>(), 0..20),
            piece_bytes in 1_usize..70,
            file: bool,
        ) {
            let mut bytes = Vec::new();
            let mut next = 3;
            for payload in &payloads {
                next = encode(payload, next, &mut bytes);
            }
            encode(b"", next, &mut bytes);
            let mut walk = if file { PayloadWalk::file(3) } else { PayloadWalk::new(3) };
            let end = match payloads.first() {
                Some(first) if !file => 4 + first.len(),
                _ => bytes.len(),
            };
            bytes.extend(behind);
            prop_assert_eq!(in_pieces(&mut walk, &bytes, piece_bytes), Ok(end));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece_bytes in 1_usize..50, file: bool) {
            let mut walk = if file { PayloadWalk::file(0) } else { PayloadWalk::new(0) };
            let _ = in_pieces(&mut walk, &bytes, piece_bytes);
        }
    }
}

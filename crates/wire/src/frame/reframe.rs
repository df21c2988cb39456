//! Cuts a payload into packets anew while it passes, because something was put into it on the way.
//!
//! All packets but the last must be full. Where the new packets end is therefore known only up to the packet that is
//! coming in: what does not fill a packet is carried to the next one, never more than was put in.

use super::Header;
use crate::limits::{PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

/// One payload on its way.
#[derive(Debug)]
pub struct Reframe {
    /// Bytes of a full packet.
    full: usize,
    /// Payload that was taken and belongs to no packet yet.
    carried: Vec<u8>,
    /// Bytes that the packet being written still needs.
    open: usize,
    /// Number of the next packet.
    sequence: u8,
    /// The start of a header of the old packets, as far as it has come.
    header: Vec<u8>,
    /// Bytes of the old packet that have not come yet.
    left: usize,
    /// Another old packet follows.
    continues: bool,
    /// The header of the last packet was written.
    closed: bool,
}

impl Reframe {
    /// Begins with an old packet that announces `header`, of which the payload's first bytes have been replaced:
    /// `front` takes the place of `replaced` bytes.
    pub fn new(header: Header, replaced: usize, front: Vec<u8>) -> Self {
        Self {
            full: PACKET_PAYLOAD_BYTES_MAX,
            carried: front,
            open: 0,
            sequence: header.sequence,
            header: Vec::new(),
            left: header.payload_bytes.saturating_sub(replaced),
            continues: header.continues(),
            closed: false,
        }
    }

    /// Takes the next old bytes, headers included, and appends new ones to `out`. The bytes are those of the payload
    /// and no others, and in order: [`super::PayloadWalk`] has seen to it.
    pub fn take(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut input = input;
        loop {
            let (here, behind) = input.split_at(self.left.min(input.len()));
            self.payload(here, out);
            input = behind;
            if self.left > 0 || !self.continues {
                return;
            }
            let missing = PACKET_HEADER_BYTES - self.header.len();
            let (here, behind) = input.split_at(missing.min(input.len()));
            self.header.extend_from_slice(here);
            input = behind;
            let Some(header) = Header::peek(&self.header) else {
                return;
            };
            self.header.clear();
            self.left = header.payload_bytes;
            self.continues = self.is_full(header);
        }
    }

    fn is_full(&self, header: Header) -> bool {
        header.payload_bytes == self.full
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut bytes = bytes;
        while self.open > 0 || self.open_packet(out) {
            let carried = self.carried.len().min(self.open);
            out.extend(self.carried.drain(..carried));
            let (here, behind) = bytes.split_at((self.open - carried).min(bytes.len()));
            out.extend_from_slice(here);
            self.open -= carried + here.len();
            self.left -= here.len();
            bytes = behind;
            if self.open > 0 {
                return;
            }
        }
        self.carried.extend_from_slice(bytes);
        self.left -= bytes.len();
    }

    /// Writes the next header, when it is clear what it says.
    fn open_packet(&mut self, out: &mut Vec<u8>) -> bool {
        let known = self.carried.len() + self.left;
        let payload_bytes = match (known >= self.full, self.continues || self.closed) {
            (true, _) => self.full,
            (false, false) => known,
            (false, true) => return false,
        };
        self.closed = payload_bytes < self.full;
        self.open = payload_bytes;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        out.extend_from_slice(
            &Header {
                payload_bytes,
                sequence,
            }
            .encode(),
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packets of at most `full` bytes.
    fn packets(payload: &[u8], full: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sequence = 0;
        let mut rest = payload;
        loop {
            let (part, tail) = rest.split_at(rest.len().min(full));
            out.extend(
                Header {
                    payload_bytes: part.len(),
                    sequence,
                }
                .encode(),
            );
            out.extend(part);
            if part.len() < full {
                return out;
            }
            rest = tail;
            sequence += 1;
        }
    }

    proptest! {
        #[test]
        fn the_new_packets_are_those_of_the_new_payload(
            payload in proptest::collection::vec(any::<u8>(), 6..90),
            put_in in proptest::collection::vec(any::<u8>(), 0..40),
            replaced in 0_usize..6,
            piece_bytes in 1_usize..30,
        ) {
            let full = 10;
            let old = packets(&payload, full);
            let header = Header::peek(&old).unwrap();
            let front = [&payload[..replaced], &put_in[..]].concat();
            let expected = packets(&[&front[..], &payload[replaced..]].concat(), full);
            let mut reframe = Reframe::new(header, replaced, front);
            reframe.full = full;
            reframe.continues = header.payload_bytes == full;
            let mut out = Vec::new();
            for piece in old[PACKET_HEADER_BYTES + replaced..].chunks(piece_bytes) {
                reframe.take(piece, &mut out);
                prop_assert!(reframe.carried.len() <= put_in.len() + 6);
            }
            reframe.take(&[], &mut out);
            prop_assert_eq!(out, expected);
        }
    }
}

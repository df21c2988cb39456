//! Where one is in a stream of ordinary packets that comes in pieces cut anywhere.

use crate::frame::Header;
use crate::limits::PACKET_HEADER_BYTES;

/// A place in a stream of ordinary packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    header: [u8; PACKET_HEADER_BYTES],
    /// Bytes of the header that are there.
    header_bytes: usize,
    /// Bytes of the payload that are still to come.
    payload_bytes: usize,
}

impl Walk {
    /// Bytes of a header that has begun and is not complete: 0 to 3.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// Bytes of the packet at hand that are still to come behind its header.
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Goes on by `count` bytes of the payload at hand, as far as it has them; returns how many those are.
    pub fn payload(&mut self, count: usize) -> usize {
        let count = count.min(self.payload_bytes);
        self.payload_bytes -= count;
        count
    }

    /// Takes bytes of a header; returns how many, and the header once it is whole. Only behind a payload's end.
    pub fn header(&mut self, bytes: &[u8]) -> (usize, Option<Header>) {
        let place = self.header.get_mut(self.header_bytes..).unwrap_or_default();
        let count = place.len().min(bytes.len());
        place
            .iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        self.header_bytes += count;
        if self.header_bytes < PACKET_HEADER_BYTES {
            return (count, None);
        }
        let header = Header::peek(&self.header);
        self.header_bytes = 0;
        self.payload_bytes = header.map_or(0, |header| header.payload_bytes);
        (count, header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_in_three_pieces() {
        let mut walk = Walk::default();
        assert_eq!(walk.header(&[5, 0]), (2, None));
        assert_eq!((walk.header_bytes(), walk.payload_bytes()), (2, 0));
        let (count, header) = walk.header(&[0, 7, b'a', b'b']);
        assert_eq!((count, header.map(Header::encode)), (2, Some([5, 0, 0, 7])));
        assert_eq!((walk.header_bytes(), walk.payload_bytes()), (0, 5));
        assert_eq!((walk.payload(2), walk.payload(9), walk.payload(9)), (2, 3, 0));
    }
}

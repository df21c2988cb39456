//! The sequence numbers of the compressed layer, at both ends.
//!
//! A command begins at 0 and its reply follows, as with ordinary packets; but here compressed packets are counted,
//! of which a command of one ordinary packet may have many. Servers let the numbers of the *ordinary* packets of a
//! reply jump to those of the compressed ones, at its start and behind each of several results, and clients with
//! compression do not look at them. Whoever passes such a reply on to somebody without compression must put those
//! numbers right: [`ClientNumbers::renumber`].

use super::Walk;
use crate::error::DecodeError;
use crate::limits::PACKET_HEADER_BYTES;

/// The server's end. What it is given to send has the numbers of a stream without compression; where servers let them
/// jump, [`ServerNumbers::ordinary`] does: some clients expect just that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerNumbers {
    /// Of the next packet, in either direction.
    next: u8,
    /// The next ordinary packet is the first of a reply, or of one of its results.
    result_begins: bool,
    /// From the number that an ordinary packet has without compression to the one that it has here.
    shift: u8,
    upload: Option<Upload>,
}

/// A client's file on its way, of which the client numbers the ordinary packets by the compressed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Upload {
    walk: Walk,
    /// Number of the next packet, as if nothing were compressed.
    next: u8,
    /// The payload at hand goes on in the next packet.
    continues: bool,
}

impl ServerNumbers {
    /// A packet has come: it begins a command, or goes on.
    pub fn received(&mut self, sequence: u8) -> Result<(), DecodeError> {
        if sequence != 0 && sequence != self.next {
            return Err(DecodeError::OutOfOrder {
                expected: self.next,
                found: sequence,
            });
        }
        self.next = sequence.wrapping_add(1);
        self.result_begins = true;
        Ok(())
    }

    /// What is sent next begins a result, and nothing is waiting to be sent before it.
    pub fn result_begins(&mut self) {
        self.result_begins = true;
    }

    /// The number of an ordinary packet that begins in the next compressed one.
    pub fn ordinary(&mut self, sequence: u8) -> u8 {
        if std::mem::take(&mut self.result_begins) {
            self.shift = self.next.wrapping_sub(sequence);
        }
        sequence.wrapping_add(self.shift)
    }

    /// The client was asked for a file; without compression its first packet had number `sequence`.
    pub fn upload_begins(&mut self, sequence: u8) {
        self.upload = Some(Upload {
            walk: Walk::default(),
            next: sequence,
            continues: false,
        });
    }

    /// Puts the numbers of a file's packets right, as if nothing had been compressed.
    pub fn renumber(&mut self, content: &mut [u8]) {
        let mut rest = content;
        while let Some(upload) = self.upload.as_mut().filter(|_| !rest.is_empty()) {
            let skipped = upload.walk.payload(rest.len());
            let header = rest.get_mut(skipped..).unwrap_or_default();
            let (count, complete) = upload.walk.header(header);
            if let Some(complete) = complete {
                if let Some(sequence) = header.get_mut(count.saturating_sub(1)) {
                    *sequence = upload.next;
                }
                upload.next = upload.next.wrapping_add(1);
                let ended = complete.payload_bytes == 0 && !upload.continues;
                upload.continues = complete.continues();
                if ended {
                    self.upload = None;
                }
            }
            rest = header.get_mut(count..).unwrap_or_default();
        }
    }

    /// The number of a packet that is sent now.
    pub fn sent(&mut self) -> u8 {
        let sequence = self.next;
        self.next = sequence.wrapping_add(1);
        sequence
    }
}

/// The client's end: sees the ordinary packets inside too, to begin each command with a packet of its own, and to put
/// the numbers of replies right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientNumbers {
    /// Of the next compressed packet, in either direction.
    next: u8,
    /// Of the compressed packet that goes on with the reply being read.
    next_of_reply: u8,
    /// Something was sent, and nothing of its reply has come yet.
    awaiting: bool,
    sending: Walk,
    /// Of the next ordinary packet that we send.
    next_inner: u8,
    receiving: Walk,
    /// Of the next ordinary packet of the reply being read.
    next_inner_of_reply: u8,
}

/// What the next bytes to send are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// So many bytes of a payload.
    Payload(usize),
    /// So many bytes complete this header; it goes on with what was sent before.
    Continues(usize, [u8; PACKET_HEADER_BYTES]),
    /// So many bytes complete this header, with which a command begins: what was sent before ends its compressed
    /// packet, and the next has number 0.
    Begins(usize, [u8; PACKET_HEADER_BYTES]),
    /// All of the bytes are the beginning of a header.
    Incomplete(usize),
}

impl ClientNumbers {
    /// Looks at the next bytes to send; they count as taken, up to the number returned.
    pub fn outgoing(&mut self, bytes: &[u8], payload_bytes_max: usize) -> Outgoing {
        if self.sending.payload_bytes() > 0 {
            let count = bytes.len().min(payload_bytes_max);
            return Outgoing::Payload(self.sending.payload(count));
        }
        let (count, header) = self.sending.header(bytes);
        let Some(header) = header else {
            return Outgoing::Incomplete(count);
        };
        // the packets of an upload are numbered on, and may pass 255
        let wrapped = self.awaiting && self.next_inner == 0;
        self.next_inner = header.sequence.wrapping_add(1);
        let bytes = header.encode();
        if header.sequence == 0 && !wrapped {
            Outgoing::Begins(count, bytes)
        } else {
            Outgoing::Continues(count, bytes)
        }
    }

    /// The number of a compressed packet that is sent now; `begins` says that a command begins with it.
    pub fn sent(&mut self, begins: bool) -> u8 {
        let sequence = if begins { 0 } else { self.next };
        self.next = sequence.wrapping_add(1);
        self.awaiting = true;
        sequence
    }

    /// A compressed packet has come; its content goes through [`Self::renumber`].
    pub fn received(&mut self, sequence: u8) {
        if self.awaiting && sequence == self.next {
            // the reply to what was sent last
            self.awaiting = false;
            self.next_inner_of_reply = self.next_inner;
        } else if sequence != self.next_of_reply {
            // the reply to a command before it: those are short
            self.next_inner_of_reply = 1;
        }
        self.next_of_reply = sequence.wrapping_add(1);
        if !self.awaiting {
            self.next = self.next_of_reply;
        }
    }

    /// Puts the numbers of the ordinary packets right, as if nothing had been compressed.
    pub fn renumber(&mut self, content: &mut [u8]) {
        let mut rest = content;
        while !rest.is_empty() {
            let skipped = self.receiving.payload(rest.len());
            let header = rest.get_mut(skipped..).unwrap_or_default();
            let (count, complete) = self.receiving.header(header);
            if complete.is_some()
                && let Some(sequence) = header.get_mut(count.saturating_sub(1))
            {
                *sequence = self.next_inner_of_reply;
                self.next_inner_of_reply = sequence.wrapping_add(1);
            }
            rest = header.get_mut(count..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    #[test]
    fn a_server_takes_a_command_and_numbers_its_reply_on() {
        let mut numbers = ServerNumbers::default();
        assert_eq!(numbers.received(0), Ok(()));
        assert_eq!(numbers.received(1), Ok(()));
        assert_eq!((numbers.sent(), numbers.sent()), (2, 3));
        // an upload goes on, a command begins anew
        assert_eq!(numbers.received(4), Ok(()));
        assert_eq!(numbers.received(0), Ok(()));
        assert_eq!(numbers.sent(), 1);
        let wrong = DecodeError::OutOfOrder {
            expected: 2,
            found: 5,
        };
        assert_eq!(numbers.received(5), Err(wrong));
    }

    #[test]
    fn a_results_numbers_begin_with_that_of_its_compressed_packet() {
        let mut numbers = ServerNumbers::default();
        for sequence in 0..3 {
            numbers.received(sequence).unwrap();
        }
        assert_eq!([1, 2].map(|sequence| numbers.ordinary(sequence)), [3, 4]);
        assert_eq!(numbers.sent(), 3);
        assert_eq!(numbers.ordinary(3), 5);
        assert_eq!(numbers.sent(), 4);
        numbers.result_begins();
        assert_eq!([4, 5].map(|sequence| numbers.ordinary(sequence)), [5, 6]);
        numbers.received(0).unwrap();
        assert_eq!(numbers.ordinary(1), 1);
    }

    #[test]
    fn a_files_packets_are_numbered_behind_the_request_for_it() {
        let mut numbers = ServerNumbers::default();
        numbers.upload_begins(4);
        let mut file = Vec::new();
        frame::encode(b"abc", 9, &mut file);
        frame::encode(b"de", 200, &mut file);
        frame::encode(b"", 17, &mut file);
        // a command that was sent ahead
        frame::encode(b"\x0e", 0, &mut file);
        let mut expected = Vec::new();
        for (payload, sequence) in [(&b"abc"[..], 4), (b"de", 5), (b"", 6), (b"\x0e", 0)] {
            frame::encode(payload, sequence, &mut expected);
        }
        for part in [1, 3, 100] {
            let (mut numbers, mut file) = (numbers, file.clone());
            file.chunks_mut(part).for_each(|part| numbers.renumber(part));
            assert_eq!(file, expected);
        }
    }

    #[test]
    fn each_command_of_a_pipeline_begins_a_packet() {
        let mut numbers = ClientNumbers::default();
        let mut bytes = Vec::new();
        frame::encode(b"\x02db", 0, &mut bytes);
        frame::encode(b"\x03do 1", 0, &mut bytes);
        assert_eq!(numbers.outgoing(&bytes, 100), Outgoing::Begins(4, [3, 0, 0, 0]));
        assert_eq!(numbers.outgoing(&bytes[4..], 100), Outgoing::Payload(3));
        assert_eq!(numbers.sent(true), 0);
        assert_eq!(numbers.outgoing(&bytes[7..9], 100), Outgoing::Incomplete(2));
        assert_eq!(
            numbers.outgoing(&bytes[9..], 100),
            Outgoing::Begins(2, [5, 0, 0, 0])
        );
        assert_eq!(numbers.outgoing(&bytes[11..], 2), Outgoing::Payload(2));
        assert_eq!(numbers.sent(true), 0);
        assert_eq!(numbers.outgoing(&bytes[13..], 100), Outgoing::Payload(3));
        assert_eq!(numbers.sent(false), 1);
    }

    #[test]
    fn an_uploads_packet_after_number_255_begins_no_command() {
        let mut numbers = ClientNumbers::default();
        assert!(matches!(
            numbers.outgoing(&[1, 0, 0, 0], 9),
            Outgoing::Begins(4, _)
        ));
        assert_eq!(numbers.outgoing(&[3], 9), Outgoing::Payload(1));
        numbers.sent(true);
        numbers.received(1);
        for sequence in 2..=255 {
            assert!(matches!(
                numbers.outgoing(&[0, 0, 0, sequence], 9),
                Outgoing::Continues(4, _)
            ));
        }
        assert_eq!(numbers.sent(false), 2);
        assert!(matches!(
            numbers.outgoing(&[0, 0, 0, 0], 9),
            Outgoing::Continues(4, _)
        ));
        // its reply, and then a command
        numbers.sent(false);
        numbers.received(4);
        assert!(matches!(
            numbers.outgoing(&[1, 0, 0, 0], 9),
            Outgoing::Begins(4, _)
        ));
    }

    /// A statement in three compressed packets: the server's reply begins at 3, and jumps behind its first result.
    #[test]
    fn a_reply_is_numbered_as_if_the_command_had_not_been_compressed() {
        let mut numbers = ClientNumbers::default();
        assert!(matches!(
            numbers.outgoing(&[9, 0, 0, 0], 9),
            Outgoing::Begins(4, _)
        ));
        assert_eq!(numbers.outgoing(&[3; 9], 9), Outgoing::Payload(9));
        assert_eq!([true, false, false].map(|begins| numbers.sent(begins)), [0, 1, 2]);
        let mut reply = Vec::new();
        frame::encode(b"\x01", 3, &mut reply);
        frame::encode(b"abc", 9, &mut reply);
        let (one, two) = reply.split_at_mut(7);
        numbers.received(3);
        numbers.renumber(one);
        numbers.received(4);
        numbers.renumber(two);
        let mut expected = Vec::new();
        frame::encode(b"\x01", 1, &mut expected);
        frame::encode(b"abc", 2, &mut expected);
        assert_eq!(reply, expected);
    }

    /// Two short commands and one in two packets were sent at once.
    #[test]
    fn the_replies_of_a_pipeline_are_told_apart() {
        let mut numbers = ClientNumbers::default();
        for payload in [3usize, 3, 9] {
            let header = [u8::try_from(payload).unwrap(), 0, 0, 0];
            numbers.outgoing(&header, 99);
            numbers.outgoing(&[0; 9][..payload], 99);
            numbers.sent(true);
        }
        numbers.sent(false);
        for (compressed, inner) in [(1, 1), (1, 1), (2, 2)] {
            let mut reply = Vec::new();
            frame::encode(b"\0", inner, &mut reply);
            numbers.received(compressed);
            numbers.renumber(&mut reply);
            assert_eq!(reply[3], 1, "{compressed}");
        }
    }
}

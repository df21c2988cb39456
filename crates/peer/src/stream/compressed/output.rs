//! The writing half of a compressed stream: what is written gathers, and leaves as compressed packets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use wire::compressed::{CompressedHeader, Compression, Outgoing};
use wire::limits::COMPRESSED_HEADER_BYTES;

use super::Numbers;
use super::whole::{Large, Whole};
use crate::budget::Share;
use crate::chunk::CHUNK_BYTES;
use crate::compression::compress;
use crate::stream::Stream;

/// Most content that is put into one compressed packet at a time, in bytes: two chunks. Larger ones would hardly be
/// better compressed, and would keep the other sessions of the shard waiting.
pub(super) const CONTENT_BYTES_MAX: usize = 2 * CHUNK_BYTES;

/// What was written and is not on its way yet.
#[derive(Debug)]
pub(super) struct Output {
    compression: Compression,
    /// Content of the next packet.
    content: Vec<u8>,
    /// Whether a command begins with it.
    begins: bool,
    /// Packets, header and all, of which `sent` bytes have gone.
    packets: Vec<u8>,
    sent: usize,
    /// What the packets have of the memory for large ones.
    share: Option<Share>,
    /// Which ordinary packets are kept in few pieces. None: they are cut anywhere.
    whole: Option<Whole>,
}

impl Output {
    pub(super) fn new(compression: Compression, whole: Option<Whole>) -> Self {
        Self {
            compression,
            content: Vec::new(),
            begins: false,
            packets: Vec::new(),
            sent: 0,
            share: None,
            whole,
        }
    }

    /// Whether it looks at the ordinary packets inside.
    pub(super) fn counts_packets(&self) -> bool {
        self.whole.is_some()
    }

    /// Takes bytes, at least one unless the reader must read first.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut Stream,
        numbers: &mut Numbers,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // a packet that is full goes before more is taken: who does not read is not written to
        if self.content.len() >= CONTENT_BYTES_MAX {
            self.seal(numbers);
        }
        if self.packets.len() >= CONTENT_BYTES_MAX {
            ready!(self.poll_send(stream, cx))?;
        }
        if self.whole.as_ref().is_some_and(Whole::is_large) {
            return self.poll_write_large(stream, numbers, cx, bytes);
        }
        let mut taken = 0;
        while taken < bytes.len()
            && self.content.len() < CONTENT_BYTES_MAX
            && self.packets.len() < CONTENT_BYTES_MAX
        {
            taken += self.take(numbers, bytes.get(taken..).unwrap_or_default());
        }
        Poll::Ready(Ok(taken))
    }

    /// Sends what was written, but for the rest of an ordinary packet that must not be cut once more.
    pub(super) fn poll_flush(
        &mut self,
        stream: &mut Stream,
        numbers: &mut Numbers,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.whole.as_ref().is_some_and(Whole::is_cut) {
            self.seal(numbers);
        }
        ready!(self.poll_send(stream, cx))?;
        // a session that waits holds no buffer
        self.packets = Vec::new();
        if self.content.is_empty() {
            self.content = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what was written; nothing follows. A large packet that is not complete is of no use to anybody.
    pub(super) fn poll_end(
        &mut self,
        stream: &mut Stream,
        numbers: &mut Numbers,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.seal(numbers);
        self.poll_send(stream, cx)
    }

    /// Takes what fits into the packet at hand.
    fn take(&mut self, numbers: &mut Numbers, bytes: &[u8]) -> usize {
        let room = CONTENT_BYTES_MAX.saturating_sub(self.content.len());
        let client = match &mut *numbers {
            Numbers::Client(client) => client,
            Numbers::Server(server) => {
                let fitting = bytes.get(..bytes.len().min(room)).unwrap_or_default();
                let (count, header) = match &mut self.whole {
                    Some(whole) => whole.take(fitting),
                    None => (fitting.len(), None),
                };
                self.content
                    .extend_from_slice(fitting.get(..count).unwrap_or_default());
                if let Some(header) = header
                    && let Some(sequence) = self.content.last_mut()
                {
                    *sequence = server.ordinary(header.sequence);
                }
                return count;
            }
        };
        match client.outgoing(bytes, room) {
            Outgoing::Payload(count) => {
                let taken = bytes.get(..count).unwrap_or_default();
                self.content.extend_from_slice(taken);
                count
            }
            Outgoing::Continues(count, header) => {
                self.content.extend_from_slice(&header);
                count
            }
            Outgoing::Begins(count, header) => {
                self.seal(numbers);
                self.begins = true;
                self.content.extend_from_slice(&header);
                count
            }
            Outgoing::Incomplete(count) => count,
        }
    }

    /// Makes a packet of what was written; a header that is not complete waits for its rest.
    fn seal(&mut self, numbers: &mut Numbers) {
        let kept = self.whole.as_ref().map_or(0, Whole::header_bytes);
        let content_bytes = self.content.len().saturating_sub(kept);
        let content = self.content.get(..content_bytes).unwrap_or_default();
        if content.is_empty() {
            return;
        }
        let start = self.packets.len();
        let payload = start + COMPRESSED_HEADER_BYTES;
        self.packets.resize(payload + content_bytes, 0);
        let room = self.packets.get_mut(payload..).unwrap_or_default();
        let (payload_bytes, uncompressed_bytes) = match compress(self.compression, content, room) {
            Some(payload_bytes) => (payload_bytes, content_bytes),
            None => {
                room.copy_from_slice(content);
                (content_bytes, 0)
            }
        };
        self.packets.truncate(payload + payload_bytes);
        let header = CompressedHeader {
            payload_bytes,
            sequence: numbers.sent(self.begins),
            uncompressed_bytes,
        };
        if let Some(place) = self.packets.get_mut(start..payload) {
            place.copy_from_slice(&header.encode());
        }
        self.content.drain(..content_bytes);
        self.begins = false;
        let Some(whole) = &mut self.whole else { return };
        if whole.cut() {
            // as it is: with no length to wait for, its header can go at once
            let header = CompressedHeader {
                payload_bytes: whole.payload_bytes(),
                sequence: numbers.sent(false),
                uncompressed_bytes: 0,
            };
            self.packets.extend_from_slice(&header.encode());
        }
    }

    /// Takes a piece of an ordinary packet that is larger than a content.
    fn poll_write_large(
        &mut self,
        stream: &mut Stream,
        numbers: &mut Numbers,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let as_it_is = self.whole.as_ref().is_some_and(Whole::goes_as_it_is);
        if as_it_is {
            // its header, and what was written before
            ready!(self.poll_send(stream, cx))?;
        }
        let Some(whole) = &mut self.whole else {
            return Poll::Ready(Ok(0));
        };
        let count = bytes.len().min(whole.payload_bytes());
        let piece = bytes.get(..count).unwrap_or_default();
        let count = match whole.large() {
            Some(Large::AsItIs) => match ready!(Pin::new(stream).poll_write(cx, piece))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => count,
            },
            Some(Large::Gathered(gathered)) => {
                gathered.add(piece)?;
                count
            }
            None => return Poll::Ready(Ok(0)),
        };
        if let Some(gathered) = whole.taken(count) {
            let (packet, share) = gathered.finish(numbers.sent(false))?;
            if self.packets.is_empty() {
                self.packets = packet;
            } else {
                self.packets.extend_from_slice(&packet);
            }
            self.share = Some(share);
        }
        Poll::Ready(Ok(count))
    }

    /// Sends packets until none is left.
    fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest = self.packets.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                self.packets.clear();
                self.sent = 0;
                if self.share.is_some() {
                    self.packets = Vec::new();
                    self.share = None;
                }
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.content.capacity() + self.packets.capacity()
    }
}

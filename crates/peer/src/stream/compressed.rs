//! The compressed layer of a stream: packets of compressed bytes below, the stream of ordinary packets above.
//!
//! ```text
//! write ─▶ content ─(flush, full, or a command begins)─▶ compressed packets ─▶ stream
//! read  ◀──────────────── decompressor ◀── one compressed packet at a time ◀── stream
//! ```
//!
//! Buffers exist only while there are bytes in them, and a decompressor only inside a packet. One read gives bytes
//! of one compressed packet at most: so the numbers of a reply follow from its own command, even when the next
//! command has come already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::compressed::{ClientNumbers, CompressedHeader, Compression, Outgoing, ServerNumbers};
use wire::limits::COMPRESSED_HEADER_BYTES;

use super::Stream;
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::compression::{CompressionError, Decompressor, compress};

/// Most content that is put into one compressed packet, in bytes: two chunks. Larger ones would hardly be better
/// compressed, and would keep the other sessions of the shard waiting.
const CONTENT_BYTES_MAX: usize = 2 * CHUNK_BYTES;

/// A stream with compression.
#[derive(Debug)]
pub struct Compressed {
    stream: Stream,
    compression: Compression,
    numbers: Numbers,
    /// What has come and was not decompressed yet.
    input: Option<Chunk>,
    /// The packet that is being read.
    packet: Option<Packet>,
    output: Output,
}

/// Which end we are.
#[derive(Debug)]
enum Numbers {
    Server(ServerNumbers),
    Client(Box<ClientNumbers>),
}

/// A compressed packet whose header was read.
#[derive(Debug)]
struct Packet {
    /// Bytes that are still to come.
    payload_bytes: usize,
    /// None where the content is as it is.
    decompressor: Option<Decompressor>,
}

/// What was written and is not on its way yet.
#[derive(Debug, Default)]
struct Output {
    /// Content of the next packet.
    content: Vec<u8>,
    /// Whether a command begins with it.
    begins: bool,
    /// Packets, header and all, of which `sent` bytes have gone.
    packets: Vec<u8>,
    sent: usize,
}

impl Compressed {
    /// The server's end, behind the OK of a login.
    pub(super) fn server(stream: Stream, compression: Compression) -> Self {
        Self::new(stream, compression, Numbers::Server(ServerNumbers::default()))
    }

    /// The client's end, behind the OK of a login.
    pub(super) fn client(stream: Stream, compression: Compression) -> Self {
        Self::new(stream, compression, Numbers::Client(Box::default()))
    }

    fn new(stream: Stream, compression: Compression, numbers: Numbers) -> Self {
        Self {
            stream,
            compression,
            numbers,
            input: None,
            packet: None,
            output: Output::default(),
        }
    }

    /// What is below, without what was read or written and not passed on.
    pub fn into_inner(self) -> Stream {
        self.stream
    }

    /// What is below.
    pub(super) fn inner(&self) -> &Stream {
        &self.stream
    }

    /// Waits until a read would find bytes.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        if self.input.is_some() {
            return Ok(());
        }
        Box::pin(self.stream.readable()).await
    }

    /// Reads on behind what is there; `false` says that the stream has ended.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(input) = &mut self.input else {
            let chunk = ready!(Chunk::poll_read(&mut self.stream, cx))?;
            let more = !chunk.is_empty();
            self.input = more.then_some(chunk);
            return Poll::Ready(Ok(more));
        };
        if input.len() >= CHUNK_BYTES {
            // a packet whose end needs so much more than its last byte is none of a compressor
            let error = CompressionError::Corrupt("its end is too long");
            return Poll::Ready(Err(error.into()));
        }
        input.reserve(0);
        Poll::Ready(Ok(ready!(input.poll_more(&mut self.stream, cx))? > 0))
    }

    fn consume(&mut self, count: usize) {
        if let Some(input) = &mut self.input {
            input.consume(count);
            if input.is_empty() {
                self.input = None;
            }
        }
    }

    /// Reads a packet's header; `false` says that the stream has ended in front of it.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let filled = self.input.as_ref().map_or(&[][..], Chunk::filled);
            if let Some(header) = CompressedHeader::peek(filled) {
                self.numbers.received(header.sequence)?;
                let decompressor = if header.is_compressed() {
                    let content_bytes = header.uncompressed_bytes;
                    Some(Decompressor::lease(self.compression, content_bytes)?)
                } else {
                    None
                };
                self.packet = Some(Packet {
                    payload_bytes: header.payload_bytes,
                    decompressor,
                });
                self.consume(COMPRESSED_HEADER_BYTES);
                return Poll::Ready(Ok(true));
            }
            let began = !filled.is_empty();
            if !ready!(self.poll_input(cx))? {
                return Poll::Ready(if began {
                    Err(io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(false)
                });
            }
        }
    }

    /// Gives content of the packet at hand to `output`; nothing given means that more input is needed, unless the
    /// packet has ended.
    fn step(&mut self, output: &mut [u8]) -> Result<usize, CompressionError> {
        let Some(packet) = &mut self.packet else {
            return Ok(0);
        };
        let filled = self.input.as_ref().map_or(&[][..], Chunk::filled);
        let available = filled
            .get(..filled.len().min(packet.payload_bytes))
            .unwrap_or_default();
        let (taken, given, ended) = match &mut packet.decompressor {
            Some(decompressor) => {
                let input_ends = available.len() == packet.payload_bytes;
                let step = decompressor.step(available, input_ends, output)?;
                (step.taken, step.given, step.ended)
            }
            None => {
                let count = available.len().min(output.len());
                let pairs = output.iter_mut().zip(available);
                pairs.for_each(|(place, byte)| *place = *byte);
                (count, count, count == packet.payload_bytes)
            }
        };
        packet.payload_bytes -= taken;
        if ended {
            self.packet = None;
        }
        self.consume(taken);
        if let Some(given) = output.get_mut(..given) {
            self.numbers.renumber(given);
        }
        Ok(given)
    }

    /// Makes a packet of what was written.
    fn seal(&mut self) {
        let Output {
            content,
            begins,
            packets,
            ..
        } = &mut self.output;
        if content.is_empty() {
            return;
        }
        let start = packets.len();
        let payload = start + COMPRESSED_HEADER_BYTES;
        packets.resize(payload + content.len(), 0);
        let room = packets.get_mut(payload..).unwrap_or_default();
        let (payload_bytes, uncompressed_bytes) = match compress(self.compression, content, room) {
            Some(payload_bytes) => (payload_bytes, content.len()),
            None => {
                room.copy_from_slice(content);
                (content.len(), 0)
            }
        };
        packets.truncate(payload + payload_bytes);
        let header = CompressedHeader {
            payload_bytes,
            sequence: self.numbers.sent(*begins),
            uncompressed_bytes,
        };
        if let Some(place) = packets.get_mut(start..payload) {
            place.copy_from_slice(&header.encode());
        }
        content.clear();
        *begins = false;
    }

    /// Sends packets until none is left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Output { packets, sent, .. } = &mut self.output;
            let rest = packets.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                packets.clear();
                *sent = 0;
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *sent += count,
            }
        }
    }

    /// Takes what fits into the packet at hand.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let room = CONTENT_BYTES_MAX.saturating_sub(self.output.content.len());
        let Numbers::Client(numbers) = &mut self.numbers else {
            let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
            self.output.content.extend_from_slice(taken);
            return taken.len();
        };
        match numbers.outgoing(bytes, room) {
            Outgoing::Payload(count) => {
                let taken = bytes.get(..count).unwrap_or_default();
                self.output.content.extend_from_slice(taken);
                count
            }
            Outgoing::Continues(count, header) => {
                self.output.content.extend_from_slice(&header);
                count
            }
            Outgoing::Begins(count, header) => {
                self.seal();
                self.output.begins = true;
                self.output.content.extend_from_slice(&header);
                count
            }
            Outgoing::Incomplete(count) => count,
        }
    }
}

impl AsyncRead for Compressed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.packet.is_none() && !ready!(this.poll_header(cx))? {
                return Poll::Ready(Ok(()));
            }
            let given = this.step(buffer.initialize_unfilled())?;
            if given > 0 {
                buffer.advance(given);
                return Poll::Ready(Ok(()));
            }
            if this.packet.is_some() && !ready!(this.poll_input(cx))? {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl AsyncWrite for Compressed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // a packet that is full goes before more is taken: who does not read is not written to
        if this.output.content.len() >= CONTENT_BYTES_MAX {
            this.seal();
        }
        if this.output.packets.len() >= CONTENT_BYTES_MAX {
            ready!(this.poll_send(cx))?;
        }
        let mut taken = 0;
        while taken < bytes.len()
            && this.output.content.len() < CONTENT_BYTES_MAX
            && this.output.packets.len() < CONTENT_BYTES_MAX
        {
            taken += this.take(bytes.get(taken..).unwrap_or_default());
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal();
        ready!(this.poll_send(cx))?;
        // a session that waits holds no buffer
        this.output = Output::default();
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl Numbers {
    fn received(&mut self, sequence: u8) -> Result<(), CompressionError> {
        match self {
            Self::Server(numbers) => numbers
                .received(sequence)
                .map_err(|_| CompressionError::OutOfOrder),
            Self::Client(numbers) => {
                numbers.received(sequence);
                Ok(())
            }
        }
    }

    fn renumber(&mut self, content: &mut [u8]) {
        if let Self::Client(numbers) = self {
            numbers.renumber(content);
        }
    }

    fn sent(&mut self, begins: bool) -> u8 {
        match self {
            Self::Server(numbers) => numbers.sent(),
            Self::Client(numbers) => numbers.sent(begins),
        }
    }
}

#[cfg(test)]
mod tests;

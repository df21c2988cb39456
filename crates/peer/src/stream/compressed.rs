//! The compressed layer of a stream: packets of compressed bytes below, the stream of ordinary packets above.
//!
//! ```text
//! write ─▶ Output: content ─(flush, full, or a command begins)─▶ compressed packets ─▶ stream
//! read  ◀──────────────────── decompressor ◀── one compressed packet at a time ◀────── stream
//! ```
//!
//! Buffers exist only while there are bytes in them, and a decompressor only inside a packet. One read gives bytes
//! of one compressed packet at most: so the numbers of a reply follow from its own command, even when the next
//! command has come already.

mod output;
mod whole;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::compressed::{ClientNumbers, CompressedHeader, Compression, ServerNumbers};
use wire::limits::COMPRESSED_HEADER_BYTES;

use self::output::Output;
use self::whole::Whole;
use super::Stream;
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::compression::{CompressionError, Decompressor};

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

impl Compressed {
    /// The server's end towards a client, behind the OK of a login. zlib is what clients that read a packet out of few
    /// pieces know.
    pub(super) fn for_client(stream: Stream, compression: Compression) -> Self {
        let whole = (compression == Compression::Zlib).then(Whole::default);
        let numbers = Numbers::Server(ServerNumbers::default());
        Self::new(stream, compression, numbers, Output::new(compression, whole))
    }

    /// The server's end towards a gatekeeper.
    pub(super) fn for_hop(stream: Stream, compression: Compression) -> Self {
        let numbers = Numbers::Server(ServerNumbers::default());
        Self::new(stream, compression, numbers, Output::new(compression, None))
    }

    /// The client's end. Servers read a packet out of any number of pieces.
    pub(super) fn for_server(stream: Stream, compression: Compression) -> Self {
        let numbers = Numbers::Client(Box::default());
        Self::new(stream, compression, numbers, Output::new(compression, None))
    }

    fn new(stream: Stream, compression: Compression, numbers: Numbers, output: Output) -> Self {
        Self {
            stream,
            compression,
            numbers,
            input: None,
            packet: None,
            output,
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

    /// Whether it looks at the ordinary packets that are written: towards clients, with zlib.
    pub(crate) fn counts_packets(&self) -> bool {
        self.output.counts_packets()
    }

    /// What is written next begins a reply, or one of its results.
    pub(crate) fn result_begins(&mut self) {
        if let Numbers::Server(numbers) = &mut self.numbers {
            numbers.result_begins();
        }
    }

    /// The client was asked for a file, whose first packet has number `sequence` without compression.
    pub(crate) fn upload_begins(&mut self, sequence: u8) {
        if let Numbers::Server(numbers) = &mut self.numbers
            && self.output.counts_packets()
        {
            numbers.upload_begins(sequence);
        }
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
        this.output
            .poll_write(&mut this.stream, &mut this.numbers, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.output.poll_flush(&mut this.stream, &mut this.numbers, cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.output.poll_end(&mut this.stream, &mut this.numbers, cx))?;
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
        match self {
            Self::Server(numbers) => numbers.renumber(content),
            Self::Client(numbers) => numbers.renumber(content),
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

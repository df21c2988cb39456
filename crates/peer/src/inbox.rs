//! Commands out of a client's byte stream, bounded and in order: whole, or their beginning.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncRead;
use wire::DecodeError;
use wire::command::CommandCode;
use wire::frame::{Header, PayloadWalk};
use wire::limits::{PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

use crate::budget::Budget;
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::compression::CompressionError;
use crate::rest::Begun;

/// Why no command could be read.
#[derive(Debug, Error)]
pub enum InboxError {
    /// The connection broke.
    #[error("failed to read from the client: {0}")]
    Io(#[source] io::Error),
    /// The client went away in the middle of a packet.
    #[error("the client closed the connection inside a packet")]
    Cut,
    /// A compressed packet is none.
    #[error("failed to decompress")]
    Uncompress,
    /// A packet does not continue the one before.
    #[error("a packet is out of order")]
    OutOfOrder,
    /// The command is larger than allowed.
    #[error("the command is larger than {max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// No memory is left for it.
    #[error("the memory for commands is used up")]
    OverBudget,
    /// The client stopped in the middle.
    #[error("the client stopped inside a packet")]
    Timeout,
}

impl From<io::Error> for InboxError {
    fn from(error: io::Error) -> Self {
        match CompressionError::of(&error) {
            Some(CompressionError::OutOfOrder) => Self::OutOfOrder,
            Some(CompressionError::Corrupt(_)) => Self::Uncompress,
            None => Self::Io(error),
        }
    }
}

/// A walk knows of no other mistake than an order.
impl From<DecodeError> for InboxError {
    fn from(_: DecodeError) -> Self {
        InboxError::OutOfOrder
    }
}

/// Largest command that is held as a whole where no more of it needs to be seen, in bytes: what is larger streams.
/// No statement that people write is; mysqldump cuts its own at this size.
pub const STREAM_ABOVE_BYTES: usize = 1024 * 1024;

/// One command as the client sent it.
#[derive(Debug)]
pub enum Command {
    /// One packet, header included: it can be passed on as it is.
    Packet(Chunk),
    /// A payload of 16 MiB or more, put together from its packets.
    Split(Chunk),
}

/// Nothing, in the place of one that was taken.
impl Default for Command {
    fn default() -> Self {
        Command::Packet(Chunk::default())
    }
}

impl Command {
    /// A command of the given payload.
    pub fn of_payload(payload: &[u8]) -> Self {
        if payload.len() >= PACKET_PAYLOAD_BYTES_MAX {
            return Command::Split(Chunk::of(payload));
        }
        let mut packet = Vec::with_capacity(payload.len() + PACKET_HEADER_BYTES);
        wire::frame::encode(payload, 0, &mut packet);
        Command::Packet(Chunk::of(&packet))
    }

    /// The payload, its first byte (the command code) included.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        match self {
            Command::Packet(chunk) => chunk.filled().get(PACKET_HEADER_BYTES..).unwrap_or_default(),
            Command::Split(payload) => payload.filled(),
        }
    }

    /// The payload, to be changed in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        match self {
            Command::Packet(chunk) => chunk
                .filled_mut()
                .get_mut(PACKET_HEADER_BYTES..)
                .unwrap_or_default(),
            Command::Split(payload) => payload.filled_mut(),
        }
    }

    /// The command code; an empty payload has none that is known.
    #[inline]
    pub fn code(&self) -> CommandCode {
        CommandCode(self.payload().first().copied().unwrap_or(0xff))
    }

    /// Whether one write will hardly do: the next hop may have an answer before it has everything.
    #[inline]
    pub fn is_large(&self) -> bool {
        self.payload().len() > CHUNK_BYTES
    }

    /// The packets as they go over the wire.
    pub fn into_packets(self) -> Chunk {
        let mut chunk = match self {
            Command::Packet(chunk) => return chunk,
            Command::Split(payload) => payload,
        };
        let (mut left, mut position, mut sequence) = (chunk.len(), 0, 0_u8);
        loop {
            let payload_bytes = left.min(PACKET_PAYLOAD_BYTES_MAX);
            let header = Header {
                payload_bytes,
                sequence,
            };
            chunk.insert(position, &header.encode());
            if !header.continues() {
                return chunk;
            }
            position += header.packet_bytes();
            left -= payload_bytes;
            sequence = sequence.wrapping_add(1);
        }
    }
}

/// What has come of a client.
#[derive(Debug)]
pub enum Received {
    /// A whole command.
    Whole(Command),
    /// The first bytes of one that is not held as a whole.
    Begun(Begun),
}

/// How much of a command is held.
#[derive(Debug, Clone, Copy)]
pub struct Intake<'a> {
    /// Largest command, in bytes of payload; above it [`InboxError::TooLarge`].
    pub bytes_max: usize,
    /// Larger ones are not held as a whole, in bytes of payload; none where all of them are.
    pub stream_above_bytes: Option<usize>,
    /// Memory for commands beyond one chunk. What does not fit in any more begins to stream, if it may.
    pub budget: &'a Budget,
    /// How long the rest of a command that has begun may take between two reads, as a server's `net_read_timeout`.
    pub read_timeout: Option<Duration>,
}

impl Intake<'_> {
    /// Whether a command of that size goes on before it is there.
    fn streams(&self, bytes: u64) -> bool {
        self.stream_above_bytes.is_some_and(|above| bytes > above as u64)
    }
}

/// What has come from a client and was not taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    pending: Option<Chunk>,
    /// Packets of the command that could not be taken, as far as they have begun.
    refused_packets: u8,
}

impl Inbox {
    /// With bytes that came together with the last packet of the handshake.
    pub fn with_early(bytes: &[u8]) -> Self {
        Self {
            pending: (!bytes.is_empty()).then(|| Chunk::of(bytes)),
            refused_packets: 0,
        }
    }

    /// Whether bytes are waiting to be taken.
    #[inline]
    pub fn has_bytes(&self) -> bool {
        self.pending.is_some()
    }

    /// The number of an answer to the command that could not be taken.
    pub fn sequence(&self) -> u8 {
        self.refused_packets.max(1)
    }

    /// Puts bytes that were just read; the inbox is empty when a session waits.
    pub fn put(&mut self, chunk: Chunk) {
        debug_assert!(self.pending.is_none());
        self.pending = Some(chunk);
    }

    pub(crate) fn take(&mut self) -> Option<Chunk> {
        self.pending.take()
    }

    pub(crate) fn put_rest(&mut self, rest: Option<Chunk>) {
        self.pending = rest;
    }

    /// The next command; waits for the rest of one that has begun, unless it streams.
    pub async fn command<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: Intake<'_>,
    ) -> Result<Received, InboxError> {
        let mut chunk = match self.pending.take() {
            Some(chunk) => chunk,
            None => Chunk::read(stream).await?,
        };
        let header = loop {
            if let Some(header) = Header::peek(chunk.filled()) {
                break header;
            }
            read_more(&mut chunk, stream, PACKET_HEADER_BYTES, &intake).await?;
        };
        if header.sequence != 0 {
            return Err(InboxError::OutOfOrder);
        }
        if header.payload_bytes > intake.bytes_max {
            return Err(InboxError::TooLarge {
                max: intake.bytes_max,
            });
        }
        if !header.continues()
            && chunk.len() >= header.packet_bytes()
            && !intake.streams(header.payload_bytes as u64)
        {
            self.pending = chunk.split_off(header.packet_bytes());
            return Ok(Received::Whole(Command::Packet(chunk)));
        }
        // seldom, and not a part of every session's own future
        Box::pin(self.large(stream, intake, chunk)).await
    }

    /// A command of which the first header is there, but not everything.
    async fn large<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        intake: Intake<'_>,
        mut chunk: Chunk,
    ) -> Result<Received, InboxError> {
        let mut walk = PayloadWalk::new(0);
        let mut seen = 0;
        loop {
            let walked = walk.walk(chunk.filled().get(seen..).unwrap_or_default());
            self.refused_packets = walk.sequence();
            let walked = walked?;
            seen += walked.bytes;
            if walk.announced_bytes() > intake.bytes_max as u64 {
                return Err(InboxError::TooLarge {
                    max: intake.bytes_max,
                });
            }
            let streams = intake.streams(walk.announced_bytes());
            if walked.ended && !streams {
                self.pending = chunk.split_off(seen);
                return Ok(Received::Whole(put_together(chunk, usize::from(walk.sequence()))));
            }
            // enough of it to know what it is
            if streams && (seen >= CHUNK_BYTES || walked.ended) {
                self.pending = chunk.split_off(seen);
                return Ok(Received::Begun(Begun::new(
                    chunk,
                    walk,
                    walked.ended,
                    intake.bytes_max,
                )));
            }
            // room grows with what has come, not with what was announced
            let next_header = if walk.continues() { PACKET_HEADER_BYTES } else { 0 };
            let wanted = seen + walk.left() + next_header;
            let room = wanted.min((2 * chunk.len()).max(CHUNK_BYTES));
            if !chunk.reserve_of(room, intake.budget) {
                if intake.stream_above_bytes.is_none() {
                    return Err(InboxError::OverBudget);
                }
                self.pending = chunk.split_off(seen);
                return Ok(Received::Begun(Begun::new(chunk, walk, false, intake.bytes_max)));
            }
            read_more(&mut chunk, stream, 0, &intake).await?;
        }
    }
}

async fn read_more<S: AsyncRead + Unpin>(
    chunk: &mut Chunk,
    stream: &mut S,
    room: usize,
    intake: &Intake<'_>,
) -> Result<(), InboxError> {
    chunk.reserve(room);
    match within(intake.read_timeout, chunk.read_more(stream)).await? {
        0 => Err(InboxError::Cut),
        _ => Ok(()),
    }
}

/// Waits for a client that is in the middle of something.
pub(crate) async fn within<R>(
    limit: Option<Duration>,
    read: impl Future<Output = io::Result<R>>,
) -> Result<R, InboxError> {
    match limit {
        Some(limit) => match tokio::time::timeout(limit, read).await {
            Ok(read) => Ok(read?),
            Err(_elapsed) => Err(InboxError::Timeout),
        },
        None => Ok(read.await?),
    }
}

/// Takes the headers out from between the packets of one payload.
fn put_together(mut chunk: Chunk, headers: usize) -> Command {
    if headers <= 1 {
        return Command::Packet(chunk);
    }
    for packet in 0..headers {
        chunk.remove(packet * PACKET_PAYLOAD_BYTES_MAX, PACKET_HEADER_BYTES);
    }
    Command::Split(chunk)
}

#[cfg(test)]
pub(crate) mod tests;

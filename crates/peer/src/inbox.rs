//! Commands out of a client's byte stream, whole, bounded, and in order.

use std::io;

use thiserror::Error;
use tokio::io::AsyncRead;
use wire::command::CommandCode;
use wire::frame::Header;
use wire::limits::{PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::compression::CompressionError;

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

/// One command as the client sent it.
#[derive(Debug)]
pub enum Command {
    /// One packet, header included: it can be passed on as it is.
    Packet(Chunk),
    /// A payload of 16 MiB or more, put together from its packets.
    Split(Vec<u8>),
}

impl Command {
    /// A command of the given payload.
    pub fn of_payload(payload: Vec<u8>) -> Self {
        if payload.len() >= PACKET_PAYLOAD_BYTES_MAX {
            return Command::Split(payload);
        }
        let mut packet = Vec::with_capacity(payload.len() + PACKET_HEADER_BYTES);
        wire::frame::encode(&payload, 0, &mut packet);
        Command::Packet(Chunk::of(&packet))
    }

    /// The payload, its first byte (the command code) included.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        match self {
            Command::Packet(chunk) => chunk.filled().get(PACKET_HEADER_BYTES..).unwrap_or_default(),
            Command::Split(payload) => payload,
        }
    }

    /// The payload, to be changed in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        match self {
            Command::Packet(chunk) => chunk
                .filled_mut()
                .get_mut(PACKET_HEADER_BYTES..)
                .unwrap_or_default(),
            Command::Split(payload) => payload,
        }
    }

    /// The command code; an empty payload has none that is known.
    #[inline]
    pub fn code(&self) -> CommandCode {
        CommandCode(self.payload().first().copied().unwrap_or(0xff))
    }
}

/// What has come from a client and was not taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    pending: Option<Chunk>,
}

impl Inbox {
    /// With bytes that came together with the last packet of the handshake.
    pub fn with_early(bytes: &[u8]) -> Self {
        Self {
            pending: (!bytes.is_empty()).then(|| Chunk::of(bytes)),
        }
    }

    /// Whether bytes are waiting to be taken.
    #[inline]
    pub fn has_bytes(&self) -> bool {
        self.pending.is_some()
    }

    /// Puts bytes that were just read; the inbox is empty when a session waits.
    pub fn put(&mut self, chunk: Chunk) {
        debug_assert!(self.pending.is_none());
        self.pending = Some(chunk);
    }

    /// The next command, of at most `bytes_max` bytes; waits for the rest of one that has begun.
    pub async fn command<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        bytes_max: usize,
    ) -> Result<Command, InboxError> {
        let (chunk, header) = self.packet(stream, 0, bytes_max).await?;
        if !header.continues() {
            return Ok(Command::Packet(chunk));
        }
        let mut payload = chunk
            .filled()
            .get(PACKET_HEADER_BYTES..)
            .unwrap_or_default()
            .to_vec();
        drop(chunk);
        let mut sequence = 0u8;
        loop {
            sequence = sequence.wrapping_add(1);
            let left = bytes_max.saturating_sub(payload.len());
            let (chunk, header) = self.packet(stream, sequence, left).await?;
            payload.extend_from_slice(chunk.filled().get(PACKET_HEADER_BYTES..).unwrap_or_default());
            if !header.continues() {
                return Ok(Command::Split(payload));
            }
        }
    }

    /// The next packet with its header, whatever its sequence number: for uploads of a local file.
    pub async fn any_packet<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> Result<(Chunk, Header), InboxError> {
        self.whole_packet(stream, None, PACKET_PAYLOAD_BYTES_MAX).await
    }

    async fn packet<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        sequence: u8,
        bytes_max: usize,
    ) -> Result<(Chunk, Header), InboxError> {
        self.whole_packet(stream, Some(sequence), bytes_max).await
    }

    async fn whole_packet<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        sequence: Option<u8>,
        bytes_max: usize,
    ) -> Result<(Chunk, Header), InboxError> {
        let mut chunk = match self.pending.take() {
            Some(chunk) => chunk,
            None => Chunk::read(stream).await?,
        };
        loop {
            let mut wanted = PACKET_HEADER_BYTES;
            if let Some(header) = Header::peek(chunk.filled()) {
                if sequence.is_some_and(|sequence| sequence != header.sequence) {
                    return Err(InboxError::OutOfOrder);
                }
                if header.payload_bytes > bytes_max {
                    return Err(InboxError::TooLarge { max: bytes_max });
                }
                wanted = header.packet_bytes();
                if chunk.len() >= wanted {
                    self.pending = chunk.split_off(wanted);
                    return Ok((chunk, header));
                }
            }
            // room grows with what has come, not with what was announced
            chunk.reserve(wanted.min((2 * chunk.len()).max(CHUNK_BYTES)));
            if chunk.read_more(stream).await? == 0 {
                return Err(InboxError::Cut);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::frame;

    #[tokio::test]
    async fn commands_in_one_segment_come_one_by_one() {
        let mut bytes = Vec::new();
        frame::encode(b"\x19\x01\0\0\0", 0, &mut bytes);
        frame::encode(b"\x03SELECT 1", 0, &mut bytes);
        let mut stream = &bytes[..];
        let mut inbox = Inbox::default();
        let first = inbox.command(&mut stream, 100).await.unwrap();
        assert_eq!(first.code(), CommandCode::STMT_CLOSE);
        assert!(inbox.has_bytes());
        let second = inbox.command(&mut stream, 100).await.unwrap();
        assert_eq!(second.payload(), b"\x03SELECT 1");
        assert!(!inbox.has_bytes());
    }

    #[tokio::test]
    async fn a_command_of_twenty_mebibytes_is_put_together() {
        let mut payload = vec![b'x'; 20 << 20];
        payload[0] = 3;
        let mut bytes = Vec::new();
        frame::encode(&payload, 0, &mut bytes);
        let mut stream = &bytes[..];
        let command = Inbox::default().command(&mut stream, 64 << 20).await.unwrap();
        assert!(matches!(&command, Command::Split(whole) if *whole == payload));
    }

    #[tokio::test]
    async fn what_is_too_large_out_of_order_or_cut_is_told_apart() {
        let mut bytes = Vec::new();
        frame::encode(b"\x03SELECT 1", 0, &mut bytes);
        assert!(matches!(
            Inbox::default().command(&mut &bytes[..], 8).await,
            Err(InboxError::TooLarge { max: 8 })
        ));
        assert!(matches!(
            Inbox::default().command(&mut &bytes[..9], 80).await,
            Err(InboxError::Cut)
        ));
        bytes[3] = 1;
        assert!(matches!(
            Inbox::default().command(&mut &bytes[..], 80).await,
            Err(InboxError::OutOfOrder)
        ));
    }
}

//! Single packets of the connection phase over a stream.
//!
//! A packet is read to its last byte and not one further: what follows may be the first bytes of TLS, or a
//! command that a client sent ahead, and belongs to somebody else.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::DecodeError;
use wire::frame::Header;
use wire::handshake::Packet;
use wire::limits::PACKET_HEADER_BYTES;
use zeroize::Zeroizing;

use crate::stream::Stream;

/// One packet; wiped when dropped, for it may hold a password.
pub(crate) struct Received {
    pub(crate) sequence: u8,
    payload: Zeroizing<Vec<u8>>,
}

impl Received {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet {
            sequence: self.sequence,
            payload: &self.payload,
        }
    }
}

/// Why there is no packet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("failed to read: {0}")]
    Io(#[from] io::Error),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The header is none, or announces more than is allowed.
    #[error("failed to decode: {0}")]
    Decode(#[from] DecodeError),
}

/// Reads the next packet, of at most `payload_bytes_max` bytes.
pub(crate) async fn read(stream: &mut Stream, payload_bytes_max: usize) -> Result<Received, ReadError> {
    let header = read_header(stream, payload_bytes_max).await?;
    read_payload(stream, header).await
}

/// Reads the packet with number `sequence`. Another number is an error before one byte more is waited for: it is
/// how bytes that are no packet at all show.
pub(crate) async fn read_numbered(
    stream: &mut Stream,
    sequence: u8,
    payload_bytes_max: usize,
) -> Result<Received, ReadError> {
    let header = read_header(stream, payload_bytes_max).await?;
    if header.sequence != sequence {
        return Err(DecodeError::OutOfOrder {
            expected: sequence,
            found: header.sequence,
        }
        .into());
    }
    read_payload(stream, header).await
}

async fn read_header(stream: &mut Stream, payload_bytes_max: usize) -> Result<Header, ReadError> {
    let mut header = [0; PACKET_HEADER_BYTES];
    match stream.read_exact(&mut header).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ReadError::Closed),
        Err(error) => return Err(error.into()),
    }
    match Header::peek(&header) {
        Some(header) if header.payload_bytes <= payload_bytes_max => Ok(header),
        _ => Err(DecodeError::TooLong {
            field: "packet",
            max: payload_bytes_max,
        }
        .into()),
    }
}

/// Memory grows with what arrives, not with what is announced.
async fn read_payload(stream: &mut Stream, header: Header) -> Result<Received, ReadError> {
    let mut payload = Zeroizing::new(Vec::with_capacity(header.payload_bytes.min(1024)));
    let wanted = header.payload_bytes as u64;
    stream.take(wanted).read_to_end(&mut payload).await?;
    if payload.len() < header.payload_bytes {
        return Err(ReadError::Closed);
    }
    Ok(Received {
        sequence: header.sequence,
        payload,
    })
}

/// Writes whole packets.
pub(crate) async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

//! Packets on a socket. Nothing of the product's own reading and writing is used.

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A payload of this many bytes goes on in the next packet.
const PAYLOAD_BYTES_MAX: usize = 0xff_ffff;

/// A socket with the bytes that were read too early.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    start: usize,
}

/// A payload with its headers' facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Framed {
    /// Number of the first packet.
    pub(crate) sequence: u8,
    /// Number of packets.
    pub(crate) parts: usize,
    /// Their contents together.
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(port: u16) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Wire {
            stream,
            unread: Vec::new(),
            start: 0,
        })
    }

    /// The next payload; `None` when the connection has ended before it.
    pub(crate) async fn read(&mut self) -> anyhow::Result<Option<Framed>> {
        let mut payload = Vec::new();
        let (mut first, mut parts) = (0, 0);
        loop {
            if !self.fill(4).await? {
                return Ok(None);
            }
            let header = self.take(4)?;
            let [low, middle, high, sequence] = header.as_slice() else {
                anyhow::bail!("a header of four bytes")
            };
            let bytes = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
            if !self.fill(bytes).await? {
                return Ok(None);
            }
            if parts == 0 {
                first = *sequence;
            }
            parts += 1;
            payload.extend(self.take(bytes)?);
            if bytes < PAYLOAD_BYTES_MAX {
                return Ok(Some(Framed {
                    sequence: first,
                    parts,
                    payload,
                }));
            }
        }
    }

    async fn fill(&mut self, bytes: usize) -> anyhow::Result<bool> {
        let missing = |wire: &Wire| bytes.saturating_sub(wire.unread.len() - wire.start);
        if missing(self) > 0 && self.start > 0 {
            self.unread.drain(..self.start);
            self.start = 0;
        }
        while missing(self) > 0 {
            self.unread.reserve(missing(self).max(4096));
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn take(&mut self, bytes: usize) -> anyhow::Result<Vec<u8>> {
        let end = self.start + bytes;
        let taken = self.unread.get(self.start..end).context("not read yet")?.to_vec();
        self.start = end;
        Ok(taken)
    }

    /// Bytes that came and that nobody has read.
    pub(crate) fn left_over(&self) -> usize {
        self.unread.len() - self.start
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }
}

/// Appends a payload as one or more packets; returns the number that follows.
pub(crate) fn frame(payload: &[u8], mut sequence: u8, out: &mut Vec<u8>) -> u8 {
    let mut rest = payload;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PAYLOAD_BYTES_MAX));
        let [low, middle, high, ..] = part.len().to_le_bytes();
        out.extend_from_slice(&[low, middle, high, sequence]);
        out.extend_from_slice(part);
        sequence = sequence.wrapping_add(1);
        if part.len() < PAYLOAD_BYTES_MAX {
            return sequence;
        }
        rest = after;
    }
}

/// Appends a length-encoded number.
pub(crate) fn put_lenenc(number: usize, out: &mut Vec<u8>) {
    let bytes = number.to_le_bytes();
    match number {
        0..=250 => out.extend(bytes.iter().take(1)),
        251..=0xffff => {
            out.push(0xfc);
            out.extend(bytes.iter().take(2));
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend(bytes.iter().take(3));
        }
        _ => {
            out.push(0xfe);
            out.extend(bytes);
        }
    }
}

/// Appends a length-encoded string.
pub(crate) fn put_lenenc_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_lenenc(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Reads fields of a payload; what is missing is `None`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn int(&mut self, bytes: usize) -> Option<u64> {
        let mut number = [0; 8];
        number.get_mut(..bytes)?.copy_from_slice(self.bytes(bytes)?);
        Some(u64::from_le_bytes(number))
    }

    pub(crate) fn lenenc(&mut self) -> Option<u64> {
        match self.int(1)? {
            0xfc => self.int(2),
            0xfd => self.int(3),
            0xfe => self.int(8),
            0xfb | 0xff => None,
            number => Some(number),
        }
    }

    pub(crate) fn lenenc_bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.lenenc()?).ok()?;
        self.bytes(length)
    }
}

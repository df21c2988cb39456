//! Passes a reply from one stream to another as it arrives, and looks only at the packets that decide.
//!
//! ```text
//!   from ──chunk──▶ Progress ──control packet──▶ Observer ──Edit──▶ to
//!                       └────────bytes─────────────────────────────▶
//! ```

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use wire::DecodeError;
use wire::frame::Header;
use wire::limits::PACKET_PAYLOAD_BYTES_MAX;
use wire::reply::{Control, Piece, Progress};

use crate::chunk::Chunk;
use crate::inbox::{Command, Inbox, InboxError};
use crate::stream::Stream;

/// Which side of a relay failed, and how.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The side that replies is gone or broken.
    #[error("failed to read the reply: {0}")]
    From(io::Error),
    /// The side that asked is gone or broken.
    #[error("failed to pass the reply on: {0}")]
    To(io::Error),
    /// The reply is no reply of the protocol.
    #[error("failed to follow the reply: {0}")]
    Protocol(#[from] DecodeError),
}

/// What becomes of a control packet.
#[derive(Debug)]
pub enum Edit {
    /// It passes as it is.
    Pass,
    /// This takes its place (header and payload).
    Replace(Vec<u8>),
    /// It is held back, and with it all that follows: the caller decides what happens now. Only useful as
    /// long as nothing was delivered.
    Withhold,
}

/// Sees the control packets of a reply, header included, before they are passed on.
pub trait Observer {
    /// Decides about one packet.
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit;
}

/// Whoever asked, and gets the reply.
pub trait Asker: AsyncWrite + Unpin {
    /// Resolves once the other end has closed its side.
    fn closed(&self) -> impl Future<Output = ()>;
}

impl Asker for Stream {
    fn closed(&self) -> impl Future<Output = ()> {
        Stream::closed(self)
    }
}

/// A reply that we ask for ourselves is kept.
impl Asker for Vec<u8> {
    fn closed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

/// How a reply (or a part of it) ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// With its last byte.
    Done,
    /// The server waits for the client's file.
    Upload,
    /// The observer held a packet back.
    Withheld,
}

/// What a relay moved.
#[derive(Debug, Default, Clone, Copy)]
pub struct Moved {
    /// Bytes delivered.
    pub bytes: u64,
    /// Sequence number of the last packet whose header was seen.
    pub sequence: u8,
    /// Whether what was delivered ends with a whole packet, so that an ERR packet can follow.
    pub at_boundary: bool,
}

/// The receiving end of a connection: bytes that have come before anybody asked for them are kept.
#[derive(Debug, Default)]
pub struct Outbox {
    pending: Option<Chunk>,
    write_timeout: Option<Duration>,
}

impl Outbox {
    /// Whoever does not take a chunk of a reply within `write_timeout` has failed ([`RelayError::To`] with
    /// [`io::ErrorKind::TimedOut`]), as with a server's `net_write_timeout`. One who has closed its sending side may
    /// still read, and gets the reply if it comes within that time; without a time it has gone.
    pub fn with_write_timeout(write_timeout: Duration) -> Self {
        Self {
            pending: None,
            write_timeout: Some(write_timeout),
        }
    }

    /// Whether bytes are waiting that belong to no reply.
    pub fn has_bytes(&self) -> bool {
        self.pending.is_some()
    }

    /// Drops a packet that was withheld; it was the last of its reply.
    pub fn discard_withheld(&mut self) {
        self.pending = None;
    }

    /// Passes one reply (or the part of it up to an upload) from `from` to `to`; without `to` it is read and dropped.
    pub async fn relay<F, T>(
        &mut self,
        from: &mut F,
        mut to: Option<&mut T>,
        progress: &mut Progress,
        observer: &mut impl Observer,
        moved: &mut Moved,
    ) -> Result<Ended, RelayError>
    where
        F: AsyncRead + Unpin,
        T: Asker,
    {
        moved.at_boundary = true;
        while !progress.is_done() {
            if progress.wants_upload() {
                return Ok(Ended::Upload);
            }
            let mut chunk = match self.pending.take() {
                Some(chunk) => chunk,
                None => self.unless_gone(Chunk::read(from), to.as_deref()).await?,
            };
            let pass = loop {
                let pass = look(&mut chunk, progress, observer, moved)?;
                if let Some(needed) = pass.needed.filter(|_| pass.bytes == 0 && pass.edited.is_none()) {
                    chunk.reserve(needed);
                    if self.unless_gone(chunk.read_more(from), to.as_deref()).await? == 0 {
                        return Err(RelayError::From(io::ErrorKind::UnexpectedEof.into()));
                    }
                    continue;
                }
                break pass;
            };
            if chunk.is_empty() && pass.bytes == 0 && !pass.withheld {
                return Err(RelayError::From(io::ErrorKind::UnexpectedEof.into()));
            }
            let bytes = match &pass.edited {
                Some(edited) => edited.as_slice(),
                None => chunk.filled().get(..pass.bytes).unwrap_or_default(),
            };
            if let Some(to) = to.as_deref_mut()
                && !bytes.is_empty()
            {
                moved.at_boundary = false;
                deliver(to, bytes, self.write_timeout)
                    .await
                    .map_err(RelayError::To)?;
                moved.bytes += bytes.len() as u64;
                moved.at_boundary = progress.is_between_packets();
            }
            chunk.consume(pass.bytes);
            if !chunk.is_empty() {
                self.pending = Some(chunk);
            }
            if pass.withheld {
                return Ok(Ended::Withheld);
            }
        }
        Ok(Ended::Done)
    }
}

impl Outbox {
    /// What the server says, as long as there is somebody who waits for it. A statement that was sent runs on in the
    /// server, as it does when a client leaves it directly.
    async fn unless_gone<R, T: Asker>(
        &self,
        read: impl Future<Output = io::Result<R>>,
        to: Option<&T>,
    ) -> Result<R, RelayError> {
        let gone = async {
            let Some(to) = to else {
                return std::future::pending().await;
            };
            to.closed().await;
            if let Some(grace) = self.write_timeout {
                tokio::time::sleep(grace).await;
            }
        };
        tokio::select! {
            biased;
            read = read => read.map_err(RelayError::From),
            () = gone => Err(RelayError::To(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

async fn deliver<T: AsyncWrite + Unpin>(to: &mut T, bytes: &[u8], limit: Option<Duration>) -> io::Result<()> {
    let written = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    match limit {
        Some(limit) => match tokio::time::timeout(limit, written).await {
            Ok(written) => written,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        },
        None => written.await,
    }
}

struct Pass {
    /// Bytes of the chunk that were looked at and can go.
    bytes: usize,
    /// What goes in their place, when something in them was changed.
    edited: Option<Vec<u8>>,
    /// Bytes that must be there to look further.
    needed: Option<usize>,
    withheld: bool,
}

/// Walks over the chunk as far as it is clear what its bytes are.
fn look(
    chunk: &mut Chunk,
    progress: &mut Progress,
    observer: &mut impl Observer,
    moved: &mut Moved,
) -> Result<Pass, DecodeError> {
    let filled = chunk.filled();
    let mut pass = Pass {
        bytes: 0,
        edited: None,
        needed: None,
        withheld: false,
    };
    let mut copied = 0;
    while pass.bytes < filled.len() && !progress.is_done() && !progress.wants_upload() {
        let rest = filled.get(pass.bytes..).unwrap_or_default();
        match progress.next(rest)? {
            Piece::Bytes(count) => pass.bytes += count,
            Piece::Packet(count, control) => {
                let packet = rest.get(..count).unwrap_or_default();
                match observer.control(control, packet) {
                    Edit::Pass => {}
                    Edit::Replace(bytes) => {
                        let edited = pass.edited.get_or_insert_default();
                        edited.extend_from_slice(filled.get(copied..pass.bytes).unwrap_or_default());
                        edited.extend_from_slice(&bytes);
                        copied = pass.bytes + count;
                    }
                    Edit::Withhold => {
                        pass.withheld = true;
                        break;
                    }
                }
                pass.bytes += count;
            }
            Piece::Incomplete(needed) => {
                pass.needed = Some(needed);
                break;
            }
        }
    }
    if let Some(edited) = &mut pass.edited {
        edited.extend_from_slice(filled.get(copied..pass.bytes).unwrap_or_default());
    }
    moved.sequence = progress.sequence();
    Ok(pass)
}

/// Passes the client's file on, packet by packet, up to and with the empty packet that ends it.
pub async fn upload<C, S>(inbox: &mut Inbox, client: &mut C, server: &mut S) -> Result<(), UploadError>
where
    C: AsyncRead + Unpin,
    S: AsyncWrite + Unpin,
{
    loop {
        let (chunk, header) = inbox.any_packet(client).await?;
        server
            .write_all(chunk.filled())
            .await
            .map_err(UploadError::Server)?;
        if header.payload_bytes == 0 {
            return server.flush().await.map_err(UploadError::Server);
        }
    }
}

/// Why a file did not arrive.
#[derive(Debug, Error)]
pub enum UploadError {
    /// The client stopped, or sent what is no packet.
    #[error(transparent)]
    Client(#[from] InboxError),
    /// The server is gone.
    #[error("failed to pass the file on: {0}")]
    Server(io::Error),
}

/// Sends a command on.
pub async fn send<T: AsyncWrite + Unpin>(to: &mut T, command: &Command) -> io::Result<()> {
    match command {
        Command::Packet(chunk) => to.write_all(chunk.filled()).await?,
        Command::Split(payload) => send_payload(to, payload).await?,
    }
    to.flush().await
}

/// Sends a payload of any size as the first packets of a command.
pub async fn send_payload<T: AsyncWrite + Unpin>(to: &mut T, payload: &[u8]) -> io::Result<()> {
    let mut sequence = 0u8;
    let mut rest = payload;
    loop {
        let (part, tail) = rest.split_at(rest.len().min(PACKET_PAYLOAD_BYTES_MAX));
        to.write_all(
            &Header {
                payload_bytes: part.len(),
                sequence,
            }
            .encode(),
        )
        .await?;
        to.write_all(part).await?;
        if part.len() < PACKET_PAYLOAD_BYTES_MAX {
            return to.flush().await;
        }
        sequence = sequence.wrapping_add(1);
        rest = tail;
    }
}

#[cfg(test)]
mod tests;

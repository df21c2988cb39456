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
use crate::rest::{PumpError, Pumped, Rest};
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
    /// The side that asked stopped in the middle of what it sends, or sent what is no packet.
    #[error("failed to read from the client: {error}")]
    Input {
        /// What is wrong.
        error: InboxError,
        /// The number of an answer to it.
        sequence: u8,
    },
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

    /// Whether each result of a reply is written by itself.
    fn takes_results_apart(&self) -> bool {
        false
    }

    /// What is written next begins a reply, or one of its results.
    fn result_begins(&mut self) {}

    /// It was asked for a file, whose first packet has number `sequence`.
    fn upload_begins(&mut self, sequence: u8) {
        let _ = sequence;
    }
}

impl Asker for Stream {
    fn closed(&self) -> impl Future<Output = ()> {
        Stream::closed(self)
    }

    fn takes_results_apart(&self) -> bool {
        matches!(self, Stream::Compressed(stream) if stream.counts_packets())
    }

    fn result_begins(&mut self) {
        if let Stream::Compressed(stream) = self {
            stream.result_begins();
        }
    }

    fn upload_begins(&mut self, sequence: u8) {
        if let Stream::Compressed(stream) = self {
            stream.upload_begins(sequence);
        }
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
    /// Bytes that the client sent while its command ran: the rest of a large one, a file.
    pub taken_bytes: u64,
    /// Sequence number of the last packet whose header was seen.
    pub sequence: u8,
    /// Whether what was delivered ends with a whole packet, so that an ERR packet can follow.
    pub at_boundary: bool,
}

impl Moved {
    /// The sequence number of a packet of our own behind what was delivered; none in the middle of another.
    pub fn next_sequence(self) -> Option<u8> {
        match self.bytes {
            0 => Some(1),
            _ => self.at_boundary.then(|| self.sequence.wrapping_add(1)),
        }
    }
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

    /// What is waiting, without taking it.
    pub fn waiting(&self) -> &[u8] {
        self.pending.as_ref().map_or(&[], Chunk::filled)
    }

    pub(crate) fn put(&mut self, chunk: Chunk) {
        self.pending = Some(chunk);
    }

    /// What is waiting, if anything.
    pub fn take(&mut self) -> Option<Chunk> {
        self.pending.take()
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
        let apart = to.as_deref().is_some_and(Asker::takes_results_apart);
        while !progress.is_done() {
            if progress.wants_upload() {
                return Ok(Ended::Upload);
            }
            if apart
                && progress.awaits_result()
                && let Some(to) = to.as_deref_mut()
            {
                to.result_begins();
            }
            let mut chunk = match self.pending.take() {
                Some(chunk) => chunk,
                None => self.unless_gone(Chunk::read(from), to.as_deref()).await?,
            };
            let pass = loop {
                let pass = look(&mut chunk, progress, observer, moved, apart)?;
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

/// Walks over the chunk as far as it is clear what its bytes are; with `apart` no farther than the end of a result.
fn look(
    chunk: &mut Chunk,
    progress: &mut Progress,
    observer: &mut impl Observer,
    moved: &mut Moved,
    apart: bool,
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
                if apart && progress.awaits_result() {
                    break;
                }
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

/// Both ends of one session while a command runs.
#[derive(Debug)]
pub struct Ends<'a, C, S> {
    /// What the client sends.
    pub inbox: &'a mut Inbox,
    /// Whoever asked.
    pub client: &'a mut C,
    /// Whoever answers.
    pub server: &'a mut S,
    /// What the server sends.
    pub outbox: &'a mut Outbox,
    /// How long the client may take between two pieces of what it sends.
    pub read_timeout: Option<Duration>,
}

/// How a conversation about one command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversed {
    /// With the last byte of the reply, and of the command.
    Done,
    /// The observer held a packet back.
    Withheld,
    /// The server answered before it had the whole command, and then went: the client has its last words.
    ServerLeft,
    /// The server said something though the command has no reply. It is in the outbox.
    Unasked,
}

/// Sends the rest of a command, if there is one, passes the reply back, and between the two the client's files.
///
/// A command that is small and sent already costs no more than its reply.
pub async fn converse<C, S>(
    ends: Ends<'_, C, S>,
    rest: Option<Box<Rest>>,
    progress: &mut Progress,
    observer: &mut impl Observer,
    moved: &mut Moved,
) -> Result<Conversed, RelayError>
where
    C: AsyncRead + Asker,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut rest = rest;
    let mut answered = false;
    loop {
        if let Some(sending) = &mut rest {
            let before = sending.taken_bytes();
            // seldom: not a part of every session's own future
            let pumped = Box::pin(sending.pump(
                ends.inbox,
                ends.client,
                ends.server,
                ends.outbox,
                ends.read_timeout,
            ))
            .await;
            moved.taken_bytes += sending.taken_bytes() - before;
            match pumped {
                Ok(Pumped::Done) => rest = None,
                Ok(Pumped::Answered) if progress.is_done() && !answered => return Ok(Conversed::Unasked),
                Ok(Pumped::Answered) if answered => {
                    return Err(DecodeError::Invalid("what follows an early reply").into());
                }
                Ok(Pumped::Answered) => {}
                Err(PumpError::Server(_)) if answered => return Ok(Conversed::ServerLeft),
                Err(PumpError::Server(error)) => return Err(RelayError::From(error)),
                Err(PumpError::Client(error)) => {
                    return Err(RelayError::Input {
                        error,
                        sequence: sending.sequence(),
                    });
                }
            }
            progress.upload_sent();
        }
        if !answered {
            let ended = ends
                .outbox
                .relay(ends.server, Some(&mut *ends.client), progress, observer, moved)
                .await?;
            match ended {
                Ended::Withheld => return Ok(Conversed::Withheld),
                Ended::Done => answered = true,
                Ended::Upload if rest.is_some() => {
                    return Err(DecodeError::Invalid("a request for a file inside a command").into());
                }
                Ended::Upload => {
                    let sequence = progress.sequence().wrapping_add(1);
                    ends.client.upload_begins(sequence);
                    rest = Some(Box::new(Rest::file(sequence)));
                }
            }
        }
        if answered && rest.is_none() {
            return Ok(Conversed::Done);
        }
    }
}

/// Closes our side and drops what the other still sends: a close with unread bytes would take from it what we said
/// last.
pub async fn linger(stream: &mut Stream) {
    /// Somebody who is told that it is over stops within a few round trips.
    const LINGER_MAX: Duration = Duration::from_secs(5);
    /// Whoever sends nothing for this long has stopped.
    const SILENCE_MAX: Duration = Duration::from_secs(1);
    let _ = stream.shutdown().await;
    let rest = async {
        while let Ok(Ok(chunk)) = tokio::time::timeout(SILENCE_MAX, Chunk::read(stream)).await {
            if chunk.is_empty() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_MAX, rest).await;
}

/// Sends a command on.
pub async fn send<T: AsyncWrite + Unpin>(to: &mut T, command: &Command) -> io::Result<()> {
    match command {
        Command::Packet(chunk) => to.write_all(chunk.filled()).await?,
        Command::Split(payload) => send_payload(to, payload.filled()).await?,
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

//! What passes while it comes: the rest of a large command, and a client's file for LOAD DATA LOCAL.
//!
//! ```text
//!   client ──piece──▶ PayloadWalk ──▶ server        one piece at a time: a slow server slows the client
//!                                        └─ an answer before the end (too large, killed): Pumped::Answered
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use wire::command::CommandCode;
use wire::frame::{Header, PayloadWalk, Reframe};
use wire::limits::PACKET_HEADER_BYTES;

use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::inbox::{Command, Inbox, InboxError, within};
use crate::relay::Outbox;

/// The first bytes of a command that is not held as a whole: at least a chunk of it, all of the first packet.
#[derive(Debug)]
pub struct Begun {
    first: Chunk,
    rest: Rest,
}

impl Begun {
    pub(crate) fn new(first: Chunk, walk: PayloadWalk, ended: bool, bytes_max: usize) -> Self {
        let rest = Rest {
            unsent: None,
            walk,
            ended,
            bytes_max: bytes_max as u64,
            reframe: None,
            taken_bytes: 0,
        };
        Self { first, rest }
    }

    /// What has come of the payload, its first byte (the command code) included.
    pub fn start(&self) -> &[u8] {
        self.first.filled().get(PACKET_HEADER_BYTES..).unwrap_or_default()
    }

    /// The same, to be changed in place.
    pub fn start_mut(&mut self) -> &mut [u8] {
        self.first
            .filled_mut()
            .get_mut(PACKET_HEADER_BYTES..)
            .unwrap_or_default()
    }

    /// The command code.
    pub fn code(&self) -> CommandCode {
        CommandCode(self.start().first().copied().unwrap_or(0xff))
    }

    /// The number of an answer to it that comes now.
    pub fn sequence(&self) -> u8 {
        self.rest.walk.sequence()
    }

    /// All of it, to be sent.
    pub fn into_rest(self) -> Rest {
        Rest {
            unsent: Some(self.first),
            ..self.rest
        }
    }

    /// The same with other first bytes: `front` in the place of the first `replaced` bytes of the payload, of which
    /// it has no fewer. The packets are cut anew.
    pub fn replace_front(self, replaced: usize, front: Vec<u8>) -> Rest {
        let Some(header) = Header::peek(self.first.filled()) else {
            return self.into_rest();
        };
        let mut reframe = Reframe::new(header, replaced, front);
        let mut packets = Vec::new();
        reframe.take(self.start().get(replaced..).unwrap_or_default(), &mut packets);
        Rest {
            unsent: Some(Chunk::of(&packets)),
            reframe: Some(reframe),
            ..self.rest
        }
    }
}

/// What is still to be sent, and to come.
#[derive(Debug)]
pub struct Rest {
    /// Came and is not sent yet.
    unsent: Option<Chunk>,
    walk: PayloadWalk,
    /// Its last byte has come.
    ended: bool,
    /// Largest payload, in bytes.
    bytes_max: u64,
    /// Cuts it into packets anew, when something was put into it.
    reframe: Option<Reframe>,
    /// Bytes that came from the client since it began.
    taken_bytes: u64,
}

/// How far it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Everything is sent.
    Done,
    /// The server has said something before it had everything: it is in the outbox.
    Answered,
}

/// Why it does not go on.
#[derive(Debug, Error)]
pub enum PumpError {
    /// The client stopped, or sent what is no packet.
    #[error(transparent)]
    Client(#[from] InboxError),
    /// The server is gone, and has said nothing more.
    #[error("failed to pass a command on: {0}")]
    Server(io::Error),
}

impl Rest {
    /// A command that is there as a whole.
    pub fn of(command: Command) -> Self {
        Self {
            unsent: Some(command.into_packets()),
            walk: PayloadWalk::new(0),
            ended: true,
            bytes_max: u64::MAX,
            reframe: None,
            taken_bytes: 0,
        }
    }

    /// A client's file, from a packet with number `sequence` on.
    pub fn file(sequence: u8) -> Self {
        Self {
            unsent: None,
            walk: PayloadWalk::file(sequence),
            ended: false,
            bytes_max: u64::MAX,
            reframe: None,
            taken_bytes: 0,
        }
    }

    /// Bytes that came from the client since it began.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// The number of an answer that comes now.
    pub fn sequence(&self) -> u8 {
        self.walk.sequence()
    }

    /// Passes on what is still to come. Between two reads the client has `read_timeout`.
    ///
    /// After [`Pumped::Answered`] it may be called again for what is left. Of an error the connection to the server
    /// is of no use any more: it waits in the middle of a command.
    pub async fn pump<C, S>(
        &mut self,
        inbox: &mut Inbox,
        client: &mut C,
        server: &mut S,
        outbox: &mut Outbox,
        read_timeout: Option<Duration>,
    ) -> Result<Pumped, PumpError>
    where
        C: AsyncRead + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // what the server said of its own accord is an answer to this
        if outbox.has_bytes() {
            return Ok(Pumped::Answered);
        }
        loop {
            if let Some(unsent) = &mut self.unsent {
                if let Some(said) = send_or_hear(server, unsent).await.map_err(PumpError::Server)? {
                    outbox.put(said);
                    return Ok(Pumped::Answered);
                }
                self.unsent = None;
            }
            if self.ended {
                server.flush().await.map_err(PumpError::Server)?;
                return Ok(Pumped::Done);
            }
            let mut chunk = inbox.take().unwrap_or_else(Chunk::lease);
            let header_is_next = self.walk.left() == 0;
            if chunk.is_empty() || (header_is_next && chunk.len() < PACKET_HEADER_BYTES) {
                chunk.reserve(CHUNK_BYTES);
                let heard = within(read_timeout, read_or_hear(client, &mut chunk, server)).await;
                let heard = match heard {
                    Ok(Heard::Server(Err(error))) => return Err(PumpError::Server(error)),
                    heard => heard?,
                };
                match heard {
                    Heard::Client(0) => return Err(InboxError::Cut.into()),
                    Heard::Client(_) => {}
                    Heard::Server(said) => {
                        inbox.put_rest((!chunk.is_empty()).then_some(chunk));
                        outbox.put(said.map_err(PumpError::Server)?);
                        return Ok(Pumped::Answered);
                    }
                }
            }
            self.take(inbox, chunk)?;
        }
    }

    /// Takes from the client's bytes what belongs to it.
    fn take(&mut self, inbox: &mut Inbox, mut chunk: Chunk) -> Result<(), InboxError> {
        let walked = self.walk.walk(chunk.filled())?;
        if self.walk.announced_bytes() > self.bytes_max {
            let max = usize::try_from(self.bytes_max).unwrap_or(usize::MAX);
            return Err(InboxError::TooLarge { max });
        }
        self.ended = walked.ended;
        self.taken_bytes += walked.bytes as u64;
        inbox.put_rest(chunk.split_off(walked.bytes));
        match &mut self.reframe {
            None => self.unsent = Some(chunk),
            Some(reframe) => {
                let mut packets = Vec::with_capacity(chunk.len() + PACKET_HEADER_BYTES);
                reframe.take(chunk.filled(), &mut packets);
                self.unsent = Some(Chunk::of(&packets));
            }
        }
        Ok(())
    }
}

enum Heard {
    Client(usize),
    Server(io::Result<Chunk>),
}

/// What the server says though it does not have everything; its end is an error.
fn poll_hear<S: AsyncRead + Unpin>(server: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
    match Chunk::poll_read(server, cx) {
        Poll::Ready(Ok(said)) if said.is_empty() => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        heard => heard,
    }
}

async fn read_or_hear<C, S>(client: &mut C, chunk: &mut Chunk, server: &mut S) -> io::Result<Heard>
where
    C: AsyncRead + Unpin,
    S: AsyncRead + Unpin,
{
    poll_fn(|cx| {
        if let Poll::Ready(heard) = poll_hear(server, cx) {
            return Poll::Ready(Ok(Heard::Server(heard)));
        }
        chunk.poll_more(client, cx).map_ok(Heard::Client)
    })
    .await
}

/// How long a server that takes no more has to say why: its words are there already, or on their way.
const LAST_WORDS_WAIT_MAX: Duration = Duration::from_secs(1);

/// Sends the bytes and consumes what was taken of them; returns what the server says before it has them all.
async fn send_or_hear<S>(server: &mut S, unsent: &mut Chunk) -> io::Result<Option<Chunk>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = poll_fn(|cx| {
        while !unsent.is_empty() {
            match Pin::new(&mut *server).poll_write(cx, unsent.filled()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => unsent.consume(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // TLS: what it holds back must go before it can take more
                    let _ = Pin::new(&mut *server).poll_flush(cx)?;
                    return poll_hear(server, cx).map_ok(Some);
                }
            }
        }
        Poll::Ready(Ok(None))
    })
    .await;
    let Err(error) = sent else { return sent };
    // the runtime may learn of its words later than of its end
    let last_words = poll_fn(|cx| poll_hear(server, cx));
    match tokio::time::timeout(LAST_WORDS_WAIT_MAX, last_words).await {
        Ok(Ok(said)) => Ok(Some(said)),
        Ok(Err(_)) | Err(_) => Err(error),
    }
}

#[cfg(test)]
mod tests;

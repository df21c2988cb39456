//! Accepts connections and hands each to the shard that carries the fewest.
//!
//! ```text
//! accept ─▶ limit ─ room ──────▶ handler(Accepted { permit: Some }) ┐
//!                 ├ no room ───▶ handler(Accepted { permit: None }) ├▶ on a shard, counted by the drain
//!                 └ flood ─────▶ closed                             ┘
//! ```
//!
//! The loop survives whatever `accept` says: a process out of descriptors waits a moment and goes on.

mod bind;
mod endpoint;
mod limit;
#[cfg(test)]
mod tests;

pub use bind::{BindError, SocketMode};
pub use endpoint::{Endpoint, PeerAddr};
pub use limit::{ConnectionLimit, Permit, REFUSED_AT_ONCE_MAX};

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::drain::Drain;
use crate::shards::Shards;
use limit::Admission;

/// First wait after `accept` failed for want of something; doubles up to [`BACK_OFF_MAX`].
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
/// Longest wait: a client that waits in the backlog is still let in soon after there is room.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Silence before the kernel asks whether the peer is still there, well below what firewalls forget.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two such questions; four unanswered end the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 4;

/// A new connection.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub stream: AcceptedStream,
    /// Who is at the other end.
    pub peer: PeerAddr,
    /// Its place among the connections; `None` when there is no room: say so and close.
    pub permit: Option<Permit>,
}

/// A non-blocking socket that no runtime knows yet: the session registers it on its own shard.
#[derive(Debug)]
pub enum AcceptedStream {
    /// By TCP; without delay (Nagle), with keepalive.
    Tcp(std::net::TcpStream),
    /// By Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, bind::SocketFile),
}

impl Listener {
    /// Opens the socket; `mode` is for Unix sockets.
    pub fn bind(endpoint: &Endpoint, mode: SocketMode) -> Result<Self, BindError> {
        let socket = match endpoint {
            Endpoint::Tcp(address) => ListeningSocket::Tcp(bind::tcp(*address)?),
            Endpoint::Unix(path) => {
                let (socket, file) = bind::unix(path, mode)?;
                ListeningSocket::Unix(socket, file)
            }
        };
        let endpoint = match &socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().map_or(endpoint.clone(), Endpoint::Tcp),
            ListeningSocket::Unix(..) => endpoint.clone(),
        };
        Ok(Self { socket, endpoint })
    }

    /// Where it listens, with the port that was chosen.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A port for a server with an accept loop of its own, and its address with the port that was chosen. Call it on a
    /// runtime.
    pub fn tokio_tcp(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr), BindError> {
        Self::bind(&Endpoint::Tcp(address), SocketMode::GROUP)?.into_tokio_tcp(address)
    }

    /// The same port for a server with an accept loop of its own.
    pub(crate) fn into_tokio_tcp(
        self,
        address: SocketAddr,
    ) -> Result<(tokio::net::TcpListener, SocketAddr), BindError> {
        let failed = |source| BindError {
            endpoint: Endpoint::Tcp(address),
            source,
            next_step: "try again",
        };
        let ListeningSocket::Tcp(socket) = self.socket else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let address = socket.local_addr().map_err(failed)?;
        Ok((
            tokio::net::TcpListener::from_std(socket).map_err(failed)?,
            address,
        ))
    }

    /// Accepts until the drain starts; then the socket is closed and its file removed.
    ///
    /// The handler's future runs on a shard. It is made on the accepting thread, so it should do nothing
    /// before its first await but take its arguments.
    pub async fn serve<H, F>(
        self,
        shards: Arc<Shards>,
        limit: ConnectionLimit,
        drain: Drain,
        handler: H,
    ) -> io::Result<()>
    where
        H: Fn(Accepted) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let door = Door::open(self.socket)?;
        let mut draining = drain.started();
        let mut back_off = BACK_OFF_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut draining => return Ok(()),
                accepted = door.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    back_off = BACK_OFF_MIN;
                    admit(stream, peer, &shards, &limit, &drain, &handler);
                }
                // the client has left again, or a signal came
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, wait_ms = back_off.as_millis(), "accept failed; clients wait");
                    tokio::select! {
                        () = &mut draining => return Ok(()),
                        () = tokio::time::sleep(back_off) => {}
                    }
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }
}

/// A socket that listens, on the accepting runtime.
enum Door {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, #[allow(dead_code)] bind::SocketFile),
}

impl Door {
    fn open(socket: ListeningSocket) -> io::Result<Self> {
        Ok(match socket {
            ListeningSocket::Tcp(socket) => Self::Tcp(tokio::net::TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket, file) => {
                Self::Unix(tokio::net::UnixListener::from_std(socket)?, file)
            }
        })
    }

    async fn accept(&self) -> io::Result<(AcceptedStream, PeerAddr)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // leaves this runtime: the session's shard takes it into its own
                let stream = stream.into_std()?;
                prepare_tcp(&stream);
                Ok((AcceptedStream::Tcp(stream), PeerAddr::Tcp(address)))
            }
            Self::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((AcceptedStream::Unix(stream.into_std()?), PeerAddr::Unix))
            }
        }
    }
}

/// A socket that refuses an option still carries bytes.
fn prepare_tcp(stream: &std::net::TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

fn admit<H, F>(
    stream: AcceptedStream,
    peer: PeerAddr,
    shards: &Shards,
    limit: &ConnectionLimit,
    drain: &Drain,
    handler: &H,
) where
    H: Fn(Accepted) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let (permit, refusal) = match limit.admit() {
        Admission::Admit(permit) => (Some(permit), None),
        Admission::Refuse(refusal) => (None, Some(refusal)),
        Admission::Close => {
            tracing::warn!(%peer, "closed without an answer: too many connections are being refused");
            return;
        }
    };
    let held = (drain.session(), refusal);
    // boxed first: a future that is captured and then awaited would be kept twice
    let session = Box::pin(handler(Accepted { stream, peer, permit }));
    shards.spawn_on_least_loaded(async move {
        let _held = held;
        session.await;
    });
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
    )
}

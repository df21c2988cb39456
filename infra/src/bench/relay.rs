//! A relay that understands nothing: the cost of a hop's system calls and wake-ups, and no more.
//!
//! One task per connection copies both directions through two fixed buffers, on one of a few threads that each have
//! a runtime of their own. tokio's multi-thread runtime costs a quarter more here (its threads wake one another to
//! steal work), and a slow yardstick would flatter what is measured against it.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    str::FromStr,
};

use anyhow::Context;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes},
    sync::mpsc,
};

/// One direction's buffer. A point select's packets are a few hundred bytes; 16 KiB moves large results well.
const BUFFER_BYTES: usize = 16 * 1024;

/// One end of a relay: `HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `HOST:PORT`.
    Tcp(String),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("a path is missing after `unix:`".to_owned())
            } else {
                Ok(Self::Unix(PathBuf::from(path)))
            };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(format!("`{text}` is neither HOST:PORT nor unix:PATH")),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Listens at `listen` and relays every connection to `to`, on `shards` threads; returns only with an error.
pub fn run(listen: &Endpoint, to: &Endpoint, shards: usize) -> anyhow::Result<()> {
    Listener::bind(listen)?.serve(to, shards)
}

/// A bound listening end.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection, of no runtime yet.
enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    fn bind(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let bound = match endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(address).map(Self::Tcp),
            Endpoint::Unix(path) => UnixListener::bind(path).map(Self::Unix),
        };
        bound.with_context(|| format!("failed to listen on {endpoint}"))
    }

    fn accept(&self) -> std::io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (client, _) = listener.accept()?;
                client.set_nodelay(true)?;
                client.set_nonblocking(true)?;
                Ok(Accepted::Tcp(client))
            }
            Self::Unix(listener) => {
                let (client, _) = listener.accept()?;
                client.set_nonblocking(true)?;
                Ok(Accepted::Unix(client))
            }
        }
    }

    /// The caller's thread accepts and hands connections to the shards in turn.
    fn serve(self, to: &Endpoint, shards: usize) -> anyhow::Result<()> {
        let mut handed = Vec::new();
        for _ in 0..shards.max(1) {
            let (hand, mut taken) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let (runtime, to) = (runtime.context("failed to start a runtime")?, to.clone());
            std::thread::spawn(move || {
                runtime.block_on(async {
                    while let Some(client) = taken.recv().await {
                        tokio::spawn(connect_and_copy(client, to.clone()));
                    }
                });
            });
            handed.push(hand);
        }
        for hand in handed.iter().cycle() {
            let client = self.accept().context("failed to accept")?;
            hand.send(client).ok().context("a shard has ended")?;
        }
        Ok(())
    }
}

/// A connection of either kind; the indirect call is nothing beside the system call behind it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that cannot be made or breaks is closed; the client at its end sees that and counts it.
async fn connect_and_copy(client: Accepted, to: Endpoint) {
    if let (Ok(mut client), Ok(mut server)) = (client.registered(), connect(&to).await) {
        // either end may break off in the middle: that ends the connection, and there is nobody else to tell
        let _ = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER_BYTES, BUFFER_BYTES).await;
    }
}

impl Accepted {
    /// Makes it a connection of this thread's runtime.
    fn registered(self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(client) => Box::new(tokio::net::TcpStream::from_std(client)?),
            Self::Unix(client) => Box::new(tokio::net::UnixStream::from_std(client)?),
        })
    }
}

async fn connect(to: &Endpoint) -> std::io::Result<Box<dyn Stream>> {
    Ok(match to {
        Endpoint::Tcp(address) => {
            let server = tokio::net::TcpStream::connect(address).await?;
            server.set_nodelay(true)?;
            Box::new(server)
        }
        Endpoint::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn an_endpoint_is_read_and_shown_the_same() {
        for text in ["127.0.0.1:3306", "[::1]:3306", "unix:/tmp/middle.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["", "3306", ":3306", "host:port", "host:70000", "unix:"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_relays_joined_by_a_unix_socket_carry_bytes_both_ways_and_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let echo_at = Endpoint::Tcp(echo.local_addr().unwrap().to_string());
        std::thread::spawn(move || {
            let (mut peer, _) = echo.accept().unwrap();
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all.reverse();
            peer.write_all(&all).unwrap();
        });
        let middle = Endpoint::Unix(dir.path().join("middle.sock"));
        let inner = Listener::bind(&middle).unwrap();
        std::thread::spawn(move || inner.serve(&echo_at, 2));
        let outer = Listener::bind(&Endpoint::Tcp("127.0.0.1:0".to_owned())).unwrap();
        let Listener::Tcp(bound) = &outer else {
            panic!("asked for TCP")
        };
        let entrance = bound.local_addr().unwrap();
        std::thread::spawn(move || outer.serve(&middle, 2));

        let sent: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let mut client = TcpStream::connect(entrance).unwrap();
        client
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        client.write_all(&sent).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        received.reverse();
        assert!(
            received == sent,
            "{} bytes came back of {}",
            received.len(),
            sent.len()
        );
    }
}

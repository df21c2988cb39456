//! A relay that understands nothing: the cost of a hop's system calls and wake-ups, and no more.
//!
//! One task per connection copies both directions through two fixed buffers. It is written as one would write
//! a fast tokio relay, because a slow yardstick would flatter what is measured against it.

use std::{path::PathBuf, str::FromStr};

use anyhow::Context;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
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

/// A bound listening end.
#[derive(Debug)]
pub enum Listener {
    /// Accepts TCP.
    Tcp(TcpListener),
    /// Accepts on a Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Binds `endpoint`; a socket file must not exist yet.
    pub async fn bind(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let bound = match endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Endpoint::Unix(path) => UnixListener::bind(path).map(Self::Unix),
        };
        bound.with_context(|| format!("failed to listen on {endpoint}"))
    }

    /// Relays every accepted connection to `to`, until accepting fails.
    pub async fn serve(self, to: Endpoint) -> anyhow::Result<()> {
        loop {
            let to = to.clone();
            match &self {
                Self::Tcp(listener) => {
                    let (client, _) = listener.accept().await.context("failed to accept")?;
                    client.set_nodelay(true).context("failed to set TCP_NODELAY")?;
                    tokio::spawn(connect_and_copy(client, to));
                }
                Self::Unix(listener) => {
                    let (client, _) = listener.accept().await.context("failed to accept")?;
                    tokio::spawn(connect_and_copy(client, to));
                }
            }
        }
    }
}

/// A connection that cannot be made or breaks is closed; the client at its end sees that and counts it.
async fn connect_and_copy<C: AsyncRead + AsyncWrite + Unpin>(client: C, to: Endpoint) {
    match to {
        Endpoint::Tcp(address) => {
            if let Ok(server) = TcpStream::connect(address).await
                && server.set_nodelay(true).is_ok()
            {
                copy(client, server).await;
            }
        }
        Endpoint::Unix(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                copy(client, server).await;
            }
        }
    }
}

async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
) {
    // either end may break off in the middle: that ends the connection, and there is nobody else to tell
    let _ = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER_BYTES, BUFFER_BYTES).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    #[tokio::test]
    async fn two_relays_joined_by_a_unix_socket_carry_bytes_both_ways_and_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let echo_at = Endpoint::Tcp(echo.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            let (mut peer, _) = echo.accept().await.unwrap();
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.unwrap();
            all.reverse();
            peer.write_all(&all).await.unwrap();
        });
        let middle = Endpoint::Unix(dir.path().join("middle.sock"));
        let inner = Listener::bind(&middle).await.unwrap();
        tokio::spawn(inner.serve(echo_at));
        let outer = Listener::bind(&Endpoint::Tcp("127.0.0.1:0".to_owned()))
            .await
            .unwrap();
        let Listener::Tcp(bound) = &outer else {
            panic!("asked for TCP")
        };
        let entrance = bound.local_addr().unwrap();
        tokio::spawn(outer.serve(middle));

        let sent: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let mut client = TcpStream::connect(entrance).await.unwrap();
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        received.reverse();
        assert_eq!(received, sent);
    }
}

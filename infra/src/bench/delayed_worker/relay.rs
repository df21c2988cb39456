//! A relay in front of one worker whose replies can be made late, as those of a busy server are.
//!
//! ```text
//!   sessions ──▶ commands at once ──▶ ┌────────┐
//!            ◀── replies late     ◀── │ worker │
//!   monitor  ◀─▶ at once         ◀─▶ └────────┘       (ICMP echo does not come through here at all)
//! ```
//!
//! The monitor is known by the user that its login names: what it measures, COM_PING and the way to the host, stays
//! what it is. Nothing of a connection is changed.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use wire::{
    frame::Header,
    handshake::HandshakeResponse,
    limits::{PACKET_HEADER_BYTES, PRE_AUTH_PACKET_BYTES_MAX},
};

/// What is read at once of a reply.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks of one connection that wait for their time; more than that pushes back on the server.
const CHUNKS_WAITING_MAX: usize = 256;

/// A relay on a port of its own. It ends, with its connections, when dropped.
#[derive(Debug)]
pub(super) struct DelayingRelay {
    port: u16,
    delay: Delay,
    accepting: JoinHandle<()>,
}

/// How late replies are now, for all connections together.
#[derive(Clone, Debug, Default)]
struct Delay(Arc<AtomicU64>);

impl Delay {
    fn set(&self, delay: Duration) {
        let microseconds = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.0.store(microseconds, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl DelayingRelay {
    /// Relays to `server`, at first without a delay; connections of the user `undelayed` never have one.
    pub(super) async fn start(server: (String, u16), undelayed: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port")?;
        let port = listener.local_addr().context("no free port")?.port();
        let delay = Delay::default();
        let of_connections = delay.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (server, delay) = (server.clone(), of_connections.clone());
                connections.spawn(async move {
                    // whoever is at its ends sees that it ended, and says so
                    let _ = carry(client, server, undelayed, delay).await;
                });
            }
        });
        Ok(Self {
            port,
            delay,
            accepting,
        })
    }

    /// Where to connect to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Replies that arrive from now on are this late.
    pub(super) fn set_delay(&self, delay: Duration) {
        self.delay.set(delay);
    }
}

impl Drop for DelayingRelay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    server: (String, u16),
    undelayed: &str,
    delay: Delay,
) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // the greeting, and who answers it
    let greeting = packet(&mut server).await?;
    client.write_all(&greeting).await?;
    let response = packet(&mut client).await?;
    let payload = response.get(PACKET_HEADER_BYTES..).unwrap_or_default();
    let login = HandshakeResponse::decode(payload).context("the login cannot be read; is it by TLS?")?;
    server.write_all(&response).await?;
    if login.user == undelayed.as_bytes() {
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        ended = tokio::io::copy(&mut from_client, &mut to_server) => { ended?; }
        () = replies(from_server, to_client, delay) => {}
    }
    Ok(())
}

/// One whole packet of a login, its header with it.
async fn packet(from: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut packet = vec![0; PACKET_HEADER_BYTES];
    from.read_exact(&mut packet).await?;
    let header = Header::peek(&packet).context("no header")?;
    if header.payload_bytes > PRE_AUTH_PACKET_BYTES_MAX {
        bail!("a login of {} bytes", header.payload_bytes);
    }
    packet.resize(header.packet_bytes(), 0);
    if let Some(payload) = packet.get_mut(PACKET_HEADER_BYTES..) {
        from.read_exact(payload).await?;
    }
    Ok(packet)
}

/// Reading and writing are apart, so that a delay is latency and not throughput.
async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Delay) {
    let (sender, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_WAITING_MAX);
    let read = async move {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => chunk.truncate(read),
            }
            if sender.send((Instant::now() + delay.get(), chunk)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = waiting.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use wire::{Capabilities, frame};

    use super::*;

    /// Greets, reads the login, and answers every byte by itself.
    async fn scripted_server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut greeting = Vec::new();
                    frame::encode(b"hello", 0, &mut greeting);
                    peer.write_all(&greeting).await.unwrap();
                    packet(&mut peer).await.unwrap();
                    let (mut from, mut to) = peer.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn logged_in(port: u16, user: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(packet(&mut stream).await.unwrap(), b"\x05\0\0\0hello");
        let mut login = Vec::new();
        frame::encode_with(&mut login, 1, |out| {
            HandshakeResponse {
                capabilities: Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION,
                packet_bytes_max: 1 << 24,
                collation: 45,
                user: user.as_bytes().to_vec(),
                auth_response: Vec::new().into(),
                database: None,
                auth_plugin: None,
                attributes: Vec::new(),
                zstd_level: None,
            }
            .encode(out);
        });
        stream.write_all(&login).await.unwrap();
        stream
    }

    async fn answer(stream: &mut TcpStream) -> Duration {
        let asked = Instant::now();
        stream.write_all(b"?").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'?');
        asked.elapsed()
    }

    #[tokio::test]
    async fn replies_to_sessions_are_late_and_those_to_the_monitor_are_not() {
        const LATE: Duration = Duration::from_millis(50);
        const NEVER: Duration = Duration::from_secs(3600);
        const SOON: Duration = Duration::from_secs(30);
        let server = scripted_server().await;
        let relay = DelayingRelay::start(("127.0.0.1".to_owned(), server), "monitor")
            .await
            .unwrap();
        let mut session = logged_in(relay.port(), "app").await;
        let mut monitor = logged_in(relay.port(), "monitor").await;
        relay.set_delay(LATE);
        assert!(answer(&mut session).await >= LATE);
        relay.set_delay(Duration::ZERO);
        answer(&mut session).await;
        relay.set_delay(NEVER);
        tokio::time::timeout(SOON, answer(&mut monitor))
            .await
            .expect("the monitor does not wait");
    }

    #[tokio::test]
    async fn a_login_that_cannot_be_read_ends_the_connection() {
        let server = scripted_server().await;
        let relay = DelayingRelay::start(("127.0.0.1".to_owned(), server), "monitor")
            .await
            .unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", relay.port())).await.unwrap();
        packet(&mut stream).await.unwrap();
        stream.write_all(&[2, 0, 0, 1, 0xff, 0xff]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
}

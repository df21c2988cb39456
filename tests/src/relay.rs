//! A TCP relay whose way can be made slow, stopped, or cut: what a network does, without a network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How the way is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Bytes towards the server arrive this much later; zero is an open way.
    Delayed(Duration),
    /// Bytes wait, connections stay.
    Stalled,
    /// Every connection is closed, and so is every new one.
    Cut,
}

/// Waiting bytes per connection; more than that pushes back on the sender.
const CHUNKS_IN_FLIGHT_MAX: usize = 256;
const CHUNK_BYTES: usize = 16 * 1024;

/// A relay on a port of its own. It ends when dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    way: Arc<watch::Sender<Way>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Starts relaying to a port on loopback.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: u16) -> std::io::Result<Relay> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (way, ways) = watch::channel(Way::Delayed(Duration::ZERO));
        let server = SocketAddr::from(([127, 0, 0, 1], server));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, ways.clone()));
            }
        });
        Ok(Relay {
            port,
            way: Arc::new(way),
            accepting,
        })
    }

    /// Where to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the way, for connections that are open too.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.way.send_replace(Way::Cut);
        self.accepting.abort();
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut ways: watch::Receiver<Way>) {
    let cut = {
        let mut ways = ways.clone();
        async move {
            let _ = ways.wait_for(|way| *way == Way::Cut).await;
        }
    };
    let relayed = async {
        // an open way is not waited for: the kernel accepts before a server does, too
        let _ = ways.wait_for(|way| *way != Way::Stalled).await;
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        tokio::select! {
            () = pump(client_in, server_out, ways.clone(), true) => {}
            () = pump(server_in, client_out, ways, false) => {}
        }
    };
    tokio::select! {
        () = cut => {}
        () = relayed => {}
    }
}

/// Reading and writing are apart, so that a delay is latency and not throughput.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut ways: watch::Receiver<Way>,
    delayed: bool,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_IN_FLIGHT_MAX);
    let read = async move {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => chunk.truncate(read),
            }
            if sender.send((Instant::now(), chunk)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((arrived, chunk)) = receiver.recv().await {
            let delay = match ways.wait_for(|way| *way != Way::Stalled).await.as_deref() {
                Ok(Way::Delayed(delay)) if delayed => *delay,
                Ok(_) => Duration::ZERO,
                Err(_) => return,
            };
            if !delay.is_zero() {
                tokio::time::sleep_until(arrived + delay).await;
            }
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo_server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        port
    }

    async fn round_trip(stream: &mut TcpStream) -> std::io::Result<Duration> {
        let began = Instant::now();
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await?;
        Ok(began.elapsed())
    }

    #[tokio::test]
    async fn a_way_can_be_delayed_stalled_and_cut() {
        let relay = Relay::start(echo_server().await).await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", relay.port())).await.unwrap();
        round_trip(&mut stream).await.unwrap();
        relay.set(Way::Delayed(Duration::from_millis(30)));
        assert!(round_trip(&mut stream).await.unwrap() >= Duration::from_millis(30));
        relay.set(Way::Stalled);
        let stalled = tokio::time::timeout(Duration::from_millis(100), round_trip(&mut stream)).await;
        assert!(stalled.is_err());
        relay.set(Way::Delayed(Duration::ZERO));
        stream.read_exact(&mut [0]).await.unwrap();
        relay.set(Way::Cut);
        assert!(round_trip(&mut stream).await.is_err());
    }
}

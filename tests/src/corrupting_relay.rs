//! A TCP relay that breaks what a server answers to marked statements: a fault that no real server produces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes that one fault puts in.
const INSERTED_BYTES_MAX: usize = 40;

/// The relay. It ends when dropped.
#[derive(Debug)]
pub struct CorruptingRelay {
    port: u16,
    broken: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl CorruptingRelay {
    /// Relays to a port on loopback. The first bytes that come back after a client's bytes with `marker` in them
    /// are broken; everything else passes.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: u16, marker: &str, seed: u64) -> std::io::Result<CorruptingRelay> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let server = SocketAddr::from(([127, 0, 0, 1], server));
        let marker: Arc<[u8]> = marker.as_bytes().into();
        let broken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&broken);
        let accepting = tokio::spawn(async move {
            let mut seed = seed;
            while let Ok((client, _)) = listener.accept().await {
                seed += 1;
                let rng = StdRng::seed_from_u64(seed);
                tokio::spawn(carry(
                    client,
                    server,
                    Arc::clone(&marker),
                    rng,
                    Arc::clone(&count),
                ));
            }
        });
        Ok(CorruptingRelay {
            port,
            broken,
            accepting,
        })
    }

    /// Where to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many answers were broken so far.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Drop for CorruptingRelay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    marker: Arc<[u8]>,
    mut rng: StdRng,
    broken: Arc<AtomicU64>,
) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let armed = AtomicBool::new(false);
    let up = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = client_in.read(&mut chunk).await {
            if chunk[..read]
                .windows(marker.len())
                .any(|window| window == &*marker)
            {
                armed.store(true, Ordering::Relaxed);
            }
            if server_out.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = server_in.read(&mut chunk).await {
            let mut bytes = chunk[..read].to_vec();
            let mut cut = false;
            if armed.swap(false, Ordering::Relaxed) {
                cut = corrupt(&mut bytes, &mut rng);
                broken.fetch_add(1, Ordering::Relaxed);
            }
            if client_out.write_all(&bytes).await.is_err() || cut {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Breaks an answer in one place; whether the connection ends behind it.
fn corrupt(bytes: &mut Vec<u8>, rng: &mut StdRng) -> bool {
    let place = rng.random_range(0..bytes.len());
    match rng.random_range(0..6) {
        0 | 1 => bytes[place] = rng.random(),
        2 => {
            // in the first packet's header or its first bytes
            let place = rng.random_range(0..bytes.len().min(8));
            bytes[place] = rng.random();
        }
        3 => {
            let count = rng.random_range(1..=INSERTED_BYTES_MAX);
            let more: Vec<u8> = (0..count).map(|_| rng.random()).collect();
            bytes.splice(place..place, more);
        }
        4 => {
            bytes.drain(place..);
            return true;
        }
        _ => {
            let end = rng.random_range(place..=bytes.len());
            bytes.drain(place..end);
        }
    }
    false
}

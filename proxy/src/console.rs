//! The admin console: a MySQL server of the proxy's own, for its operator. It shows snapshots and takes orders; no
//! statement of it ever reaches a node.
//!
//! ```text
//! client ─▶ door (our own login) ─▶ pipe ─▶ opensrv-mysql ─▶ shim ─▶ order ─┬▶ tables ─▶ query (SQLite) ─▶ rows
//!                                                                          └▶ steer
//! ```
//!
//! It runs on the main thread, not on the shards: what it does costs a session nothing but the moment in which its
//! shard copies a table. There is none without `[admin]` in the configuration.

mod dialect;
mod door;
mod help;
mod order;
mod pipe;
mod query;
mod refusal;
mod shim;
mod steer;
mod table;
mod tables;
mod variables;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use daemon::exit::Failure;
use daemon::listener::Listener;
use daemon::shards::Shards;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::door::Door;
use self::shim::Shim;
use crate::config::Admin;
use crate::host::Host;

/// The schema of the tables.
const SCHEMA: &str = "proxy";

/// What clients take it for: one that has caching_sha2_password, and no dialect of MariaDB's.
const VERSION: &str = concat!("8.0.36-proxy-", env!("CARGO_PKG_VERSION"));

/// Connections at once, those included that have not logged in: operators are few.
const CONNECTIONS_MAX: usize = 32;

/// A pause after a connection could not be accepted: for want of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A console that listens.
pub struct Console {
    listener: TcpListener,
    door: Door,
}

impl Console {
    /// Takes the address.
    pub fn bind(admin: &Admin) -> Result<Self, Failure> {
        let door = Door::new(admin)?;
        let (listener, address) = Listener::tokio_tcp(admin.address)?;
        tracing::info!(%address, user = admin.user, "the admin console listens");
        Ok(Self { listener, door })
    }

    /// Serves until it is dropped.
    pub async fn serve(self, host: Arc<Host>, shards: Arc<Shards>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let door = Arc::new(self.door);
        let numbers = AtomicU32::new(1);
        let mut open = tokio::task::JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the admin console could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                // whoever fills it up without a password cannot keep the operator out for longer than a login may take
                tracing::warn!(%peer, "too many connections to the admin console");
                continue;
            };
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let visit = Visit {
                door: Arc::clone(&door),
                host: Arc::clone(&host),
                shards: Arc::clone(&shards),
                number,
            };
            open.spawn(async move {
                Box::pin(visit.serve(stream, &peer.ip().to_canonical().to_string())).await;
                drop(permit);
            });
        }
    }
}

/// One connection.
struct Visit {
    door: Arc<Door>,
    host: Arc<Host>,
    shards: Arc<Shards>,
    number: u32,
}

impl Visit {
    async fn serve(self, stream: TcpStream, peer: &str) {
        let Some(guest) = self.door.let_in(stream, self.number, peer).await else {
            return;
        };
        tracing::info!(peer, "an operator has logged in to the admin console");
        let shim = Shim::new(self.host, self.shards, guest.asker());
        if let Err(error) = pipe::serve(guest, shim).await {
            tracing::debug!(peer, %error, "a connection to the admin console broke");
        }
    }
}

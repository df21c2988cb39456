//! What the operator says: stop, stop now, read the config again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::drain::Drain;

/// The operator has said "stop" twice: leave without waiting for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopNow;

/// Listens for SIGTERM, SIGINT and SIGHUP from the moment that it exists.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over; inside a runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM or SIGINT starts the drain, the second one ends this future. SIGHUP adds one to `reload`.
    pub async fn run(mut self, drain: Drain, reload: watch::Sender<u64>) -> StopNow {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hang_up.recv() => {
                    tracing::info!("SIGHUP: reading files again");
                    reload.send_modify(|times| *times += 1);
                    continue;
                }
            }
            if drain.is_draining() {
                tracing::warn!("second signal: stopping now");
                return StopNow;
            }
            tracing::info!(
                sessions = drain.sessions(),
                "stopping: no new sessions, a second signal stops now"
            );
            drain.start();
        }
    }
}

//! Ctrl-C and SIGTERM end a benchmark early, but never before what it started is stopped.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, watched from the start.
pub(super) struct Interrupt {
    ctrl_c: Signal,
    terminate: Signal,
    seen: bool,
}

impl Interrupt {
    pub(super) fn watch() -> anyhow::Result<Self> {
        let watch = |kind| signal(kind).context("failed to watch for signals");
        Ok(Self {
            ctrl_c: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
            seen: false,
        })
    }

    /// Ends at the next signal.
    pub(super) async fn seen(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.seen = true;
    }

    /// Whether there was one.
    pub(super) fn was_seen(&self) -> bool {
        self.seen
    }
}

//! How long a client may be silent, at no cost for one that is not: the timer is looked at when it rings,
//! not set anew with each statement.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// One session's timer.
pub(super) struct IdleTimer {
    timeout: Duration,
    since: Instant,
    ring: Pin<Box<Sleep>>,
}

impl IdleTimer {
    /// Counts from now.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            since: Instant::now(),
            ring: Box::pin(tokio::time::sleep(timeout)),
        }
    }

    /// The client has been heard; silence begins now.
    pub(super) fn rearm(&mut self) {
        self.since = Instant::now();
    }

    /// Whether the silence was too long.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ring.as_mut().poll(cx).is_ready() {
            let end = self.since + self.timeout;
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            self.ring.as_mut().reset(end);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_word() {
        let mut timer = IdleTimer::new(Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(7)).await;
        timer.rearm();
        let begun = Instant::now();
        std::future::poll_fn(|cx| timer.poll_expired(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}

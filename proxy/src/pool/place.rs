//! The places of one node: how many connections there are, and who waits for one to come free.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How many are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// The right to one connection, from before it is opened until it is closed.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// One more, if there are fewer than that.
    pub(super) fn take(self: &Arc<Self>, max: usize) -> Option<Place> {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |taken| {
                (taken < max).then_some(taken + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(self)))
    }

    /// Resolves when a place or a connection has come free since the call; the one who waited longest is first.
    pub(super) fn freed(&self) -> Freed<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let mut notified = Box::pin(self.freed.notified());
        // what comes free from here on is not missed
        notified.as_mut().enable();
        Freed {
            places: self,
            notified,
        }
    }

    /// A connection has come to rest.
    pub(super) fn came_free(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.freed.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.came_free();
    }
}

/// A wait for a place.
pub(super) struct Freed<'a> {
    places: &'a Places,
    notified: std::pin::Pin<Box<Notified<'a>>>,
}

impl Future for Freed<'_> {
    type Output = ();

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.notified.as_mut().poll(cx)
    }
}

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.places.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

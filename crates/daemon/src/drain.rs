//! Stopping without dropping work: new sessions stay out, idle ones leave, busy ones may finish until
//! a deadline.
//!
//! A session keeps one [`Started`] for its whole life and polls it beside its read. While nobody asks
//! for a stop this costs a load of a flag per poll: no lock, nothing per statement.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

/// The wish to stop, and the count of who is still there. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    draining: AtomicBool,
    sessions: AtomicUsize,
    empty: Notify,
    waiting: Mutex<Waiting>,
}

/// Wakers of sessions that wait for the start, by slot.
#[derive(Debug, Default)]
struct Waiting {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Who was still there at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everybody had left.
    Empty,
    /// This many sessions had not.
    Left(usize),
}

impl Drain {
    /// Nobody wants to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to leave. Said once or often, it is the same.
    pub fn start(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.0.waiting()).slots;
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Whether sessions are asked to leave.
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Resolves once sessions are asked to leave. Keep it and poll it again and again
    /// (`&mut started` in a `select!`): making one takes a lock, polling one does not.
    pub fn started(&self) -> Started {
        Started {
            shared: Arc::clone(&self.0),
            registered: None,
        }
    }

    /// Counts a session until the guard is dropped.
    pub fn session(&self) -> SessionGuard {
        self.0.sessions.fetch_add(1, Ordering::SeqCst);
        SessionGuard(Arc::clone(&self.0))
    }

    /// Sessions that are there now.
    pub fn sessions(&self) -> usize {
        self.0.sessions.load(Ordering::SeqCst)
    }

    /// Starts the drain when it has not been, and waits until everybody has left, `deadline` at most.
    pub async fn finish(&self, deadline: Duration) -> Drained {
        self.start();
        let empty = async {
            loop {
                let changed = self.0.empty.notified();
                if self.sessions() == 0 {
                    return;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(deadline, empty).await {
            Ok(()) => Drained::Empty,
            Err(_) => Drained::Left(self.sessions()),
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that must be waited for.
#[derive(Debug)]
pub struct SessionGuard(Arc<Shared>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.0.sessions.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

/// The start of the drain as a future that may be polled for a whole session, after its end too.
#[derive(Debug)]
pub struct Started {
    shared: Arc<Shared>,
    /// Our slot and the waker in it.
    registered: Option<(usize, Waker)>,
}

impl Future for Started {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.shared.draining.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        if self
            .registered
            .as_ref()
            .is_some_and(|(_, waker)| waker.will_wake(context.waker()))
        {
            return Poll::Pending;
        }
        self.register(context.waker());
        // the start may have come while we wrote ourselves down
        if self.shared.draining.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Started {
    fn register(&mut self, waker: &Waker) {
        self.unregister();
        let mut waiting = self.shared.waiting();
        let slot = match waiting.free.pop() {
            Some(slot) => slot,
            None => {
                waiting.slots.push(None);
                waiting.slots.len() - 1
            }
        };
        if let Some(place) = waiting.slots.get_mut(slot) {
            *place = Some(waker.clone());
        }
        drop(waiting);
        self.registered = Some((slot, waker.clone()));
    }

    fn unregister(&mut self) {
        let Some((slot, _)) = self.registered.take() else {
            return;
        };
        let mut waiting = self.shared.waiting();
        // the start has emptied the table: our slot is gone, or somebody else's
        if self.shared.draining.load(Ordering::SeqCst) {
            return;
        }
        let waker = waiting.slots.get_mut(slot).and_then(Option::take);
        waiting.free.push(slot);
        drop(waiting);
        drop(waker);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.unregister();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll(started: &mut Started, woken: &Arc<Woken>) -> Poll<()> {
        let waker = Waker::from(Arc::clone(woken));
        Pin::new(started).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn an_idle_session_is_woken_once_by_the_start() {
        let (drain, woken) = (Drain::new(), Arc::new(Woken::default()));
        let mut started = drain.started();
        assert_eq!(poll(&mut started, &woken), Poll::Pending);
        assert_eq!(poll(&mut started, &woken), Poll::Pending);
        drain.start();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut started, &woken), Poll::Ready(()));
        assert_eq!(poll(&mut started, &woken), Poll::Ready(()));
    }

    #[test]
    fn sessions_that_come_and_go_leave_no_slot_behind() {
        let (drain, woken) = (Drain::new(), Arc::new(Woken::default()));
        let mut stays = drain.started();
        assert_eq!(poll(&mut stays, &woken), Poll::Pending);
        for _ in 0..100 {
            let mut goes = drain.started();
            assert_eq!(poll(&mut goes, &woken), Poll::Pending);
        }
        assert_eq!(drain.0.waiting().slots.len(), 2);
        assert_eq!(Arc::strong_count(&woken), 3);
        drain.start();
        drop(stays);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(Arc::strong_count(&woken), 1);
    }

    #[test]
    fn a_session_that_moved_to_another_task_is_woken_there() {
        let (drain, first, second) = (Drain::new(), Arc::default(), Arc::default());
        let mut started = drain.started();
        assert_eq!(poll(&mut started, &first), Poll::Pending);
        assert_eq!(poll(&mut started, &second), Poll::Pending);
        drain.start();
        assert_eq!(
            (first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)),
            (0, 1)
        );
    }

    #[tokio::test]
    async fn the_drain_ends_with_the_last_session() {
        let drain = Drain::new();
        let session = drain.session();
        let mut started = drain.started();
        let task = tokio::spawn(async move {
            (&mut started).await;
            drop(session);
        });
        assert_eq!(drain.finish(Duration::from_secs(5)).await, Drained::Empty);
        task.await.unwrap();
        assert!(drain.is_draining());
    }

    #[tokio::test]
    async fn the_deadline_ends_the_wait_for_a_session_that_stays() {
        let drain = Drain::new();
        let _session = drain.session();
        assert_eq!(drain.finish(Duration::from_millis(20)).await, Drained::Left(1));
    }
}

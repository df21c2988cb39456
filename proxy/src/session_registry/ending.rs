//! The wish of an operator that a session ends: the session looks at it whenever it waits for its client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

/// Said by somebody else, heard by the session.
#[derive(Debug, Default)]
pub struct Ending {
    wished: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Ending {
    /// The session shall end, now if it rests.
    pub fn wish(&self) {
        self.wished.store(true, Ordering::SeqCst);
        let waker = self.waiting().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it shall.
    #[inline]
    pub fn is_wished(&self) -> bool {
        self.wished.load(Ordering::Relaxed)
    }

    /// Has the session woken when it shall end. A task is woken by the same waker all its life, so once is enough.
    pub fn wake_by(&self, cx: &Context<'_>) {
        *self.waiting() = Some(cx.waker().clone());
        if self.wished.load(Ordering::SeqCst) {
            // it was wished in between
            cx.waker().wake_by_ref();
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_session_that_waits_is_woken_before_and_after() {
        for wished_first in [false, true] {
            let (ending, woken) = (Ending::default(), Arc::new(Woken::default()));
            let waker = Waker::from(Arc::clone(&woken));
            if wished_first {
                ending.wish();
            }
            ending.wake_by(&Context::from_waker(&waker));
            ending.wish();
            assert!(ending.is_wished());
            assert!(woken.0.load(Ordering::SeqCst) >= 1);
        }
    }
}

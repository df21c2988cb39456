//! How many connections there may be at once, and how many more are told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections over the limit that may be answered at the same time; beyond that they are just closed,
/// so that a flood costs descriptors of a known number.
pub const REFUSED_AT_ONCE_MAX: usize = 64;

/// A count with a bound. Clones count together: several listeners can share one.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    admitted: Arc<Counter>,
    refused: Arc<Counter>,
}

/// A place among the connections, held as long as the value lives.
#[derive(Debug)]
pub struct Permit {
    counter: Arc<Counter>,
}

#[derive(Debug)]
struct Counter {
    taken: AtomicUsize,
    max: usize,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may stay.
    Admit(Permit),
    /// It may be told that there is no room.
    Refuse(Permit),
    /// It is closed without a word.
    Close,
}

impl ConnectionLimit {
    /// At most `connections_max` at once.
    pub fn new(connections_max: usize) -> Self {
        Self {
            admitted: Counter::new(connections_max),
            refused: Counter::new(REFUSED_AT_ONCE_MAX),
        }
    }

    /// Connections that hold a permit now.
    pub fn live(&self) -> usize {
        self.admitted.taken.load(Ordering::Relaxed)
    }

    pub(super) fn admit(&self) -> Admission {
        if let Some(permit) = self.admitted.take() {
            Admission::Admit(permit)
        } else if let Some(permit) = self.refused.take() {
            Admission::Refuse(permit)
        } else {
            Admission::Close
        }
    }
}

impl Counter {
    fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            max,
        })
    }

    fn take(self: &Arc<Self>) -> Option<Permit> {
        let room = |taken| (taken < self.max).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        Some(Permit {
            counter: Arc::clone(self),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counter.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admitted_then_refused_then_closed_and_back() {
        let limit = ConnectionLimit::new(2);
        let other_listener = limit.clone();
        let first = limit.admit();
        let _second = other_listener.admit();
        assert!(matches!(
            (&first, &_second),
            (Admission::Admit(_), Admission::Admit(_))
        ));
        let refused: Vec<_> = (0..REFUSED_AT_ONCE_MAX).map(|_| limit.admit()).collect();
        assert!(
            refused
                .iter()
                .all(|admission| matches!(admission, Admission::Refuse(_)))
        );
        assert!(matches!(limit.admit(), Admission::Close));
        drop(refused);
        drop(first);
        assert_eq!(limit.live(), 1);
        assert!(matches!(limit.admit(), Admission::Admit(_)));
    }
}

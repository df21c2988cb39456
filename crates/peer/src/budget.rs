//! Memory that all sessions of a process share for commands that must be held as a whole.
//!
//! One chunk per session is free, and with it nearly every statement: the counter is not touched for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The shared memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes_left: Arc<AtomicUsize>,
}

impl Budget {
    /// Of that many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_left: Arc::new(AtomicUsize::new(bytes_max)),
        }
    }

    /// Bytes that nobody holds.
    pub fn bytes_left(&self) -> usize {
        self.bytes_left.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let left = &self.bytes_left;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(bytes)
        })
        .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.bytes_left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A part of a budget; it goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Nothing yet.
    pub(crate) fn none(budget: &Budget) -> Self {
        Self {
            budget: budget.clone(),
            bytes: 0,
        }
    }

    /// Grows to `bytes`; false, and as it was, when they are not there.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let there = self.budget.take(more);
        if there {
            self.bytes += more;
        }
        there
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (Share::none(&budget), Share::none(&budget));
        assert!(one.grow(40) && one.grow(70));
        assert!(!other.grow(31));
        assert_eq!(budget.bytes_left(), 30);
        drop(one);
        assert!(other.grow(100));
        drop(other);
        assert_eq!(budget.bytes_left(), 100);
    }
}

//! The smallest of the last few samples.
//!
//! On a busy machine a sample is the way's latency plus some waiting for a processor: noise only adds.
//! The minimum of a short window is close to the way itself, follows a fall at once and a rise after as
//! many samples as the window holds. An average would do neither.

use std::collections::VecDeque;
use std::time::Duration;

/// The last few samples.
#[derive(Debug)]
pub(super) struct Window {
    samples: VecDeque<Duration>,
    size: usize,
}

impl Window {
    /// A window of `size` samples, at least one.
    pub(super) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self {
            samples: VecDeque::with_capacity(size),
            size,
        }
    }

    /// Takes in a sample and says the smallest of the window.
    pub(super) fn push(&mut self, sample: Duration) -> Duration {
        if self.samples.len() == self.size {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.samples.iter().copied().min().unwrap_or(sample)
    }

    /// Forgets all samples: they were of another kind.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }

    /// Whether there is no sample.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smallest(samples: &[u64]) -> Vec<u128> {
        let mut window = Window::new(3);
        samples
            .iter()
            .map(|ms| window.push(Duration::from_millis(*ms)).as_millis())
            .collect()
    }

    #[test]
    fn a_fall_is_followed_at_once() {
        assert_eq!(smallest(&[20, 20, 20, 1]), [20, 20, 20, 1]);
    }

    #[test]
    fn a_rise_is_followed_after_a_window() {
        assert_eq!(smallest(&[1, 1, 1, 20, 20, 20]), [1, 1, 1, 1, 1, 20]);
    }

    #[test]
    fn lone_peaks_do_not_show() {
        assert_eq!(smallest(&[2, 1000, 3, 900, 2, 1000]), [2, 2, 2, 3, 2, 2]);
    }
}

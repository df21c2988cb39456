//! A strategy that can be changed while everybody reads it.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Strategy;

/// The strategy of all who have not chosen one themselves.
#[derive(Debug)]
pub struct SharedStrategy(AtomicU8);

impl SharedStrategy {
    /// With the one to begin with.
    pub fn new(strategy: Strategy) -> Self {
        let shared = Self(AtomicU8::new(0));
        shared.set(strategy);
        shared
    }

    /// The one of this moment.
    #[inline]
    pub fn get(&self) -> Strategy {
        let place = usize::from(self.0.load(Ordering::Relaxed));
        Strategy::ALL.get(place).copied().unwrap_or_default()
    }

    /// Another one, from the next statement on.
    pub fn set(&self, strategy: Strategy) {
        let place = (0u8..).zip(Strategy::ALL).find(|(_, known)| *known == strategy);
        self.0
            .store(place.map_or(0, |(place, _)| place), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strategy_is_the_one_set_last() {
        let shared = SharedStrategy::new(Strategy::Ping);
        assert_eq!(shared.get(), Strategy::Ping);
        for strategy in Strategy::ALL {
            shared.set(strategy);
            assert_eq!(shared.get(), strategy);
        }
    }
}

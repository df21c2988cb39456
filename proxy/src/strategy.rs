//! Which worker serves a read: `direct`, `random` or `ping`. Pure; [`crate::route`] asks.
//!
//! | strategy | module | who serves a read |
//! |---|---|---|
//! | `direct` | [`direct`] | the manager, always |
//! | `random` | [`random`] | any healthy worker, drawn for each statement |
//! | `ping` | [`lowest_latency`] | the nearest healthy worker, chosen in the background |

pub mod direct;
pub mod lowest_latency;
pub mod random;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a read finds its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Strategy {
    /// Always the manager.
    Direct,
    /// Uniformly over the healthy workers.
    #[default]
    Random,
    /// The healthy worker with the lowest latency.
    Ping,
}

/// The text names no strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a strategy is one of direct, random, ping")]
pub struct UnknownStrategy;

impl Strategy {
    /// Every strategy there is.
    pub const ALL: [Strategy; 3] = [Strategy::Direct, Strategy::Random, Strategy::Ping];

    /// The name that users write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Strategy::Direct => "direct",
            Strategy::Random => "random",
            Strategy::Ping => "ping",
        }
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL
            .into_iter()
            .find(|strategy| text.eq_ignore_ascii_case(strategy.as_str()))
            .ok_or(UnknownStrategy)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_read_as_it_is_written() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert_eq!("PING".parse(), Ok(Strategy::Ping));
    }

    #[test]
    fn anything_else_is_no_strategy() {
        for text in ["", "pings", "nearest", " random", "manager"] {
            assert_eq!(text.parse::<Strategy>(), Err(UnknownStrategy), "{text:?}");
        }
    }
}

//! Which worker serves a read. Pure; [`crate::route`] asks.
//!
//! | strategy | module | who serves a read |
//! |---|---|---|
//! | `direct` | [`direct`] | the manager, always |
//! | `random` | [`random`] | any healthy worker, drawn for each statement |
//! | `ping` | [`lowest_latency`] | the nearest healthy worker, chosen in the background |
//! | `round-robin` | [`round_robin`] | the healthy workers in turn |
//! | `least-connections` | [`least_connections`] | the one with the fewest reads in flight |
//! | `adaptive` | [`adaptive`] | of two that are drawn, the one with the better response time and fewer reads in flight |

pub mod adaptive;
mod candidates;
pub mod direct;
mod in_force;
pub mod least_connections;
pub mod lowest_latency;
pub mod random;
pub mod round_robin;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use candidates::Candidates;
pub use in_force::SharedStrategy;

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
    /// The healthy workers in turn.
    RoundRobin,
    /// The healthy worker with the fewest reads in flight.
    LeastConnections,
    /// The better of two healthy workers, by response time and reads in flight.
    Adaptive,
}

/// The text names no strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a strategy is one of direct, random, ping, round-robin, least-connections, adaptive")]
pub struct UnknownStrategy;

impl Strategy {
    /// Every strategy there is.
    pub const ALL: [Strategy; 6] = [
        Strategy::Direct,
        Strategy::Random,
        Strategy::Ping,
        Strategy::RoundRobin,
        Strategy::LeastConnections,
        Strategy::Adaptive,
    ];

    /// The name that users write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Strategy::Direct => "direct",
            Strategy::Random => "random",
            Strategy::Ping => "ping",
            Strategy::RoundRobin => "round-robin",
            Strategy::LeastConnections => "least-connections",
            Strategy::Adaptive => "adaptive",
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

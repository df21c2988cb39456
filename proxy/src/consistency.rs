//! How old a read on a worker may be.
//!
//! | consistency | a read shows at least |
//! |---|---|
//! | `eventual` | what its worker has; it may be older than the session's own writes |
//! | `session` | everything from before the session began, its own writes, and whatever it has read before |
//! | `global` | everything that was acknowledged to anybody before the read came |

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How old a read on a worker may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Consistency {
    /// As old as the worker is.
    Eventual,
    /// Never older than what the session knows.
    #[default]
    Session,
    /// Never older than what anybody knows.
    Global,
}

/// The text names no consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a consistency is one of eventual, session, global")]
pub struct UnknownConsistency;

impl Consistency {
    /// Every one there is.
    pub const ALL: [Consistency; 3] = [Consistency::Eventual, Consistency::Session, Consistency::Global];

    /// The name that users write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Consistency::Eventual => "eventual",
            Consistency::Session => "session",
            Consistency::Global => "global",
        }
    }
}

impl FromStr for Consistency {
    type Err = UnknownConsistency;

    fn from_str(text: &str) -> Result<Self, UnknownConsistency> {
        Self::ALL
            .into_iter()
            .find(|consistency| text.eq_ignore_ascii_case(consistency.as_str()))
            .ok_or(UnknownConsistency)
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for consistency in Consistency::ALL {
            assert_eq!(
                consistency.to_string().to_ascii_uppercase().parse(),
                Ok(consistency)
            );
        }
        assert_eq!("strong".parse::<Consistency>(), Err(UnknownConsistency));
        assert_eq!(Consistency::default(), Consistency::Session);
    }
}

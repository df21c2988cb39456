//! Whether a node may serve, as a small machine over its checks. Pure.
//!
//! ```text
//!                    a bad check
//!        Up ───────────────────────────▶ Excluded(why)
//!        ▲                                │  ▲
//!        └── N good checks in a row ──────┘  └─ a bad check starts the count again
//! ```
//!
//! A bad check leaves a node out at once, because a wrong answer is worse than a missing one. It comes
//! back only after several good ones, so that a node that comes and goes stays away. The first check
//! of all needs no confirmation: at start nothing is known against the node.

use std::fmt;

/// Why a node serves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// No check has been made yet.
    NotCheckedYet,
    /// It cannot be reached or does not answer in time.
    Unreachable,
    /// It does not let the monitor's account in.
    AccessDenied,
    /// It answered a check with an error, so its state is not known.
    StateUnknown,
    /// It replicates from nobody.
    NotReplicating,
    /// It does not receive the manager's changes.
    ReceiverStopped,
    /// It does not apply the manager's changes.
    ApplierStopped,
    /// It is further behind than the limit.
    Lagging,
    /// It would accept writes.
    NotReadOnly,
    /// An operator has drained it.
    Drained,
    /// The manager's: it cannot be written to.
    ReadOnly,
    /// It and another node look like the manager: neither is written to.
    TwoWritable,
    /// It looks like the manager, and the other nodes do not follow it.
    NotConfirmed,
}

impl Exclusion {
    /// The name in logs, metric labels and tests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Exclusion::NotCheckedYet => "not-checked-yet",
            Exclusion::Unreachable => "unreachable",
            Exclusion::AccessDenied => "access-denied",
            Exclusion::StateUnknown => "state-unknown",
            Exclusion::NotReplicating => "not-replicating",
            Exclusion::ReceiverStopped => "receiver-stopped",
            Exclusion::ApplierStopped => "applier-stopped",
            Exclusion::Lagging => "lagging",
            Exclusion::NotReadOnly => "not-read-only",
            Exclusion::Drained => "drained",
            Exclusion::ReadOnly => "read-only",
            Exclusion::TwoWritable => "two-writable",
            Exclusion::NotConfirmed => "not-confirmed",
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a node may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It may.
    Up,
    /// It may not, and why.
    Excluded(Exclusion),
}

impl Health {
    /// Whether the node may serve.
    #[inline]
    pub const fn is_up(self) -> bool {
        matches!(self, Health::Up)
    }

    /// Why it may not.
    pub const fn exclusion(self) -> Option<Exclusion> {
        match self {
            Health::Up => None,
            Health::Excluded(exclusion) => Some(exclusion),
        }
    }
}

/// The machine: fed with checks, asked for the health.
#[derive(Debug)]
pub struct HealthHistory {
    health: Health,
    good_in_a_row: u32,
    checks_to_recover: u32,
}

impl HealthHistory {
    /// A node of which nothing is known yet.
    pub fn new(checks_to_recover: u32) -> Self {
        Self {
            health: Health::Excluded(Exclusion::NotCheckedYet),
            good_in_a_row: 0,
            checks_to_recover,
        }
    }

    /// Whether the node may serve.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Takes in one check; says whether the health is another one now.
    pub fn observe(&mut self, check: Result<(), Exclusion>) -> bool {
        let before = self.health;
        match check {
            Err(exclusion) => {
                self.good_in_a_row = 0;
                self.health = Health::Excluded(exclusion);
            }
            Ok(()) => {
                self.good_in_a_row = self.good_in_a_row.saturating_add(1);
                let confirmed = self.good_in_a_row >= self.checks_to_recover;
                if confirmed || before == Health::Excluded(Exclusion::NotCheckedYet) {
                    self.health = Health::Up;
                }
            }
        }
        self.health != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: Result<(), Exclusion> = Err(Exclusion::Unreachable);

    #[test]
    fn the_first_good_check_brings_a_node_up() {
        let mut history = HealthHistory::new(3);
        assert_eq!(history.health(), Health::Excluded(Exclusion::NotCheckedYet));
        assert!(history.observe(Ok(())));
        assert_eq!(history.health(), Health::Up);
    }

    #[test]
    fn one_bad_check_leaves_a_node_out() {
        let mut history = HealthHistory::new(3);
        history.observe(Ok(()));
        assert!(history.observe(Err(Exclusion::ApplierStopped)));
        assert_eq!(history.health().exclusion(), Some(Exclusion::ApplierStopped));
    }

    #[test]
    fn a_node_comes_back_after_enough_good_checks_in_a_row() {
        let mut history = HealthHistory::new(3);
        history.observe(GONE);
        assert!(!history.observe(Ok(())));
        assert!(!history.observe(Ok(())));
        assert!(!history.observe(GONE));
        assert!(!history.observe(Ok(())));
        assert!(!history.observe(Ok(())));
        assert!(history.observe(Ok(())));
        assert!(history.health().is_up());
    }

    #[test]
    fn another_reason_is_another_health() {
        let mut history = HealthHistory::new(3);
        history.observe(GONE);
        assert!(history.observe(Err(Exclusion::Lagging)));
        assert!(!history.observe(Err(Exclusion::Lagging)));
    }
}

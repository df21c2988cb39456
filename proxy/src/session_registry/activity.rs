//! What a session does now, as others may look at it: written by the session alone, relaxed stores on its own cache line.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::NodeId;
use crate::route::{Pin, SessionView};

/// From where times are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a session does now.
#[derive(Debug, Default)]
pub struct Activity {
    /// Shape of the statement that runs, or of the last one.
    shape: AtomicU64,
    /// Since when it runs, or since when the session rests: microseconds since the start, shifted by [`RUNS`].
    since: AtomicU64,
    statements: AtomicU64,
    holds: AtomicU16,
    node: AtomicU8,
}

/// The lowest bit of `since`: a statement runs.
const RUNS: u64 = 1;

/// What a session does at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Doing {
    /// A statement runs.
    pub running: bool,
    /// For how long it has run, or the session has rested.
    pub duration: Duration,
    /// [`statement::Shape::number`] of that statement, or of the last one; 0 before the first.
    pub shape: u64,
    /// Where it runs or ran.
    pub node: NodeId,
    /// Statements that have begun.
    pub statements: u64,
    /// What keeps the session on the manager.
    pub holds: Holds,
}

impl Activity {
    /// A statement begins.
    #[inline]
    pub fn begin(&self, shape: u64, node: NodeId, now: Instant) {
        self.shape.store(shape, Ordering::Relaxed);
        self.node.store(node.0, Ordering::Relaxed);
        self.since.store(moment(now) << 1 | RUNS, Ordering::Relaxed);
        // nobody else writes it
        let statements = self.statements.load(Ordering::Relaxed);
        self.statements
            .store(statements.wrapping_add(1), Ordering::Relaxed);
    }

    /// It has ended, on that node, and leaves the session holding this.
    #[inline]
    pub fn end(&self, node: NodeId, holds: Holds, now: Instant) {
        self.node.store(node.0, Ordering::Relaxed);
        self.holds.store(holds.0, Ordering::Relaxed);
        self.since.store(moment(now) << 1, Ordering::Relaxed);
    }

    /// A look at it. Its parts may be of two moments: it is for people.
    pub fn doing(&self) -> Doing {
        let since = self.since.load(Ordering::Relaxed);
        Doing {
            running: since & RUNS != 0,
            duration: Duration::from_micros(moment(Instant::now()).saturating_sub(since >> 1)),
            shape: self.shape.load(Ordering::Relaxed),
            node: NodeId(self.node.load(Ordering::Relaxed)),
            statements: self.statements.load(Ordering::Relaxed),
            holds: Holds(self.holds.load(Ordering::Relaxed)),
        }
    }

    /// The session begins.
    pub(super) fn new() -> Self {
        let activity = Self::default();
        activity
            .since
            .store(moment(Instant::now()) << 1, Ordering::Relaxed);
        activity
    }
}

fn moment(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*START).as_micros()).unwrap_or(u64::MAX)
}

/// What a session holds that keeps its statements on the manager: one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holds(u16);

impl Holds {
    const NAMES: [&'static str; 12] = [
        "in-transaction",
        "autocommit-off",
        "temporary-tables",
        "tables-locked",
        "node-local",
        "one-shot-transaction",
        "serializable",
        "variable",
        "unseen-state",
        "active-role",
        "open-handler",
        "unreadable-texts",
    ];

    /// What routing sees of a session.
    #[inline]
    pub fn of(view: &SessionView) -> Self {
        let pin = match view.pinned {
            None => 0,
            Some(Pin::Variable) => 1 << 7,
            Some(Pin::UnseenState) => 1 << 8,
            Some(Pin::ActiveRole) => 1 << 9,
            Some(Pin::OpenHandler) => 1 << 10,
            Some(Pin::UnreadableTexts) => 1 << 11,
        };
        Self(
            u16::from(view.in_transaction)
                | u16::from(!view.autocommit) << 1
                | u16::from(view.temporary_tables) << 2
                | u16::from(view.locked_tables) << 3
                | u16::from(view.node_schema) << 4
                | u16::from(view.one_shot_transaction) << 5
                | u16::from(view.serializable) << 6
                | pin,
        )
    }
}

impl fmt::Display for Holds {
    /// Their names with commas between them; nothing for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Self::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name);
        if let Some(first) = names.next() {
            f.write_str(first)?;
        }
        names.try_for_each(|name| write!(f, ",{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Capabilities;

    #[test]
    fn each_cause_has_its_name() {
        let fresh = SessionView::fresh(Capabilities::NONE);
        assert_eq!(Holds::of(&fresh).to_string(), "");
        let view = SessionView {
            in_transaction: true,
            autocommit: false,
            temporary_tables: true,
            pinned: Some(Pin::Variable),
            ..fresh
        };
        assert_eq!(
            Holds::of(&view).to_string(),
            "in-transaction,autocommit-off,temporary-tables,variable"
        );
        for pin in [
            Pin::Variable,
            Pin::UnseenState,
            Pin::ActiveRole,
            Pin::OpenHandler,
            Pin::UnreadableTexts,
        ] {
            let view = SessionView {
                pinned: Some(pin),
                ..fresh
            };
            assert_eq!(Holds::of(&view).to_string(), pin.as_str());
        }
    }

    #[test]
    fn a_session_runs_or_rests() {
        let activity = Activity::new();
        assert!(!activity.doing().running);
        let begun = Instant::now();
        activity.begin(7, NodeId(2), begun);
        let doing = activity.doing();
        assert!(doing.running);
        assert_eq!((doing.shape, doing.node, doing.statements), (7, NodeId(2), 1));
        activity.end(NodeId(0), Holds::default(), begun);
        let doing = activity.doing();
        assert!(!doing.running);
        assert_eq!((doing.shape, doing.node, doing.statements), (7, NodeId(0), 1));
    }
}

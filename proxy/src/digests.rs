//! What statements of one shape did, per node and reason: for the admin console.
//!
//! ```text
//! shard 0   begin(shape) … end(shape, node, reason, outcome)  ─▶ a table of its own ──copy──┐
//! shard 1   …                                                 ─▶ a table of its own ──copy──┴▶ merged by text
//! ```
//!
//! A session is one task on one thread, so each thread has its own table and nobody takes a lock; who wants to see
//! them asks each thread for a copy. Bounded: shapes beyond the bound count in one row per node and reason.

mod histogram;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use statement::Shape;

pub use self::histogram::Histogram;
use crate::cluster::NodeId;
use crate::route::Reason;

/// Shapes of one shard: an application has some hundreds.
pub const SHAPES_PER_SHARD_MAX: usize = 1_000;

/// Rows of one shard: a shape has one for each node and reason, each of about a kibibyte.
pub const ROWS_PER_SHARD_MAX: usize = 4_000;

/// Bytes that are kept of a shape's text.
pub const TEXT_BYTES_MAX: usize = 1024;

/// The number of all shapes together for which there was no room.
const OTHERS: u64 = 0;

/// How a statement ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Rows that it sent or changed.
    pub rows: u64,
    /// With an error.
    pub failed: bool,
}

/// What statements of one shape did on one node for one reason.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// How many ran to their end.
    pub calls: u64,
    /// Of these, those that ended with an error.
    pub errors: u64,
    /// Rows that they sent or changed.
    pub rows: u64,
    /// All their time.
    pub time: Duration,
    /// The shortest.
    pub time_min: Duration,
    /// The longest.
    pub time_max: Duration,
    /// Each one's time.
    pub times: Histogram,
    /// When the last one ended.
    pub last: Option<Instant>,
}

impl Totals {
    #[inline]
    fn add(&mut self, outcome: Outcome, took: Duration, now: Instant) {
        self.time_min = if self.calls == 0 {
            took
        } else {
            self.time_min.min(took)
        };
        self.calls += 1;
        self.errors += u64::from(outcome.failed);
        self.rows = self.rows.wrapping_add(outcome.rows);
        self.time += took;
        self.time_max = self.time_max.max(took);
        self.times.record(took);
        self.last = Some(now);
    }

    /// Those of another shard as well.
    pub fn merge(&mut self, other: &Self) {
        self.time_min = match (self.calls, other.calls) {
            (0, _) => other.time_min,
            (_, 0) => self.time_min,
            (_, _) => self.time_min.min(other.time_min),
        };
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows = self.rows.wrapping_add(other.rows);
        self.time += other.time;
        self.time_max = self.time_max.max(other.time_max);
        self.times.merge(&other.times);
        self.last = self.last.max(other.last);
    }
}

/// Where statements of a shape ran, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// [`Shape::number`]; 0 for those for which there was no room.
    pub shape: u64,
    /// The node.
    pub node: NodeId,
    /// Why there.
    pub reason: Reason,
}

/// A table at one moment.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    /// The normalised texts, by their numbers; those that run for the first time included.
    pub texts: HashMap<u64, Box<[u8]>, Seeded>,
    /// What they did.
    pub totals: HashMap<Key, Totals, Seeded>,
    /// All statements by node and reason, those without a row of their own included.
    pub routes: HashMap<(NodeId, Reason), u64, Seeded>,
}

/// The keys are hashes that nobody outside can choose: a fixed seed will do.
type Seeded = FixedState;

thread_local! {
    static TABLE: RefCell<Digests> = RefCell::default();
}

/// A statement begins on this thread.
#[inline]
pub fn begin(shape: &Shape) {
    TABLE.with_borrow_mut(|table| table.begin(shape));
}

/// A statement has ended on this thread, `took` after it came.
#[inline]
pub fn end(shape: &Shape, (node, reason): (NodeId, Reason), outcome: Outcome, took: Duration, now: Instant) {
    let key = Key {
        shape: shape.number(),
        node,
        reason,
    };
    TABLE.with_borrow_mut(|table| table.end(key, outcome, took, now));
}

/// This thread's table as it is now.
pub fn of_this_thread() -> Digests {
    TABLE.with_borrow(Digests::clone)
}

/// Begins this thread's table anew. The counts by node and reason go on.
pub fn forget_on_this_thread() {
    TABLE.with_borrow_mut(|table| {
        table.texts = HashMap::default();
        table.totals = HashMap::default();
    });
}

impl Digests {
    #[inline]
    fn begin(&mut self, shape: &Shape) {
        if !self.texts.contains_key(&shape.number()) {
            self.first_seen(shape);
        }
    }

    #[cold]
    fn first_seen(&mut self, shape: &Shape) {
        if let Some(text) = shape.text()
            && self.texts.len() < SHAPES_PER_SHARD_MAX
        {
            let kept = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
            self.texts.insert(shape.number(), kept.into());
        }
    }

    #[inline]
    fn end(&mut self, key: Key, outcome: Outcome, took: Duration, now: Instant) {
        *self.routes.entry((key.node, key.reason)).or_default() += 1;
        match self.totals.get_mut(&key) {
            Some(totals) => totals.add(outcome, took, now),
            None => self.first_end(key, outcome, took, now),
        }
    }

    #[cold]
    fn first_end(&mut self, key: Key, outcome: Outcome, took: Duration, now: Instant) {
        let has_room = self.totals.len() < ROWS_PER_SHARD_MAX && self.texts.contains_key(&key.shape);
        let shape = if has_room { key.shape } else { OTHERS };
        let totals = self.totals.entry(Key { shape, ..key }).or_default();
        totals.add(outcome, took, now);
    }

    /// Another shard's table beside this one's.
    pub fn merge(&mut self, other: Digests) {
        self.texts.extend(other.texts);
        for (key, totals) in other.totals {
            self.totals.entry(key).or_default().merge(&totals);
        }
        for (route, count) in other.routes {
            *self.routes.entry(route).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statement::{FactsCache, LexMode};

    const NODE: NodeId = NodeId(1);

    fn ended(table: &mut Digests, text: &str, outcome: Outcome, milliseconds: u64) {
        let (facts, _) = FactsCache::new(1 << 16).facts(text.as_bytes(), LexMode::default());
        table.begin(facts.shape());
        let key = Key {
            shape: facts.shape().number(),
            node: NODE,
            reason: Reason::StrategyRandom,
        };
        table.end(key, outcome, Duration::from_millis(milliseconds), Instant::now());
    }

    #[test]
    fn statements_of_one_shape_count_together() {
        let (mut one, mut other) = (Digests::default(), Digests::default());
        let rows = |rows| Outcome { rows, failed: false };
        ended(&mut one, "SELECT 1", rows(1), 5);
        ended(&mut other, "SELECT  2", rows(3), 1);
        ended(
            &mut other,
            "SELECT 3 -- again",
            Outcome {
                rows: 0,
                failed: true,
            },
            30,
        );
        one.merge(other);
        assert_eq!(one.texts.len(), 1);
        let totals = one.totals.values().next().unwrap();
        assert_eq!((totals.calls, totals.errors, totals.rows), (3, 1, 4));
        let ms = Duration::from_millis;
        assert_eq!(
            (totals.time_min, totals.time_max, totals.time),
            (ms(1), ms(30), ms(36))
        );
        assert_eq!(one.routes.get(&(NODE, Reason::StrategyRandom)), Some(&3));
    }

    #[test]
    fn shapes_beyond_the_bound_count_together() {
        let mut table = Digests::default();
        for n in 0..SHAPES_PER_SHARD_MAX + 10 {
            ended(&mut table, &format!("SELECT c{n} FROM t"), Outcome::default(), 1);
        }
        assert_eq!(table.texts.len(), SHAPES_PER_SHARD_MAX);
        assert_eq!(table.totals.len(), SHAPES_PER_SHARD_MAX + 1);
        let others = table.totals.iter().find(|(key, _)| key.shape == OTHERS).unwrap();
        assert_eq!(others.1.calls, 10);
    }
}

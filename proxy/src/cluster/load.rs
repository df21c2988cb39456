//! What each node does for our sessions at this moment: reads in flight, how long answers take, failures in a row.
//! Written by every session, read by the strategies; atomics, of which each is right by itself.
//!
//! The response time is a peak-sensitive moving average: a slower answer counts at once and in full, and is forgotten with
//! time, and with each faster answer. So a stall is noticed by the next read, one stall of a node that is well is outweighed by the
//! reads behind it within milliseconds, and a node that has recovered is tried again when its past has faded ([peak EWMA, as in Finagle](https://twitter.github.io/finagle/guide/ApertureLoadBalancers.html)).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::node::NodeId;

/// How fast the past fades: after this time a third of it is left.
const FADES_IN: Duration = Duration::from_secs(5);

/// How much of the past is left by one faster answer, at most. With time alone, one stall of the scheduler's would
/// make a node that answers thousands of reads a second look slow for seconds, and one that is slow always look level.
const LEFT_BY_AN_ANSWER_MAX: f64 = 7.0 / 8.0;

/// A worker that returns gets its full share only after this time: its caches are cold.
const SLOW_START: Duration = Duration::from_secs(10);

/// Its share at the beginning of that time.
const SLOW_START_SHARE_MIN: f64 = 0.1;

/// Failures in a row after which a node is left out for a while, before the monitor has an opinion.
const FAILURES_MAX: u32 = 3;

/// For how long at first; twice as long after each further failure.
const EJECTED_FOR_MIN: Duration = Duration::from_secs(1);
const EJECTED_FOR_MAX: Duration = Duration::from_secs(60);

/// All nodes' loads.
#[derive(Debug)]
pub struct Loads {
    started: Instant,
    nodes: Box<[NodeLoad]>,
    /// Nodes that may be ejected now, by bit; 0 nearly always.
    ejected: AtomicU64,
    turn: AtomicU32,
}

/// One node's load. Times are nanoseconds since the start; 0 is never.
#[derive(Debug, Default)]
struct NodeLoad {
    in_flight: AtomicU32,
    response_ns: AtomicU64,
    measured_at: AtomicU64,
    failures: AtomicU32,
    failures_ever: AtomicU64,
    ejected_until: AtomicU64,
    returned_at: AtomicU64,
}

impl Loads {
    /// Of nodes that have done nothing yet.
    pub fn new(nodes: usize) -> Self {
        Self {
            started: Instant::now(),
            nodes: std::iter::repeat_with(NodeLoad::default).take(nodes).collect(),
            ejected: AtomicU64::new(0),
            turn: AtomicU32::new(0),
        }
    }

    /// A read is on its way to a node, until [`Loads::end`].
    #[inline]
    pub fn begin(&self, id: NodeId) {
        if let Some(node) = self.node(id) {
            node.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has ended, however.
    #[inline]
    pub fn end(&self, id: NodeId) {
        if let Some(node) = self.node(id) {
            node.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A node has begun to answer after this time.
    pub fn answered(&self, id: NodeId, after: Duration) {
        self.answered_at(id, after, self.now());
    }

    fn answered_at(&self, id: NodeId, after: Duration, now: u64) {
        let Some(node) = self.node(id) else { return };
        let sample = nanoseconds(after);
        let known = node.response_ns.load(Ordering::Relaxed);
        let next = if sample >= known {
            sample
        } else {
            let age = now.saturating_sub(node.measured_at.load(Ordering::Relaxed));
            let left = fades(age).min(LEFT_BY_AN_ANSWER_MAX);
            whole(known as f64 * left + sample as f64 * (1.0 - left))
        };
        node.response_ns.store(next, Ordering::Relaxed);
        node.measured_at.store(now, Ordering::Relaxed);
        if node.failures.load(Ordering::Relaxed) > 0 {
            node.failures.store(0, Ordering::Relaxed);
            node.ejected_until.store(0, Ordering::Relaxed);
        }
    }

    /// A node could not be reached, or broke off.
    pub fn failed(&self, id: NodeId) {
        self.failed_at(id, self.now());
    }

    fn failed_at(&self, id: NodeId, now: u64) {
        let Some(node) = self.node(id) else { return };
        node.failures_ever.fetch_add(1, Ordering::Relaxed);
        let failures = node.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if let Some(further) = failures.checked_sub(FAILURES_MAX) {
            let times = 1u32.checked_shl(further).unwrap_or(u32::MAX);
            let length = EJECTED_FOR_MIN.saturating_mul(times).min(EJECTED_FOR_MAX);
            node.ejected_until
                .store(now + nanoseconds(length), Ordering::Relaxed);
            self.ejected.fetch_or(id.bit(), Ordering::Relaxed);
        }
    }

    /// How often a node could not be reached, or broke off, since the start.
    pub fn failures(&self, id: NodeId) -> u64 {
        self.node(id)
            .map_or(0, |node| node.failures_ever.load(Ordering::Relaxed))
    }

    /// A node may serve again after it was left out.
    pub fn returned(&self, id: NodeId) {
        if let Some(node) = self.node(id) {
            node.returned_at.store(self.now(), Ordering::Relaxed);
            node.response_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Nodes to be left out now, by bit.
    #[inline]
    pub fn ejected(&self) -> u64 {
        match self.ejected.load(Ordering::Relaxed) {
            0 => 0,
            marked => self.ejected_at(marked, self.now()),
        }
    }

    fn ejected_at(&self, marked: u64, now: u64) -> u64 {
        let mut ejected = 0;
        for (id, node) in (0u8..).map(NodeId).zip(&*self.nodes) {
            if marked & id.bit() != 0 && node.ejected_until.load(Ordering::Relaxed) > now {
                ejected |= id.bit();
            }
        }
        let over = marked & !ejected;
        if over != 0 {
            self.ejected.fetch_and(!over, Ordering::Relaxed);
        }
        ejected
    }

    /// Reads that are on their way to a node.
    #[inline]
    pub fn in_flight(&self, id: NodeId) -> u32 {
        self.node(id)
            .map_or(0, |node| node.in_flight.load(Ordering::Relaxed))
    }

    /// The response time as it counts now; none before the first answer.
    pub fn response_time(&self, id: NodeId) -> Option<Duration> {
        let node = self.node(id)?;
        let nanoseconds = whole(node.response_at(self.now()));
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }

    /// What one more read would meet there: response time, times those in flight and itself, by the share that the
    /// node has. The smaller, the better.
    #[inline]
    pub fn cost(&self, id: NodeId, weight: u32) -> f64 {
        self.cost_at(id, weight, self.now())
    }

    fn cost_at(&self, id: NodeId, weight: u32, now: u64) -> f64 {
        /// What an unknown or faded past counts as, so that reads in flight still tell nodes apart.
        const UNKNOWN_NS: f64 = 1_000.0;
        let Some(node) = self.node(id) else {
            return f64::INFINITY;
        };
        let queue = f64::from(node.in_flight.load(Ordering::Relaxed).saturating_add(1));
        let share = f64::from(weight) * node.share_at(now);
        node.response_at(now).max(UNKNOWN_NS) * queue / share
    }

    /// The next number of a sequence that all sessions share.
    #[inline]
    pub fn turn(&self) -> u32 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn node(&self, id: NodeId) -> Option<&NodeLoad> {
        self.nodes.get(id.index())
    }

    /// Never 0.
    fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed()).saturating_add(1)
    }
}

impl NodeLoad {
    fn response_at(&self, now: u64) -> f64 {
        let age = now.saturating_sub(self.measured_at.load(Ordering::Relaxed));
        self.response_ns.load(Ordering::Relaxed) as f64 * fades(age)
    }

    /// From a tenth to 1 while it starts slowly.
    fn share_at(&self, now: u64) -> f64 {
        match self.returned_at.load(Ordering::Relaxed) {
            0 => 1.0,
            returned => {
                let since = now.saturating_sub(returned) as f64 / SLOW_START.as_nanos() as f64;
                since.clamp(SLOW_START_SHARE_MIN, 1.0)
            }
        }
    }
}

fn fades(age_ns: u64) -> f64 {
    (-(age_ns as f64) / FADES_IN.as_nanos() as f64).exp()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A number of nanoseconds that was calculated: neither negative nor beyond what it was made of.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates"
)]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(0);
    const OTHER: NodeId = NodeId(1);
    const SECOND: u64 = 1_000_000_000;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_stall_counts_at_once_and_fades() {
        let loads = Loads::new(2);
        loads.answered_at(ONE, ms(1), SECOND);
        loads.answered_at(OTHER, ms(1), SECOND);
        loads.answered_at(OTHER, ms(20), SECOND);
        assert!(loads.cost_at(OTHER, 1, SECOND) > 15.0 * loads.cost_at(ONE, 1, SECOND));
        loads.answered_at(OTHER, ms(1), SECOND + 1);
        assert!(
            loads.cost_at(OTHER, 1, SECOND) > 15.0 * loads.cost_at(ONE, 1, SECOND),
            "not by one answer"
        );
        for faster in 2..50 {
            loads.answered_at(OTHER, ms(1), SECOND + faster);
        }
        assert!(
            loads.cost_at(OTHER, 1, SECOND + 50) < 1.1 * loads.cost_at(ONE, 1, SECOND + 50),
            "by fifty, within any time"
        );
        loads.answered_at(OTHER, ms(20), SECOND + 50);
        loads.answered_at(ONE, ms(1), 40 * SECOND);
        assert!(
            loads.cost_at(OTHER, 1, 40 * SECOND) < loads.cost_at(ONE, 1, 40 * SECOND),
            "it is tried again"
        );
    }

    #[test]
    fn reads_in_flight_and_weights_count() {
        let loads = Loads::new(2);
        loads.begin(ONE);
        loads.begin(ONE);
        assert_eq!(loads.in_flight(ONE), 2);
        assert!(loads.cost(ONE, 1) > 2.0 * loads.cost(OTHER, 1));
        assert!(loads.cost(ONE, 4) < loads.cost(OTHER, 1));
        loads.end(ONE);
        loads.end(ONE);
        assert_eq!(loads.in_flight(ONE), 0);
    }

    #[test]
    fn failures_in_a_row_leave_a_node_out_for_longer_and_longer() {
        let loads = Loads::new(2);
        let marked = |now| loads.ejected_at(loads.ejected.load(Ordering::Relaxed), now);
        for _ in 1..FAILURES_MAX {
            loads.failed_at(OTHER, SECOND);
        }
        assert_eq!(marked(SECOND), 0);
        loads.failed_at(OTHER, SECOND);
        assert_eq!(marked(SECOND), OTHER.bit());
        assert_eq!(marked(2 * SECOND + 1), 0, "it gets another chance");
        loads.failed_at(OTHER, 3 * SECOND);
        assert_eq!(marked(4 * SECOND + 1), OTHER.bit(), "twice as long");
        loads.answered_at(OTHER, ms(1), 5 * SECOND);
        assert_eq!(marked(5 * SECOND), 0);
        for _ in 0..100 {
            loads.failed_at(OTHER, SECOND);
        }
        assert_eq!(marked(62 * SECOND), 0, "a minute at most");
    }

    #[test]
    fn a_node_that_returns_starts_slowly() {
        let loads = Loads::new(2);
        loads.returned(OTHER);
        let now = loads.now();
        assert!(loads.cost_at(OTHER, 1, now) > 9.0 * loads.cost_at(ONE, 1, now));
        let later = now + 11 * SECOND;
        assert!(loads.cost_at(OTHER, 1, later) <= loads.cost_at(ONE, 1, later));
    }
}

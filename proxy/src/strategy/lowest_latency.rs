//! `ping`: reads go to the nearest healthy worker, and do not jump between workers that are level.
//!
//! The choice is made in the background, once per evaluation, and stored in the cluster's snapshot.
//! A statement only reads it.
//!
//! ```text
//!            another is better by more than the margin      the same one again
//!   chosen ───────────────────────────────────────▶ rival ───────────────────▶ rival is chosen
//!      ▲                                              │
//!      └──────────────── it is not, this time ────────┘
//! ```

use std::time::Duration;

use crate::cluster::{ClusterView, NodeId};

/// A difference below this is noise of the scheduler, not of the network.
pub const MARGIN_MIN: Duration = Duration::from_millis(1);

/// Above the minimum, another worker must be better by more than this share of the chosen one's latency.
pub const MARGIN_DIVISOR: u32 = 4;

/// Evaluations in a row in which the same other worker must be better.
pub const EVALUATIONS_TO_MOVE: u32 = 2;

/// The worker that the background has chosen.
#[inline]
pub fn choose(cluster: &ClusterView) -> Option<NodeId> {
    cluster.nearest_worker()
}

/// Keeps the choice between evaluations.
#[derive(Debug, Default)]
pub struct Chooser {
    chosen: Option<NodeId>,
    rival: Option<(NodeId, u32)>,
}

impl Chooser {
    /// The worker chosen last.
    pub fn chosen(&self) -> Option<NodeId> {
        self.chosen
    }

    /// Gives up a choice that is not among the healthy ones and takes the best of them at once:
    /// a worker that left must not wait for two evaluations.
    ///
    /// `healthy` holds each healthy worker with its latency; one that has not been measured yet is
    /// taken only when nothing measured is there.
    pub fn settle(&mut self, healthy: &[(NodeId, Option<Duration>)]) -> Option<NodeId> {
        let stays = self
            .chosen
            .is_some_and(|chosen| healthy.iter().any(|(node, _)| *node == chosen));
        if !stays {
            self.chosen = best(healthy);
            self.rival = None;
        }
        self.chosen
    }

    /// One evaluation: moves when another worker has been clearly better often enough in a row.
    pub fn evaluate(&mut self, healthy: &[(NodeId, Option<Duration>)]) -> Option<NodeId> {
        let chosen = self.settle(healthy)?;
        let own = latency_of(healthy, chosen);
        let rival = best(healthy)
            .filter(|other| *other != chosen && clearly_better(latency_of(healthy, *other), own));
        let Some(rival) = rival else {
            self.rival = None;
            return self.chosen;
        };
        let evaluations = match self.rival {
            Some((same, evaluations)) if same == rival => evaluations + 1,
            _ => 1,
        };
        if evaluations >= EVALUATIONS_TO_MOVE {
            self.chosen = Some(rival);
            self.rival = None;
        } else {
            self.rival = Some((rival, evaluations));
        }
        self.chosen
    }
}

fn best(healthy: &[(NodeId, Option<Duration>)]) -> Option<NodeId> {
    healthy
        .iter()
        .min_by_key(|(node, latency)| (latency.unwrap_or(Duration::MAX), *node))
        .map(|(node, _)| *node)
}

fn latency_of(healthy: &[(NodeId, Option<Duration>)], node: NodeId) -> Option<Duration> {
    healthy
        .iter()
        .find(|(other, _)| *other == node)
        .and_then(|(_, latency)| *latency)
}

fn clearly_better(other: Option<Duration>, own: Option<Duration>) -> bool {
    match (other, own) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(other), Some(own)) => own.saturating_sub(other) > MARGIN_MIN.max(own / MARGIN_DIVISOR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    fn measured(a_us: u64, b_us: u64) -> [(NodeId, Option<Duration>); 2] {
        [
            (A, Some(Duration::from_micros(a_us))),
            (B, Some(Duration::from_micros(b_us))),
        ]
    }

    #[test]
    fn the_first_choice_is_the_nearest() {
        assert_eq!(Chooser::default().evaluate(&measured(900, 300)), Some(B));
    }

    #[test]
    fn a_clearly_better_worker_is_taken_at_the_second_evaluation() {
        let mut chooser = Chooser::default();
        assert_eq!(chooser.evaluate(&measured(300, 20_300)), Some(A));
        assert_eq!(chooser.evaluate(&measured(20_300, 300)), Some(A));
        assert_eq!(chooser.evaluate(&measured(20_300, 300)), Some(B));
    }

    #[test]
    fn one_bad_sample_moves_nothing() {
        let mut chooser = Chooser::default();
        chooser.evaluate(&measured(300, 400));
        for _ in 0..10 {
            assert_eq!(chooser.evaluate(&measured(50_000, 400)), Some(A));
            assert_eq!(chooser.evaluate(&measured(300, 400)), Some(A));
        }
    }

    #[test]
    fn equal_workers_do_not_flap() {
        let mut chooser = Chooser::default();
        let first = chooser.evaluate(&measured(250, 255));
        for step in 0..1_000u64 {
            // up to 0.99 ms of noise on either side
            let readings = measured(200 + step * 37 % 990, 200 + step * 53 % 990);
            assert_eq!(chooser.evaluate(&readings), first);
        }
    }

    #[test]
    fn far_workers_must_differ_by_a_quarter() {
        let mut chooser = Chooser::default();
        assert_eq!(chooser.evaluate(&measured(80_000, 90_000)), Some(A));
        for _ in 0..5 {
            assert_eq!(chooser.evaluate(&measured(80_000, 61_000)), Some(A));
        }
        chooser.evaluate(&measured(80_000, 59_000));
        assert_eq!(chooser.evaluate(&measured(80_000, 59_000)), Some(B));
    }

    #[test]
    fn a_worker_that_leaves_is_replaced_at_once() {
        let mut chooser = Chooser::default();
        chooser.evaluate(&measured(300, 20_000));
        assert_eq!(chooser.settle(&measured(300, 20_000)[1..]), Some(B));
        assert_eq!(chooser.settle(&[]), None);
    }

    #[test]
    fn a_worker_without_a_measurement_serves_only_when_it_is_alone() {
        let mut chooser = Chooser::default();
        assert_eq!(chooser.evaluate(&[(A, None)]), Some(A));
        let one_measured = [(A, None), (B, Some(Duration::from_millis(5)))];
        chooser.evaluate(&one_measured);
        assert_eq!(chooser.evaluate(&one_measured), Some(B));
        assert_eq!(chooser.evaluate(&one_measured), Some(B));
    }

    #[test]
    fn two_rivals_that_take_turns_do_not_add_up() {
        let mut chooser = Chooser::default();
        let c = NodeId(3);
        let at = |a: u64, b: u64, c_ms: u64| {
            [
                (A, Some(Duration::from_millis(a))),
                (B, Some(Duration::from_millis(b))),
                (c, Some(Duration::from_millis(c_ms))),
            ]
        };
        chooser.evaluate(&at(1, 9, 9));
        assert_eq!(chooser.evaluate(&at(20, 1, 9)), Some(A));
        assert_eq!(chooser.evaluate(&at(20, 9, 1)), Some(A));
        assert_eq!(chooser.evaluate(&at(20, 9, 1)), Some(c));
    }
}

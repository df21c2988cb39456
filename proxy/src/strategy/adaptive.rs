//! `adaptive`: of two healthy workers that are drawn, the one where a read would meet less: response time, times what is in
//! flight, by weight ([the power of two choices](https://www.eecs.harvard.edu/~michaelm/postscripts/handbook2001.pdf)).
//!
//! Two and not all: sessions that all see the same best worker would all go there.

use super::Candidates;
use crate::cluster::NodeId;

/// The better of two; each half of `draw` draws one of them.
#[inline]
pub fn choose(candidates: Candidates<'_>, draw: u32) -> Option<NodeId> {
    let count = candidates.iter().count();
    let first = drawn(draw, count);
    // any of the others
    let second = drawn(draw.rotate_left(16), count.saturating_sub(1));
    let second = second + usize::from(second >= first);
    let loads = candidates.loads();
    let mut pair = candidates
        .iter()
        .enumerate()
        .filter(|(place, _)| *place == first || *place == second)
        .map(|(_, (id, weight))| (id, loads.cost(id, weight)));
    let (one, cost) = pair.next()?;
    match pair.next() {
        Some((other, less)) if less < cost => Some(other),
        Some((other, level)) if level == cost && second < first => Some(other),
        _ => Some(one),
    }
}

/// One of so many.
fn drawn(draw: u32, count: usize) -> usize {
    usize::try_from((u64::from(draw) * count as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::Loads;
    use crate::cluster::view::tests::a_view;

    #[test]
    fn a_slow_worker_gets_next_to_nothing() {
        let view = a_view(&["manager", "worker1", "worker2", "worker3"]);
        let loads = Loads::new(4);
        for (worker, ms) in [(1, 1), (2, 21), (3, 1)] {
            loads.answered(NodeId(worker), Duration::from_millis(ms));
        }
        let mut served = [0; 4];
        for step in 0..3_000u32 {
            let draw = step.wrapping_mul(2_654_435_761);
            served[choose(Candidates::new(&view, &loads), draw).unwrap().index()] += 1;
        }
        assert_eq!((served[0], served[2]), (0, 0), "{served:?}");
        for (busy, idle) in [(1, 3), (3, 1)] {
            let in_flight = 3;
            (0..in_flight).for_each(|_| loads.begin(NodeId(busy)));
            // first and third
            assert_eq!(choose(Candidates::new(&view, &loads), 0xffff), Some(NodeId(idle)));
            (0..in_flight).for_each(|_| loads.end(NodeId(busy)));
        }
    }

    #[test]
    fn one_worker_is_the_choice_and_none_is_none() {
        let loads = Loads::new(2);
        let view = a_view(&["manager", "worker1"]);
        assert_eq!(choose(Candidates::new(&view, &loads), 5), Some(NodeId(1)));
        let view = a_view(&["manager", "worker1 down"]);
        assert_eq!(choose(Candidates::new(&view, &loads), 5), None);
    }
}

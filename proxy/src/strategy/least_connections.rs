//! `least-connections`: a read goes to the healthy worker with the fewest reads of ours in flight, by weight. An idle
//! connection is no load, so it does not count.

use super::Candidates;
use crate::cluster::NodeId;

/// The least busy worker; `draw` decides between those that are level.
#[inline]
pub fn choose(candidates: Candidates<'_>, draw: u32) -> Option<NodeId> {
    let loads = candidates.loads();
    // compared across: reads of one by the weight of the other
    let busier = |(one, weight): (NodeId, u32), (other, other_weight): (NodeId, u32)| {
        u64::from(loads.in_flight(one)) * u64::from(other_weight)
            > u64::from(loads.in_flight(other)) * u64::from(weight)
    };
    let drawn = candidates.at(draw)?;
    let mut least = candidates.iter().find(|(id, _)| *id == drawn)?;
    for candidate in candidates.iter() {
        if busier(least, candidate) {
            least = candidate;
        }
    }
    Some(least.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Loads;
    use crate::cluster::view::tests::a_view;

    #[test]
    fn the_least_busy_worker_is_chosen_and_a_draw_decides_between_equals() {
        let view = a_view(&["manager", "worker1", "worker2", "worker3 heavy"]);
        let loads = Loads::new(4);
        let choose = |draw| choose(Candidates::new(&view, &loads), draw).unwrap();
        assert_eq!((choose(0), choose(u32::MAX)), (NodeId(1), NodeId(3)));
        loads.begin(NodeId(1));
        assert_ne!(choose(0), NodeId(1));
        loads.begin(NodeId(2));
        loads.begin(NodeId(3));
        assert_eq!(choose(0), NodeId(3), "one of three is less than one of one");
    }
}

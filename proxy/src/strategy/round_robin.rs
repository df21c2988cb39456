//! `round-robin`: reads of all sessions go to the healthy workers in turn, by weight.

use super::Candidates;
use crate::cluster::NodeId;

/// The worker whose turn it is.
#[inline]
pub fn choose(candidates: Candidates<'_>) -> Option<NodeId> {
    candidates.at_turn(candidates.loads().turn())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Loads;
    use crate::cluster::view::tests::a_view;

    #[test]
    fn workers_take_turns_by_weight() {
        let view = a_view(&["manager", "worker1 heavy", "worker2 down", "worker3"]);
        let loads = Loads::new(4);
        let turns: Vec<_> = (0..8)
            .map(|_| choose(Candidates::new(&view, &loads)).unwrap().0)
            .collect();
        assert_eq!(turns, [1, 1, 1, 3, 1, 1, 1, 3]);
        let none = a_view(&["manager"]);
        assert_eq!(choose(Candidates::new(&none, &loads)), None);
    }
}

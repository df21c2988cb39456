//! `random`: each read goes to a healthy worker drawn for it alone, by weight.

use super::Candidates;
use crate::cluster::NodeId;

/// The worker that `draw`, a uniform random number of the caller, stands for.
#[inline]
pub fn choose(candidates: Candidates<'_>, draw: u32) -> Option<NodeId> {
    candidates.at(draw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Loads;
    use crate::cluster::view::tests::a_view;

    fn choose(words: &[&str], draw: u32) -> Option<NodeId> {
        let (view, loads) = (a_view(words), Loads::new(words.len()));
        super::choose(Candidates::new(&view, &loads), draw)
    }

    fn served(words: &[&str], ejected: Option<NodeId>) -> [u32; 5] {
        let (view, loads) = (a_view(words), Loads::new(words.len()));
        for _ in 0..3 {
            ejected.into_iter().for_each(|node| loads.failed(node));
        }
        let mut served = [0u32; 5];
        for step in 0..30_000u32 {
            let worker = super::choose(Candidates::new(&view, &loads), step.wrapping_mul(143_165)).unwrap();
            served[worker.index()] += 1;
        }
        served
    }

    #[test]
    fn each_healthy_worker_gets_its_share_of_all_draws() {
        let served = served(
            &["manager", "worker1", "worker2 lagging", "worker3", "worker4"],
            None,
        );
        assert_eq!(served[0], 0, "a read went to the manager");
        assert_eq!(served[2], 0, "a read went to a worker that is left out");
        for worker in [1, 3, 4] {
            assert!((9_900..=10_100).contains(&served[worker]), "{served:?}");
        }
    }

    #[test]
    fn a_worker_that_fails_gets_none_and_a_heavy_one_more() {
        let failing = served(&["manager", "worker1", "worker2", "worker3"], Some(NodeId(2)));
        assert_eq!(failing[2], 0, "{failing:?}");
        assert_eq!(
            served(&["manager", "worker1"], Some(NodeId(1)))[1],
            30_000,
            "better than none"
        );
        let weighted = served(&["manager", "worker1 heavy", "worker2"], None);
        assert!(
            (22_400..=22_600).contains(&weighted[1]),
            "three to one: {weighted:?}"
        );
    }

    #[test]
    fn the_first_and_the_last_draw_stay_inside() {
        let words = ["manager", "worker1", "worker2"];
        assert_eq!(choose(&words, 0), Some(NodeId(1)));
        assert_eq!(choose(&words, u32::MAX), Some(NodeId(2)));
    }

    #[test]
    fn without_a_healthy_worker_there_is_no_choice() {
        assert_eq!(choose(&["manager", "worker1 down"], 7), None);
    }
}

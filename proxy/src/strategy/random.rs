//! `random`: each read goes to a healthy worker drawn for it alone.

use crate::cluster::{ClusterView, NodeId};

/// The healthy worker that `draw`, a uniform random number of the caller, stands for.
///
/// Multiply and shift in the place of a remainder: no division, and every worker's share of the
/// 2³² draws differs by at most one.
#[inline]
pub fn choose(cluster: &ClusterView, draw: u32) -> Option<NodeId> {
    let healthy = cluster.healthy_workers();
    let place = (u64::from(draw) * healthy.len() as u64) >> 32;
    healthy.get(place as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::view::tests::a_view;

    #[test]
    fn each_healthy_worker_gets_its_share_of_all_draws() {
        let view = a_view(&["manager", "worker1", "worker2 lagging", "worker3", "worker4"]);
        let mut served = [0u32; 5];
        for step in 0..30_000u32 {
            let worker = choose(&view, step.wrapping_mul(143_165)).unwrap();
            served[worker.index()] += 1;
        }
        assert_eq!(served[0], 0, "a read went to the manager");
        assert_eq!(served[2], 0, "a read went to a worker that is left out");
        for worker in [1, 3, 4] {
            assert!((9_900..=10_100).contains(&served[worker]), "{served:?}");
        }
    }

    #[test]
    fn the_first_and_the_last_draw_stay_inside() {
        let view = a_view(&["manager", "worker1", "worker2"]);
        assert_eq!(choose(&view, 0), Some(NodeId(1)));
        assert_eq!(choose(&view, u32::MAX), Some(NodeId(2)));
    }

    #[test]
    fn without_a_healthy_worker_there_is_no_choice() {
        let view = a_view(&["manager", "worker1 down"]);
        assert_eq!(choose(&view, 7), None);
    }
}

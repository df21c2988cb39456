//! Who may be chosen: the healthy workers without those that fail at this moment, each with its weight.

use crate::cluster::{ClusterView, Loads, NodeId};

/// The workers of one choice.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    cluster: &'a ClusterView,
    loads: &'a Loads,
    ejected: u64,
}

impl<'a> Candidates<'a> {
    /// At this moment. Where all fail, all are tried.
    #[inline]
    pub fn new(cluster: &'a ClusterView, loads: &'a Loads) -> Self {
        let all = Self {
            cluster,
            loads,
            ejected: loads.ejected(),
        };
        if all.ejected != 0 && all.iter().next().is_none() {
            return Self { ejected: 0, ..all };
        }
        all
    }

    /// Each with its weight.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (NodeId, u32)> + 'a {
        let healthy = self.cluster.healthy_workers().iter().copied();
        healthy
            .filter(move |id| self.ejected & id.bit() == 0)
            .map(move |id| (id, self.cluster.weight(id)))
    }

    /// Their load.
    pub fn loads(self) -> &'a Loads {
        self.loads
    }

    /// The one that a place on the line of all weights belongs to; `place` is given as a share of 2³².
    ///
    /// Multiply and shift in the place of a remainder: no division, and shares of the 2³² draws differ by at most one.
    #[inline]
    pub fn at(self, place: u32) -> Option<NodeId> {
        let total: u64 = self.iter().map(|(_, weight)| u64::from(weight)).sum();
        self.at_weight((u64::from(place) * total) >> 32)
    }

    /// The same for a turn of a sequence: over all weights in order, and again.
    pub fn at_turn(self, turn: u32) -> Option<NodeId> {
        let total: u64 = self.iter().map(|(_, weight)| u64::from(weight)).sum();
        self.at_weight(u64::from(turn).checked_rem(total)?)
    }

    fn at_weight(self, mut place: u64) -> Option<NodeId> {
        for (id, weight) in self.iter() {
            match place.checked_sub(u64::from(weight)) {
                Some(left) => place = left,
                None => return Some(id),
            }
        }
        None
    }
}

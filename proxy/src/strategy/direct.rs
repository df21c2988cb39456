//! `direct`: every read goes to the manager, workers are spare.

use crate::cluster::{ClusterView, NodeId};

/// The manager.
#[inline]
pub fn choose(cluster: &ClusterView) -> NodeId {
    cluster.manager()
}

//! Who the manager is: learned from the checks, published with the picture of the cluster, waited for by those that need one.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::health::{Exclusion, Health};
use super::node::{NodeId, Role};
use super::replication::Observation;
use super::topology::{self, Decision, Knowledge, Seen, Unmanaged};
use super::{Cluster, State};

/// Who the manager is, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Managed {
    by: Result<NodeId, Unmanaged>,
    since: Instant,
}

impl Managed {
    pub(super) fn since_now(by: Result<NodeId, Unmanaged>) -> Self {
        Self {
            by,
            since: Instant::now(),
        }
    }
}

impl Cluster {
    /// The manager, waited for up to `wait` while there is none. For a manager that is read-only, the time that it has been so
    /// counts: nobody waits through somebody's maintenance.
    ///
    /// # Errors
    /// Why there is still none.
    pub async fn manager(&self, wait: Duration) -> Result<NodeId, Unmanaged> {
        let asked = Instant::now();
        let mut changes = self.managed.subscribe();
        loop {
            let Managed { by, since } = *changes.borrow_and_update();
            let from = match by {
                Ok(id) => return Ok(id),
                Err(Unmanaged::ReadOnly) => since.min(asked),
                Err(_) => asked,
            };
            let left = wait.saturating_sub(from.elapsed());
            match tokio::time::timeout(left, changes.changed()).await {
                Ok(Ok(())) => {}
                // in time, or never: the sender lives as long as the cluster
                Ok(Err(_)) | Err(_) => {
                    let Managed { by, .. } = *changes.borrow();
                    return by;
                }
            }
        }
    }

    /// Takes in what a check has found out; returns the role that the node has now. No news: the check was late.
    pub(super) fn observed(
        &self,
        id: NodeId,
        knowledge: Option<Knowledge>,
        answer: Option<&Observation>,
    ) -> Role {
        let mut state = self.state();
        if let Some(observed) = state.observed.get_mut(id.index()) {
            observed.knowledge = match (knowledge, observed.knowledge) {
                (Some(knowledge), _) => knowledge,
                (None, Knowledge::NotCheckedYet) => Knowledge::Unreachable,
                (None, known) => known,
            };
            if let Some(answer) = answer {
                observed.last = Some(answer.clone());
            }
        }
        let (decision, follows) = {
            let nodes = state.seen();
            let sources = answer.and_then(|answer| answer.sources.as_ref());
            let follows = sources
                .into_iter()
                .flatten()
                .any(|source| topology::source_of(&nodes, &source.of).is_some_and(|of| of != id));
            (topology::decide(&nodes, state.manager), follows)
        };
        if let Some(observed) = state.observed.get_mut(id.index()) {
            observed.has_followed |= follows;
        }
        if decision != state.decision {
            self.decided(&mut state, decision);
            self.publish(&state);
        }
        state.role(id)
    }

    fn decided(&self, state: &mut State, decision: Decision) {
        let before = std::mem::replace(&mut state.decision, decision);
        if let Ok(manager) = decision.manager
            && manager != state.manager
        {
            let former = std::mem::replace(&mut state.manager, manager);
            for (id, role, health) in [
                // its checks were a manager's: as a worker it was never checked
                (former, Role::Worker, Health::Excluded(Exclusion::NotCheckedYet)),
                (manager, Role::Manager, Health::Up),
            ] {
                if let Some(view) = state.nodes.get_mut(id.index()) {
                    view.role = role;
                    view.health = health;
                }
            }
            // a manager serves whether it was drained or not
            state.drained &= !manager.bit();
            self.drained
                .store(state.drained, std::sync::atomic::Ordering::Relaxed);
            let healthy = state.healthy_workers();
            state.chooser.settle(&healthy);
            self.recheck.iter().for_each(tokio::sync::Notify::notify_one);
            self.manager_metrics.changes.increment(1);
        }
        if before.manager == decision.manager {
            return;
        }
        let node = state.nodes.get(state.manager.index());
        let node = node.map_or("", |view| &*view.node.name);
        match decision.manager {
            Ok(_) => info!(node, "there is a manager"),
            Err(Unmanaged::NotCheckedYet) => {}
            Err(reason) => {
                let primaries: Vec<&str> = (0u8..)
                    .map(NodeId)
                    .zip(&state.nodes)
                    .filter(|(id, _)| decision.primaries & id.bit() != 0)
                    .map(|(_, view)| &*view.node.name)
                    .collect();
                warn!(
                    last = node,
                    reason = reason.as_str(),
                    primaries = primaries.join(","),
                    "there is no manager: nothing is written"
                );
            }
        }
        self.manager_metrics.show(decision.manager);
        self.managed.send_replace(Managed::since_now(decision.manager));
    }
}

impl State {
    fn seen(&self) -> Vec<Seen<'_>> {
        let nodes = self.nodes.iter().zip(&self.observed);
        nodes
            .map(|(view, observed)| Seen {
                address: &view.node.address,
                observed,
            })
            .collect()
    }

    fn role(&self, id: NodeId) -> Role {
        self.nodes.get(id.index()).map_or(Role::Worker, |view| view.role)
    }

    /// What the question who the manager is means for a node that would otherwise serve.
    pub(super) fn exclusion_by_topology(&self, id: NodeId) -> Option<Exclusion> {
        let reason = self.decision.manager.err()?;
        let is_up = self.nodes.get(id.index())?.health.is_up();
        let is_primary = self.decision.primaries & id.bit() != 0;
        match reason {
            Unmanaged::TwoWritable => is_primary.then_some(Exclusion::TwoWritable),
            Unmanaged::NotConfirmed => is_primary.then_some(Exclusion::NotConfirmed),
            Unmanaged::ReadOnly => (id == self.manager && is_up).then_some(Exclusion::ReadOnly),
            Unmanaged::Unreachable | Unmanaged::NotCheckedYet => None,
        }
    }
}

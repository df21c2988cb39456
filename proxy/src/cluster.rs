//! The cluster as the proxy knows it: watched in the background, read by statements.
//!
//! ```text
//!   watch (one task per node) ── health, lag, position, facts ──┐
//!                                                               ├─▶ state ──publish──▶ ClusterView
//!   latency (one task per node) ── echo and COM_PING ───────────┤   (mutex, never       (arc_swap,
//!                                                               │    held across        one load per
//!   nearest (one task) ── evaluates strategy `ping` ────────────┘    an await)           statement)
//!
//!   watch ── read_only, sources ──▶ topology: who is the manager? ── `Cluster::manager` waits for one
//!
//!   sampler (one task per node) ── where it stands in the manager's history ──▶ Positions, when a session asks
//! ```
//!
//! Each task has its own control connection, so that a node that hangs delays only what is said
//! about that node. A node has at most three of them, and for a moment a fourth (see `greeting`).

mod control;
mod greeting;
pub mod health;
mod kill_thread;
mod latency;
pub mod load;
mod manager;
pub mod node;
pub mod position;
mod replication;
pub mod topology;
pub mod view;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, watch as signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::info;

pub use health::{Exclusion, Health};
pub use kill_thread::{KillError, kill_thread};
pub use load::Loads;
pub use node::{Address, ClientTls, ClientWay, NODES_MAX, Node, NodeFacts, NodeId, NodeTls, Role, Tls};
pub use position::{Positions, Sample};
pub use topology::Unmanaged;
use topology::{Decision, Observed};
pub use view::{ClusterView, Latency, NodeView};

use crate::config;
use crate::metrics::{ManagerMetrics, NodeMetrics};
use crate::strategy::lowest_latency::Chooser;

/// How long a stop waits for control connections to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// The cluster: shared by all sessions and by the tasks that watch it.
pub struct Cluster {
    view: ArcSwap<ClusterView>,
    state: Mutex<State>,
    recheck: Vec<Notify>,
    positions: Vec<Positions>,
    loads: Loads,
    metrics: Vec<NodeMetrics>,
    /// Nodes that an operator has drained, by bit; written with the state locked.
    drained: AtomicU64,
    /// Who the manager is, for those that wait for one.
    managed: signal::Sender<manager::Managed>,
    manager_metrics: ManagerMetrics,
}

/// What the tasks know, from which views are made.
struct State {
    nodes: Vec<NodeView>,
    observed: Vec<Observed>,
    /// While there is none: the last one.
    manager: NodeId,
    decision: Decision,
    chooser: Chooser,
    /// As [`Cluster::drained`].
    drained: u64,
}

impl Cluster {
    /// A cluster of which nothing is known yet. The configuration has exactly one manager; without
    /// any, the first node stands in.
    pub fn new(nodes: &[Arc<Node>], metrics: Vec<NodeMetrics>) -> Arc<Self> {
        let manager = topology::configured_manager(nodes.iter().map(|node| &node.role));
        let unknown = Unmanaged::NotCheckedYet;
        let manager_metrics = ManagerMetrics::new(nodes);
        manager_metrics.show(Err(unknown));
        let nodes: Vec<NodeView> = nodes
            .iter()
            .map(|node| NodeView::unknown(Arc::clone(node)))
            .collect();
        Arc::new(Self {
            view: ArcSwap::from_pointee(ClusterView::new(nodes.clone(), (manager, Some(unknown)), None)),
            recheck: nodes.iter().map(|_| Notify::new()).collect(),
            positions: nodes.iter().map(|_| Positions::new()).collect(),
            loads: Loads::new(nodes.len()),
            state: Mutex::new(State {
                observed: nodes.iter().map(|_| Observed::default()).collect(),
                nodes,
                manager,
                decision: Decision {
                    manager: Err(unknown),
                    primaries: 0,
                },
                chooser: Chooser::default(),
                drained: 0,
            }),
            metrics,
            drained: AtomicU64::new(0),
            managed: signal::Sender::new(manager::Managed::since_now(Err(unknown))),
            manager_metrics,
        })
    }

    /// This moment's picture: one atomic load, no lock, no allocation.
    #[inline]
    pub fn view(&self) -> Guard<Arc<ClusterView>> {
        self.view.load()
    }

    /// What the nodes do for our sessions now.
    #[inline]
    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// What is known of a node's position; none for an id of another cluster.
    #[inline]
    pub fn positions(&self, id: NodeId) -> Option<&Positions> {
        self.positions.get(id.index())
    }

    /// Whether sessions are to leave this node.
    #[inline]
    pub fn is_drained(&self, id: NodeId) -> bool {
        self.drained.load(Ordering::Relaxed) & id.bit() != 0
    }

    /// Takes a worker out of service, or puts it back. It is watched all the while. False for the manager, which is the
    /// only one of its kind, and for an id of another cluster.
    pub fn set_drained(&self, id: NodeId, drained: bool) -> bool {
        let mut state = self.state();
        let Some(view) = state.nodes.get(id.index()) else {
            return false;
        };
        if view.role == Role::Manager {
            return false;
        }
        let returns = !drained && state.drained & id.bit() != 0 && view.health.is_up();
        if drained {
            state.drained |= id.bit();
        } else {
            state.drained &= !id.bit();
        }
        if returns {
            self.loads.returned(id);
        }
        if let Some(metrics) = self.metrics.get(id.index()) {
            metrics.drained(drained);
        }
        self.drained.store(state.drained, Ordering::Relaxed);
        let healthy = state.healthy_workers();
        state.chooser.settle(&healthy);
        if drained {
            // the nearest may have been this one
            state.chooser.evaluate(&healthy);
        }
        self.publish(&state);
        true
    }

    /// Why clients cannot be served, if they cannot: the manager must answer and its greeting be known.
    pub fn not_ready_because(&self) -> Option<&'static str> {
        let view = self.view();
        match view.node(view.manager()) {
            None => Some("there is no manager"),
            Some(manager) => match manager.health {
                Health::Excluded(exclusion) => Some(exclusion.as_str()),
                Health::Up if manager.facts.is_none() => Some("the manager's greeting is not known yet"),
                Health::Up => view.no_manager().map(Unmanaged::as_str),
            },
        }
    }

    /// A session has lost a connection to a node or could not open one: check it now. What is already
    /// left out is not checked more often for it.
    pub fn suspect(&self, id: NodeId) {
        self.loads.failed(id);
        let is_up = self.view().node(id).is_some_and(|node| node.health.is_up());
        if let (true, Some(recheck)) = (is_up, self.recheck.get(id.index())) {
            recheck.notify_one();
        }
    }

    /// Starts to watch every node, on the runtime that this is called on.
    pub fn start(self: &Arc<Self>, monitor: &config::Monitor) -> Watchers {
        let (stop, stopped) = signal::channel(false);
        let mut tasks = JoinSet::new();
        let nodes: Vec<(NodeId, Arc<Node>)> = self
            .view()
            .nodes()
            .map(|(id, view)| (id, Arc::clone(&view.node)))
            .collect();
        for (id, node) in nodes {
            let watch = watch::Watch::new(Arc::clone(self), id, Arc::clone(&node), monitor);
            tasks.spawn(watch.run(stopped.clone()));
            let sampler = position::Sampler::new(Arc::clone(self), id, Arc::clone(&node), monitor);
            tasks.spawn(sampler.run(stopped.clone()));
            let latency = latency::Latencies::new(Arc::clone(self), id, node, monitor);
            tasks.spawn(latency.run(stopped.clone()));
        }
        tasks.spawn(evaluate_nearest(
            Arc::clone(self),
            monitor.latency.interval,
            stopped,
        ));
        Watchers { stop, tasks }
    }

    /// Changes what is known of one node and publishes the new picture.
    fn update(&self, id: NodeId, change: impl FnOnce(&mut NodeView)) {
        let mut state = self.state();
        let Some(node) = state.nodes.get_mut(id.index()) else {
            return;
        };
        let was = node.health;
        change(node);
        let returns =
            node.health.is_up() && !was.is_up() && was != Health::Excluded(Exclusion::NotCheckedYet);
        if returns {
            self.loads.returned(id);
        }
        if let Some(metrics) = self.metrics.get(id.index()) {
            metrics.load(self.loads.in_flight(id), self.loads.response_time(id));
        }
        let healthy = state.healthy_workers();
        state.chooser.settle(&healthy);
        self.publish(&state);
    }

    fn evaluate_nearest(&self) {
        let mut state = self.state();
        let before = state.chooser.chosen();
        let healthy = state.healthy_workers();
        let chosen = state.chooser.evaluate(&healthy);
        if chosen != before {
            if let Some(view) = chosen.and_then(|id| state.nodes.get(id.index())) {
                info!(node = %view.node.name, latency = ?view.latency.effective(), "nearest worker is another one");
            }
            self.publish(&state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the state locked, so that pictures come out in the order of the changes.
    fn publish(&self, state: &State) {
        let mut nodes = state.nodes.clone();
        for (id, view) in (0u8..).map(NodeId).zip(&mut nodes) {
            if let Some(exclusion) = state.exclusion_by_topology(id) {
                view.health = Health::Excluded(exclusion);
            }
            if let Some(metrics) = self.metrics.get(id.index()) {
                metrics.show(view);
            }
            if state.drained & id.bit() != 0 && view.health.is_up() {
                view.health = Health::Excluded(Exclusion::Drained);
            }
        }
        let manager = (state.manager, state.decision.manager.err());
        let view = ClusterView::new(nodes, manager, state.chooser.chosen());
        self.view.store(Arc::new(view));
    }
}

impl State {
    fn healthy_workers(&self) -> Vec<(NodeId, Option<Duration>)> {
        (0u8..)
            .map(NodeId)
            .zip(&self.nodes)
            .filter(|(id, view)| {
                view.role == Role::Worker && view.health.is_up() && self.drained & id.bit() == 0
            })
            .map(|(id, view)| (id, view.latency.effective()))
            .collect()
    }
}

impl NodeView {
    fn unknown(node: Arc<Node>) -> Self {
        Self {
            role: node.role,
            node,
            health: Health::Excluded(Exclusion::NotCheckedYet),
            latency: Latency::default(),
            lag: None,
            facts: None,
        }
    }
}

/// The running tasks.
pub struct Watchers {
    stop: signal::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Watchers {
    /// Ends the tasks; their control connections log out, so that no server counts them as aborted.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // a node that hangs does not hold up the end of the process: what is left is aborted
        let _ = tokio::time::timeout(GOODBYE_MAX, all).await;
    }
}

async fn evaluate_nearest(cluster: Arc<Cluster>, interval: Duration, mut stopped: signal::Receiver<bool>) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => cluster.evaluate_nearest(),
        }
    }
}

#[cfg(test)]
mod tests;

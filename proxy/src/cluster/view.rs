//! What is known of the cluster at one moment: made in the background, only read by statements.

use std::sync::Arc;
use std::time::Duration;

use wire::Capabilities;

use super::health::Health;
use super::node::{Node, NodeFacts, NodeId, Role};
use super::topology::Unmanaged;

/// One moment of the cluster. Immutable, so a statement decides on one consistent picture.
#[derive(Debug, Clone)]
pub struct ClusterView {
    nodes: Vec<NodeView>,
    manager: NodeId,
    no_manager: Option<Unmanaged>,
    healthy_workers: Vec<NodeId>,
    nearest_worker: Option<NodeId>,
}

/// One node at that moment.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Name, address, the role that it was given.
    pub node: Arc<Node>,
    /// The role that it has now.
    pub role: Role,
    /// Whether it may serve.
    pub health: Health,
    /// How far away it is.
    pub latency: Latency,
    /// How far behind the manager it is, as it says itself: whole seconds.
    pub lag: Option<Duration>,
    /// What its greeting said.
    pub facts: Option<Arc<NodeFacts>>,
}

/// How far away a node is, each part the smallest of the last few samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Round trip to the host: ICMP echo, or the time of a TCP connect.
    pub echo: Option<Duration>,
    /// Round trip of COM_PING to the server itself.
    pub ping: Option<Duration>,
}

impl Latency {
    /// The worse of the two. An echo cannot see a slow way to one port (several nodes on one host, a
    /// relay or tunnel in between), and COM_PING is the one that a statement pays.
    pub fn effective(self) -> Option<Duration> {
        self.echo.max(self.ping)
    }
}

impl ClusterView {
    /// A picture of these nodes, in the order of their ids; exactly one of them is the manager, or was the last one.
    pub fn new(
        nodes: Vec<NodeView>,
        (manager, no_manager): (NodeId, Option<Unmanaged>),
        nearest_worker: Option<NodeId>,
    ) -> Self {
        let healthy_workers = ids(&nodes)
            .filter(|(id, view)| *id != manager && view.health.is_up())
            .map(|(id, _)| id)
            .collect();
        Self {
            nodes,
            manager,
            no_manager,
            healthy_workers,
            nearest_worker,
        }
    }

    /// The manager; while there is none, the last one.
    #[inline]
    pub fn manager(&self) -> NodeId {
        self.manager
    }

    /// Why there is no manager now; none when there is one.
    #[inline]
    pub fn no_manager(&self) -> Option<Unmanaged> {
        self.no_manager
    }

    /// Whether the node is the manager now, and may be written to.
    #[inline]
    pub fn is_manager(&self, id: NodeId) -> bool {
        id == self.manager && self.no_manager.is_none()
    }

    /// Workers that may serve.
    #[inline]
    pub fn healthy_workers(&self) -> &[NodeId] {
        &self.healthy_workers
    }

    /// The healthy worker that strategy `ping` has chosen.
    #[inline]
    pub fn nearest_worker(&self) -> Option<NodeId> {
        self.nearest_worker
    }

    /// A node by its id; none for an id of another cluster.
    #[inline]
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.nodes.get(id.index())
    }

    /// A worker's share of the reads, beside those of the others.
    #[inline]
    pub fn weight(&self, id: NodeId) -> u32 {
        self.node(id).map_or(1, |view| view.node.weight)
    }

    /// All nodes in the order of the configuration.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeView)> {
        ids(&self.nodes)
    }

    /// A node's role; an id of another cluster counts as a worker, which may not be written to.
    #[inline]
    pub fn role(&self, id: NodeId) -> Role {
        if id == self.manager {
            Role::Manager
        } else {
            Role::Worker
        }
    }

    /// What the gatekeeper shows its clients before they log in: the manager's own greeting with what
    /// every reachable node can do. None until the manager has been asked.
    pub fn greeting_facts(&self) -> Option<NodeFacts> {
        let mut facts = NodeFacts::clone(self.node(self.manager)?.facts.as_ref()?);
        facts.capabilities = self
            .nodes
            .iter()
            .filter_map(|view| view.facts.as_ref())
            .fold(facts.capabilities, |common, node| {
                Capabilities(common.0 & node.capabilities.0)
            });
        Some(facts)
    }

    /// Whether a session that negotiated `capabilities` can be served by a node. A node whose greeting
    /// is not known can not.
    #[inline]
    pub fn can_serve(&self, id: NodeId, capabilities: Capabilities) -> bool {
        self.node(id)
            .and_then(|view| view.facts.as_ref())
            .is_some_and(|facts| facts.capabilities.has(capabilities))
    }
}

fn ids(nodes: &[NodeView]) -> impl Iterator<Item = (NodeId, &NodeView)> {
    (0u8..).map(NodeId).zip(nodes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cluster::health::Exclusion;
    use crate::cluster::node::{Address, NodeCompression, Tls};

    /// A cluster from words: `manager`, `worker1`, `worker2 down`, `worker3 lagging`, `worker4 nearest`,
    /// `worker5 heavy`.
    pub(crate) fn a_view(words: &[&str]) -> ClusterView {
        let mut manager = None;
        let mut nearest = None;
        let nodes = words
            .iter()
            .zip(0u8..)
            .map(|(word, id)| {
                let (name, state) = word.split_once(' ').unwrap_or((word, ""));
                let role = if name.starts_with("manager") {
                    Role::Manager
                } else {
                    Role::Worker
                };
                if role == Role::Manager {
                    manager = Some(NodeId(id));
                }
                if state == "nearest" {
                    nearest = Some(NodeId(id));
                }
                let health = match state {
                    "" | "nearest" | "old" | "heavy" => Health::Up,
                    "down" => Health::Excluded(Exclusion::Unreachable),
                    "lagging" => Health::Excluded(Exclusion::Lagging),
                    other => panic!("no such state: {other}"),
                };
                let capabilities = if state == "old" {
                    Capabilities::NONE
                } else {
                    Capabilities(u64::MAX)
                };
                NodeView {
                    role,
                    node: Arc::new(Node {
                        name: name.into(),
                        role,
                        address: Address::Tcp {
                            host: "127.0.0.1".to_owned(),
                            port: 3306 + u16::from(id),
                        },
                        tls: Tls::default(),
                        compression: NodeCompression::Off,
                        weight: if state == "heavy" { 3 } else { 1 },
                    }),
                    health,
                    latency: Latency::default(),
                    lag: None,
                    facts: Some(Arc::new(NodeFacts {
                        version: format!("10.11.{id}-MariaDB").into_bytes(),
                        capabilities,
                        collation: 45,
                        auth_plugin: b"mysql_native_password".to_vec(),
                    })),
                }
            })
            .collect();
        let manager = manager.expect("a cluster has a manager");
        ClusterView::new(nodes, (manager, None), nearest)
    }

    #[test]
    fn only_workers_that_are_up_are_healthy_workers() {
        let view = a_view(&["worker1", "manager", "worker2 down", "worker3", "worker4 lagging"]);
        assert_eq!(view.manager(), NodeId(1));
        assert_eq!(view.healthy_workers(), [NodeId(0), NodeId(3)]);
        assert_eq!(view.role(NodeId(1)), Role::Manager);
        assert_eq!(view.role(NodeId(3)), Role::Worker);
    }

    #[test]
    fn the_greeting_is_the_managers_with_what_all_nodes_can_do() {
        let view = a_view(&["manager", "worker1", "worker2 old"]);
        let facts = view.greeting_facts().unwrap();
        assert_eq!(facts.version, b"10.11.0-MariaDB");
        assert_eq!(facts.capabilities, Capabilities::NONE);
        assert!(view.can_serve(NodeId(1), Capabilities::DEPRECATE_EOF));
        assert!(!view.can_serve(NodeId(2), Capabilities::DEPRECATE_EOF));
        assert!(!view.can_serve(NodeId(9), Capabilities::NONE));
    }

    #[test]
    fn the_effective_latency_is_the_worse_of_the_two() {
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(
            Latency {
                echo: ms(1),
                ping: ms(20)
            }
            .effective(),
            ms(20)
        );
        assert_eq!(
            Latency {
                echo: ms(30),
                ping: ms(20)
            }
            .effective(),
            ms(30)
        );
        assert_eq!(
            Latency {
                echo: None,
                ping: ms(20)
            }
            .effective(),
            ms(20)
        );
        assert_eq!(Latency::default().effective(), None);
    }
}

//! Which node is the manager: decided from what the nodes themselves say, with a reason. Pure.
//!
//! ```text
//!   read_only, server id, sources ─▶ who looks like a primary?
//!     nobody            ─▶ no manager: unreachable, or read-only
//!     the manager       ─▶ the manager
//!     another one       ─▶ the manager from now on, if the topology confirms it
//!     two               ─▶ no manager: neither is written to
//! ```
//!
//! A node *looks like a primary* when it can be written to and has no source, or only such as were stopped. The manager, configured or promoted, is
//! believed more: it may have a source, as in a pair whose nodes follow each other, as long as that is no primary; and where
//! the monitor's account may not ask it, its role is what it was.
//!
//! A promoted node is *confirmed* when all other nodes that replicate do so from it, by way of each other or directly, and
//! there is one of them; or when it is alone, and has been seen as a replica of this cluster before: an empty server that
//! nobody has set up yet is not the manager of anything.
//!
//! Sources are matched with nodes by who they are (`server_uuid`, else `server_id`), and by host and port where that is
//! not known: a node may be behind a relay, or have another name here than there.

use super::node::{Address, NodeId, Role};
use super::replication::{Identity, Observation, Source, SourceName};

/// Why nothing can be written to any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmanaged {
    /// Not every node has been checked yet.
    NotCheckedYet,
    /// The manager does not answer, and no other node looks like a primary.
    Unreachable,
    /// The manager is read-only, and no other node looks like a primary.
    ReadOnly,
    /// Two nodes, or more, look like a primary.
    TwoWritable,
    /// Another node looks like a primary, and the topology does not confirm it.
    NotConfirmed,
}

impl Unmanaged {
    /// Every reason there is.
    pub const ALL: [Unmanaged; 5] = [
        Unmanaged::NotCheckedYet,
        Unmanaged::Unreachable,
        Unmanaged::ReadOnly,
        Unmanaged::TwoWritable,
        Unmanaged::NotConfirmed,
    ];

    /// The name in logs, metric labels and tests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unmanaged::NotCheckedYet => "not-checked-yet",
            Unmanaged::Unreachable => "unreachable",
            Unmanaged::ReadOnly => "read-only",
            Unmanaged::TwoWritable => "two-writable",
            Unmanaged::NotConfirmed => "not-confirmed",
        }
    }

    /// What a client reads.
    pub const fn for_client(self) -> &'static str {
        match self {
            Unmanaged::NotCheckedYet => "the nodes have not been checked yet",
            Unmanaged::Unreachable => "it cannot be reached",
            Unmanaged::ReadOnly => "it is read-only",
            Unmanaged::TwoWritable => "two nodes can be written to, so neither is",
            Unmanaged::NotConfirmed => "a node can be written to, but the others do not follow it",
        }
    }
}

/// How much is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Knowledge {
    /// It was not checked yet.
    #[default]
    NotCheckedYet,
    /// It does not answer.
    Unreachable,
    /// It answers, but not what it was asked: the monitor's account is not let in, or all connections are taken.
    Unasked,
    /// It has answered.
    Answered,
}

/// What the checks have found out about one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    pub(super) knowledge: Knowledge,
    /// The last answer, however old.
    pub(super) last: Option<Observation>,
    /// It has been seen with another node of the cluster as its source.
    pub(super) has_followed: bool,
}

/// One node, as the decision sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) address: &'a Address,
    pub(super) observed: &'a Observed,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) manager: Result<NodeId, Unmanaged>,
    /// Nodes that look like a primary, by bit.
    pub(super) primaries: u64,
}

impl Seen<'_> {
    /// The last answer, if it is today's.
    fn answer(&self) -> Option<&Observation> {
        let is_answer = self.observed.knowledge == Knowledge::Answered;
        self.observed.last.as_ref().filter(|_| is_answer)
    }

    /// Who it is, as far as it has ever said.
    fn identity(&self) -> Option<&Identity> {
        self.observed.last.as_ref().map(|last| &last.identity)
    }
}

/// Decides. `manager` is the one so far: the configured one at first.
pub(super) fn decide(nodes: &[Seen<'_>], manager: NodeId) -> Decision {
    let primaries: Vec<NodeId> = ids(nodes)
        .filter(|(id, node)| {
            if *id == manager {
                manager_looks_like_a_primary(nodes, node)
            } else {
                looks_like_a_primary(node)
            }
        })
        .map(|(id, _)| id)
        .collect();
    let of_manager = nodes.get(manager.index());
    let decided = match *primaries {
        _ if nodes
            .iter()
            .any(|node| node.observed.knowledge == Knowledge::NotCheckedYet) =>
        {
            Err(Unmanaged::NotCheckedYet)
        }
        [] if of_manager.is_some_and(|node| node.answer().is_some()) => Err(Unmanaged::ReadOnly),
        [] => Err(Unmanaged::Unreachable),
        [one] if one == manager || is_confirmed(nodes, one) => Ok(one),
        [_] => Err(Unmanaged::NotConfirmed),
        _ => Err(Unmanaged::TwoWritable),
    };
    Decision {
        manager: decided,
        primaries: primaries.iter().fold(0, |bits, id| bits | id.bit()),
    }
}

/// The node that this one replicates from, of those that are configured.
pub(super) fn source_of(nodes: &[Seen<'_>], source: &SourceName) -> Option<NodeId> {
    let Identity { server_id, uuid } = &source.identity;
    let by_uuid = uuid.as_ref().and_then(|uuid| {
        only(nodes, |node| {
            node.identity().is_some_and(|of| of.uuid.as_ref() == Some(uuid))
        })
    });
    let by_id = || {
        let is_it = |of: &Identity| of.server_id == *server_id && (uuid.is_none() || of.uuid.is_none());
        only(nodes, |node| {
            *server_id != 0 && node.identity().is_some_and(is_it)
        })
    };
    let by_address = || {
        let is_unknown = *server_id == 0 && uuid.is_none();
        only(nodes, |node| {
            (is_unknown || node.identity().is_none())
                && matches!(node.address, Address::Tcp { host, port }
                    if host.eq_ignore_ascii_case(&source.host) && *port == source.port)
        })
    };
    by_uuid.or_else(by_id).or_else(by_address)
}

/// Anything but the manager.
fn looks_like_a_primary(node: &Seen<'_>) -> bool {
    let follows_nobody = |sources: &Vec<Source>| sources.iter().all(|source| source.is_stopped);
    node.answer()
        .is_some_and(|says| !says.read_only && says.sources.as_ref().is_some_and(follows_nobody))
}

fn manager_looks_like_a_primary(nodes: &[Seen<'_>], node: &Seen<'_>) -> bool {
    match (node.observed.knowledge, node.answer()) {
        (Knowledge::Unasked, _) => true,
        (_, Some(says)) if !says.read_only => {
            let follows_a_primary = says.sources.iter().flatten().any(|source| {
                source_of(nodes, &source.of)
                    .and_then(|id| nodes.get(id.index()))
                    .is_some_and(looks_like_a_primary)
            });
            !follows_a_primary
        }
        _ => false,
    }
}

/// Whether the other nodes agree that this one is the primary.
fn is_confirmed(nodes: &[Seen<'_>], primary: NodeId) -> bool {
    let mut followers = 0;
    for (_, node) in ids(nodes).filter(|(id, _)| *id != primary) {
        let Some(sources) = node.answer().and_then(|says| says.sources.as_ref()) else {
            continue;
        };
        let mut sources = sources.iter().filter(|source| !source.is_stopped).peekable();
        if sources.peek().is_none() {
            continue;
        }
        let mut follows = false;
        for source in sources {
            match source_of(nodes, &source.of) {
                Some(id) if leads_to(nodes, id, primary) => follows = true,
                // one from elsewhere says nothing of this cluster
                None => {}
                Some(_) => return false,
            }
        }
        if !follows {
            return false;
        }
        followers += 1;
    }
    let has_followed = nodes
        .get(primary.index())
        .is_some_and(|node| node.observed.has_followed);
    followers > 0 || has_followed
}

/// Whether what a node replicates comes from the primary, step by step.
fn leads_to(nodes: &[Seen<'_>], mut node: NodeId, primary: NodeId) -> bool {
    for _ in 0..nodes.len() {
        if node == primary {
            return true;
        }
        let Some([source]) = nodes
            .get(node.index())
            .and_then(Seen::answer)
            .and_then(|says| says.sources.as_deref())
        else {
            return false;
        };
        match source_of(nodes, &source.of) {
            Some(next) => node = next,
            None => return false,
        }
    }
    false
}

fn ids<'n, 'a>(nodes: &'n [Seen<'a>]) -> impl Iterator<Item = (NodeId, &'n Seen<'a>)> {
    (0u8..).map(NodeId).zip(nodes)
}

/// The one that it holds for; none where it holds for several.
fn only(nodes: &[Seen<'_>], holds: impl Fn(&Seen<'_>) -> bool) -> Option<NodeId> {
    let mut found = ids(nodes).filter(|(_, node)| holds(node)).map(|(id, _)| id);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// What a node of this configured role is called while nothing else is known.
pub(super) fn configured_manager<'a>(roles: impl Iterator<Item = &'a Role>) -> NodeId {
    (0u8..)
        .map(NodeId)
        .zip(roles)
        .find(|(_, role)| **role == Role::Manager)
        .map_or(NodeId(0), |(id, _)| id)
}

#[cfg(test)]
mod tests;

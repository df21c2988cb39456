//! Server connections that sessions share.
//!
//! ```text
//!            ┌───────────── rest: its session waits for its client ──────────────┐
//!            ▼                                                                   │
//!   resting (key, whose, since) ──take──▶ its own session, at once       in use ─┘
//!            │                        └─▶ another of the same key, once it has rested a while or the node has many
//!            └──evicted──▶ closed, where a session that it does not suit must have the place
//! ```
//!
//! A session that comes back finds its own connection as it left it, as long as nobody else needed one. What a
//! connection must have in common with a session is its key (`pool::key`); what may be brought up to date is the session's
//! business. Each node has a number of places; a session that finds none waits, bounded.
//!
//! One lock per node is taken for a moment when a connection rests and when it is taken, and by nothing that waits.

mod key;
mod place;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

pub(crate) use self::key::Key;
pub(crate) use self::place::Place;
use self::place::Places;
use crate::cluster::NodeId;

/// Bounds of sharing. The raw field of the same name says why each exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections of sessions to one worker, resting ones included.
    pub connections_max: usize,
    /// From so many connections on, a resting one is taken over at once.
    pub shared_above: usize,
    /// With fewer, only one that has rested for so long, of a client with the same attributes.
    pub rest_min: Duration,
    /// Longest time that a session waits for a place.
    pub wait_max: Duration,
    /// A connection that rests for longer is closed.
    pub idle_max: Duration,
    /// An older one is closed when it rests.
    pub age_max: Duration,
}

/// A session, as the pool knows it: the connections that it left are as it left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Owner(u64);

/// All nodes' connections that rest now.
pub(crate) struct Pool<C> {
    nodes: Box<[NodePool<C>]>,
    limits: PoolLimits,
    owners: AtomicU64,
}

/// One node's.
struct NodePool<C> {
    /// The longest rested first.
    resting: Mutex<VecDeque<Resting<C>>>,
    places: Arc<Places>,
}

/// A connection that nobody uses.
struct Resting<C> {
    connection: C,
    key: Arc<Key>,
    owner: Owner,
    since: Instant,
    /// The thread whose runtime drives it.
    home: ThreadId,
}

/// What people may know of a node's connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    /// Connections that nobody uses, by account.
    pub(crate) resting: BTreeMap<String, u64>,
    /// Sessions that wait for a place.
    pub(crate) waiting: u64,
}

/// How a session comes to a connection.
pub(crate) enum Admitted<C> {
    /// By opening one here.
    Open(Place),
    /// One has come free, which another session will find gone.
    Taken(C),
}

/// Who asks for a connection.
pub(crate) struct Seeker<'a, C> {
    /// What it must have.
    pub(crate) key: &'a Arc<Key>,
    /// Whether a connection that another session left can be brought up to date.
    pub(crate) suits: &'a (dyn Fn(&C) -> bool + Sync),
    /// Whether it is one that the session could have opened itself: others are taken over only when there are many.
    pub(crate) prefers: &'a (dyn Fn(&C) -> bool + Sync),
}

impl<C> Pool<C> {
    /// Of nodes to which there is no connection yet.
    pub(crate) fn new(nodes: usize, limits: PoolLimits) -> Self {
        let node = || NodePool {
            resting: Mutex::default(),
            places: Arc::default(),
        };
        Self {
            nodes: std::iter::repeat_with(node).take(nodes).collect(),
            limits,
            owners: AtomicU64::new(0),
        }
    }

    /// A new session, or one that has begun anew.
    pub(crate) fn owner(&self) -> Owner {
        Owner(self.owners.fetch_add(1, Ordering::Relaxed))
    }

    /// The session's own connection, as it left it.
    pub(crate) fn take_own(&self, node: NodeId, owner: Owner) -> Option<C> {
        let mut resting = lock(&self.nodes.get(node.index())?.resting);
        // the last that came to rest is the likeliest
        let at = resting.iter().rposition(|rests| rests.owner == owner)?;
        resting.remove(at).map(|rests| rests.connection)
    }

    /// One that another session has left, when it has rested for long or there are many.
    pub(crate) fn take_over(&self, node: NodeId, seeker: &Seeker<'_, C>) -> Option<C> {
        let pool = self.nodes.get(node.index())?;
        let many = pool.places.taken() >= self.limits.shared_above;
        let rested_by = Instant::now().checked_sub(self.limits.rest_min).filter(|_| !many);
        Self::suitable(&mut lock(&pool.resting), seeker, rested_by)
    }

    /// One that suits, of the seeker's own thread if there is one. `rested_by`: none for any.
    fn suitable(
        resting: &mut VecDeque<Resting<C>>,
        seeker: &Seeker<'_, C>,
        rested_by: Option<Instant>,
    ) -> Option<C> {
        let suits = |rests: &Resting<C>| {
            rested_by.is_none_or(|by| rests.since <= by && (seeker.prefers)(&rests.connection))
                && rests.key == *seeker.key
                && (seeker.suits)(&rests.connection)
        };
        let here = thread::current().id();
        let at = resting
            .iter()
            .position(|rests| rests.home == here && suits(rests))
            .or_else(|| resting.iter().position(suits))?;
        resting.remove(at).map(|rests| rests.connection)
    }

    /// A place for one more connection; another's connection once there is no more room; none when neither came in time.
    pub(crate) async fn admit(&self, node: NodeId, seeker: &Seeker<'_, C>) -> Option<Admitted<C>> {
        let pool = self.nodes.get(node.index())?;
        let wait = async {
            loop {
                let freed = pool.places.freed();
                if let Some(place) = pool.places.take(self.limits.connections_max) {
                    return Admitted::Open(place);
                }
                let evicted = {
                    let mut resting = lock(&pool.resting);
                    if let Some(taken) = Self::suitable(&mut resting, seeker, None) {
                        return Admitted::Taken(taken);
                    }
                    resting.pop_front()
                };
                // outside of the lock: its end is the end of a connection
                if evicted.is_none() {
                    freed.await;
                }
            }
        };
        tokio::time::timeout(self.limits.wait_max, wait).await.ok()
    }

    /// A connection that its session does not need now. `opened`: when it was made.
    pub(crate) fn rest(&self, node: NodeId, key: &Arc<Key>, owner: Owner, opened: Instant, connection: C) {
        let Some(pool) = self.nodes.get(node.index()) else {
            return;
        };
        let now = Instant::now();
        if now.saturating_duration_since(opened) >= self.limits.age_max {
            return;
        }
        lock(&pool.resting).push_back(Resting {
            connection,
            key: Arc::clone(key),
            owner,
            since: now,
            home: thread::current().id(),
        });
        pool.places.came_free();
    }

    /// Closes what has rested for too long.
    pub(crate) fn reap(&self, now: Instant) {
        for pool in &self.nodes {
            let mut old = Vec::new();
            {
                let mut resting = lock(&pool.resting);
                while let Some(first) = resting.front()
                    && now.saturating_duration_since(first.since) >= self.limits.idle_max
                {
                    old.extend(resting.pop_front());
                }
            }
            drop(old);
        }
    }

    /// Closes what rests on a node that is to be left.
    pub(crate) fn empty(&self, node: NodeId) {
        if let Some(pool) = self.nodes.get(node.index()) {
            let resting = std::mem::take(&mut *lock(&pool.resting));
            drop(resting); // outside of the lock
        }
    }

    /// Connections to one worker at most.
    pub(crate) fn connections_max(&self) -> usize {
        self.limits.connections_max
    }

    /// What people may know of a node's connections.
    pub(crate) fn shown(&self, node: NodeId) -> Shown {
        let Some(pool) = self.nodes.get(node.index()) else {
            return Shown::default();
        };
        let mut resting = BTreeMap::new();
        for rests in &*lock(&pool.resting) {
            *resting.entry(rests.key.account.clone()).or_default() += 1;
        }
        Shown {
            resting,
            waiting: pool.places.waiting() as u64,
        }
    }

    /// How many connections to a node rest.
    pub(crate) fn resting(&self, node: NodeId) -> usize {
        self.nodes
            .get(node.index())
            .map_or(0, |pool| lock(&pool.resting).len())
    }
}

impl<C> std::fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A list is whole at every moment: a lock of a thread that panicked is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The sessions that live now, by the numbers that clients know them by: for KILL and for the admin console.
//!
//! ```text
//! the greeting's number ─┐
//!                        ├─▶ Listed { account, threads by node, what is read from a worker }
//! the manager's number ──┘
//! ```
//!
//! A client knows the number of its greeting; statements such as `SELECT CONNECTION_ID()` answer with the manager's.
//! Both name the same session for as long as it lives. The lock is taken when a session begins or ends, when a
//! connection to a node opens or closes, by a KILL and by the console; no other statement touches it.

mod activity;
mod ending;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use peer::proof::HopConnection;

pub use self::activity::{Activity, Doing, Holds};
pub use self::ending::Ending;
use crate::accounts::Account;
use crate::cluster::NodeId;

/// A server's number of one of its connections. Servers count up; it is not given anew while it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(pub u32);

/// All sessions.
#[derive(Debug, Default)]
pub struct SessionRegistry {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the greeting's number. More than one where two gatekeepers were given the same range.
    by_id: HashMap<u32, Vec<Arc<Listed>>, RandomState>,
    by_thread: HashMap<(NodeId, ThreadId), Arc<Listed>, RandomState>,
}

/// Whose session it is, as the gatekeeper told it.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The gatekeeper's user.
    pub user: Box<str>,
    /// The client's address.
    pub address: Box<str>,
}

/// One session, as others see it.
#[derive(Debug)]
pub struct Listed {
    connection: Option<HopConnection>,
    account: Arc<Account>,
    client: Client,
    activity: Activity,
    ending: Ending,
    /// The session is gone; a connection of its may rest.
    ended: AtomicBool,
    /// The session's connections to nodes, the manager's first.
    threads: Mutex<Vec<(NodeId, ThreadId)>>,
    /// Which read runs on a worker at this moment; see [`Reading`].
    reading: AtomicU64,
    /// The read that a KILL QUERY was meant for.
    stopped: AtomicU64,
    /// A KILL CONNECTION is on its way, or has come.
    killed: AtomicBool,
}

/// A read on a worker: its number in the session, so that a KILL QUERY that comes late stops no other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading(u64);

impl Reading {
    const NODE_BITS: u32 = 16;
    const NODE_MASK: u64 = (1 << Self::NODE_BITS) - 1;

    /// Where it runs.
    pub fn is_on(self, node: NodeId) -> bool {
        self.0 & Self::NODE_MASK == node_mark(node)
    }
}

/// Zero means no node.
fn node_mark(node: NodeId) -> u64 {
    (node.index() as u64 + 1) & Reading::NODE_MASK
}

impl Listed {
    /// A read on a worker begins; the session itself calls this, and nobody else.
    pub fn begin_reading(&self, node: NodeId) -> Reading {
        let before = self.reading.load(Ordering::Relaxed);
        if before & Reading::NODE_MASK == node_mark(node) {
            return Reading(before); // prepared there a moment ago
        }
        let number = (before >> Reading::NODE_BITS).wrapping_add(1);
        let reading = number << Reading::NODE_BITS | node_mark(node);
        self.reading.store(reading, Ordering::Release);
        Reading(reading)
    }

    /// The session reads from no worker any more.
    pub fn end_reading(&self) {
        let reading = self.reading.load(Ordering::Relaxed);
        self.reading
            .store(reading & !Reading::NODE_MASK, Ordering::Release);
    }

    /// What the session reads from a worker at this moment.
    pub fn reading(&self) -> Option<Reading> {
        let reading = self.reading.load(Ordering::Acquire);
        (reading & Reading::NODE_MASK != 0).then_some(Reading(reading))
    }

    /// The session shall not run this read again, nor at all if it has not begun.
    pub fn stop(&self, reading: Reading) {
        self.stopped.store(reading.0, Ordering::Release);
    }

    /// Whether a KILL QUERY was meant for this read.
    pub fn is_stopped(&self, reading: Reading) -> bool {
        self.stopped.load(Ordering::Acquire) == reading.0
    }

    /// Says that the session ends because it was killed; taken back when the server refuses to.
    pub fn set_killed(&self, killed: bool) {
        self.killed.store(killed, Ordering::Release);
    }

    /// Whether somebody kills the session.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// The session's connection to that node.
    pub fn thread_on(&self, node: NodeId) -> Option<ThreadId> {
        let threads = lock(&self.threads);
        threads.iter().find(|(on, _)| *on == node).map(|(_, id)| *id)
    }

    /// The nodes that the session is connected to.
    pub fn nodes(&self) -> Vec<NodeId> {
        lock(&self.threads).iter().map(|(node, _)| *node).collect()
    }

    /// Its connections, and the nodes' numbers of them.
    pub fn threads(&self) -> Vec<(NodeId, ThreadId)> {
        lock(&self.threads).clone()
    }

    /// The account that the session has on the nodes.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The number of the greeting, and which gatekeeper gave it; none where that did not tell.
    pub fn connection(&self) -> Option<HopConnection> {
        self.connection
    }

    /// Whose session it is.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it shall end.
    #[inline]
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// What it does now.
    #[inline]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// A session's place in the registry, from its login to its end.
#[derive(Debug)]
pub struct Registered {
    registry: Arc<SessionRegistry>,
    listed: Arc<Listed>,
}

/// A connection to a node in the registry, for as long as it is open.
#[derive(Debug)]
pub struct RegisteredThread {
    registry: Arc<SessionRegistry>,
    listed: Arc<Listed>,
    node: NodeId,
    thread: ThreadId,
}

impl SessionRegistry {
    /// A session begins. Of two with the same number from the same gatekeeper the later one has it:
    /// COM_CHANGE_USER opens a new one before the old one has ended.
    pub fn register(
        self: &Arc<Self>,
        connection: Option<HopConnection>,
        account: Arc<Account>,
        client: Client,
    ) -> Registered {
        let listed = Arc::new(Listed {
            connection,
            account,
            client,
            activity: Activity::new(),
            ending: Ending::default(),
            ended: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
            reading: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            killed: AtomicBool::new(false),
        });
        if let Some(connection) = connection {
            let mut known = lock(&self.known);
            let same = known.by_id.entry(connection.id).or_default();
            same.retain(|other| other.connection != Some(connection));
            same.push(Arc::clone(&listed));
        }
        Registered {
            registry: Arc::clone(self),
            listed,
        }
    }

    /// All of them at this moment, but those of a gatekeeper that does not tell their numbers while they hold no
    /// connection.
    pub fn all(&self) -> Vec<Arc<Listed>> {
        let known = lock(&self.known);
        let mut seen = std::collections::HashSet::new();
        let listed = known.by_id.values().flatten().chain(known.by_thread.values());
        listed
            // a connection that rests may outlive its session
            .filter(|listed| !listed.ended.load(Ordering::Acquire) && seen.insert(Arc::as_ptr(listed)))
            .cloned()
            .collect()
    }

    /// All connections to nodes at this moment, those that rest included, each with the session that used it last.
    pub fn connections(&self) -> Vec<(NodeId, Arc<Listed>)> {
        let known = lock(&self.known);
        let connections = known.by_thread.iter();
        connections
            .map(|((node, _), listed)| (*node, Arc::clone(listed)))
            .collect()
    }

    /// The session that a client on `asker`'s gatekeeper means by a number: the greeting's or, on the manager that
    /// would be asked, the server's. None when no session or more than one could be meant.
    pub fn find(&self, number: u64, asker: &Listed, manager: NodeId) -> Option<Arc<Listed>> {
        let number = u32::try_from(number).ok()?;
        let known = lock(&self.known);
        if let Some(same) = known.by_id.get(&number) {
            let gatekeeper = |listed: &Listed| listed.connection.map(|connection| connection.gatekeeper);
            let own = same.iter().find(|listed| gatekeeper(listed) == gatekeeper(asker));
            return match (own, same.as_slice()) {
                (Some(own), _) => Some(Arc::clone(own)),
                (None, [only]) => Some(Arc::clone(only)),
                (None, _) => None,
            };
        }
        known.by_thread.get(&(manager, ThreadId(number))).cloned()
    }
}

impl Registered {
    /// What others see of the session.
    pub fn listed(&self) -> &Arc<Listed> {
        &self.listed
    }

    /// A connection to a node was opened.
    pub fn opened(&self, node: NodeId, thread: ThreadId) -> RegisteredThread {
        lock(&self.listed.threads).push((node, thread));
        let mut known = lock(&self.registry.known);
        // a number that a server gives again is no longer that of the session that had it
        known.by_thread.insert((node, thread), Arc::clone(&self.listed));
        RegisteredThread {
            registry: Arc::clone(&self.registry),
            listed: Arc::clone(&self.listed),
            node,
            thread,
        }
    }
}

impl std::ops::Deref for Registered {
    type Target = Listed;

    fn deref(&self) -> &Listed {
        &self.listed
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.listed.ended.store(true, Ordering::Release);
        let Some(connection) = self.listed.connection else {
            return;
        };
        let mut known = lock(&self.registry.known);
        if let Entry::Occupied(mut same) = known.by_id.entry(connection.id) {
            same.get_mut().retain(|other| !Arc::ptr_eq(other, &self.listed));
            if same.get().is_empty() {
                same.remove();
            }
        }
    }
}

impl Drop for RegisteredThread {
    fn drop(&mut self) {
        let this = (self.node, self.thread);
        lock(&self.listed.threads).retain(|thread| *thread != this);
        let mut known = lock(&self.registry.known);
        if let Entry::Occupied(holder) = known.by_thread.entry(this)
            && Arc::ptr_eq(holder.get(), &self.listed)
        {
            holder.remove();
        }
    }
}

/// Nothing in here can be left half done: a lock of a thread that panicked is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

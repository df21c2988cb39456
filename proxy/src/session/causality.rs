//! What a session has seen, so that it never reads anything older. Pure.
//!
//! Known exactly is the *token*: a position that holds everything the session has seen. Behind it may stand one answer
//! of which the position is not known yet: a node gave it, and what it showed is within the answer to any question
//! that the manager is asked later ([`crate::cluster::position`]). That is asked for only when the session is to read
//! on another node.
//!
//! ```text
//!   read on worker1 ─▶ seen: worker1, question 7 ──(next read is worker1's too)──▶ nothing to do
//!                                                └─(worker2's)─▶ the manager's answer 8 or later becomes the token
//!   write, GTID in its OK ─▶ token               worker2 covers the token? its last sample says so, or it waits
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use statement::{Effect, Facts};

use crate::cluster::{NODES_MAX, NodeId};
use crate::position::Position;

/// A session that reads in a tight loop changes its worker at most this often: each change costs a question to the
/// manager, while to stay costs nothing.
const SWITCH_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// How long a worker that was waited for in vain is not waited for again, unless it says that it has caught up: the
/// wait has cost its connection and a read's patience.
const BEHIND_FOR: Duration = Duration::from_secs(1);

/// Nodes are bits of a word here.
const _: () = assert!(NODES_MAX <= u64::BITS as usize);

/// What a session has seen.
#[derive(Debug, Default)]
pub(super) struct Causality {
    /// Holds everything but what is seen.
    token: Option<Arc<Position>>,
    /// [`Seen`], in fewer bytes: every session has one.
    seen_node: Option<NodeId>,
    seen_mark: u64,
    /// Nodes that are known to cover the token.
    covering: u64,
    /// Of sessions that change their node.
    changes: Option<Box<Changes>>,
    /// The reply that is coming in has told its position.
    told: bool,
}

/// What is remembered of changes of the node: not a part of every session.
#[derive(Debug, Default)]
struct Changes {
    /// Nodes that did not get there while a read waited: for a while they are asked, not waited for.
    behind: u64,
    /// Since when the last of them is among them.
    behind_since: Option<Instant>,
    last: Option<Instant>,
}

impl Changes {
    fn is_behind(&self, node: NodeId, now: Instant) -> bool {
        let is_recent = |since: Instant| now.saturating_duration_since(since) < BEHIND_FOR;
        self.behind & node.bit() != 0 && self.behind_since.is_some_and(is_recent)
    }
}

/// An answer of which the position is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whose.
    pub(super) node: NodeId,
    /// The manager's answer to any question after this one holds it.
    pub(super) mark: u64,
}

/// Whether a worker may be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It covers all that the session has seen.
    Covers,
    /// It may, when waited for.
    Unknown,
    /// It was waited for in vain.
    Behind,
}

impl Causality {
    /// A session that begins has seen what its client knows from elsewhere: all that was acknowledged before.
    pub(super) fn begun(manager: NodeId, mark: u64) -> Self {
        let mut begun = Self::default();
        begun.answered(manager, mark);
        begun
    }

    /// What is not within the token yet.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen_node.map(|node| Seen {
            node,
            mark: self.seen_mark,
        })
    }

    /// A node has answered.
    pub(super) fn answered(&mut self, node: NodeId, mark: u64) {
        self.seen_node = Some(node);
        self.seen_mark = mark;
    }

    /// The manager's reply tells where its transaction stands: MariaDB's `last_gtid`.
    pub(super) fn committed(&mut self, gtid: &[u8], is_mariadb: bool) {
        let gtid = std::str::from_utf8(gtid).ok();
        let Some(position) = gtid.and_then(|text| Position::parse(text, is_mariadb).ok()) else {
            return;
        };
        if position.is_start() {
            return; // `last_gtid` is empty until the session's first transaction
        }
        self.told = true;
        self.join(&Arc::new(position));
    }

    /// A reply of the manager begins: what it has told before was another's.
    pub(super) fn begins(&mut self) {
        self.told = false;
    }

    /// The manager's reply to a statement has ended. `in_transaction`: one was open when it began, which it may have
    /// committed. `one_order`: a transaction of the manager's history says that all before it are there too.
    pub(super) fn manager_answered(
        &mut self,
        facts: Option<&Facts>,
        (manager, mark): (NodeId, u64),
        in_transaction: bool,
        one_order: bool,
    ) {
        let Some(facts) = facts else {
            return; // a command that is no statement
        };
        if std::mem::take(&mut self.told) && one_order && is_one_transaction(facts) {
            self.seen_node = None;
        } else if in_transaction || shows_or_commits(facts) {
            self.answered(manager, mark);
        }
    }

    /// The manager has answered a later question: its position holds what was seen.
    pub(super) fn resolve(&mut self, position: &Arc<Position>, now: Instant) {
        self.seen_node = None;
        self.changes.get_or_insert_default().last = Some(now);
        self.join(position);
    }

    /// The session must see this too.
    pub(super) fn join(&mut self, position: &Arc<Position>) {
        match &mut self.token {
            Some(token) if token.covers(position) => return,
            Some(token) if !position.covers(token) => {
                let token = Arc::make_mut(token);
                token.merge(position);
                token.bound();
            }
            token => *token = Some(Arc::clone(position)),
        }
        self.covering = 0;
    }

    /// Whether it is worth a question to change the node.
    pub(super) fn may_switch(&self, now: Instant) -> bool {
        self.changes
            .as_ref()
            .and_then(|changes| changes.last)
            .is_none_or(|last| now.saturating_duration_since(last) >= SWITCH_INTERVAL_MIN)
    }

    /// Whether a worker has what the session has seen, as far as is known.
    pub(super) fn standing(
        &mut self,
        node: NodeId,
        position: Option<&Arc<Position>>,
        now: Instant,
    ) -> Standing {
        let Some(token) = &self.token else {
            return Standing::Covers;
        };
        if self.covering & node.bit() != 0 {
            return Standing::Covers;
        }
        if position.is_some_and(|position| position.covers(token)) {
            self.caught_up(node);
            return Standing::Covers;
        }
        if self
            .changes
            .as_ref()
            .is_some_and(|changes| changes.is_behind(node, now))
        {
            Standing::Behind
        } else {
            Standing::Unknown
        }
    }

    /// What a worker must wait for in front of a read; none when it need not.
    pub(super) fn awaited(&self, node: NodeId) -> Option<&Position> {
        let covers = self.covering & node.bit() != 0;
        self.token.as_deref().filter(|_| !covers)
    }

    /// The worker covers the token.
    pub(super) fn caught_up(&mut self, node: NodeId) {
        self.covering |= node.bit();
        if let Some(changes) = &mut self.changes {
            changes.behind &= !node.bit();
        }
    }

    /// The worker did not get there in time.
    pub(super) fn left_behind(&mut self, node: NodeId, now: Instant) {
        let changes = self.changes.get_or_insert_default();
        changes.behind |= node.bit();
        changes.behind_since = Some(now);
    }

    /// All that is known exactly.
    pub(super) fn token(&self) -> Option<&Arc<Position>> {
        self.token.as_ref()
    }
}

/// Whether all that a text does stands at the place that its last transaction has.
fn is_one_transaction(facts: &Facts) -> bool {
    facts.single().is_some_and(|statement| {
        matches!(
            statement.effect,
            Effect::Write | Effect::Definition | Effect::Transaction(_)
        )
    })
}

/// Whether a statement's reply can tell anything of what is in the database, or the statement can commit.
fn shows_or_commits(facts: &Facts) -> bool {
    facts
        .statements()
        .iter()
        .any(|statement| match &statement.effect {
            Effect::Session(_) | Effect::Proxy(_) | Effect::Empty => {
                let tables = &statement.tables;
                statement.needs.unknown_function || !tables.names().is_empty() || !tables.complete()
            }
            Effect::Read
            | Effect::Write
            | Effect::Definition
            | Effect::Transaction(_)
            | Effect::Administration(_)
            | Effect::Call
            | Effect::Unknown(_) => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: NodeId = NodeId(0);
    const W1: NodeId = NodeId(1);
    const W2: NodeId = NodeId(2);

    fn position(text: &str) -> Arc<Position> {
        Arc::new(Position::parse(text, true).unwrap())
    }

    fn facts(text: &str) -> Facts {
        statement::facts(text.as_bytes(), statement::LexMode::default())
    }

    #[test]
    fn a_write_is_waited_for_until_a_worker_has_it() {
        let mut session = Causality::default();
        let now = Instant::now();
        let standing = |session: &mut Causality, text: &str| session.standing(W1, Some(&position(text)), now);
        assert_eq!(standing(&mut session, ""), Standing::Covers, "nothing was seen");
        session.committed(b"0-1-7", true);
        session.manager_answered(
            Some(&facts("INSERT INTO t VALUES (1)")),
            (MANAGER, 3),
            false,
            true,
        );
        assert_eq!(session.seen(), None, "its place is known");
        assert_eq!(standing(&mut session, "0-1-6"), Standing::Unknown);
        assert!(session.awaited(W1).is_some());
        session.left_behind(W1, now);
        assert_eq!(standing(&mut session, "0-1-6"), Standing::Behind);
        let later = session.standing(W1, None, now + BEHIND_FOR);
        assert_eq!(later, Standing::Unknown, "it gets another chance");
        assert_eq!(standing(&mut session, "0-1-7"), Standing::Covers);
        assert_eq!(session.awaited(W1), None);
        assert!(session.awaited(W2).is_some());
        session.committed(b"0-1-8", true);
        assert_eq!(
            standing(&mut session, "0-1-7"),
            Standing::Unknown,
            "it was in time last time"
        );
    }

    #[test]
    fn what_a_worker_has_shown_is_resolved_by_the_manager() {
        let mut session = Causality::default();
        session.answered(W1, 5);
        assert_eq!(session.seen(), Some(Seen { node: W1, mark: 5 }));
        session.resolve(&position("0-1-9"), Instant::now());
        assert_eq!(session.seen(), None);
        let now = Instant::now();
        assert_eq!(
            session.standing(W2, Some(&position("0-1-8")), now),
            Standing::Unknown
        );
        assert_eq!(
            session.standing(W2, Some(&position("0-1-9")), now),
            Standing::Covers
        );
    }

    #[test]
    fn a_token_never_goes_back() {
        let mut session = Causality::default();
        session.join(&position("0-1-9"));
        session.caught_up(W1);
        session.join(&position("0-1-4"));
        let now = Instant::now();
        assert_eq!(session.standing(W1, None, now), Standing::Covers);
        session.join(&position("1-1-1"));
        assert_eq!(
            session.token().map(ToString::to_string),
            Some("0-1-9,1-1-1".to_owned())
        );
        assert_eq!(session.standing(W1, None, now), Standing::Unknown);
    }

    #[test]
    fn a_reply_without_a_place_leaves_it_open() {
        let mut session = Causality::default();
        session.manager_answered(Some(&facts("SELECT a FROM t")), (MANAGER, 2), false, true);
        assert_eq!(
            session.seen(),
            Some(Seen {
                node: MANAGER,
                mark: 2
            })
        );
        for nothing in ["SET @a = 1", "USE s", ""] {
            session.manager_answered(Some(&facts(nothing)), (MANAGER, 9), false, true);
            assert_eq!(session.seen().map(|seen| seen.mark), Some(2), "{nothing}");
        }
        session.manager_answered(None, (MANAGER, 9), true, true);
        assert_eq!(session.seen().map(|seen| seen.mark), Some(2), "a command");
        for data in [
            "SET @a = (SELECT MAX(a) FROM t)",
            "SET @a = f()",
            "UPDATE t SET a = 1",
            "CALL p()",
            "COMMIT",
        ] {
            let mut session = Causality::default();
            session.manager_answered(Some(&facts(data)), (MANAGER, 9), false, true);
            assert!(session.seen().is_some(), "{data}");
        }
    }

    #[test]
    fn a_place_is_enough_only_for_one_transaction_of_one_order() {
        let after = |text: &str, in_transaction: bool, one_order: bool| {
            let mut session = Causality::default();
            session.answered(W1, 1);
            session.begins();
            session.committed(b"", true);
            session.committed(b"0-1-1", true);
            session.manager_answered(Some(&facts(text)), (MANAGER, 4), in_transaction, one_order);
            session.seen().map(|seen| seen.mark)
        };
        let write = "INSERT INTO t VALUES (1)";
        assert_eq!(after(write, false, true), None);
        assert_eq!(after("COMMIT", true, true), None);
        assert_eq!(
            after(write, false, false),
            Some(4),
            "no order between two domains"
        );
        assert_eq!(
            after("CALL p()", false, true),
            Some(4),
            "it may have read behind its write"
        );
        assert_eq!(after("DO 1; SELECT a FROM t", false, true), Some(4));
        let mut session = Causality::default();
        session.committed(b"0-1-1", true);
        session.begins();
        session.manager_answered(Some(&facts("SELECT a FROM t")), (MANAGER, 4), false, true);
        assert!(session.seen().is_some(), "what was told was another's");
        let mut session = Causality::default();
        session.manager_answered(Some(&facts("SET autocommit = 1")), (MANAGER, 4), true, true);
        assert!(session.seen().is_some(), "it commits");
    }
}

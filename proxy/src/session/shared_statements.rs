//! The statements that are prepared on a connection for whoever uses it: found by what they are, not by who prepared
//! them. Pure.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::pool::Owner;

/// Most statements that stay prepared on one connection. Servers bound those of all connections together
/// (`max_prepared_stmt_count`, 16,382 by default).
pub(super) const STATEMENTS_MAX: usize = 128;

/// What must be the same for a statement to be the same on a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatementKey {
    pub(super) text: Box<[u8]>,
    /// The schema of its names.
    pub(super) schema: Box<[u8]>,
    /// How it is read: the values of [`super::meaning::MEANING`], none for those that the session has not changed.
    pub(super) meaning: Vec<Option<Box<[u8]>>>,
    /// The types of its parameters: a server describes a parameter in a result by the types that it was told before.
    pub(super) types: Option<Box<[u8]>>,
    /// Of one session alone, once its executions have brought different types: its owner, and its number there.
    pub(super) private: Option<(Owner, u32)>,
}

impl Hash for StatementKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // the rest seldom differs where these are the same
        self.text.hash(state);
        self.schema.hash(state);
        self.private.hash(state);
    }
}

/// The statements of one connection.
#[derive(Debug, Default)]
pub(super) struct SharedStatements {
    by_key: HashMap<Arc<StatementKey>, Known, RandomState>,
    uses: u64,
}

#[derive(Debug)]
struct Known {
    id: u32,
    last_use: u64,
}

impl SharedStatements {
    /// The connection's number of a statement.
    pub(super) fn find(&mut self, key: &StatementKey) -> Option<u32> {
        let known = self.by_key.get_mut(key)?;
        self.uses += 1;
        known.last_use = self.uses;
        Some(known.id)
    }

    /// The number that must be closed to make room for one more: the one that was not used for longest.
    pub(super) fn make_room(&mut self) -> Option<u32> {
        if self.by_key.len() < STATEMENTS_MAX {
            return None;
        }
        let oldest = self.by_key.iter().min_by_key(|(_, known)| known.last_use);
        let key = Arc::clone(oldest?.0);
        self.by_key.remove(&key).map(|known| known.id)
    }

    /// One has been prepared.
    pub(super) fn insert(&mut self, key: Arc<StatementKey>, id: u32) {
        self.uses += 1;
        let last_use = self.uses;
        self.by_key.insert(key, Known { id, last_use });
    }

    /// One becomes another: what the server knows of it goes with it.
    pub(super) fn rename(&mut self, from: &StatementKey, to: &Arc<StatementKey>) {
        if let Some(known) = self.by_key.remove(from) {
            self.by_key.insert(Arc::clone(to), known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, types: Option<&[u8]>) -> Arc<StatementKey> {
        Arc::new(StatementKey {
            text: text.as_bytes().into(),
            schema: b"s"[..].into(),
            meaning: vec![None],
            types: types.map(Into::into),
            private: None,
        })
    }

    #[test]
    fn a_statement_is_known_by_what_it_is() {
        let mut statements = SharedStatements::default();
        statements.insert(key("SELECT ?", Some(&[3, 0])), 7);
        assert_eq!(statements.find(&key("SELECT ?", Some(&[3, 0]))), Some(7));
        assert_eq!(statements.find(&key("SELECT ?", Some(&[8, 0]))), None);
        assert_eq!(statements.find(&key("SELECT ?", None)), None);
        statements.rename(&key("SELECT ?", Some(&[3, 0])), &key("SELECT ?", Some(&[8, 0])));
        assert_eq!(statements.find(&key("SELECT ?", Some(&[8, 0]))), Some(7));
        assert_eq!(statements.find(&key("SELECT ?", Some(&[3, 0]))), None);
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_makes_room() {
        let mut statements = SharedStatements::default();
        for id in 0..u32::try_from(STATEMENTS_MAX).unwrap() {
            assert_eq!(statements.make_room(), None);
            statements.insert(key(&id.to_string(), None), id);
        }
        statements.find(&key("0", None));
        assert_eq!(statements.make_room(), Some(1));
        assert_eq!(statements.make_room(), None);
    }
}

//! The prepared statements of a session.
//!
//! A statement is prepared on the manager, whose number is the client's. A worker prepares it when the
//! first execution goes there; each connection has its own number for it.

use std::collections::HashMap;
use std::sync::Arc;

use statement::Facts;

use crate::route::RouteHint;

/// One prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) facts: Arc<Facts>,
    /// The text, when a worker may have to prepare it too.
    pub(super) text: Option<Box<[u8]>>,
    /// What the text's own hint asks for.
    pub(super) hint: Option<RouteHint>,
    pub(super) parameters: u16,
    /// Types of the parameters as the client sent them last.
    pub(super) types: Option<Box<[u8]>>,
    /// Parts of parameters wait on the manager's connection.
    pub(super) long_data: bool,
}

/// All of a session, by the client's number.
#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: HashMap<u32, Prepared, foldhash::fast::RandomState>,
    last: Option<u32>,
}

/// MariaDB: the statement that was prepared last.
const LAST_PREPARED: u32 = u32::MAX;

impl PreparedStatements {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, id: u32, prepared: Prepared) {
        self.last = Some(id);
        self.by_id.insert(id, prepared);
    }

    /// The statement that a command speaks of, with its own number.
    pub(super) fn find(&mut self, id: u32) -> Option<(u32, &mut Prepared)> {
        let id = if id == LAST_PREPARED { self.last? } else { id };
        self.by_id.get_mut(&id).map(|prepared| (id, prepared))
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Prepared> {
        self.by_id.remove(&id)
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.last = None;
    }
}

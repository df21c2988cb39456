//! The prepared statements of a session.
//!
//! A statement is prepared on the manager, whose number is the client's. A worker prepares it when the
//! first execution goes there; each connection has its own number for it.

use std::collections::HashMap;
use std::sync::Arc;

use statement::Facts;
use wire::command::{Execute, LAST_PREPARED};

use crate::route::RouteHint;

/// The flag of COM_STMT_EXECUTE that opens a cursor (READ_ONLY). Both servers pass over the two other kinds.
const OPENS_CURSOR: u8 = 0x01;

/// One prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) facts: Arc<Facts>,
    /// The text, when a worker may have to prepare it too.
    pub(super) text: Option<Box<[u8]>>,
    /// What the text's own hint asks for.
    pub(super) hint: Option<RouteHint>,
    pub(super) parameters: u16,
    /// Types of the parameters as the client sent them last; only of statements that a worker may execute.
    pub(super) types: Option<Box<[u8]>>,
    /// Parts of parameters wait on the manager's connection.
    pub(super) long_data: bool,
    /// The manager may have an open cursor for it, which the next execution closes.
    pub(super) cursor: bool,
    /// Whether the manager's first execution of it opened a cursor; none before that.
    ///
    /// MySQL (9.7) then answers later executions without a cursor wrongly: metadata and a bare OK. On one server the
    /// first execution may have been one without, which here a worker had.
    pub(super) began_with_cursor: Option<bool>,
}

/// What an execution asks of its statement, besides its values.
pub(super) struct Execution {
    /// It opens a cursor, or closes the one that is open: both are the manager's.
    pub(super) cursor: bool,
    /// It has no cursor, and needs another statement for that on a manager of MySQL.
    pub(super) copy: bool,
    /// The types that were remembered, when the execution brings others.
    pub(super) types_before: Option<Option<Box<[u8]>>>,
}

impl Prepared {
    /// An execution begins.
    pub(super) fn execution(&mut self, execute: &Execute<'_>) -> Execution {
        let opens = execute.flags & OPENS_CURSOR != 0;
        let closes = std::mem::replace(&mut self.cursor, opens) && !opens;
        let others = execute
            .own_types
            .filter(|types| self.types.as_deref() != Some(*types));
        Execution {
            cursor: opens || closes,
            copy: self.began_with_cursor == Some(true) && !opens && !self.long_data,
            types_before: others.map(|types| self.types.replace(types.into())),
        }
    }

    /// One of which only the manager knows the text.
    pub(super) fn on_manager_alone(facts: Arc<Facts>) -> Self {
        Self {
            facts,
            text: None,
            hint: None,
            parameters: 0,
            types: None,
            long_data: false,
            cursor: false,
            began_with_cursor: None,
        }
    }
}

/// All of a session, by the client's number.
#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: HashMap<u32, Prepared, foldhash::fast::RandomState>,
    last: Option<u32>,
}

impl PreparedStatements {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, id: u32, prepared: Prepared) {
        self.by_id.insert(id, prepared);
    }

    /// The statement that MariaDB takes for the last one from now on; MySQL knows no such thing.
    pub(super) fn set_last(&mut self, id: Option<u32>) {
        self.last = id;
    }

    /// The statement that a command speaks of, with its own number.
    pub(super) fn find(&mut self, id: u32) -> Option<(u32, &mut Prepared)> {
        let id = if id == LAST_PREPARED { self.last? } else { id };
        self.by_id.get_mut(&id).map(|prepared| (id, prepared))
    }

    pub(super) fn remove(&mut self, id: u32) {
        if self.last == Some(id) {
            self.last = None;
        }
        self.by_id.remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.last = None;
    }
}

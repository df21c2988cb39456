//! The prepared statements of a session.
//!
//! A statement is prepared on the manager, whose number is the client's. A worker prepares it when the
//! first execution goes there; each connection has its own number for it.

use std::collections::HashMap;
use std::sync::Arc;

use statement::{Facts, StatementFacts};
use wire::ServerError;
use wire::command::{CommandCode, Execute, LAST_PREPARED};

use super::meaning::Meaning;
use super::shared_statements::{STATEMENTS_MAX, StatementKey};
use crate::cluster::NodeId;
use crate::route::RouteHint;

/// The flag of COM_STMT_EXECUTE that opens a cursor (READ_ONLY). Both servers pass over the two other kinds.
const OPENS_CURSOR: u8 = 0x01;

/// Of COM_STMT_EXECUTE, before the bits of the NULLs: command, statement number, flags, iteration count.
const EXECUTE_HEAD_BYTES: usize = 10;

/// Where the flags of COM_STMT_BULK_EXECUTE begin, and the one that says that types are in the packet.
const BULK_FLAGS_OFFSET: usize = 5;
const BULK_TYPES: u8 = 0x80;

/// What MariaDB says to a bulk execution of a statement that has none (`ER_UNSUPPORTED_PS`): it has read no types.
const NO_BULK_OF_THIS: u16 = 1295;

/// One prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) facts: Arc<Facts>,
    /// The text, when a worker may have to prepare it too.
    pub(super) text: Option<Box<[u8]>>,
    /// What the text meant when the manager prepared it: a worker that prepares it when it means something else would
    /// read other tables, or other literals.
    pub(super) meaning: Meaning,
    /// What the text's own hint asks for.
    pub(super) hint: Option<RouteHint>,
    pub(super) parameters: u16,
    /// Columns of its result as the client knows them: of its preparation, or of an execution that has said otherwise.
    pub(super) columns: u16,
    /// The worker that executed it last. From the first execution with other types on, it stays there: a server describes
    /// a parameter in a result by the types that it was told before.
    pub(super) worker: Option<NodeId>,
    /// Executions have brought different types.
    pub(super) types_vary: bool,
    /// Types of the parameters as the client sent them last; only of statements that a worker may execute.
    pub(super) types: Option<Box<[u8]>>,
    /// Parts of parameters wait on the manager's connection.
    pub(super) long_data: bool,
    /// What it is on workers, once one was asked to prepare it.
    pub(super) key: Option<Arc<StatementKey>>,
    /// The manager may have an open cursor for it, which the next execution closes.
    pub(super) cursor: bool,
    /// Whether the manager's first execution of it opened a cursor; none before that.
    ///
    /// MySQL (9.7) then answers later executions without a cursor wrongly: metadata and a bare OK. On one server the
    /// first execution may have been one without, which here a worker had.
    pub(super) began_with_cursor: Option<bool>,
    /// The manager has been told the types of its parameters.
    pub(super) bound: bool,
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
        self.types_vary |= others.is_some() && self.types.is_some();
        Execution {
            cursor: opens || closes,
            copy: self.began_with_cursor == Some(true) && !opens && !self.long_data,
            types_before: others.map(|types| self.types.replace(types.into())),
        }
    }

    /// Whether its result is described by types that the connection alone was told of, which executed it last.
    fn is_described_there(&self) -> bool {
        let shows = |statement: &StatementFacts| statement.needs.shows_parameters;
        self.types_vary && self.facts.statements().iter().any(shows)
    }

    /// One of which only the manager knows the text.
    pub(super) fn on_manager_alone(facts: Arc<Facts>) -> Self {
        Self {
            facts,
            text: None,
            meaning: Meaning::default(),
            hint: None,
            parameters: 0,
            columns: 0,
            worker: None,
            types_vary: false,
            types: None,
            long_data: false,
            key: None,
            cursor: false,
            began_with_cursor: None,
            bound: false,
        }
    }

    /// Whether an execution, of which this is at least the first part, has values of which no server was ever told the
    /// types. MariaDB (10.11) does not survive it.
    pub(super) fn lacks_types(&self, payload: &[u8]) -> bool {
        let are_put_in = self.text.is_some() && self.types.is_some();
        !are_put_in && self.lacks_types_as_it_is(payload)
    }

    /// The same of an execution that is passed on without types of ours.
    pub(super) fn lacks_types_as_it_is(&self, payload: &[u8]) -> bool {
        let needs_none = self.bound || self.parameters == 0;
        // one that is cut before the flag is the server's to refuse: it comes to no value
        !needs_none
            && types_flag(payload, self.parameters) == Some(false)
            && !are_all_null(payload, self.parameters)
    }

    /// An execution has ended on the manager: it may know the types now.
    pub(super) fn bind(&mut self, brought_types: bool, error: Option<u16>) {
        self.bound |=
            brought_types && error.is_none_or(|code| !is_about_parameters(code) && code != NO_BULK_OF_THIS);
    }
}

/// The server could not read the parameters (1210, 1835), so it has not taken their types either.
pub(super) fn is_about_parameters(code: u16) -> bool {
    matches!(code, 1210 | 1835)
}

/// What servers say of other executions that lack something.
pub(super) fn lack_of_types() -> ServerError {
    ServerError::new(1210, b"HY000", "Incorrect arguments to mysqld_stmt_execute")
}

/// Whether types are in the packet of an execution, single or in bulk.
pub(super) fn brings_types(payload: &[u8], parameters: u16) -> bool {
    types_flag(payload, parameters) == Some(true)
}

/// None when the packet ends before it says so. The flag is within the first part of every command ([`Begun`]).
///
/// [`Begun`]: peer::rest::Begun
fn types_flag(payload: &[u8], parameters: u16) -> Option<bool> {
    if is_bulk(payload) {
        return payload
            .get(BULK_FLAGS_OFFSET)
            .map(|flags| flags & BULK_TYPES != 0);
    }
    let nulls = usize::from(parameters).div_ceil(8);
    payload.get(EXECUTE_HEAD_BYTES + nulls).map(|flag| *flag != 0)
}

/// Whether a single execution has NULLs only, which have no type.
fn are_all_null(payload: &[u8], parameters: u16) -> bool {
    let nulls = payload.get(EXECUTE_HEAD_BYTES..).unwrap_or_default();
    let is_null = |index: usize| {
        nulls
            .get(index / 8)
            .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    };
    !is_bulk(payload) && (0..usize::from(parameters)).all(is_null)
}

fn is_bulk(payload: &[u8]) -> bool {
    payload.first() == Some(&CommandCode::STMT_BULK_EXECUTE.0)
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

    /// Whether one of them needs what this worker's connection was told.
    pub(super) fn are_bound_to(&self, worker: NodeId) -> bool {
        let mut all = self.by_id.values();
        // they are looked at whenever the session rests
        self.by_id.len() > STATEMENTS_MAX
            || all.any(|prepared| prepared.worker == Some(worker) && prepared.is_described_there())
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

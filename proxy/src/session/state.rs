//! What is known of a session: learned from what the manager reports, and where it reports nothing, from
//! the statement that ran.

use statement::{Cause, Effect, Facts, LexMode, SessionChange, VariableScope};
use wire::reply::{self, SessionChanges};
use wire::{Capabilities, StatusFlags};

use super::causality::Causality;
use super::executing::Executing;
use super::leavings::Leavings;
use super::meaning::{MEANING, Meaning};
use super::trackers::Trackers;
use crate::cluster::NodeId;
use crate::route::{Pin, SessionView};
use crate::session_variables::SessionVariables;
use crate::transaction::Transaction;

/// Most text statements of which is known what they meant; of more, an EXECUTE is taken for one of the current schema.
const TEXT_STATEMENTS_MAX: usize = 64;

/// One session's state.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    /// How the server reads the session's texts.
    pub(super) mode: LexMode,
    /// The current schema; empty when there is none.
    pub(super) schema: Vec<u8>,
    pub(super) variables: SessionVariables,
    pub(super) transaction: Transaction,
    /// Status flags of the manager's last reply.
    pub(super) status: StatusFlags,
    /// Error that ended the manager's last reply.
    pub(super) error: Option<u16>,
    /// The prepared statement that is executed now.
    pub(super) executing: Executing,
    /// Where the last statement ran.
    pub(super) previous: Option<NodeId>,
    /// What the previous statement left, and where.
    pub(super) leavings: Leavings,
    /// How often has changed what a text means: the schema of its names, how it is read, the character set and
    /// collation of its literals. A server settles that when it prepares the text.
    pub(super) meaning: Meaning,
    /// A character set changed, and with it perhaps the collation, of which servers report nothing.
    pub(super) collation_is_stale: bool,
    /// The same of the collation that results are sent in, of which there is not even a variable.
    pub(super) results_collation_is_stale: bool,
    /// What the session has seen, and where that stands in the manager's history.
    pub(super) causality: Causality,
    /// What the client wants to be told of all this.
    pub(super) trackers: Trackers,
    /// What the text statements (`PREPARE name FROM …`) meant when they were prepared, by name.
    text_statements: Vec<(Box<[u8]>, Meaning)>,
    temporary_tables: bool,
    locked_tables: bool,
    pinned: Option<Pin>,
}

impl SessionState {
    /// The flags of a reply of the manager.
    pub(super) fn status(&mut self, status: StatusFlags) {
        self.status = status.without(StatusFlags::SESSION_STATE_CHANGED | StatusFlags::MORE_RESULTS);
        self.transaction.on_status(status);
    }

    /// The state block of an OK packet of the manager.
    pub(super) fn learn(&mut self, state: &[u8]) {
        self.learn_but(state, &[]);
    }

    /// The same, but for variables that had their values while a statement ran and no longer.
    pub(super) fn learn_but(&mut self, state: &[u8], for_statement: &[&[u8]]) {
        for change in SessionChanges::new(state) {
            match change {
                Ok(reply::SessionChange::Schema(schema)) => self.uses(schema),
                Ok(reply::SessionChange::Variable { name, .. }) if for_statement.contains(&name) => {}
                Ok(reply::SessionChange::Variable { name, value }) => self.variable(name, value),
                Ok(
                    reply::SessionChange::State(_)
                    | reply::SessionChange::Gtids(_)
                    | reply::SessionChange::TransactionCharacteristics(_)
                    | reply::SessionChange::TransactionState(_)
                    | reply::SessionChange::Unshown(_)
                    | reply::SessionChange::Other { .. },
                ) => {}
                Err(_) => self.pinned = Some(Pin::UnseenState),
            }
        }
    }

    /// The current schema is this one.
    pub(super) fn uses(&mut self, schema: &[u8]) {
        if schema != self.schema {
            self.schema = schema.to_vec();
            self.texts_mean_otherwise();
        }
    }

    fn texts_mean_otherwise(&mut self) {
        self.meaning = self.meaning.next();
    }

    fn variable(&mut self, name: &[u8], value: &[u8]) {
        if MEANING.contains(&name) && self.variables.value(name) != Some(value) {
            self.texts_mean_otherwise();
        }
        match name {
            b"sql_mode" => self.reads_as(self.mode.with_sql_mode(value)),
            b"character_set_client" => self.reads_as(self.mode.with_charset(value)),
            b"character_set_connection" => self.collation_is_stale = true,
            b"collation_connection" => self.collation_is_stale = false,
            // NULL: they are sent as they are
            b"character_set_results" if value.is_empty() => self.results_collation(None),
            b"character_set_results" => self.results_collation_is_stale = true,
            // MariaDB's alone
            b"last_gtid" => self.causality.committed(value, true),
            // a routine's doing: nobody else can while ours are in place
            b"session_track_schema" | b"session_track_system_variables" => self.trackers.doubt(),
            _ => {}
        }
        self.variables.learn(name, value);
    }

    /// How the server reads texts from now on; where that cannot be followed, no text is taken for a read.
    fn reads_as(&mut self, mode: Option<LexMode>) {
        match mode {
            Some(mode) => self.mode = mode,
            None => self.pinned = Some(Pin::UnreadableTexts),
        }
    }

    /// A text was run by the manager and ended without an error.
    pub(super) fn ran(&mut self, facts: &Facts) {
        // one of them may have set for good what another has set for itself
        if facts.single().is_none() && facts.statements().iter().any(|of| !of.for_statement.is_empty()) {
            self.pin_unseen();
        }
        for statement in facts.statements() {
            self.transaction.on_success(statement);
            self.temporary_tables |= statement.creates_temporary_table;
            match &statement.effect {
                Effect::Session(change) => self.session_changed(change),
                // it may do anything that a session can be told
                Effect::Unknown(Cause::Unfinished) => self.unfinished(),
                // a routine, or a text that nobody could read, may leave a temporary table: no server reports it
                Effect::Call | Effect::Unknown(_) => self.unseen(),
                Effect::Transaction(_)
                | Effect::Read
                | Effect::Write
                | Effect::Definition
                | Effect::Administration(_)
                | Effect::Proxy(_)
                | Effect::Empty => {}
            }
        }
    }

    fn session_changed(&mut self, change: &SessionChange) {
        match change {
            SessionChange::LockTables => self.locked_tables = true,
            SessionChange::UnlockTables => self.locked_tables = false,
            // another role has other rights, and no server reports it
            SessionChange::SetRole => self.pinned = Some(Pin::ActiveRole),
            SessionChange::Handler => self.pinned = Some(Pin::OpenHandler),
            // the collation of SET NAMES … COLLATE is not reported by any server
            SessionChange::SetNames { collated: true, .. } => {
                self.collation_is_stale = true;
                self.results_collation_is_stale = true;
                self.texts_mean_otherwise();
            }
            SessionChange::SetNames { collated: false, .. } | SessionChange::SetCharacterSet(_) => {
                self.collation_is_stale = true;
                self.results_collation(None);
            }
            SessionChange::SetVariables(assignments) => {
                for assignment in assignments
                    .iter()
                    .filter(|assignment| assignment.scope == VariableScope::Session)
                {
                    self.variables.assigned(&assignment.name);
                    self.trackers.assigned(&assignment.name, &assignment.value);
                }
            }
            SessionChange::Execute { .. } | SessionChange::ExecuteImmediate => self.unseen(),
            SessionChange::Prepare { name, text } => {
                let (inner, _) = crate::facts::of(text, self.mode);
                // what its EXECUTE reports would be taken for the session's own
                if inner
                    .statements()
                    .iter()
                    .any(|inner| !inner.for_statement.is_empty())
                {
                    self.pin_unseen();
                }
                self.trackers.prepared(name, &inner);
                self.deallocated(name);
                if self.text_statements.len() < TEXT_STATEMENTS_MAX {
                    self.text_statements.push((name.as_ref().into(), self.meaning));
                }
            }
            SessionChange::Deallocate { name } => {
                self.trackers.deallocated(name);
                self.deallocated(name);
            }
            SessionChange::Use(_) => {}
        }
    }

    fn deallocated(&mut self, name: &[u8]) {
        self.text_statements
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Whether a statement makes the server change to another schema while it runs, and back.
    pub(super) fn visits_schema(&self, facts: &Facts) -> bool {
        facts.statements().iter().any(|statement| {
            statement.needs.visits_schema
                || matches!(&statement.effect, Effect::Session(SessionChange::Execute { name })
                    if self.is_of_another_time(name))
        })
    }

    /// Whether a text statement was prepared when texts meant something else.
    fn is_of_another_time(&self, name: &[u8]) -> bool {
        let mut known = self.text_statements.iter();
        known.any(|(known, meaning)| known.eq_ignore_ascii_case(name) && *meaning != self.meaning)
    }

    /// A text goes to the manager of which nobody has seen the end. It may be several statements, of which an error
    /// undoes none but the last.
    pub(super) fn unfinished(&mut self) {
        self.unseen();
        self.pin_unseen();
    }

    /// State has changed that nobody reported.
    pub(super) fn pin_unseen(&mut self) {
        self.pinned = Some(Pin::UnseenState);
    }

    fn unseen(&mut self) {
        self.collation_is_stale = true;
        self.temporary_tables = true;
    }

    /// The manager has reset the session.
    pub(super) fn reset(&mut self) {
        let schema = std::mem::take(&mut self.schema);
        let causality = std::mem::take(&mut self.causality);
        *self = Self {
            schema,
            // the client is the same
            causality,
            ..Self::default()
        };
    }

    /// The server's answer to a question for the collation.
    pub(super) fn collation(&mut self, collation: &[u8]) {
        self.variables.learn(b"collation_connection", collation);
        self.collation_is_stale = false;
    }

    /// The collation that results are sent in; none for the default one of their character set.
    pub(super) fn results_collation(&mut self, collation: Option<&[u8]>) {
        self.variables.results_in(collation);
        self.results_collation_is_stale = false;
    }

    /// What routing needs to know.
    pub(super) fn view(&self, capabilities: Capabilities) -> SessionView {
        SessionView {
            in_transaction: self.transaction.open,
            autocommit: self.transaction.autocommit,
            temporary_tables: self.temporary_tables,
            locked_tables: self.locked_tables,
            node_schema: is_node_schema(&self.schema),
            one_shot_transaction: self.transaction.one_shot,
            serializable: self.transaction.serializable,
            pinned: self
                .pinned
                .or_else(|| self.variables.pinned_by().map(|_| Pin::Variable)),
            ..SessionView::fresh(capabilities & Capabilities::ROW_FLAGS)
        }
    }
}

/// Whether a name without a schema means a table that each node keeps for itself.
fn is_node_schema(schema: &[u8]) -> bool {
    const NODE_SCHEMAS: [&[u8]; 4] = [b"information_schema", b"performance_schema", b"mysql", b"sys"];
    NODE_SCHEMAS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(schema))
}

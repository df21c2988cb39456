//! Whether a transaction is open: learned from status flags, completed by what statements say. Pure.
//!
//! The flags of the manager's replies are the truth. Two things they do not tell are kept here from the
//! statements' facts: a `SET TRANSACTION` that waits for the next transaction, and the isolation level.

use statement::{
    Effect, Isolation, SessionChange, StatementFacts, TransactionScope, TransactionStep, Value, VariableScope,
};
use wire::StatusFlags;

/// One session's transaction state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// A transaction is open.
    pub open: bool,
    /// The open transaction is read-only.
    pub read_only: bool,
    /// Autocommit is on.
    pub autocommit: bool,
    /// A `SET TRANSACTION` waits for the next transaction.
    pub one_shot: bool,
    /// The session's isolation level is SERIALIZABLE, or one that is not known.
    pub serializable: bool,
}

impl Default for Transaction {
    /// A session right after its login.
    fn default() -> Self {
        Self {
            open: false,
            read_only: false,
            autocommit: true,
            one_shot: false,
            serializable: false,
        }
    }
}

impl Transaction {
    /// Takes in the status flags of a reply of the manager. Those of a worker say nothing: there is
    /// never a transaction of the client's there.
    pub fn on_status(&mut self, status: StatusFlags) {
        let was_open = self.open;
        self.open = status.has(StatusFlags::IN_TRANS);
        self.read_only = self.open && status.has(StatusFlags::IN_TRANS_READONLY);
        let was_autocommit = std::mem::replace(&mut self.autocommit, status.has(StatusFlags::AUTOCOMMIT));
        if was_open && !self.open {
            // a transaction that `SET autocommit = 1` ends leaves what it was, read-only or of its isolation level, to the next one
            self.one_shot = !was_autocommit && self.autocommit;
        }
    }

    /// Takes in a statement that the manager has run without an error; after [`Transaction::on_status`]
    /// of its reply.
    pub fn on_success(&mut self, statement: &StatementFacts) {
        match &statement.effect {
            Effect::Transaction(TransactionStep::SetTransaction { scope, isolation, .. }) => match scope {
                TransactionScope::Next => self.one_shot = true,
                TransactionScope::Session => {
                    if let Some(isolation) = isolation {
                        self.serializable = *isolation == Isolation::Serializable;
                    }
                }
                TransactionScope::Global => {}
            },
            Effect::Session(SessionChange::SetVariables(assignments)) => {
                for assignment in assignments {
                    if assignment.scope == VariableScope::Session && is_isolation(&assignment.name) {
                        self.serializable = may_be_serializable(&assignment.value);
                    }
                }
            }
            // an autocommitted statement was the transaction that it waited for
            Effect::Read | Effect::Write | Effect::Definition | Effect::Call => {
                if !self.open && touches_tables(statement) {
                    self.one_shot = false;
                }
            }
            Effect::Transaction(_)
            | Effect::Session(_)
            | Effect::Administration(_)
            | Effect::Proxy(_)
            | Effect::Empty
            | Effect::Unknown(_) => {}
        }
    }
}

/// A read without a table opens no transaction; everything else may.
fn touches_tables(statement: &StatementFacts) -> bool {
    statement.effect != Effect::Read || !statement.tables.names().is_empty() || !statement.tables.complete()
}

fn is_isolation(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"transaction_isolation") || name.eq_ignore_ascii_case(b"tx_isolation")
}

/// Anything but one of the three other levels, written out, may be SERIALIZABLE.
fn may_be_serializable(value: &Value) -> bool {
    let others: [&[u8]; 6] = [
        b"READ-UNCOMMITTED",
        b"READ-COMMITTED",
        b"REPEATABLE-READ",
        b"0",
        b"1",
        b"2",
    ];
    !value
        .written()
        .is_some_and(|written| others.iter().any(|level| written.eq_ignore_ascii_case(level)))
}

#[cfg(test)]
mod tests;

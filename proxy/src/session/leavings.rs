//! What the previous statement left behind, and on which node. Pure.
//!
//! FOUND_ROWS(), ROW_COUNT() and the warnings are the session's, and each outlives other statements: a `SET` leaves
//! FOUND_ROWS() as it is, MariaDB keeps warnings over statements without tables, COM_PING keeps them on both. So each
//! has an owner of its own, the node where it was left last.

use statement::{Effect, Facts, FoundRows, SessionChange, StatementFacts};
use wire::command::CommandCode;

use crate::cluster::NodeId;

/// Longest command, in bytes, that is kept to be run again on the manager for what it left: most are shorter, and a
/// session at rest holds it.
pub(super) const READ_KEPT_BYTES_MAX: usize = 2048;

/// Who has what.
#[derive(Debug, Default)]
pub(super) struct Leavings {
    found_rows: Option<NodeId>,
    /// How many, where the reply told.
    found: Option<u64>,
    row_count: Option<NodeId>,
    diagnostics: Option<NodeId>,
    /// How many warnings there are.
    warnings: u16,
    /// The last read that a worker answered, as the manager would get it.
    read: Vec<u8>,
    /// The read before it that left the warnings, when the last one kept them. Seldom there.
    diagnosed: Vec<u8>,
    /// The last statement kept the warnings of the one before, and there are some.
    kept: bool,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ended {
    /// Warnings that its reply counted.
    pub(super) warnings: u16,
    /// With an error.
    pub(super) failed: bool,
    /// Rows that it sent or changed.
    pub(super) rows: u64,
}

impl Leavings {
    /// Where a statement that asks for the previous one's leavings belongs; none when they are not all on one node.
    pub(super) fn owner(&self, facts: &Facts) -> Option<NodeId> {
        let mut owners = self.owners(facts);
        let first = owners.next()?;
        owners.all(|owner| owner == first).then_some(first)
    }

    /// Whether the manager lacks something that the statement asks for.
    pub(super) fn are_missing_on(&self, manager: NodeId, facts: &Facts) -> bool {
        self.owners(facts).any(|owner| owner != manager)
    }

    fn owners(&self, facts: &Facts) -> impl Iterator<Item = NodeId> {
        let needs = |wanted: fn(&StatementFacts) -> bool| facts.statements().iter().any(wanted);
        let owners = [
            needs(|statement| statement.needs.follows_diagnostics)
                .then_some(self.diagnostics)
                .flatten(),
            needs(|statement| statement.needs.follows_found_rows)
                .then_some(self.found_rows)
                .flatten(),
            needs(|statement| statement.needs.follows_row_count)
                .then_some(self.row_count)
                .flatten(),
        ];
        owners.into_iter().flatten()
    }

    /// Whether a read needs the very connection to this worker that has what earlier reads left: it asks for that, or leaves it
    /// there for a later statement.
    pub(super) fn bind(&self, node: NodeId, facts: &Facts, is_mariadb: bool) -> bool {
        let all = |kept: fn(&StatementFacts, bool) -> bool| {
            facts
                .statements()
                .iter()
                .all(|statement| kept(statement, is_mariadb))
        };
        facts.follows_previous()
            || self.found_rows == Some(node) && all(|of, is_mariadb| !finds_rows(of, is_mariadb))
            || self.warnings > 0
                && self.diagnostics == Some(node)
                && is_mariadb
                && all(|of, _| is_without_tables(of))
    }

    /// Whether the node has anything that a later statement could ask for.
    pub(super) fn are_on(&self, node: NodeId) -> bool {
        [self.found_rows, self.row_count, self.diagnostics].contains(&Some(node))
    }

    /// Whether ROW_COUNT() is that of a later statement of this node than FOUND_ROWS() or the warnings.
    pub(super) fn counts_on(&self, node: NodeId) -> bool {
        self.row_count == Some(node)
    }

    /// The reads to run again for what they left, in this order; an empty one is none.
    pub(super) fn reads(&self) -> [&[u8]; 2] {
        [&self.diagnosed, &self.read]
    }

    /// A worker has answered this command.
    pub(super) fn keep(&mut self, facts: &Facts, payload: &[u8], manager: NodeId) {
        if facts
            .statements()
            .iter()
            .any(|statement| statement.needs.keeps_diagnostics)
        {
            return;
        }
        if !self.kept || self.diagnostics == Some(manager) {
            self.diagnosed = Vec::new();
        } else if self.diagnosed.is_empty() {
            self.diagnosed = std::mem::take(&mut self.read);
        }
        self.read.clear();
        if payload.len() <= READ_KEPT_BYTES_MAX {
            self.read.extend_from_slice(payload);
        }
    }

    /// They would find other rows now.
    fn forget_reads(&mut self) {
        self.read.clear();
        self.diagnosed.clear();
    }

    /// The node that has FOUND_ROWS(), when a statement asks for nothing else and that is not the manager.
    pub(super) fn found_rows_elsewhere(&self, manager: NodeId, facts: &Facts) -> Option<NodeId> {
        let asks_for_more = facts
            .statements()
            .iter()
            .any(|statement| statement.needs.follows_row_count || statement.needs.follows_diagnostics);
        self.found_rows
            .filter(|owner| *owner != manager && !asks_for_more)
    }

    /// How many rows were found, if that is known.
    pub(super) fn found(&self) -> Option<u64> {
        self.found
    }

    /// The manager has found as many.
    pub(super) fn found_on(&mut self, manager: NodeId) {
        self.found_rows = Some(manager);
    }

    /// A prepared statement is closed: its execution cannot be had again.
    pub(super) fn forget_execution(&mut self) {
        for read in [&mut self.read, &mut self.diagnosed] {
            if read.first() == Some(&CommandCode::STMT_EXECUTE.0) {
                read.clear();
            }
        }
    }

    /// The warnings that a reply of the manager must count, when it does not know of them.
    pub(super) fn warnings_elsewhere(&self, manager: NodeId) -> Option<u16> {
        self.diagnostics
            .is_some_and(|owner| owner != manager)
            .then_some(self.warnings)
    }

    /// A statement ended on a node.
    pub(super) fn left_by(&mut self, node: NodeId, facts: &Facts, ended: Ended, is_mariadb: bool) {
        // of a batch that failed, what ran before the failure
        let ran = !ended.failed || facts.statement_count() > 1 && ended.rows > 0;
        if ran
            && facts
                .statements()
                .iter()
                .any(|statement| finds_rows(statement, is_mariadb))
        {
            self.found_rows = Some(node);
            self.found = facts
                .single()
                .is_some_and(|statement| statement.found_rows == FoundRows::Sent)
                .then_some(ended.rows);
        }
        if !ended.failed
            && facts
                .single()
                .is_some_and(|statement| statement.needs.keeps_diagnostics)
        {
            return;
        }
        self.row_count = Some(node);
        let may_write = |of: &StatementFacts| may_write(&of.effect) && !is_without_tables(of);
        if facts.statements().iter().any(may_write) {
            self.forget_reads();
        }
        let keeps = is_mariadb
            && !ended.failed
            && ended.warnings == 0
            && facts.statements().iter().all(is_without_tables);
        self.kept = keeps && self.warnings > 0;
        if !keeps {
            self.diagnosed_on(node, ended);
        }
    }

    /// COM_STMT_PREPARE ended on the manager.
    pub(super) fn prepared(&mut self, node: NodeId, facts: &Facts, ended: Ended, is_mariadb: bool) {
        if ended.failed || !is_mariadb || !facts.statements().iter().all(is_without_tables) {
            self.diagnosed_on(node, ended);
        }
    }

    /// Another command ended on the manager.
    pub(super) fn commanded(&mut self, node: NodeId, code: CommandCode, ended: Ended) {
        if code == CommandCode::STATISTICS {
            return;
        }
        self.row_count = Some(node);
        if ended.failed {
            self.diagnosed_on(node, ended);
        } else if !keeps_leavings(code) {
            self.found_rows = Some(node);
            self.found = None;
            self.diagnosed_on(node, ended);
        }
    }

    /// All of it is on this node.
    pub(super) fn all_on(&mut self, node: NodeId) {
        self.found_rows = Some(node);
        self.found = None;
        self.row_count = Some(node);
        self.diagnostics = Some(node);
    }

    fn diagnosed_on(&mut self, node: NodeId, ended: Ended) {
        self.diagnostics = Some(node);
        self.warnings = if ended.failed { 1 } else { ended.warnings };
    }
}

/// Commands that leave warnings and FOUND_ROWS() as they are.
pub(super) fn keeps_leavings(code: CommandCode) -> bool {
    matches!(
        code,
        CommandCode::PING
            | CommandCode::INIT_DB
            | CommandCode::DEBUG
            | CommandCode::SET_OPTION
            | CommandCode::STMT_RESET
    )
}

fn finds_rows(statement: &StatementFacts, is_mariadb: bool) -> bool {
    match statement.found_rows {
        FoundRows::Set | FoundRows::Sent => true,
        FoundRows::SetOnMysql => !is_mariadb,
        FoundRows::SetOnMariadb => is_mariadb,
        FoundRows::Kept => false,
    }
}

/// Whether it may change rows that were read before.
fn may_write(effect: &Effect) -> bool {
    match effect {
        Effect::Write | Effect::Definition | Effect::Call | Effect::Unknown(_) => true,
        Effect::Session(change) => matches!(
            change,
            SessionChange::Execute { .. } | SessionChange::ExecuteImmediate
        ),
        Effect::Read
        | Effect::Transaction(_)
        | Effect::Administration(_)
        | Effect::Empty
        | Effect::Proxy(_) => false,
    }
}

/// Whether MariaDB keeps the warnings of the statement before it.
fn is_without_tables(statement: &StatementFacts) -> bool {
    let kind = match &statement.effect {
        Effect::Read | Effect::Write | Effect::Transaction(_) | Effect::Empty => true,
        Effect::Session(change) => !matches!(
            change,
            SessionChange::Execute { .. }
                | SessionChange::ExecuteImmediate
                | SessionChange::Handler
                | SessionChange::LockTables
                | SessionChange::UnlockTables
                | SessionChange::SetRole
        ),
        Effect::Definition
        | Effect::Administration(_)
        | Effect::Call
        | Effect::Proxy(_)
        | Effect::Unknown(_) => false,
    };
    kind && !statement.needs.shows
        && !statement.needs.node_state
        && !statement.needs.unknown_function
        && statement.tables.names().is_empty()
        && statement.tables.complete()
}

#[cfg(test)]
mod tests {
    use super::*;
    use statement::LexMode;

    fn facts(text: &str) -> Facts {
        statement::facts(text.as_bytes(), LexMode::default())
    }

    const MANAGER: NodeId = NodeId(0);
    const WORKER: NodeId = NodeId(1);

    fn after(steps: &[(NodeId, &str, u16)], is_mariadb: bool) -> Leavings {
        let mut leavings = Leavings::default();
        for (node, text, warnings) in steps {
            let ended = Ended {
                warnings: *warnings,
                ..Ended::default()
            };
            leavings.left_by(*node, &facts(text), ended, is_mariadb);
        }
        leavings
    }

    #[test]
    fn each_of_them_has_its_own_owner() {
        let leavings = after(
            &[(WORKER, "SELECT a FROM t", 2), (MANAGER, "SET @a = 1", 0)],
            true,
        );
        assert_eq!(leavings.owner(&facts("SELECT FOUND_ROWS()")), Some(WORKER));
        assert_eq!(leavings.owner(&facts("SELECT ROW_COUNT()")), Some(MANAGER));
        assert_eq!(leavings.owner(&facts("SELECT FOUND_ROWS(), ROW_COUNT()")), None);
        assert_eq!(leavings.owner(&facts("SHOW WARNINGS")), Some(WORKER));
        assert!(leavings.are_missing_on(MANAGER, &facts("GET DIAGNOSTICS @n = NUMBER")));
    }

    #[test]
    fn mysql_forgets_warnings_with_every_statement_and_mariadb_with_those_that_have_tables() {
        for (text, mariadb_keeps) in [
            ("SELECT 1", true),
            ("BEGIN", true),
            ("SHOW TABLES", false),
            ("SELECT a FROM t", false),
            ("EXPLAIN SELECT 1", false),
        ] {
            let steps = [(WORKER, "SELECT a FROM t", 1), (MANAGER, text, 0)];
            let owner = |is_mariadb| after(&steps, is_mariadb).owner(&facts("SHOW WARNINGS"));
            assert_eq!(owner(true) == Some(WORKER), mariadb_keeps, "{text}");
            assert_eq!(owner(false), Some(MANAGER), "{text}");
        }
    }

    #[test]
    fn a_ping_keeps_warnings_and_counts_them() {
        let mut leavings = after(&[(WORKER, "SELECT a FROM t", 3)], false);
        assert_eq!(leavings.warnings_elsewhere(MANAGER), Some(3));
        leavings.commanded(MANAGER, CommandCode::PING, Ended::default());
        assert_eq!(leavings.owner(&facts("SHOW WARNINGS")), Some(WORKER));
        leavings.commanded(MANAGER, CommandCode::FIELD_LIST, Ended::default());
        assert_eq!(leavings.warnings_elsewhere(MANAGER), None);
    }

    #[test]
    fn a_long_read_is_not_kept() {
        let mut leavings = Leavings::default();
        leavings.keep(&facts("SELECT 1"), b"x", MANAGER);
        leavings.keep(&facts("SHOW WARNINGS"), b"y", MANAGER);
        assert_eq!(leavings.reads(), [&b""[..], b"x"]);
        leavings.keep(&facts("SELECT 1"), &[b'x'; READ_KEPT_BYTES_MAX + 1], MANAGER);
        assert_eq!(leavings.reads(), [b""; 2]);
    }

    #[test]
    fn the_read_that_left_warnings_is_kept_as_long_as_they_are() {
        let mut leavings = Leavings::default();
        let mut read = |node, text: &str, warnings| {
            let ended = Ended {
                warnings,
                ..Ended::default()
            };
            leavings.left_by(node, &facts(text), ended, true);
            if node == WORKER {
                leavings.keep(&facts(text), text.as_bytes(), MANAGER);
            }
            leavings
                .reads()
                .map(|read| String::from_utf8_lossy(read).into_owned())
        };
        read(WORKER, "SELECT a FROM t", 1);
        assert_eq!(read(WORKER, "SELECT 1", 0), ["SELECT a FROM t", "SELECT 1"]);
        assert_eq!(read(WORKER, "SELECT 2", 0), ["SELECT a FROM t", "SELECT 2"]);
        assert_eq!(read(WORKER, "SELECT b FROM t", 0), ["", "SELECT b FROM t"]);
        // what the manager has need not be left there again
        read(MANAGER, "INSERT INTO t VALUES (1)", 1);
        assert_eq!(read(WORKER, "SELECT 3", 0), ["", "SELECT 3"]);
    }
}

//! What is known of a text: one [`StatementFacts`] for each statement in it.

use smallvec::SmallVec;

use crate::{
    danger::{Danger, DangerSet},
    effect::{Cause, Effect, SessionChange, TransactionStep, VariableScope},
    shape::Shape,
    tables::Tables,
};

/// Facts of everything one COM_QUERY or COM_STMT_PREPARE carries. Equal where they say the same, whatever the text.
#[derive(Clone, Debug)]
pub struct Facts {
    statements: SmallVec<[StatementFacts; 1]>,
    shape: Shape,
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.statements == other.statements
    }
}

impl Eq for Facts {}

impl Facts {
    pub(crate) fn new(statements: SmallVec<[StatementFacts; 1]>) -> Self {
        Self {
            statements,
            shape: Shape::default(),
        }
    }

    pub(crate) fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The text that they are of, as far as a [`crate::FactsCache`] has read it.
    #[inline]
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Of a text of which only the beginning has been seen: its end may be anything.
    #[must_use]
    pub fn unfinished() -> Self {
        Self::unknown(Cause::Unfinished)
    }

    pub(crate) fn unknown(cause: Cause) -> Self {
        Self::new([StatementFacts::of(Effect::Unknown(cause))].into_iter().collect())
    }

    /// The statements in their order. A text of blanks and comments has one, [`Effect::Empty`].
    #[must_use]
    pub fn statements(&self) -> &[StatementFacts] {
        &self.statements
    }

    /// The statement, when there is only one.
    #[must_use]
    pub fn single(&self) -> Option<&StatementFacts> {
        match self.statements.as_slice() {
            [statement] => Some(statement),
            _ => None,
        }
    }

    /// How many statements the text holds.
    #[must_use]
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// Where the text may run, when all it does is read.
    ///
    /// A batch is a read for any node only when each of its statements is.
    #[must_use]
    pub fn scope(&self) -> ReadScope {
        self.statements
            .iter()
            .map(StatementFacts::scope)
            .fold(ReadScope::AnyNode, ReadScope::narrower)
    }

    /// Whether every node gives the same answer and nothing is changed: the only texts a worker may see.
    #[must_use]
    pub fn is_surely_read(&self) -> bool {
        self.scope() == ReadScope::AnyNode
    }

    /// All dangers of all statements.
    #[must_use]
    pub fn dangers(&self) -> DangerSet {
        self.statements
            .iter()
            .fold(DangerSet::default(), |all, statement| all | statement.dangers)
    }

    /// Whether a statement holds a KILL of which nobody can say whom it hits.
    #[must_use]
    pub fn kills_somebody_unclear(&self) -> bool {
        self.dangers().contains(Danger::KillUnclear)
    }

    /// Whether a statement names or lists the variables that say what of the session's state is reported.
    #[must_use]
    #[inline]
    pub fn sees_trackers(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.needs.names_trackers || statement.needs.lists_variables)
    }

    /// Whether a statement asks for what the one before the text left.
    #[must_use]
    #[inline]
    pub fn follows_previous(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.needs.follows_previous())
    }

    /// Estimated memory behind this value, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let tables = self
            .statements
            .iter()
            .map(|statement| statement.tables.heap_bytes())
            .sum::<usize>();
        self.statements.len().saturating_sub(1) * size_of::<StatementFacts>() + tables
    }

    /// Why a part of the text is not understood, if one is not.
    #[must_use]
    pub fn unknown_cause(&self) -> Option<Cause> {
        self.statements
            .iter()
            .find_map(|statement| match statement.effect {
                Effect::Unknown(cause) => Some(cause),
                _ => None,
            })
    }
}

/// What is known of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementFacts {
    /// What it does.
    pub effect: Effect,
    /// What it needs of the node it runs on, and of the session.
    pub needs: Needs,
    /// What a policy may want to stop.
    pub dangers: DangerSet,
    /// The tables it names.
    pub tables: Tables,
    /// `CREATE TEMPORARY TABLE`.
    pub creates_temporary_table: bool,
    /// The server commits the open transaction before it.
    pub implicit_commit: bool,
    /// What it does to FOUND_ROWS().
    pub found_rows: FoundRows,
    /// Its effect happens on some server versions only (it stands in an executable comment).
    pub conditional: bool,
    /// MariaDB's `SET STATEMENT … FOR`: the variables that have other values while it runs, in lower case. Servers report
    /// these values, and not that the former ones come back.
    pub for_statement: Box<[Box<[u8]>]>,
}

impl StatementFacts {
    pub(crate) fn of(effect: Effect) -> Self {
        Self {
            effect,
            needs: Needs::default(),
            dangers: DangerSet::default(),
            tables: Tables::default(),
            creates_temporary_table: false,
            implicit_commit: false,
            found_rows: FoundRows::Set,
            conditional: false,
            for_statement: Box::default(),
        }
    }

    /// Where the statement may run. [`ReadScope::NotARead`] for all that is not a read.
    #[must_use]
    pub fn scope(&self) -> ReadScope {
        match &self.effect {
            Effect::Read => self.needs.scope(),
            Effect::Write
            | Effect::Definition
            | Effect::Transaction(_)
            | Effect::Session(_)
            | Effect::Administration(_)
            | Effect::Call
            | Effect::Proxy(_)
            | Effect::Empty
            | Effect::Unknown(_) => ReadScope::NotARead,
        }
    }

    /// Whether the statement may change how the server reads the next one (sql_mode, character sets).
    #[must_use]
    pub fn changes_lexing(&self) -> bool {
        match &self.effect {
            Effect::Session(change) => match change {
                SessionChange::SetNames { .. }
                | SessionChange::SetCharacterSet(_)
                | SessionChange::Execute { .. }
                | SessionChange::ExecuteImmediate => true,
                SessionChange::SetVariables(assignments) => assignments.iter().any(|assignment| {
                    assignment.scope == VariableScope::Session
                        && [b"sql_mode".as_slice(), b"character_set_client"].contains(&&*assignment.name)
                }),
                SessionChange::Use(_)
                | SessionChange::SetRole
                | SessionChange::Prepare { .. }
                | SessionChange::Deallocate { .. }
                | SessionChange::LockTables
                | SessionChange::UnlockTables
                | SessionChange::Handler => false,
            },
            Effect::Read
            | Effect::Write
            | Effect::Definition
            | Effect::Transaction(_)
            | Effect::Administration(_)
            | Effect::Call
            | Effect::Proxy(_)
            | Effect::Empty
            | Effect::Unknown(_) => false,
        }
    }

    /// Whether this ends the open transaction: COMMIT, ROLLBACK, or an implicit commit.
    #[must_use]
    pub fn ends_transaction(&self) -> bool {
        let explicit = matches!(
            self.effect,
            Effect::Transaction(
                TransactionStep::Begin { .. } | TransactionStep::Commit(_) | TransactionStep::Rollback(_)
            )
        );
        explicit || self.implicit_commit
    }
}

/// What a statement that ends without an error does to FOUND_ROWS().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundRows {
    /// It counts its own rows, or may.
    Set,
    /// It counts the rows that it sends.
    Sent,
    /// MySQL counts its rows, MariaDB does not.
    SetOnMysql,
    /// MariaDB counts its rows, MySQL does not.
    SetOnMariadb,
    /// What the statement before left stays.
    Kept,
}

/// What a statement needs of the node it runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// `FOR UPDATE`, `FOR SHARE`, `LOCK IN SHARE MODE`.
    pub locks_rows: bool,
    /// `INTO OUTFILE`, `INTO DUMPFILE`.
    pub writes_file: bool,
    /// It reads `@variables`.
    pub reads_user_variables: bool,
    /// It assigns `@variables` (`:=`, `INTO @x`, SET).
    pub assigns_user_variables: bool,
    /// It reads `@@variables`.
    pub reads_system_variables: bool,
    /// It calls a function that is not on the list of pure built-ins: stored, loadable or unknown to us.
    pub unknown_function: bool,
    /// It calls a built-in that depends on the node or the session (GET_LOCK, LAST_INSERT_ID, UUID_SHORT …).
    pub manager_function: bool,
    /// A parameter (`?`) may be a column of its result, or a part of one: servers describe that by the types of values.
    pub shows_parameters: bool,
    /// It asks for FOUND_ROWS() of the previous statement.
    pub follows_found_rows: bool,
    /// It asks for ROW_COUNT() of the previous statement.
    pub follows_row_count: bool,
    /// It asks for the previous statement's warnings and errors (SHOW WARNINGS, GET DIAGNOSTICS, @@warning_count …).
    pub follows_diagnostics: bool,
    /// It leaves the previous statement's warnings and errors as they are (SHOW WARNINGS, GET DIAGNOSTICS).
    pub keeps_diagnostics: bool,
    /// It is a SHOW, a DESCRIBE or an EXPLAIN.
    pub shows: bool,
    /// It counts rows for a later FOUND_ROWS (`SQL_CALC_FOUND_ROWS`).
    pub leaves_found_rows: bool,
    /// It reads a schema that each node keeps for itself (information_schema, performance_schema, sys, mysql).
    pub node_schema: bool,
    /// It names `session_track_schema` or `session_track_system_variables`, to set or to read them.
    pub names_trackers: bool,
    /// It calls a procedure by the name of its schema, to which the server changes meanwhile.
    pub visits_schema: bool,
    /// It reads a list of all session variables, and these two among them.
    pub lists_variables: bool,
    /// It shows something of the node itself (SHOW STATUS, SHOW PROCESSLIST …).
    pub node_state: bool,
}

impl Needs {
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            locks_rows: self.locks_rows | other.locks_rows,
            writes_file: self.writes_file | other.writes_file,
            reads_user_variables: self.reads_user_variables | other.reads_user_variables,
            assigns_user_variables: self.assigns_user_variables | other.assigns_user_variables,
            reads_system_variables: self.reads_system_variables | other.reads_system_variables,
            unknown_function: self.unknown_function | other.unknown_function,
            manager_function: self.manager_function | other.manager_function,
            shows_parameters: self.shows_parameters | other.shows_parameters,
            follows_found_rows: self.follows_found_rows | other.follows_found_rows,
            follows_row_count: self.follows_row_count | other.follows_row_count,
            follows_diagnostics: self.follows_diagnostics | other.follows_diagnostics,
            keeps_diagnostics: self.keeps_diagnostics | other.keeps_diagnostics,
            shows: self.shows | other.shows,
            leaves_found_rows: self.leaves_found_rows | other.leaves_found_rows,
            node_schema: self.node_schema | other.node_schema,
            names_trackers: self.names_trackers | other.names_trackers,
            visits_schema: self.visits_schema | other.visits_schema,
            lists_variables: self.lists_variables | other.lists_variables,
            node_state: self.node_state | other.node_state,
        }
    }

    /// Whether it asks for anything that the previous statement left.
    #[must_use]
    pub fn follows_previous(self) -> bool {
        self.follows_found_rows || self.follows_row_count || self.follows_diagnostics
    }

    fn scope(self) -> ReadScope {
        let reasons = [
            (self.locks_rows, ManagerOnly::LocksRows),
            (self.writes_file, ManagerOnly::WritesFile),
            (self.assigns_user_variables, ManagerOnly::UserVariables),
            (self.unknown_function, ManagerOnly::UnknownFunction),
            (self.manager_function, ManagerOnly::ManagerFunction),
            (self.leaves_found_rows, ManagerOnly::FoundRows),
            (
                self.names_trackers || self.lists_variables,
                ManagerOnly::SystemVariables,
            ),
        ];
        if let Some((_, reason)) = reasons.into_iter().find(|(yes, _)| *yes) {
            return ReadScope::Manager(reason);
        }
        let reasons = [
            (self.reads_user_variables, ManagerOnly::UserVariables),
            (self.reads_system_variables, ManagerOnly::SystemVariables),
            (self.node_schema, ManagerOnly::NodeSchema),
            (self.node_state, ManagerOnly::NodeState),
        ];
        let found = reasons.into_iter().find(|(yes, _)| *yes);
        match found {
            Some((_, reason)) => ReadScope::Manager(reason),
            None if self.follows_previous() => ReadScope::PreviousNode,
            None => ReadScope::AnyNode,
        }
    }
}

/// Where a read may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadScope {
    /// Every node that is up to date gives the same answer.
    AnyNode,
    /// On the node where the previous statement ran.
    PreviousNode,
    /// On the manager alone.
    Manager(ManagerOnly),
    /// Not a read (or not surely one): the manager.
    NotARead,
}

impl ReadScope {
    fn narrower(self, other: Self) -> Self {
        let rank = |scope: Self| match scope {
            Self::AnyNode => 0,
            Self::PreviousNode => 1,
            Self::Manager(_) => 2,
            Self::NotARead => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Why a read belongs on the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManagerOnly {
    /// It locks the rows it reads.
    LocksRows,
    /// It writes a file.
    WritesFile,
    /// It reads or assigns user variables.
    UserVariables,
    /// It reads system variables.
    SystemVariables,
    /// It calls a function that we do not know.
    UnknownFunction,
    /// It calls a built-in whose answer depends on the node or the session.
    ManagerFunction,
    /// It counts rows for a later FOUND_ROWS.
    FoundRows,
    /// It reads a schema that each node keeps for itself.
    NodeSchema,
    /// It shows something of the node itself.
    NodeState,
}

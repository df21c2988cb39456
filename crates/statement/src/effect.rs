//! What a statement does, as one closed enum.

use std::sync::Arc;

use crate::{facts::Facts, scan::Doubt};

/// What a statement does. Matched without `_`, so that a new effect is a compile error where it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads (SELECT, SHOW, DESCRIBE, EXPLAIN …). Where it may read: [`StatementFacts::scope`](crate::StatementFacts::scope).
    Read,
    /// It changes rows, or writes a file.
    Write,
    /// It changes the definition of something (CREATE, ALTER, DROP, TRUNCATE, RENAME).
    Definition,
    /// It begins, ends or shapes a transaction.
    Transaction(TransactionStep),
    /// It changes the session it runs in.
    Session(SessionChange),
    /// It concerns the server, its accounts or other sessions.
    Administration(Administration),
    /// It runs a stored procedure, which may do anything.
    Call,
    /// It is for the proxy and reaches no server.
    Proxy(ProxyCommand),
    /// Nothing but blanks and comments.
    Empty,
    /// Not understood: never a read, and no policy lets it pass.
    Unknown(Cause),
}

/// A step of transaction control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStep {
    /// `BEGIN`, `START TRANSACTION`.
    Begin {
        /// `READ ONLY` / `READ WRITE`, where written.
        read_only: Option<bool>,
        /// `WITH CONSISTENT SNAPSHOT`.
        consistent_snapshot: bool,
    },
    /// `COMMIT [AND CHAIN] [RELEASE]`.
    Commit(Ending),
    /// `ROLLBACK [AND CHAIN] [RELEASE]`.
    Rollback(Ending),
    /// `SAVEPOINT name`.
    Savepoint,
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackToSavepoint,
    /// `RELEASE SAVEPOINT name`.
    ReleaseSavepoint,
    /// `SET [SESSION | GLOBAL] TRANSACTION …`.
    SetTransaction {
        /// For whom.
        scope: TransactionScope,
        /// `READ ONLY` / `READ WRITE`, where written.
        read_only: Option<bool>,
        /// `ISOLATION LEVEL …`, where written.
        isolation: Option<Isolation>,
    },
    /// `XA …`: a transaction that others coordinate.
    Xa,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// `AND CHAIN`: another one begins at once.
    pub chain: bool,
    /// `RELEASE`: the connection ends as well.
    pub release: bool,
}

/// For whom `SET TRANSACTION` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionScope {
    /// The next transaction only.
    Next,
    /// All later ones of the session.
    Session,
    /// All later sessions.
    Global,
}

/// An isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// `READ UNCOMMITTED`
    ReadUncommitted,
    /// `READ COMMITTED`
    ReadCommitted,
    /// `REPEATABLE READ`
    RepeatableRead,
    /// `SERIALIZABLE`
    Serializable,
}

/// A change of the session's own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// `USE schema`.
    Use(Box<[u8]>),
    /// `SET NAMES charset [COLLATE collation]`.
    SetNames {
        /// The character set.
        charset: Value,
        /// Whether a collation is named too.
        collated: bool,
    },
    /// `SET CHARACTER SET charset`: the connection's character set follows the schema's.
    SetCharacterSet(Value),
    /// `SET a = 1, @b = 2, GLOBAL c = 3`.
    SetVariables(Box<[Assignment]>),
    /// `SET ROLE …`, `SET DEFAULT ROLE …`.
    SetRole,
    /// `PREPARE name FROM 'text'`: the facts' dangers are those of the text.
    Prepare {
        /// The statement's name.
        name: Box<[u8]>,
        /// The constant it was prepared from.
        text: Box<[u8]>,
    },
    /// `EXECUTE name`: what it does was decided by its PREPARE.
    Execute {
        /// The statement's name.
        name: Box<[u8]>,
    },
    /// `EXECUTE IMMEDIATE 'text'`: the facts' dangers are those of the text.
    ExecuteImmediate,
    /// `DEALLOCATE PREPARE name`, `DROP PREPARE name`.
    Deallocate {
        /// The statement's name.
        name: Box<[u8]>,
    },
    /// `LOCK TABLES …`.
    LockTables,
    /// `UNLOCK TABLES`.
    UnlockTables,
    /// `HANDLER …`: a cursor on a table.
    Handler,
}

/// One assignment of a SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whose variable it is.
    pub scope: VariableScope,
    /// Its name, lower-cased, without quotes or `@`.
    pub name: Box<[u8]>,
    /// The new value.
    pub value: Value,
}

/// Whose variable it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableScope {
    /// A system variable of this session.
    Session,
    /// A system variable of the server.
    Global,
    /// A system variable of the server, kept over restarts (`PERSIST`, `PERSIST_ONLY`).
    Persist,
    /// A user variable (`@name`).
    User,
}

/// A value in a SET, as far as the text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string, unescaped.
    Text(Box<[u8]>),
    /// A plain number, as written.
    Number(Box<[u8]>),
    /// A bare word (`ON`, `utf8mb4`, `READ-COMMITTED` has two), as written.
    Word(Box<[u8]>),
    /// `DEFAULT`.
    Default,
    /// Anything else: its value is known to the server only.
    Expression,
}

impl Value {
    /// The written value's bytes; `None` for `DEFAULT` and expressions.
    #[must_use]
    pub fn written(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) | Self::Number(bytes) | Self::Word(bytes) => Some(bytes),
            Self::Default | Self::Expression => None,
        }
    }
}

/// Statements about the server rather than about data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administration {
    /// `KILL …`.
    Kill,
    /// `FLUSH …`, `RESET …`, `PURGE …`, `CACHE INDEX`, `LOAD INDEX`.
    Flush,
    /// Accounts, roles, grants, passwords.
    Accounts,
    /// `SHUTDOWN`, `RESTART`, `CLONE`, `BACKUP`, `ALTER INSTANCE`.
    Server,
    /// `CHANGE …`, `START/STOP REPLICA`, `BINLOG`, group replication.
    Replication,
    /// `ANALYZE/CHECK/CHECKSUM/OPTIMIZE/REPAIR TABLE`.
    Maintenance,
    /// `INSTALL`/`UNINSTALL`, `CREATE FUNCTION … SONAME`, `IMPORT TABLE`.
    Plugins,
    /// `SET GLOBAL TRANSACTION`-like switches with a statement of their own, `SET RESOURCE GROUP`.
    Resources,
}

/// A command of ours, begun by the word `PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyCommand {
    /// `PROXY SET name = value`.
    Set {
        /// Lower-cased.
        name: Box<[u8]>,
        /// As written, without quotes.
        value: Box<[u8]>,
    },
    /// `PROXY SHOW ROUTE`.
    ShowRoute,
    /// `PROXY SHOW TOKEN`.
    ShowToken,
    /// `PROXY EXPLAIN statement`: what the statement would do.
    Explain(Arc<Facts>),
    /// Begins with `PROXY` and is none of these.
    Unrecognised,
}

/// Why a statement is [`Effect::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Cause {
    /// The lexer is not sure that the server cuts the text as it does.
    #[error("the text cannot be read safely: {0}")]
    Doubt(Doubt),
    /// No statement we know begins like this, or it goes on in a way we do not know.
    #[error("the statement is of no known kind")]
    Kind,
    /// It begins like a query, and the parser cannot read it.
    #[error("the query cannot be parsed")]
    Query,
    /// Parser and lexer see different statements.
    #[error("the statement can be read in two ways")]
    Contradiction,
    /// A named limit of this crate is passed.
    #[error("the statement is too complex to be judged")]
    TooComplex,
    /// It runs text that it does not spell out.
    #[error("the statement runs text that cannot be seen")]
    DynamicSql,
    /// Its executable comments make another statement of it, depending on the server.
    #[error("the statement depends on the server's version")]
    Readings,
    /// A stored program's body whose end or content is not clear, or a block outside a stored program.
    #[error("the stored program cannot be read")]
    Program,
    /// Only the beginning of the text has been seen.
    #[error("the text's end has not been seen")]
    Unfinished,
    /// A statement of a batch changes how the ones behind it are read.
    #[error("a statement changes how the next one is read")]
    ModeChange,
}

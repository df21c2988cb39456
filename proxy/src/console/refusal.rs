//! What a client is told when it does not get what it asked for.

use opensrv_mysql::ErrorKind;

/// An error of MySQL's; its SQLSTATE follows from its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// One of those that opensrv-mysql knows: it panics on numbers of others.
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

impl Refusal {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Its number.
    #[cfg(test)]
    pub(super) fn code(&self) -> u16 {
        self.kind as u16
    }

    /// 1064.
    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ER_PARSE_ERROR, message)
    }

    /// 1064, with what there is.
    pub(super) fn unknown_statement() -> Self {
        Self::syntax(format!("unknown statement; there is: {}", super::help::short()))
    }

    /// 1193.
    pub(super) fn unknown_variable(name: &str) -> Self {
        Self::new(
            ErrorKind::ER_UNKNOWN_SYSTEM_VARIABLE,
            format!("Unknown system variable '{name}'"),
        )
    }

    /// 1231.
    pub(super) fn wrong_value(name: &str, why: &dyn std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::ER_WRONG_VALUE_FOR_VAR,
            format!("Variable '{name}' can't be set to that value: {why}"),
        )
    }

    /// 1049.
    pub(super) fn unknown_schema(name: &str) -> Self {
        Self::new(
            ErrorKind::ER_BAD_DB_ERROR,
            format!("Unknown database '{name}'; there is {}", super::SCHEMA),
        )
    }

    /// 1146.
    pub(super) fn unknown_table(name: &str) -> Self {
        let tables = super::tables::Table::ALL.map(super::tables::Table::name);
        Self::new(
            ErrorKind::ER_NO_SUCH_TABLE,
            format!("Table '{name}' doesn't exist; there is: {}", tables.join(", ")),
        )
    }

    /// 1094.
    pub(super) fn unknown_session(id: u64) -> Self {
        Self::new(
            ErrorKind::ER_NO_SUCH_THREAD,
            format!("Unknown session id: {id}; see SHOW SESSIONS"),
        )
    }

    /// 1105.
    pub(super) fn other(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ER_UNKNOWN_ERROR, message)
    }

    /// 1317.
    pub(super) fn too_long() -> Self {
        Self::new(
            ErrorKind::ER_QUERY_INTERRUPTED,
            "Query execution was interrupted, maximum statement execution time exceeded",
        )
    }

    /// 1104.
    pub(super) fn too_large() -> Self {
        Self::new(
            ErrorKind::ER_TOO_BIG_SELECT,
            "The SELECT would give too many rows: add LIMIT or WHERE",
        )
    }

    /// 1142.
    pub(super) fn read_only() -> Self {
        Self::new(
            ErrorKind::ER_TABLEACCESS_DENIED_ERROR,
            "the tables can be read, and nothing else: SELECT of them only",
        )
    }
}

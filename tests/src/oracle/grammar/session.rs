//! What the grammar believes of a session: enough to write sound programs, never needed for them to be equal.

use super::super::program::Mode;
use super::super::schema::PREFIXES;

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Session {
    pub(super) prefix: &'static str,
    /// Begun, and not ended.
    pub(super) transaction: bool,
    pub(super) autocommit: bool,
    /// A transaction is open that has written or locked rows.
    pub(super) holds_rows: bool,
    /// LOCK TABLES.
    pub(super) locks_tables: bool,
    /// In the second schema.
    pub(super) away: bool,
    /// `timestamp` is set: the clock stands still.
    pub(super) clock_stands: bool,
    /// `sql_select_limit` is set.
    pub(super) limited: bool,
    /// What ran last may count the rows it found, or may not: nobody can say whose FOUND_ROWS() is asked for
    /// (docs/compatibility.md).
    pub(super) found_unsure: bool,
    /// Temporary tables that were made.
    pub(super) temporary: u64,
    /// Prepared statements: number, and the types of their parameters.
    pub(super) statements: Vec<(u64, &'static [&'static str])>,
    /// Statements prepared by text: name, number of parameters.
    pub(super) texts: Vec<(u64, u64)>,
}

impl Session {
    pub(super) fn new(number: usize, mode: Mode) -> Session {
        let prefix = match mode {
            Mode::Single | Mode::Shared => PREFIXES.first(),
            Mode::Disjoint => PREFIXES.get(number),
        };
        Session {
            prefix: prefix.copied().unwrap_or("a_"),
            transaction: false,
            autocommit: true,
            holds_rows: false,
            locks_tables: false,
            away: false,
            clock_stands: false,
            limited: false,
            found_unsure: false,
            temporary: 0,
            statements: vec![],
            texts: vec![],
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.transaction || !self.autocommit || self.locks_tables
    }

    pub(super) fn wrote(&mut self) {
        self.holds_rows |= self.transaction || !self.autocommit;
    }

    pub(super) fn ended(&mut self) {
        self.transaction = false;
        self.holds_rows = false;
    }
}

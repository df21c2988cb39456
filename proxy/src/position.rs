//! A position in the manager's history, in either engine's words. Pure.
//!
//! A position is a set of transactions. Positions of one history are only ever compared by "has all of": a worker that
//! *covers* a position shows everything that was committed up to it.
//!
//! | engine | a position | page |
//! |---|---|---|
//! | MySQL | a set of GTIDs: `uuid:1-5:7,uuid:tag:1-3` | [GTID sets](https://dev.mysql.com/doc/refman/9.7/en/replication-gtids-concepts.html) |
//! | MariaDB | the last GTID of each domain: `0-1-100,1-2-5` | [GTID](https://mariadb.com/kb/en/gtid/) |

mod domains;
mod gtid_set;

use std::fmt;
use std::time::Duration;

use thiserror::Error;

pub use domains::Domains;
pub use gtid_set::GtidSet;

/// Longest text of a position that is read, in bytes: what a server can send in one of its own control packets.
pub const POSITION_BYTES_MAX: usize = 1024 * 1024;

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no {0}")]
pub struct NotAPosition(&'static str);

/// A position in the manager's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// MySQL's.
    MySql(GtidSet),
    /// MariaDB's.
    MariaDb(Domains),
}

impl Position {
    /// Nothing has happened yet.
    pub fn start(is_mariadb: bool) -> Self {
        if is_mariadb {
            Position::MariaDb(Domains::default())
        } else {
            Position::MySql(GtidSet::default())
        }
    }

    /// Reads a server's text, or that of a client.
    pub fn parse(text: &str, is_mariadb: bool) -> Result<Self, NotAPosition> {
        if text.len() > POSITION_BYTES_MAX {
            return Err(NotAPosition("position: it is too long"));
        }
        if is_mariadb {
            Domains::parse(text).map(Position::MariaDb)
        } else {
            GtidSet::parse(text).map(Position::MySql)
        }
    }

    /// Whether nothing is in it.
    pub fn is_start(&self) -> bool {
        match self {
            Position::MySql(set) => set.is_empty(),
            Position::MariaDb(domains) => domains.is_empty(),
        }
    }

    /// Whether everything up to `other` is in it. Positions of different engines have nothing in common.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Position::MySql(this), Position::MySql(other)) => this.covers(other),
            (Position::MariaDb(this), Position::MariaDb(other)) => this.covers(other),
            (_, other) => other.is_start(),
        }
    }

    /// Goes on to where both have come. A position of another engine is left out: [`Self::covers`] tells.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Position::MySql(this), Position::MySql(other)) => this.merge(other),
            (Position::MariaDb(this), Position::MariaDb(other)) => this.merge(other),
            _ => {}
        }
    }

    /// Keeps its size bounded: what is between two transactions of one source is waited for too.
    pub fn bound(&mut self) {
        if let Position::MySql(set) = self {
            set.bound();
        }
    }

    /// Whether one transaction of it says that all before it are there too: there is one order for all of them.
    pub fn has_one_order(&self) -> bool {
        match self {
            // workers may commit in another one
            Position::MySql(_) => false,
            Position::MariaDb(domains) => domains.len() <= 1,
        }
    }

    /// A statement that waits until a server covers this, and answers `0` then. In bytes, and with a limit of its
    /// own: neither `character_set_results` nor `sql_select_limit` changes the answer.
    pub fn wait_statement(&self, timeout: Duration) -> String {
        let function = match self {
            Position::MySql(_) => "WAIT_FOR_EXECUTED_GTID_SET",
            Position::MariaDb(_) => "MASTER_GTID_WAIT",
        };
        let seconds = timeout.as_secs_f64();
        format!("SELECT CAST({function}('{self}', {seconds:.3}) AS BINARY) LIMIT 1")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::MySql(set) => set.fmt(f),
            Position::MariaDb(domains) => domains.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, is_mariadb: bool) -> Position {
        Position::parse(text, is_mariadb).unwrap()
    }

    #[test]
    fn a_wait_names_the_position_and_its_bound() {
        let timeout = Duration::from_millis(50);
        assert_eq!(
            position("0-1-7", true).wait_statement(timeout),
            "SELECT CAST(MASTER_GTID_WAIT('0-1-7', 0.050) AS BINARY) LIMIT 1"
        );
        let uuid = "3E11FA47-71CA-11E1-9E33-C80AA9429562:23";
        assert_eq!(
            position(uuid, false).wait_statement(timeout),
            "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET('3e11fa47-71ca-11e1-9e33-c80aa9429562:23', 0.050) AS BINARY) LIMIT 1"
        );
    }

    #[test]
    fn engines_have_nothing_in_common() {
        let (mut maria, mysql) = (position("0-1-7", true), position("", false));
        assert!(maria.covers(&mysql), "nothing is covered by everything");
        assert!(!mysql.covers(&maria));
        maria.merge(&position("3e11fa47-71ca-11e1-9e33-c80aa9429562:1", false));
        assert_eq!(maria, position("0-1-7", true));
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let long = "0-1-1,".repeat(POSITION_BYTES_MAX / 6 + 1);
        assert!(Position::parse(&long, true).is_err());
    }
}

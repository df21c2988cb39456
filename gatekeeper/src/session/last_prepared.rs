//! MariaDB's number for the statement that was prepared last, after a preparation that was refused here.
//!
//! Clients send PREPARE and EXECUTE of that number in one go. The server has not heard of a refused PREPARE: its last
//! statement is an older one, which must not run in the place of the refused one. On one server the number would mean
//! nothing after a PREPARE that failed, and the client is told so in the server's words.

use wire::command::{self, CommandCode, LAST_PREPARED};
use wire::{Capabilities, ServerError};

/// What has become of the last PREPARE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastPrepared {
    is_mariadb: bool,
    refused: bool,
}

impl LastPrepared {
    /// Nothing was prepared yet, on a hop of these capabilities.
    pub(super) fn new(hop: Capabilities) -> Self {
        Self {
            // a MariaDB server is known by the flag that it leaves out
            is_mariadb: !hop.has(Capabilities::LONG_PASSWORD),
            refused: false,
        }
    }

    /// A PREPARE was judged.
    pub(super) fn judged(&mut self, allowed: bool) {
        self.refused = !allowed;
    }

    /// What a server would say of this command, when it speaks of a statement that was refused, or is too short to
    /// speak of any.
    pub(super) fn missing(self, payload: &[u8]) -> Option<ServerError> {
        if command::is_cut(payload) {
            return Some(ServerError::malformed_packet());
        }
        if !self.refused {
            return None;
        }
        let given_to = match CommandCode(*payload.first()?) {
            CommandCode::STMT_EXECUTE | CommandCode::STMT_BULK_EXECUTE => "mysqld_stmt_execute",
            CommandCode::STMT_FETCH => "mysqld_stmt_fetch",
            CommandCode::STMT_RESET => "mysqld_stmt_reset",
            // they have no reply, and here no effect
            CommandCode::STMT_SEND_LONG_DATA | CommandCode::STMT_CLOSE => "",
            _ => return None,
        };
        let given_to = if self.is_mariadb {
            given_to
        } else {
            "mysql_stmt_precheck"
        };
        (command::statement_id(payload) == Ok(LAST_PREPARED))
            .then(|| ServerError::unknown_statement(LAST_PREPARED, given_to))
    }

    /// Whether this refusal of a command without a reply is answered all the same: MySQL says so of one that is too
    /// short.
    pub(super) fn answers_cut(self, payload: &[u8]) -> bool {
        !self.is_mariadb && command::is_cut(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTE_LAST: &[u8] = &[0x17, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0];
    const EXECUTE_FIRST: &[u8] = &[0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0];

    #[test]
    fn after_a_refused_prepare_nothing_is_the_last_statement() {
        let mut last = LastPrepared::new(Capabilities::NONE);
        assert_eq!(last.missing(EXECUTE_LAST), None);
        last.judged(false);
        let error = last.missing(EXECUTE_LAST).unwrap();
        assert_eq!(
            (error.code, &*error.message),
            (
                1243,
                "Unknown prepared statement handler (4294967295) given to mysqld_stmt_execute"
            )
        );
        assert_eq!(last.missing(EXECUTE_FIRST), None);
        assert_eq!(last.missing(&[CommandCode::PING.0]), None);
        last.judged(true);
        assert_eq!(last.missing(EXECUTE_LAST), None);
    }

    #[test]
    fn what_is_too_short_names_no_statement() {
        let mysql = LastPrepared::new(Capabilities::LONG_PASSWORD);
        let mariadb = LastPrepared::new(Capabilities::NONE);
        for payload in [&[0x19, 1, 0][..], &[0x18, 1, 0, 0, 0, 0], &[0x1c, 1, 0, 0, 0, 1]] {
            assert_eq!(mysql.missing(payload).unwrap().code, 1835);
            assert!(mysql.answers_cut(payload));
            assert!(!mariadb.answers_cut(payload));
        }
        assert_eq!(mysql.missing(&[0x19, 1, 0, 0, 0]), None);
    }
}

//! [Command codes](https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html) and the shape
//! of their replies.

use std::fmt;

use crate::reply::Shape;

/// The first byte of a command. Unknown codes survive, to be refused by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandCode(pub u8);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:expr, $text:expr;)*) => {
        impl CommandCode {
            $($(#[$doc])* pub const $name: CommandCode = CommandCode($code);)*

            /// The manual's name, `COM_UNKNOWN` for what is not in it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "COM_UNKNOWN",
                }
            }
        }
    };
}

codes! {
    /// Ends the session.
    QUIT = 0x01, "COM_QUIT";
    /// Changes the current schema.
    INIT_DB = 0x02, "COM_INIT_DB";
    /// SQL text.
    QUERY = 0x03, "COM_QUERY";
    /// Columns of a table.
    FIELD_LIST = 0x04, "COM_FIELD_LIST";
    /// FLUSH by number.
    REFRESH = 0x07, "COM_REFRESH";
    /// Stops the server.
    SHUTDOWN = 0x08, "COM_SHUTDOWN";
    /// A line of counters.
    STATISTICS = 0x09, "COM_STATISTICS";
    /// SHOW PROCESSLIST.
    PROCESS_INFO = 0x0a, "COM_PROCESS_INFO";
    /// KILL by number.
    PROCESS_KILL = 0x0c, "COM_PROCESS_KILL";
    /// Debug output into the server's log.
    DEBUG = 0x0d, "COM_DEBUG";
    /// Are you there?
    PING = 0x0e, "COM_PING";
    /// Logs in anew on the same connection.
    CHANGE_USER = 0x11, "COM_CHANGE_USER";
    /// Becomes a replication stream.
    BINLOG_DUMP = 0x12, "COM_BINLOG_DUMP";
    /// A table's contents for an old replica.
    TABLE_DUMP = 0x13, "COM_TABLE_DUMP";
    /// Registers a replica.
    REGISTER_SLAVE = 0x15, "COM_REGISTER_SLAVE";
    /// Prepares a statement.
    STMT_PREPARE = 0x16, "COM_STMT_PREPARE";
    /// Executes a prepared statement.
    STMT_EXECUTE = 0x17, "COM_STMT_EXECUTE";
    /// A part of a long parameter.
    STMT_SEND_LONG_DATA = 0x18, "COM_STMT_SEND_LONG_DATA";
    /// Closes a prepared statement.
    STMT_CLOSE = 0x19, "COM_STMT_CLOSE";
    /// Forgets long parameters and the cursor.
    STMT_RESET = 0x1a, "COM_STMT_RESET";
    /// Switches multi-statements on or off.
    SET_OPTION = 0x1b, "COM_SET_OPTION";
    /// Rows of a cursor.
    STMT_FETCH = 0x1c, "COM_STMT_FETCH";
    /// Becomes a replication stream by GTID.
    BINLOG_DUMP_GTID = 0x1e, "COM_BINLOG_DUMP_GTID";
    /// Resets the session without logging in anew.
    RESET_CONNECTION = 0x1f, "COM_RESET_CONNECTION";
    /// Clones a server.
    CLONE = 0x20, "COM_CLONE";
    /// MariaDB: executes a prepared statement with many sets of parameters.
    STMT_BULK_EXECUTE = 0xfa, "COM_STMT_BULK_EXECUTE";
}

impl CommandCode {
    /// The shape of the reply, where the code is known to be answered.
    pub fn reply_shape(self) -> Shape {
        match self {
            Self::QUERY | Self::STMT_EXECUTE | Self::STMT_BULK_EXECUTE | Self::PROCESS_INFO => Shape::Results,
            Self::STMT_PREPARE => Shape::Prepare,
            Self::FIELD_LIST | Self::STMT_FETCH => Shape::Rows,
            Self::STATISTICS => Shape::Text,
            Self::BINLOG_DUMP | Self::BINLOG_DUMP_GTID => Shape::Events,
            Self::QUIT | Self::STMT_CLOSE | Self::STMT_SEND_LONG_DATA => Shape::Nothing,
            _ => Shape::Verdict,
        }
    }
}

impl fmt::Debug for CommandCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#04x})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_keeps_its_number() {
        assert_eq!(format!("{:?}", CommandCode(0x7f)), "COM_UNKNOWN(0x7f)");
        assert_eq!(format!("{:?}", CommandCode::PING), "COM_PING(0x0e)");
    }
}

//! Why something is refused, for the client, the log and the metrics.

use std::borrow::Cow;
use std::fmt;

use statement::Cause;
use wire::ServerError;
use wire::command::CommandCode;

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `DROP TABLE`.
    DropTable,
    /// `DROP DATABASE`, `DROP SCHEMA`.
    DropSchema,
    /// `CREATE OR REPLACE TABLE`, which drops the old one.
    ReplaceTable,
    /// `TRUNCATE`.
    Truncate,
    /// `DELETE` without `WHERE`.
    DeleteWithoutWhere,
    /// `DELETE` whose `WHERE` is true whatever a row holds.
    DeleteWhereConstant,
    /// KILL of which nobody can say whom it hits.
    KillUnclear,
    /// What cannot be understood cannot be judged.
    Unparsed,
    /// A change of what the server reports of the session, in a program, a batch or a text inside the text: by those
    /// reports texts are read as the server reads them.
    SessionTracking,
    /// The server's way to read texts is not known.
    UnknownReading,
    /// A protocol command that this user may not send.
    CommandNotAllowed,
    /// The binary log, by a user who may not read it.
    ReplicationNotAllowed,
    /// A protocol command that nobody may send here.
    CommandNotSupported,
    /// A protocol command that nobody knows.
    UnknownCommand,
}

impl Rule {
    /// Every rule there is.
    pub const ALL: [Rule; 14] = [
        Self::DropTable,
        Self::DropSchema,
        Self::ReplaceTable,
        Self::Truncate,
        Self::DeleteWithoutWhere,
        Self::DeleteWhereConstant,
        Self::KillUnclear,
        Self::Unparsed,
        Self::SessionTracking,
        Self::UnknownReading,
        Self::CommandNotAllowed,
        Self::ReplicationNotAllowed,
        Self::CommandNotSupported,
        Self::UnknownCommand,
    ];

    /// The name in messages, metrics and the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropTable => "drop-table",
            Self::DropSchema => "drop-schema",
            Self::ReplaceTable => "replace-table",
            Self::Truncate => "truncate",
            Self::DeleteWithoutWhere => "delete-without-where",
            Self::DeleteWhereConstant => "delete-where-constant",
            Self::KillUnclear => "kill-unclear",
            Self::Unparsed => "unparsed",
            Self::SessionTracking => "session-tracking",
            Self::UnknownReading => "unknown-reading",
            Self::CommandNotAllowed => "command-not-allowed",
            Self::ReplicationNotAllowed => "replication-not-allowed",
            Self::CommandNotSupported => "command-not-supported",
            Self::UnknownCommand => "unknown-command",
        }
    }

    /// What is wrong with it.
    const fn complaint(self) -> &'static str {
        match self {
            Self::DropTable => "DROP TABLE cannot be undone",
            Self::DropSchema => "DROP DATABASE cannot be undone",
            Self::ReplaceTable => "CREATE OR REPLACE TABLE drops the table first, which cannot be undone",
            Self::Truncate => "TRUNCATE removes all rows and cannot be undone",
            Self::DeleteWithoutWhere => "DELETE without WHERE removes all rows",
            Self::DeleteWhereConstant => "this DELETE's WHERE can be true whatever a row holds",
            Self::KillUnclear => "nobody can say whom this KILL would hit",
            Self::Unparsed => "the statement could not be understood",
            Self::SessionTracking => {
                "session_track_schema and session_track_system_variables cannot be followed in a program or a batch"
            }
            Self::UnknownReading => "the session's sql_mode or character set is not known",
            Self::CommandNotAllowed => "this protocol command is not allowed",
            Self::ReplicationNotAllowed => "this user may not read the binary log",
            Self::CommandNotSupported => "this protocol command is not supported here",
            Self::UnknownCommand => "this protocol command is not known",
        }
    }

    /// What the user can do.
    const fn way_out(self) -> &'static str {
        match self {
            Self::DropTable | Self::DropSchema => ASK,
            Self::ReplaceTable => {
                "use CREATE TABLE IF NOT EXISTS, or ask an administrator for a user with policy = \"off\""
            }
            Self::Truncate => {
                "use DELETE with a WHERE clause, or ask an administrator for a user with policy = \"off\""
            }
            Self::DeleteWithoutWhere => {
                "add a WHERE clause, or ask an administrator for a user with policy = \"off\""
            }
            Self::DeleteWhereConstant => {
                "compare a column in the WHERE clause, or ask an administrator for a user with policy = \"off\""
            }
            Self::KillUnclear => {
                "use KILL [CONNECTION | QUERY] with a connection's number, alone in its text, or ask an administrator for a user with policy = \"off\""
            }
            Self::Unparsed => {
                "write it more simply, one statement at a time, or ask an administrator for a user with policy = \"off\""
            }
            Self::SessionTracking => {
                "set it in a SET of its own, or ask an administrator for a user with policy = \"off\""
            }
            Self::UnknownReading => "set names to a character set such as utf8mb4 when connecting",
            Self::CommandNotAllowed => {
                "use the SQL statement of the same effect, or ask an administrator for a user with policy = \"off\""
            }
            Self::ReplicationNotAllowed => {
                "ask an administrator for a user with replication = true, or connect to the server itself"
            }
            Self::CommandNotSupported | Self::UnknownCommand => "connect to the server itself for it",
        }
    }
}

const ASK: &str = "ask an administrator for a user with policy = \"off\"";

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    rule: Rule,
    detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    None,
    Cause(Cause),
    Command(CommandCode),
}

impl Refusal {
    pub(super) fn of(rule: Rule) -> Self {
        Self {
            rule,
            detail: Detail::None,
        }
    }

    pub(super) fn unparsed(cause: Cause) -> Self {
        Self {
            rule: Rule::Unparsed,
            detail: Detail::Cause(cause),
        }
    }

    pub(super) fn command(rule: Rule, code: CommandCode) -> Self {
        Self {
            rule,
            detail: Detail::Command(code),
        }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// What exactly: why it was not understood, which command. Nothing that the client wrote.
    pub fn detail(&self) -> Option<Cow<'static, str>> {
        match self.detail {
            Detail::None => None,
            Detail::Cause(cause) => Some(cause.to_string().into()),
            Detail::Command(code) if self.rule == Rule::UnknownCommand => {
                Some(format!("{:#04x}", code.0).into())
            }
            Detail::Command(code) => Some(code.name().into()),
        }
    }

    /// What the client is sent.
    pub fn to_client(&self) -> ServerError {
        if self.rule == Rule::UnknownCommand {
            return ServerError::unknown_command();
        }
        let (complaint, way_out) = (self.rule.complaint(), self.rule.way_out());
        let message = match self.detail() {
            Some(detail) => format!(
                "blocked by gatekeeper: rule {}: {complaint} ({detail}); {way_out}",
                self.rule
            ),
            None => format!(
                "blocked by gatekeeper: rule {}: {complaint}; {way_out}",
                self.rule
            ),
        };
        ServerError::new(1227, b"42000", message)
    }
}

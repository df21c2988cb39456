//! Which protocol commands may be sent, before anything in them is looked at.

use wire::command::CommandCode;

use super::{Permit, Profile, Refusal, Rule};
use crate::config::{PolicyMode, PolicyName};

/// What happens to a command.
#[derive(Debug, PartialEq, Eq)]
pub enum CommandVerdict {
    /// It passes as it is.
    Allow(Permit),
    /// It carries SQL: [`super::decide`] judges that.
    JudgeText,
    /// It passes, and is written down: with mode `enforce` it would not have.
    Detect {
        /// For forwarding it.
        permit: Permit,
        /// What to write down.
        refusal: Refusal,
    },
    /// The client gets an error, and nothing leaves the gatekeeper.
    Refuse(Refusal),
}

/// To whom a command is open.
enum Open {
    /// It carries SQL.
    Text,
    /// Everybody: it does nothing that a judged statement could not.
    Everybody,
    /// Users without a policy. For the others there is a statement of the same effect, which is judged.
    WithoutPolicy,
    /// Users whom the users file allows it, with and without policy, in both modes.
    Replication,
    /// Nobody: it would turn the session into something that no statement can be told from.
    Nobody,
    /// It is in no manual.
    Unknown,
}

/// Judges a command by its code.
pub fn decide_command(code: CommandCode, profile: Profile) -> CommandVerdict {
    let refuse = |rule| CommandVerdict::Refuse(Refusal::command(rule, code));
    match open(code) {
        Open::Text => CommandVerdict::JudgeText,
        Open::Everybody => CommandVerdict::Allow(Permit::new()),
        Open::WithoutPolicy => match (profile.policy, profile.mode) {
            (PolicyName::Off, _) => CommandVerdict::Allow(Permit::new()),
            (PolicyName::Strict, PolicyMode::Enforce) => refuse(Rule::CommandNotAllowed),
            (PolicyName::Strict, PolicyMode::Detect) => CommandVerdict::Detect {
                permit: Permit::new(),
                refusal: Refusal::command(Rule::CommandNotAllowed, code),
            },
        },
        Open::Replication if profile.replication => CommandVerdict::Allow(Permit::new()),
        Open::Replication => refuse(Rule::ReplicationNotAllowed),
        Open::Nobody => refuse(Rule::CommandNotSupported),
        Open::Unknown => refuse(Rule::UnknownCommand),
    }
}

fn open(code: CommandCode) -> Open {
    match code {
        CommandCode::QUERY | CommandCode::STMT_PREPARE => Open::Text,
        CommandCode::QUIT
        | CommandCode::INIT_DB
        | CommandCode::FIELD_LIST
        | CommandCode::STATISTICS
        | CommandCode::PROCESS_INFO
        | CommandCode::PING
        | CommandCode::CHANGE_USER
        | CommandCode::RESET_CONNECTION
        | CommandCode::SET_OPTION
        // whom it may reach is bounded as KILL's is
        | CommandCode::PROCESS_KILL
        // judged when it was prepared
        | CommandCode::STMT_EXECUTE
        | CommandCode::STMT_BULK_EXECUTE
        | CommandCode::STMT_SEND_LONG_DATA
        | CommandCode::STMT_FETCH
        | CommandCode::STMT_RESET
        | CommandCode::STMT_CLOSE => Open::Everybody,
        CommandCode::REFRESH | CommandCode::SHUTDOWN | CommandCode::DEBUG => Open::WithoutPolicy,
        CommandCode::BINLOG_DUMP | CommandCode::BINLOG_DUMP_GTID | CommandCode::REGISTER_SLAVE => {
            Open::Replication
        }
        CommandCode::CLONE => Open::Nobody,
        // among them COM_TABLE_DUMP, which no server knows any more
        _ => Open::Unknown,
    }
}

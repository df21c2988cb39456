//! What a client asks: the first byte of a command's payload, and the few commands whose insides the
//! hops must read.

mod code;
mod execute;
mod query;
mod value;

pub use code::CommandCode;
pub use execute::Execute;
pub use query::Query;

use crate::{DecodeError, Reader};

/// The number of the prepared statement that a COM_STMT_… payload (with its first byte) speaks of.
pub fn statement_id(payload: &[u8]) -> Result<u32, DecodeError> {
    let mut r = Reader::new(payload);
    r.u8("command")?;
    r.u32("statement id") // int<4>
}

/// Whether a payload (with its first byte) is a COM_STMT_EXECUTE that asks for a cursor.
#[must_use]
pub fn asks_for_cursor(payload: &[u8]) -> bool {
    /// Where the flags stand, behind command and statement number.
    const FLAGS_OFFSET: usize = 5;
    /// Read-only, for update, scrollable.
    const CURSOR_FLAGS: u8 = 0x07;
    payload.first() == Some(&CommandCode::STMT_EXECUTE.0)
        && payload
            .get(FLAGS_OFFSET)
            .is_some_and(|flags| flags & CURSOR_FLAGS != 0)
}

/// Where the statement's number stands in a COM_STMT_… payload.
pub const STATEMENT_ID_OFFSET: usize = 1;

/// MariaDB's number for the statement that was prepared last: clients execute it before they know its own.
/// On MySQL it is a number like any other, and no statement has it.
pub const LAST_PREPARED: u32 = u32::MAX;

/// Whether a COM_STMT_… payload is too short to say which statement it speaks of, or (for COM_STMT_SEND_LONG_DATA)
/// which parameter. MySQL answers that with an error even where the command has no reply; MariaDB reads on in
/// what is left of an older command.
pub fn is_cut(payload: &[u8]) -> bool {
    let Some((code, rest)) = payload.split_first() else {
        return false;
    };
    match CommandCode(*code) {
        // int<4> statement
        CommandCode::STMT_CLOSE | CommandCode::STMT_RESET => rest.len() < 4,
        // int<4> statement, int<2> parameter
        CommandCode::STMT_SEND_LONG_DATA => rest.len() < 6,
        // int<4> statement, int<4> rows
        CommandCode::STMT_FETCH => rest.len() < 8,
        _ => false,
    }
}

/// What of a command its reply depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The command.
    pub code: CommandCode,
    /// [`asks_for_cursor`].
    pub cursor: bool,
}

impl Asked {
    /// Of a payload, or of its first bytes.
    pub fn of(payload: &[u8]) -> Self {
        Self {
            code: CommandCode(payload.first().copied().unwrap_or(0xff)),
            cursor: asks_for_cursor(payload),
        }
    }
}

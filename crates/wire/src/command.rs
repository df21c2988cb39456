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

/// Where the statement's number stands in a COM_STMT_… payload.
pub const STATEMENT_ID_OFFSET: usize = 1;

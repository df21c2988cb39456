//! What a server answers, and where the answer ends.
//!
//! The relays never decode rows: [`Progress`] walks over packet headers and stops only at the packets
//! that decide something (the first of a reply, OK, EOF, ERR). Those have decoders here.

mod eof;
mod err;
mod ok;
mod prepare_ok;
mod progress;
mod result_set;
mod session_state;

pub use eof::EofPacket;
pub use err::ErrPacket;
pub use ok::OkPacket;
pub use prepare_ok::PrepareOk;
pub use progress::{Control, Piece, Progress, Shape};
pub use result_set::TextResultSet;
pub use session_state::{SessionChange, SessionChanges, StateEntry};

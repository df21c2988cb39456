//! What can be wrong with bytes that a peer sent.

use thiserror::Error;

/// Why a packet could not be decoded. The fragments finish the sentence "failed to decode: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The packet ended inside a field.
    #[error("the packet ends inside {0}")]
    Truncated(&'static str),
    /// A field is longer than its named limit.
    #[error("{field} is longer than {max} bytes")]
    TooLong {
        /// The field that is too long.
        field: &'static str,
        /// The limit that it passes, in bytes.
        max: usize,
    },
    /// Bytes are left over after the last field.
    #[error("{0} bytes are left over after the last field")]
    LeftOver(usize),
    /// A field holds a value that the protocol does not know.
    #[error("{0} holds a value that the protocol does not know")]
    Invalid(&'static str),
    /// A packet carries another sequence number than the next one.
    #[error("packet has sequence number {found}, expected {expected}")]
    OutOfOrder {
        /// The next sequence number.
        expected: u8,
        /// The one that came.
        found: u8,
    },
}

//! What a connection and the sessions that use it have in common, because it is settled at the login.

use wire::Capabilities;

use crate::cluster::ClientWay;

/// Connections of the same key can stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Account on the nodes.
    pub(crate) account: String,
    /// The session's flags.
    pub(crate) capabilities: Capabilities,
    /// The collation of its handshake.
    pub(crate) collation: u16,
    /// How its client came, for nodes that are reached likewise.
    pub(crate) client_way: ClientWay,
    /// Of MySQL's sessions: whether COM_RESET_CONNECTION has put the server's own character sets and collations in the
    /// place of the handshake's.
    pub(crate) was_reset: bool,
}

//! What both ends of the connection phase share: a packet with its number, the transport, what can go wrong.

use thiserror::Error;

use crate::error::DecodeError;

/// One packet of the connection phase, as it was received. None of them is ever split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Sequence number.
    pub sequence: u8,
    /// Everything behind the header.
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// The payload's first byte, or 0xff + nothing for an empty one.
    pub(super) fn first(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// The number that follows this packet's, when this packet has the `expected` one.
    pub(super) fn follows(&self, expected: u8) -> Result<u8, DecodeError> {
        if self.sequence == expected {
            Ok(expected.wrapping_add(1))
        } else {
            Err(DecodeError::OutOfOrder {
                expected,
                found: self.sequence,
            })
        }
    }
}

/// What carries the bytes: decides whether a password may travel in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP without TLS.
    Plain,
    /// A Unix socket: bytes never leave the machine.
    UnixSocket,
    /// TLS, over whatever.
    Tls,
}

impl Transport {
    /// Whether nobody else can read the bytes.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::UnixSocket | Transport::Tls)
    }
}

/// Whose server a client believes to speak to; their servers differ in some errors of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// MariaDB's.
    Mariadb,
    /// MySQL's.
    Mysql,
}

/// Why a login cannot go on, apart from a wrong password. The fragments finish "failed to log in: …".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// Bytes that are not what this state of the exchange expects.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The peer speaks the protocol of servers before 4.1.
    #[error("the peer speaks a protocol older than 4.1")]
    OldProtocol,
    /// A client speaks the protocol of servers before 4.1, which knows no SQLSTATE.
    #[error("the client speaks a protocol older than 4.1")]
    OldClient {
        /// Whose server it was greeted as.
        family: Family,
        /// Whether its response is too short for servers that look at its length first.
        short: bool,
    },
    /// A client asked for TLS that was not offered, or asked twice.
    #[error("the client asked for TLS that was not offered")]
    TlsNotOffered,
    /// A client sent its whole response in clear while it announced TLS.
    #[error("the client announced TLS and went on without it")]
    TlsSkipped,
    /// A client without authentication plugins has an account that its only method cannot prove.
    #[error("the client does not support the account's authentication method")]
    PluginNotSupported(Family),
    /// A server asked for an authentication plugin that is not spoken here.
    #[error("the server asks for the authentication plugin {0:?}, which is not supported")]
    UnknownPlugin(String),
    /// A server does not offer TLS where the policy requires it.
    #[error("the server does not offer TLS")]
    TlsMissing,
    /// A server's RSA public key cannot be read or used.
    #[error("the server's public key cannot be used")]
    PublicKey,
}

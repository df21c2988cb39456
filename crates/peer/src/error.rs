//! Why a login failed, at either end.

use std::io;

use thiserror::Error;
use wire::handshake::{Family, HandshakeError};
use wire::reply::ErrPacket;
use wire::{DecodeError, ServerError};

use crate::exchange::ReadError;
use crate::relay::RelayError;

/// Why a client was not let in; a label for metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The password is wrong.
    WrongPassword,
    /// No such account.
    UnknownUser,
    /// The client sent no password.
    NoPassword,
    /// A plain connection where a secure one is required.
    TlsRequired,
    /// TLS could not be agreed on.
    TlsFailed,
    /// Bytes that are no login.
    BadHandshake,
    /// The client cannot prove a password by a method that the account has.
    PluginNotSupported,
    /// Not our gatekeeper.
    NotProven,
    /// The client took too long.
    Timeout,
    /// The client went away.
    Disconnected,
    /// Our own fault.
    Internal,
}

impl Reason {
    /// Every reason, for metrics that shall exist before they are counted.
    pub const ALL: [Reason; 11] = [
        Reason::WrongPassword,
        Reason::UnknownUser,
        Reason::NoPassword,
        Reason::TlsRequired,
        Reason::TlsFailed,
        Reason::BadHandshake,
        Reason::PluginNotSupported,
        Reason::NotProven,
        Reason::Timeout,
        Reason::Disconnected,
        Reason::Internal,
    ];

    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Reason::WrongPassword => "wrong_password",
            Reason::UnknownUser => "unknown_user",
            Reason::NoPassword => "no_password",
            Reason::TlsRequired => "tls_required",
            Reason::TlsFailed => "tls_failed",
            Reason::BadHandshake => "bad_handshake",
            Reason::PluginNotSupported => "plugin_not_supported",
            Reason::NotProven => "not_proven",
            Reason::Timeout => "timeout",
            Reason::Disconnected => "disconnected",
            Reason::Internal => "internal",
        }
    }
}

/// A client was not let in. It has been told already, where it could be.
#[derive(Debug, Error)]
#[error("failed to log a client in: {detail}")]
pub struct LoginError {
    /// Why.
    pub reason: Reason,
    /// The user name, once it was known.
    pub user: Option<Vec<u8>>,
    /// The error that the client was sent; none where it cannot read one, or is gone.
    pub told: Option<ServerError>,
    /// Whether the client reads an error as servers before 4.1 sent it.
    pub(crate) before_4_1: bool,
    /// For the log: no secret, and nothing that the client sent but its name.
    pub detail: String,
}

impl LoginError {
    pub(crate) fn new(reason: Reason, told: Option<ServerError>, detail: impl Into<String>) -> Self {
        Self {
            reason,
            user: None,
            told,
            before_4_1: false,
            detail: detail.into(),
        }
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        let told = ServerError::new(1105, b"HY000", "Unknown error");
        Self::new(Reason::Internal, Some(told), detail)
    }
}

impl From<io::Error> for LoginError {
    fn from(error: io::Error) -> Self {
        Self::new(Reason::Disconnected, None, error.to_string())
    }
}

impl From<DecodeError> for LoginError {
    fn from(error: DecodeError) -> Self {
        // what servers say to HTTP and other noise, whose fourth byte is no sequence number
        let told = match error {
            DecodeError::OutOfOrder { .. } => ServerError::packets_out_of_order(),
            _ => ServerError::bad_handshake(),
        };
        Self::new(Reason::BadHandshake, Some(told), error.to_string())
    }
}

impl From<ReadError> for LoginError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Decode(error) => error.into(),
            error => Self::new(Reason::Disconnected, None, error.to_string()),
        }
    }
}

impl From<HandshakeError> for LoginError {
    fn from(error: HandshakeError) -> Self {
        let detail = error.to_string();
        match error {
            HandshakeError::PluginNotSupported(family) => {
                let told = plugin_not_supported(family);
                Self::new(Reason::PluginNotSupported, Some(told), detail)
            }
            HandshakeError::OldClient { family, short } => {
                let told = match family {
                    Family::Mysql if short => ServerError::bad_handshake(),
                    family => plugin_not_supported(family),
                };
                Self {
                    before_4_1: true,
                    ..Self::new(Reason::BadHandshake, Some(told), detail)
                }
            }
            HandshakeError::Decode(error) => error.into(),
            _ => Self::new(Reason::BadHandshake, Some(ServerError::bad_handshake()), detail),
        }
    }
}

/// In the words of that family's servers.
fn plugin_not_supported(family: Family) -> ServerError {
    let text = match family {
        Family::Mariadb => {
            "Client does not support authentication protocol requested by server; consider upgrading MariaDB client"
        }
        Family::Mysql => {
            "Client does not support authentication protocol requested by server; consider upgrading MySQL client"
        }
    };
    ServerError::new(1251, b"08004", text)
}

/// A server does not let us in, or cannot be reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The server said no, in these words.
    #[error(
        "the server refused: {code} ({}) {}",
        String::from_utf8_lossy(sql_state),
        String::from_utf8_lossy(message)
    )]
    Refused {
        /// Error number.
        code: u16,
        /// SQLSTATE.
        sql_state: [u8; 5],
        /// The server's text, byte for byte.
        message: Vec<u8>,
    },
    /// The connection could not be made, or broke.
    #[error("failed to connect: {0}")]
    Io(#[from] io::Error),
    /// TLS could not be agreed on, or the certificate is not trusted.
    #[error("failed to agree on TLS: {0}")]
    Tls(io::Error),
    /// The server does not speak what we do.
    #[error("failed to log in: {0}")]
    Handshake(#[from] HandshakeError),
    /// A statement behind the login failed on the way.
    #[error("failed to set the connection up: {0}")]
    Reply(#[from] RelayError),
    /// The other end does not know the shared secret.
    #[error("the other end did not prove that it knows the shared secret")]
    NotProven,
    /// It took too long.
    #[error("failed to connect in time")]
    Timeout,
}

impl ConnectError {
    /// The refusal in the payload of an ERR packet.
    pub fn refused(payload: &[u8]) -> Self {
        match ErrPacket::decode(payload) {
            Ok(ErrPacket {
                code,
                sql_state,
                message,
            }) => Self::Refused {
                code,
                sql_state,
                message: message.to_vec(),
            },
            Err(error) => Self::Handshake(error.into()),
        }
    }

    /// The server's own refusal, to be passed on.
    pub fn server_error(&self) -> Option<ServerError> {
        match self {
            Self::Refused {
                code,
                sql_state,
                message,
            } => Some(ServerError::new(
                *code,
                sql_state,
                String::from_utf8_lossy(message).into_owned(),
            )),
            _ => None,
        }
    }
}

impl From<DecodeError> for ConnectError {
    fn from(error: DecodeError) -> Self {
        Self::Handshake(error.into())
    }
}

impl From<ReadError> for ConnectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Decode(error) => error.into(),
            ReadError::Io(error) => Self::Io(error),
            ReadError::Closed => Self::Io(io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())),
        }
    }
}

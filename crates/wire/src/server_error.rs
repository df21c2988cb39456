//! The errors that the hops raise themselves: code, SQLSTATE and text, as a server would send them.
//!
//! A server's own errors pass unchanged and never become this type. The table of all codes is in
//! `docs/errors.md`.

use std::borrow::Cow;

use crate::reply::ErrPacket;
use crate::writer::Writer;

/// An error that goes to the client as an ERR packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Error number.
    pub code: u16,
    /// Five characters.
    pub sql_state: [u8; 5],
    /// What happened, and the way out where there is one. Never a secret, never an address of a node.
    pub message: Cow<'static, str>,
}

/// Longest message that is sent, in bytes: the servers' MYSQL_ERRMSG_SIZE.
pub const MESSAGE_BYTES_MAX: usize = 512;

impl ServerError {
    /// An error of the given code and state.
    pub fn new(code: u16, sql_state: &[u8; 5], message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            sql_state: *sql_state,
            message: message.into(),
        }
    }

    /// 1045: access denied, in the server's own words.
    pub fn access_denied(user: &[u8], host: &str, password_used: bool) -> Self {
        let user = String::from_utf8_lossy(user);
        let used = if password_used { "YES" } else { "NO" };
        Self::new(
            1045,
            b"28000",
            format!("Access denied for user '{user}'@'{host}' (using password: {used})"),
        )
    }

    /// 1040: the connection limit is reached.
    pub fn too_many_connections() -> Self {
        Self::new(1040, b"08004", "Too many connections")
    }

    /// 1043: the peer does not speak the protocol.
    pub fn bad_handshake() -> Self {
        Self::new(1043, b"08S01", "Bad handshake")
    }

    /// 1047: a command that is not known.
    pub fn unknown_command() -> Self {
        Self::new(1047, b"08S01", "Unknown command")
    }

    /// 1053: the process is going down.
    pub fn shutdown_in_progress() -> Self {
        Self::new(1053, b"08S01", "Server shutdown in progress")
    }

    /// 1153: a packet beyond the limit.
    pub fn packet_too_large() -> Self {
        Self::new(
            1153,
            b"08S01",
            "Got a packet bigger than 'max_allowed_packet' bytes",
        )
    }

    /// 3948: no file may be asked of this client; MySQL's own words for it.
    pub fn local_files_off() -> Self {
        Self::new(
            3948,
            b"42000",
            "Loading local data is disabled; this must be enabled on both the client and server sides",
        )
    }

    /// 1156: packets out of order.
    pub fn packets_out_of_order() -> Self {
        Self::new(1156, b"08S01", "Got packets out of order")
    }

    /// 1157: a compressed packet cannot be decompressed.
    pub fn uncompress_failed() -> Self {
        Self::new(1157, b"08S01", "Couldn't uncompress communication packet")
    }

    /// 1159: the peer took too long.
    pub fn read_timeout() -> Self {
        Self::new(1159, b"08S01", "Got timeout reading communication packets")
    }

    /// 1835: bytes that are no packet of this command.
    pub fn malformed_packet() -> Self {
        Self::new(1835, b"HY000", "Malformed communication packet.")
    }

    /// 1243: no such prepared statement, in the server's own words.
    pub fn unknown_statement(id: u32, command: &str) -> Self {
        Self::new(
            1243,
            b"HY000",
            format!("Unknown prepared statement handler ({id}) given to {command}"),
        )
    }

    /// 1317: stopped by KILL QUERY, in the server's own words.
    pub fn query_interrupted() -> Self {
        Self::new(1317, b"70100", "Query execution was interrupted")
    }

    /// 1429: the next hop cannot be reached; nothing was sent.
    ///
    /// Not 2003: numbers from 2000 to 2999 are the clients' own, and MariaDB's library takes a packet with
    /// one of them for malformed.
    pub fn cannot_connect(what: &str) -> Self {
        Self::new(
            1429,
            b"HY000",
            format!("Can't connect to {what}; nothing was run, try again shortly"),
        )
    }

    /// 1158: the next hop was lost while a statement ran. Not 2013, for the same reason.
    pub fn lost_connection(what: &str, outcome_unknown: bool) -> Self {
        let outcome = if outcome_unknown {
            "; the statement's outcome is unknown, check before running it again"
        } else {
            ""
        };
        Self::new(
            1158,
            b"08S01",
            format!("Lost connection to {what} during query{outcome}"),
        )
    }

    /// Appends the ERR packet with sequence number `sequence`; returns the number that follows.
    pub fn encode(&self, sequence: u8, out: &mut Vec<u8>) -> u8 {
        crate::frame::encode_with(out, sequence, |out| {
            out.put_u8(ErrPacket::MARKER);
            out.put_u16(self.code);
            out.put_u8(b'#');
            out.put_bytes(&self.sql_state);
            out.put_bytes(self.bounded_message());
        })
    }

    /// Appends the ERR packet that takes the place of a greeting: without SQLSTATE, which a client reads
    /// only once it has seen the server's capabilities.
    pub fn encode_in_place_of_greeting(&self, out: &mut Vec<u8>) {
        self.encode_without_state(0, out);
    }

    /// Appends the ERR packet as clients before 4.1 read it: without SQLSTATE.
    pub fn encode_without_state(&self, sequence: u8, out: &mut Vec<u8>) {
        crate::frame::encode_with(out, sequence, |out| {
            out.put_u8(ErrPacket::MARKER);
            out.put_u16(self.code);
            out.put_bytes(self.bounded_message());
        });
    }

    fn bounded_message(&self) -> &[u8] {
        let text = self.message.as_bytes();
        text.get(..MESSAGE_BYTES_MAX).unwrap_or(text)
    }
}

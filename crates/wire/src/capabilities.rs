//! Capability flags: what both ends of a connection agreed on.
//!
//! The lower 32 bits are [MySQL's](https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html),
//! the upper 32 are MariaDB's [extended ones](https://mariadb.com/kb/en/connection/#capabilities).

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of capability flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(pub u64);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:expr;)*) => {
        impl Capabilities {
            $($(#[$doc])* pub const $name: Capabilities = Capabilities(1 << $bit);)*
            const NAMES: &'static [(&'static str, Capabilities)] = &[$((stringify!($name), Self::$name)),*];
        }
    };
}

flags! {
    /// Set by MySQL servers; a MariaDB server leaves it out and then may send extended flags.
    LONG_PASSWORD = 0;
    /// Affected rows are found rows.
    FOUND_ROWS = 1;
    /// Column flags have two bytes.
    LONG_FLAG = 2;
    /// A schema may be named in the handshake response.
    CONNECT_WITH_DB = 3;
    /// `schema.table.column` is not allowed.
    NO_SCHEMA = 4;
    /// zlib compression.
    COMPRESS = 5;
    /// ODBC client.
    ODBC = 6;
    /// LOAD DATA LOCAL INFILE.
    LOCAL_FILES = 7;
    /// Blanks before `(`.
    IGNORE_SPACE = 8;
    /// The 4.1 protocol, the only one spoken here.
    PROTOCOL_41 = 9;
    /// `interactive_timeout` in the place of `wait_timeout`.
    INTERACTIVE = 10;
    /// The connection goes on in TLS.
    SSL = 11;
    /// Client ignores SIGPIPE.
    IGNORE_SIGPIPE = 12;
    /// Status flags know transactions.
    TRANSACTIONS = 13;
    /// Old name of the 4.1 protocol.
    RESERVED = 14;
    /// 4.1 authentication.
    SECURE_CONNECTION = 15;
    /// Several statements in one text.
    MULTI_STATEMENTS = 16;
    /// Several results for one text.
    MULTI_RESULTS = 17;
    /// Several results for one prepared statement.
    PS_MULTI_RESULTS = 18;
    /// Authentication plugins by name.
    PLUGIN_AUTH = 19;
    /// Connection attributes.
    CONNECT_ATTRS = 20;
    /// The handshake response's authentication data has a length-encoded length.
    PLUGIN_AUTH_LENENC_DATA = 21;
    /// The client can handle an expired password.
    CAN_HANDLE_EXPIRED_PASSWORDS = 22;
    /// OK packets carry changes of session state.
    SESSION_TRACK = 23;
    /// OK packets in the place of EOF packets.
    DEPRECATE_EOF = 24;
    /// Result set metadata may be left out.
    OPTIONAL_RESULTSET_METADATA = 25;
    /// zstd compression.
    ZSTD_COMPRESSION = 26;
    /// Attributes of a single query.
    QUERY_ATTRIBUTES = 27;
    /// Multi-factor authentication.
    MULTI_FACTOR_AUTHENTICATION = 28;
    /// Client checks the server's certificate.
    SSL_VERIFY_SERVER_CERT = 30;
    /// Client keeps options after a failed connect.
    REMEMBER_OPTIONS = 31;
    /// MariaDB: progress reports in ERR packets.
    MARIADB_PROGRESS = 32;
    /// MariaDB: COM_MULTI, gone from servers.
    MARIADB_COM_MULTI = 33;
    /// MariaDB: bulk execution of prepared statements.
    MARIADB_STMT_BULK = 34;
    /// MariaDB: extended metadata of columns.
    MARIADB_EXTENDED_METADATA = 35;
    /// MariaDB: metadata of prepared statements may be left out. Never offered: a client would keep the
    /// manager's metadata for rows of a worker.
    MARIADB_CACHE_METADATA = 36;
    /// MariaDB: a bulk execution may answer with one row for each of its parts.
    MARIADB_BULK_UNIT_RESULTS = 37;
}

impl Capabilities {
    /// No flag.
    pub const NONE: Capabilities = Capabilities(0);

    /// Flags that shape rows, metadata or the meaning of statements: they are the client's, end to end.
    pub const ROW_FLAGS: Capabilities = Capabilities(
        Self::DEPRECATE_EOF.0
            | Self::QUERY_ATTRIBUTES.0
            | Self::MULTI_STATEMENTS.0
            | Self::MULTI_RESULTS.0
            | Self::PS_MULTI_RESULTS.0
            | Self::OPTIONAL_RESULTSET_METADATA.0
            | Self::FOUND_ROWS.0
            | Self::NO_SCHEMA.0
            | Self::ODBC.0
            | Self::IGNORE_SPACE.0
            | Self::INTERACTIVE.0
            | Self::LOCAL_FILES.0
            | Self::CAN_HANDLE_EXPIRED_PASSWORDS.0
            | Self::MARIADB_PROGRESS.0
            | Self::MARIADB_STMT_BULK.0
            | Self::MARIADB_EXTENDED_METADATA.0
            | Self::MARIADB_BULK_UNIT_RESULTS.0,
    );

    /// Flags that the inner hops always have, whatever the client can do.
    pub const BOOKKEEPING_FLAGS: Capabilities = Capabilities(
        Self::LONG_PASSWORD.0
            | Self::LONG_FLAG.0
            | Self::PROTOCOL_41.0
            | Self::TRANSACTIONS.0
            | Self::RESERVED.0
            | Self::SECURE_CONNECTION.0
            | Self::PLUGIN_AUTH.0
            | Self::PLUGIN_AUTH_LENENC_DATA.0
            | Self::CONNECT_ATTRS.0
            | Self::CONNECT_WITH_DB.0
            | Self::SESSION_TRACK.0,
    );

    /// Flags by which a client says what it does or could do itself. Servers offer them and go on as without: a second
    /// factor is asked of accounts that have one.
    pub const CLIENTS_OWN_FLAGS: Capabilities = Capabilities(
        Self::IGNORE_SIGPIPE.0
            | Self::MULTI_FACTOR_AUTHENTICATION.0
            | Self::SSL_VERIFY_SERVER_CERT.0
            | Self::REMEMBER_OPTIONS.0,
    );

    /// Whether all flags of `other` are set.
    #[inline]
    pub const fn has(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags without those of `other`.
    #[inline]
    pub const fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    /// The lower 32 bits, as the handshake carries them.
    #[inline]
    pub const fn base(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }

    /// MariaDB's extended flags.
    #[inline]
    pub const fn extended(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// From the two halves of the wire.
    #[inline]
    pub const fn from_parts(base: u32, extended: u32) -> Capabilities {
        Capabilities(base as u64 | (extended as u64) << 32)
    }
}

impl BitOr for Capabilities {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Capabilities {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Capabilities {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for (name, flag) in Self::NAMES {
            if self.has(*flag) {
                set.entry(&format_args!("{name}"));
            }
        }
        set.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_survive_the_wire() {
        let all = Capabilities::DEPRECATE_EOF | Capabilities::MARIADB_STMT_BULK;
        assert_eq!(Capabilities::from_parts(all.base(), all.extended()), all);
        assert_eq!(format!("{all:?}"), "{DEPRECATE_EOF, MARIADB_STMT_BULK}");
    }
}

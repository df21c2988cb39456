//! [Server status flags](https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html#a1d854e841086925be1883e4d7b4e8cad)
//! of OK and EOF packets.

use std::ops::BitOr;

/// The status flags of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StatusFlags(pub u16);

impl StatusFlags {
    /// A transaction is open.
    pub const IN_TRANS: StatusFlags = StatusFlags(0x0001);
    /// Autocommit is on.
    pub const AUTOCOMMIT: StatusFlags = StatusFlags(0x0002);
    /// Another result follows.
    pub const MORE_RESULTS: StatusFlags = StatusFlags(0x0008);
    /// A cursor has been opened for the prepared statement.
    pub const CURSOR_EXISTS: StatusFlags = StatusFlags(0x0040);
    /// The cursor has sent its last row.
    pub const LAST_ROW_SENT: StatusFlags = StatusFlags(0x0080);
    /// `sql_mode` has NO_BACKSLASH_ESCAPES.
    pub const NO_BACKSLASH_ESCAPES: StatusFlags = StatusFlags(0x0200);
    /// The metadata of a prepared statement changed.
    pub const METADATA_CHANGED: StatusFlags = StatusFlags(0x0400);
    /// This result is the OUT parameters of a procedure.
    pub const PS_OUT_PARAMS: StatusFlags = StatusFlags(0x1000);
    /// The open transaction is read-only.
    pub const IN_TRANS_READONLY: StatusFlags = StatusFlags(0x2000);
    /// The OK packet carries changes of session state.
    pub const SESSION_STATE_CHANGED: StatusFlags = StatusFlags(0x4000);
    /// MariaDB: `sql_mode` has ANSI_QUOTES.
    pub const ANSI_QUOTES: StatusFlags = StatusFlags(0x8000);

    /// Whether all flags of `other` are set.
    #[inline]
    pub const fn has(self, other: StatusFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags without those of `other`.
    #[inline]
    pub const fn without(self, other: StatusFlags) -> StatusFlags {
        StatusFlags(self.0 & !other.0)
    }
}

impl BitOr for StatusFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

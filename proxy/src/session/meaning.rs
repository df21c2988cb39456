//! What a text means beside its bytes: the schema of its names, how it is read, the character set and collation of its
//! literals. A server settles that when it prepares the text. Pure.

/// What the texts of a session meant at one time: the same number, the same meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Meaning(u32);

/// Variables on which the meaning of a text depends.
pub(super) const MEANING: [&[u8]; 7] = [
    b"sql_mode",
    b"old_mode",
    b"character_set_client",
    b"character_set_connection",
    b"collation_connection",
    b"character_set_collations",
    b"default_collation_for_utf8mb4",
];

impl Meaning {
    /// Another one.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

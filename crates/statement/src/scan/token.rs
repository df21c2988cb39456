//! What the lexer cuts a statement into.

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Keyword or unquoted identifier.
    Word,
    /// Identifier in backquotes, or in double quotes under `ANSI_QUOTES`.
    Quoted,
    /// Number.
    Number,
    /// String, with its introducer if it has one.
    Text,
    /// `x'…'`, `0x…`, `b'…'`, `0b…`, `\N`.
    Bits,
    /// `@name`, `@'name'`, `` @`name` ``.
    UserVariable,
    /// `@@name` or `` @@`name` ``; a scope and its dot are tokens of their own: `@@global` `.` `name`.
    SystemVariable,
    /// `?`.
    Placeholder,
    /// `...`: a collapsed list, as the fingerprint writes it.
    Ellipsis,
    /// Any operator; those of several characters are one token.
    Operator,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `/*!`, `/*!80013`, `/*M!100100`: what follows runs on some servers.
    ExecutableOpen,
    /// The `*/` that ends an executable comment.
    ExecutableClose,
}

/// One token: a kind and the bytes it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Whether a blank or a comment stands before it.
    pub spaced: bool,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Token {
    /// The token's bytes in the text it was cut from.
    #[inline]
    #[must_use]
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Whether this is a value written out: a string, number, hexadecimal or bit value.
    #[inline]
    #[must_use]
    pub fn is_literal(self) -> bool {
        matches!(self.kind, TokenKind::Number | TokenKind::Text | TokenKind::Bits)
    }
}

/// Why we are not sure that the server cuts this text as we do.
///
/// A statement with a doubt is [`Effect::Unknown`](crate::Effect::Unknown): nobody may call it a read,
/// and no policy lets it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// A string or quoted identifier does not end.
    #[error("a quoted text does not end")]
    UnterminatedQuote,
    /// A comment does not end.
    #[error("a comment does not end")]
    UnterminatedComment,
    /// A comment inside an executable comment, or a quoted `*/` or `/*` in one: servers disagree.
    #[error("a comment stands inside an executable comment")]
    NestedComment,
    /// A NUL byte outside a string: some of the server's loops stop there.
    #[error("a NUL byte stands outside a string")]
    NulByte,
    /// A character that starts no token.
    #[error("a character starts no token")]
    StrayCharacter,
    /// A byte above 0x7f that is no well-formed character of the connection's character set.
    #[error("a byte is no character of the connection's character set")]
    MalformedCharacter,
    /// A string whose end depends on which character set the server takes it for.
    #[error("the end of a string depends on its character set")]
    AmbiguousString,
    /// `x'…'` or `b'…'` with other characters than digits.
    #[error("a hexadecimal or bit value is malformed")]
    MalformedBits,
    /// `@` or `@@` without a name.
    #[error("a variable has no name")]
    NamelessVariable,
    /// The text is longer than any packet.
    #[error("the text is too long")]
    TooLong,
}

//! A run of tokens with the text they were cut from, and the questions that judging asks of it.

use crate::{
    scan::{Token, TokenKind},
    tables::TableName,
};

/// Tokens of one statement, or of a part of it. All positions are relative; none panics.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) all: &'a [Token],
}

impl<'a> Tokens<'a> {
    pub(crate) fn len(self) -> usize {
        self.all.len()
    }

    pub(crate) fn kind(self, at: usize) -> Option<TokenKind> {
        self.all.get(at).map(|token| token.kind)
    }

    /// The token's bytes; empty past the end.
    pub(crate) fn bytes(self, at: usize) -> &'a [u8] {
        self.all.get(at).map_or(&[], |token| token.of(self.text))
    }

    /// Everything from `at` on.
    pub(crate) fn from(self, at: usize) -> Self {
        Self {
            text: self.text,
            all: self.all.get(at..).unwrap_or_default(),
        }
    }

    /// `start..end`, cut to what there is.
    pub(crate) fn range(self, start: usize, end: usize) -> Self {
        let end = end.min(self.len());
        Self {
            text: self.text,
            all: self.all.get(start..end).unwrap_or_default(),
        }
    }

    /// Whether the token at `at` is this unquoted word, and no name behind a dot.
    pub(crate) fn is(self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(TokenKind::Word)
            && self.bytes(at).eq_ignore_ascii_case(word.as_bytes())
            && !(at > 0 && self.kind(at - 1) == Some(TokenKind::Dot))
    }

    /// Whether the token is one of these words.
    pub(crate) fn is_any(self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    /// Whether these words follow each other from `at`.
    pub(crate) fn are(self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| self.is(at + n, word))
    }

    pub(crate) fn is_operator(self, at: usize, operator: &str) -> bool {
        self.kind(at) == Some(TokenKind::Operator) && self.bytes(at) == operator.as_bytes()
    }

    /// The upper-cased word at `at`, for a `match`; empty for anything but a word.
    pub(crate) fn keyword(self, at: usize) -> Keyword {
        let mut keyword = Keyword::default();
        let after_dot = at > 0 && self.kind(at - 1) == Some(TokenKind::Dot);
        if self.kind(at) == Some(TokenKind::Word)
            && !after_dot
            && let word = self.bytes(at)
            && let Some(room) = keyword.bytes.get_mut(..word.len())
        {
            room.copy_from_slice(word);
            room.make_ascii_uppercase();
            keyword.len = word.len();
        }
        keyword
    }

    /// Whether any token is this word.
    pub(crate) fn holds(self, word: &str) -> bool {
        self.position(0, word).is_some()
    }

    /// First place from `from` where this word stands, at any depth.
    pub(crate) fn position(self, from: usize, word: &str) -> Option<usize> {
        (from..self.len()).find(|&at| self.is(at, word))
    }

    /// First place from `from` at the same depth of parentheses where one of these words stands.
    pub(crate) fn position_outside(self, from: usize, words: &[&str]) -> Option<usize> {
        let mut depth = 0_usize;
        for at in from..self.len() {
            match self.kind(at) {
                Some(TokenKind::Open) => depth += 1,
                Some(TokenKind::Close) => depth = depth.checked_sub(1)?,
                Some(TokenKind::Word) if depth == 0 && self.is_any(at, words) => return Some(at),
                _ => {}
            }
        }
        None
    }

    /// The place of the parenthesis that closes the one at `open`.
    pub(crate) fn closing(self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..self.len() {
            match self.kind(at) {
                Some(TokenKind::Open) => depth += 1,
                Some(TokenKind::Close) => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a name (quoted or not) stands here.
    pub(crate) fn is_name(self, at: usize) -> bool {
        matches!(self.kind(at), Some(TokenKind::Word | TokenKind::Quoted))
    }

    /// The name at `at` without its quotes.
    pub(crate) fn name(self, at: usize) -> Option<Box<[u8]>> {
        match self.kind(at)? {
            TokenKind::Word => Some(self.bytes(at).into()),
            TokenKind::Quoted => Some(unquote(self.bytes(at))),
            _ => None,
        }
    }

    /// `name` or `schema.name` at `at`, and the place behind it.
    pub(crate) fn table(self, at: usize) -> Option<(TableName, usize)> {
        let first = self.name(at)?;
        if self.kind(at + 1) == Some(TokenKind::Dot)
            && let Some(name) = self.name(at + 2)
        {
            return Some((
                TableName {
                    schema: Some(first),
                    name,
                },
                at + 3,
            ));
        }
        Some((
            TableName {
                schema: None,
                name: first,
            },
            at + 1,
        ))
    }
}

/// An upper-cased word of at most 32 bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keyword {
    bytes: [u8; 32],
    len: usize,
}

impl Keyword {
    pub(crate) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// A quoted name or string without its quotes, doubled quotes made one (backslashes are left alone).
pub(crate) fn unquote(quoted: &[u8]) -> Box<[u8]> {
    let Some((&quote, rest)) = quoted.split_first() else {
        return Box::default();
    };
    let inner = rest.strip_suffix(&[quote]).unwrap_or(rest);
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(byte);
        if byte == quote {
            bytes.next();
        }
    }
    plain.into()
}

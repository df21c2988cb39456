//! One pass over a statement that writes its normalised text: the shape without the values.
//!
//! Literals become `?`, lists of them `(...)`, equal rows after each other one row, comments and optimizer
//! hints go, blanks become one. Executable comments are opened: their marks stay, their content is normalised.
//! Words keep their case, names keep their quotes. Facts are computed *from this text* and cached under it, so
//! they cannot depend on anything it does not hold; where a literal matters, [`Scan::literals_matter`] says so.

use std::ops::Range;

use crate::{
    hint::Hint,
    scan::{Doubt, LexMode, Lexer, Token, TokenKind},
};

/// What one pass over a statement's text found besides its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Our own hint, and the bytes it takes in the text (from `/*+` to `*/`).
    pub hint: Option<(Hint, Range<usize>)>,
    /// Why the text cannot be trusted to be cut as the server cuts it.
    pub doubt: Option<Doubt>,
    /// The facts depend on a literal (SET, PREPARE, EXECUTE, PROXY): they are computed from the text itself.
    pub literals_matter: bool,
    /// Number of tokens.
    pub tokens: u32,
    /// Number of `?`: the parameters of a statement that is to be prepared.
    pub placeholders: u32,
}

/// Writes the fingerprint of `text` into `out` (cleared first; keeps its capacity).
///
/// ```
/// use statement::{LexMode, fingerprint};
///
/// let mut out = Vec::new();
/// fingerprint(b"SELECT c FROM t WHERE id IN (1, 2) AND d = 'x' -- why", LexMode::default(), &mut out);
/// assert_eq!(out, b"SELECT c FROM t WHERE id IN (...) AND d = ?");
/// ```
pub fn fingerprint(text: &[u8], mode: LexMode, out: &mut Vec<u8>) -> Scan {
    out.clear();
    let mut lexer = Lexer::new(text, mode);
    let mut writer = Writer::new(out);
    let mut literals = LiteralWatch::default();
    let mut placeholders = 0;
    for token in lexer.by_ref() {
        literals.see(token, text);
        placeholders += u32::from(token.kind == TokenKind::Placeholder);
        writer.write(token, text);
    }
    let hint = lexer.hint_range().and_then(|range| {
        let comment = text.get(range.clone()).unwrap_or_default();
        Hint::of_comment(comment).map(|hint| (hint, range))
    });
    Scan {
        hint,
        doubt: lexer.doubt(),
        literals_matter: literals.matter,
        tokens: lexer.tokens(),
        placeholders,
    }
}

/// Watches for statements whose facts depend on what a literal says.
#[derive(Default)]
struct LiteralWatch {
    matter: bool,
    inside: bool,
    executable_seen: bool,
}

impl LiteralWatch {
    #[inline]
    fn see(&mut self, token: Token, text: &[u8]) {
        match token.kind {
            TokenKind::Semicolon => self.inside = false,
            TokenKind::ExecutableOpen => self.executable_seen = true,
            TokenKind::Word => {
                let first = !self.inside || self.executable_seen;
                self.inside = true;
                let word = token.of(text);
                let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
                self.matter |= match word.len() {
                    3 => first && is(b"SET"),
                    5 => first && is(b"PROXY"),
                    7 => is(b"PREPARE") || first && is(b"EXECUTE"),
                    9 => is(b"IMMEDIATE"),
                    _ => false,
                };
            }
            _ => self.inside = true,
        }
    }
}

/// Levels of parentheses in which lists are collapsed; deeper ones are written out.
const COLLAPSE_DEPTH_MAX: usize = 16;

/// What is known of one open level of parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Where its `(` stands in the output.
    start: usize,
    /// Only values, commas and signs so far.
    only_values: bool,
    /// At least one comma.
    list: bool,
    /// The last closed group directly inside this level, and whether a comma and nothing else followed it.
    previous: Option<(usize, usize)>,
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    last: Option<TokenKind>,
    /// The dot just written stands behind an unquoted name.
    digits_may_follow: bool,
    depth: usize,
    levels: [Level; COLLAPSE_DEPTH_MAX],
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            last: None,
            digits_may_follow: false,
            depth: 0,
            levels: [Level::default(); COLLAPSE_DEPTH_MAX],
        }
    }

    #[inline]
    fn write(&mut self, token: Token, text: &[u8]) {
        use TokenKind as K;
        // strings next to each other are one string
        if token.kind == K::Text && self.last == Some(K::Text) {
            return;
        }
        self.space(token, text);
        match token.kind {
            K::Number | K::Text | K::Bits | K::Placeholder => self.out.push(b'?'),
            K::Ellipsis => self.out.extend_from_slice(b"..."),
            K::Word => {
                let word = token.of(text);
                if !is_value_word(word) {
                    self.not_only_values();
                }
                self.out.extend_from_slice(word);
            }
            K::Quoted | K::UserVariable | K::SystemVariable | K::ExecutableOpen | K::ExecutableClose => {
                self.not_only_values();
                self.out.extend_from_slice(token.of(text));
            }
            K::Operator => {
                let operator = token.of(text);
                if !matches!(operator, b"-" | b"+") {
                    self.not_only_values();
                }
                self.out.extend_from_slice(operator);
            }
            K::Dot | K::Semicolon => {
                self.not_only_values();
                self.out.extend_from_slice(token.of(text));
            }
            K::Comma => {
                if let Some(level) = self.levels.get_mut(self.depth) {
                    level.list = true;
                }
                self.out.push(b',');
            }
            K::Open => self.open(),
            K::Close => self.close(),
        }
        self.last = Some(token.kind);
    }

    /// One blank where tokens must stay apart, none where they need not.
    #[inline]
    fn space(&mut self, token: Token, text: &[u8]) {
        use TokenKind as K;
        let Some(last) = self.last else { return };
        let glued = match (last, token.kind) {
            (_, K::Comma | K::Close | K::Semicolon) | (K::Open | K::Dot, K::Quoted) => true,
            (K::Open, kind) => kind != K::Dot,
            (K::Word | K::Quoted | K::SystemVariable, K::Dot) => true,
            // `1b` is a name behind `a.`, and half a number behind `` `a`. ``
            (K::Dot, K::Word) => {
                self.digits_may_follow || !token.of(text).first().is_some_and(u8::is_ascii_digit)
            }
            (K::Dot, K::Operator) => true,
            // `count (` is another function than `count(` to the server
            (K::Word | K::Quoted, K::Open) => !token.spaced,
            _ => false,
        };
        if token.kind == K::Dot {
            self.digits_may_follow =
                last == K::Word || last == K::SystemVariable && self.out.last() != Some(&b'`');
        }
        if !glued {
            self.out.push(b' ');
        }
    }

    #[inline]
    fn not_only_values(&mut self) {
        if let Some(level) = self.levels.get_mut(self.depth) {
            level.only_values = false;
        }
    }

    fn open(&mut self) {
        self.not_only_values();
        self.depth += 1;
        if let Some(level) = self.levels.get_mut(self.depth) {
            *level = Level {
                start: self.out.len(),
                only_values: true,
                list: false,
                previous: None,
            };
        }
        self.out.push(b'(');
    }

    fn close(&mut self) {
        let closed = self.levels.get(self.depth).copied();
        let nested = self.depth > 0;
        self.depth = self.depth.saturating_sub(1);
        let Some(group) = closed.filter(|_| nested) else {
            self.out.push(b')');
            return;
        };
        if group.only_values && (group.list || self.last == Some(TokenKind::Ellipsis)) {
            self.out.truncate(group.start);
            self.out.extend_from_slice(b"(...)");
        } else {
            self.out.push(b')');
        }
        let range = (group.start, self.out.len());
        let Some(level) = self.levels.get_mut(self.depth) else {
            return;
        };
        // an equal row right behind a comma says nothing new
        if let Some((start, end)) = level.previous
            && self.out.get(end..range.0) == Some(b", ")
            && self.out.get(start..end) == self.out.get(range.0..range.1)
        {
            self.out.truncate(end);
            return;
        }
        level.previous = Some(range);
    }
}

/// Words that stand for a value: a list of them is a list of values.
#[inline]
fn is_value_word(word: &[u8]) -> bool {
    match word.len() {
        4 => word.eq_ignore_ascii_case(b"NULL") || word.eq_ignore_ascii_case(b"TRUE"),
        5 => word.eq_ignore_ascii_case(b"FALSE"),
        7 => word.eq_ignore_ascii_case(b"DEFAULT"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! The lexer's main loop: words, numbers, variables, operators.
//!
//! It follows the server's own state machine (`sql_lex.cc`), also where that is odd:
//! `1union` is one word, `1e1union` is a number and a word, digits after a dot are a name.

use super::{
    mode::LexMode,
    token::{Doubt, Token, TokenKind},
};

/// Cuts one text into tokens.
///
/// ```
/// use statement::{LexMode, Lexer, TokenKind};
///
/// let kinds: Vec<TokenKind> = Lexer::new(b"SELECT 'a''b' -- end", LexMode::default())
///     .map(|token| token.kind)
///     .collect();
/// assert_eq!(kinds, [TokenKind::Word, TokenKind::Text]);
/// ```
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    pub(super) text: &'a [u8],
    pub(super) mode: LexMode,
    pub(super) at: usize,
    pub(super) doubt: Option<Doubt>,
    /// Where the executable comment that we are in ends (its `*/`).
    pub(super) executable_end: Option<usize>,
    /// End of the word just read: a dot right here is a separator even before a digit.
    word_end: usize,
    /// A dot was just read and a name follows it directly: no keyword, no number.
    name_follows: bool,
    /// Tokens returned so far.
    tokens: u32,
    /// The last `/*+ … */` that stood after the first token.
    pub(super) hint: Option<(usize, usize)>,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`.
    #[must_use]
    pub fn new(text: &'a [u8], mode: LexMode) -> Self {
        let too_long = u32::try_from(text.len()).is_err();
        Self {
            text,
            mode,
            at: 0,
            doubt: too_long.then_some(Doubt::TooLong),
            executable_end: None,
            word_end: usize::MAX,
            name_follows: false,
            tokens: 0,
            hint: None,
        }
    }

    /// Why the tokens ended early, if they did. Ask after the last token.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// How many tokens were returned so far.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// The range of the `/*+ … */` comment behind the first token, if there is one.
    #[must_use]
    pub fn hint_range(&self) -> Option<std::ops::Range<usize>> {
        self.hint.map(|(start, end)| start..end)
    }

    /// The byte `ahead` of here; 0 past the end, as in the server's own buffer.
    #[inline]
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Stops the lexer: what follows cannot be trusted.
    #[cold]
    pub(super) fn give_up(&mut self, doubt: Doubt) -> Option<TokenKind> {
        self.doubt.get_or_insert(doubt);
        None
    }

    fn token(&mut self) -> Option<TokenKind> {
        let name_follows = std::mem::take(&mut self.name_follows);
        let byte = self.peek(0);
        if name_follows && is_name_byte(byte) {
            return self.name();
        }
        match CLASS[byte as usize] {
            Class::Letter => self.word(byte),
            Class::Digit => self.number(),
            Class::High => self.name(),
            Class::Quote => self.quote(byte),
            Class::Backquote => self.quoted_name(byte),
            Class::At => self.variable(),
            Class::Dot => self.dot(),
            Class::Comma => self.single(TokenKind::Comma),
            Class::Open => self.single(TokenKind::Open),
            Class::Close => self.single(TokenKind::Close),
            Class::Semicolon => self.single(TokenKind::Semicolon),
            Class::Question => self.single(TokenKind::Placeholder),
            Class::Operator => self.operator(byte),
            Class::Backslash if self.peek(1) == b'N' => {
                self.at += 2;
                Some(TokenKind::Bits)
            }
            Class::Nul => self.give_up(Doubt::NulByte),
            Class::Blank | Class::Backslash | Class::Stray => self.give_up(Doubt::StrayCharacter),
        }
    }

    #[inline]
    fn single(&mut self, kind: TokenKind) -> Option<TokenKind> {
        self.at += 1;
        Some(kind)
    }

    /// A word, unless its first letter begins `x'…'`, `b'…'`, `n'…'` or `_charset'…'`.
    #[inline]
    fn word(&mut self, first: u8) -> Option<TokenKind> {
        match first {
            b'x' | b'X' if self.peek(1) == b'\'' => return self.bits(|byte| byte.is_ascii_hexdigit()),
            b'b' | b'B' if self.peek(1) == b'\'' => return self.bits(|byte| matches!(byte, b'0' | b'1')),
            b'n' | b'N' if self.peek(1) == b'\'' => {
                self.at += 1;
                return self.string(b'\'');
            }
            // the newest servers read $tag$ … $tag$ as a string
            b'$' => return self.give_up(Doubt::StrayCharacter),
            _ => {}
        }
        let start = self.at;
        let kind = self.name()?;
        if first == b'_' && self.introduces_a_string(start)? {
            return Some(TokenKind::Text);
        }
        Some(kind)
    }

    /// The bytes of an unquoted name.
    #[inline]
    pub(super) fn name(&mut self) -> Option<TokenKind> {
        loop {
            let byte = self.peek(0);
            if byte >= 0x80 {
                let len = self.mode.charset.multibyte_len(self.rest());
                if len == 0 {
                    return self.give_up(Doubt::MalformedCharacter);
                }
                self.at += len;
            } else if is_name_byte(byte) {
                self.at += 1;
            } else {
                break;
            }
        }
        self.word_end = self.at;
        Some(TokenKind::Word)
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
    }

    /// A number, or a name that begins with a digit.
    fn number(&mut self) -> Option<TokenKind> {
        let start = self.at;
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'b') {
            let hex = self.peek(1) == b'x';
            self.at += 2;
            while if hex {
                self.peek(0).is_ascii_hexdigit()
            } else {
                matches!(self.peek(0), b'0' | b'1')
            } {
                self.at += 1;
            }
            if self.at - start >= 3 && !is_name_byte(self.peek(0)) {
                return Some(TokenKind::Bits);
            }
            return self.name();
        }
        self.digits();
        if !is_name_byte(self.peek(0)) {
            if self.peek(0) != b'.' {
                return Some(TokenKind::Number);
            }
            self.at += 1;
            return self.fraction();
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.digits();
                return Some(TokenKind::Number);
            }
        }
        self.name()
    }

    /// What follows a number's point.
    fn fraction(&mut self) -> Option<TokenKind> {
        self.digits();
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if !self.peek(1 + sign).is_ascii_digit() {
                return self.give_up(Doubt::StrayCharacter);
            }
            self.at += 1 + sign;
            self.digits();
        }
        Some(TokenKind::Number)
    }

    fn dot(&mut self) -> Option<TokenKind> {
        if self.rest().starts_with(b"...") {
            self.at += 3;
            return Some(TokenKind::Ellipsis);
        }
        let after_word = self.at == self.word_end;
        self.at += 1;
        if self.peek(0).is_ascii_digit() && !after_word {
            return self.fraction();
        }
        self.name_follows = is_name_byte(self.peek(0));
        Some(TokenKind::Dot)
    }

    /// `@name` and `@@name`, with or without quotes.
    fn variable(&mut self) -> Option<TokenKind> {
        self.at += 1;
        match self.peek(0) {
            b'@' => {
                self.at += 1;
                match self.peek(0) {
                    b'`' => self.quoted_name(b'`')?,
                    byte if is_name_byte(byte) => self.name()?,
                    _ => return self.give_up(Doubt::NamelessVariable),
                };
                Some(TokenKind::SystemVariable)
            }
            b'`' => self.quoted_name(b'`').and(Some(TokenKind::UserVariable)),
            quote @ (b'\'' | b'"') => self.quote(quote).and(Some(TokenKind::UserVariable)),
            byte if byte == b'.' || is_name_byte(byte) => {
                while self.peek(0) == b'.' || is_name_byte(self.peek(0)) {
                    if self.peek(0) >= 0x80 {
                        return self.give_up(Doubt::MalformedCharacter);
                    }
                    self.at += 1;
                }
                Some(TokenKind::UserVariable)
            }
            _ => self.give_up(Doubt::NamelessVariable),
        }
    }

    fn operator(&mut self, first: u8) -> Option<TokenKind> {
        let (second, third) = (self.peek(1), self.peek(2));
        self.at += match (first, second, third) {
            (b'<', b'=', b'>') | (b'-', b'>', b'>') => 3,
            (b'<', b'=' | b'>' | b'<', _)
            | (b'>', b'=' | b'>', _)
            | (b'!' | b':', b'=', _)
            | (b'|', b'|', _)
            | (b'&', b'&', _)
            | (b'-', b'>', _) => 2,
            _ => 1,
        };
        Some(TokenKind::Operator)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        if self.doubt.is_some() {
            return None;
        }
        let before = self.at;
        let executable = self.skip_blanks_and_comments()?;
        let spaced = self.at != before;
        let start = self.at;
        let kind = match executable {
            Some((kind, len)) => {
                self.at += len;
                kind
            }
            None => self.token()?,
        };
        if self.executable_end.is_some_and(|end| self.at > end) {
            self.give_up(Doubt::NestedComment);
            return None;
        }
        if kind == TokenKind::ExecutableClose {
            self.executable_end = None;
        }
        self.tokens = self.tokens.saturating_add(1);
        // the length was checked to fit when the lexer was made
        Some(Token {
            kind,
            spaced,
            start: start as u32,
            end: self.at as u32,
        })
    }
}

/// Whether an unquoted name may contain this byte.
#[inline]
pub(super) fn is_name_byte(byte: u8) -> bool {
    matches!(CLASS[byte as usize], Class::Letter | Class::Digit | Class::High)
}

/// Whether the server skips this byte between tokens.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(CLASS[byte as usize], Class::Blank)
}

#[derive(Clone, Copy)]
enum Class {
    Nul,
    Blank,
    Letter,
    Digit,
    High,
    Quote,
    Backquote,
    At,
    Dot,
    Comma,
    Open,
    Close,
    Semicolon,
    Question,
    Operator,
    Backslash,
    Stray,
}

static CLASS: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Stray; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0 => Class::Nul,
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => Class::Blank,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            0x80.. => Class::High,
            b'\'' | b'"' => Class::Quote,
            b'`' => Class::Backquote,
            b'@' => Class::At,
            b'.' => Class::Dot,
            b',' => Class::Comma,
            b'(' => Class::Open,
            b')' => Class::Close,
            b';' => Class::Semicolon,
            b'?' => Class::Question,
            b'\\' => Class::Backslash,
            b'!' | b'%' | b'&' | b'*' | b'+' | b'-' | b'/' | b':' | b'<' | b'=' | b'>' | b'[' | b']'
            | b'^' | b'{' | b'|' | b'}' | b'~' => Class::Operator,
            _ => Class::Stray,
        };
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests;

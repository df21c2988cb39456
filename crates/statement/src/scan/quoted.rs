//! Strings, quoted names, hexadecimal and bit values.

use super::{
    lexer::{Lexer, is_blank},
    mode::CharsetClass,
    token::{Doubt, TokenKind},
};

impl Lexer<'_> {
    /// `'…'`, or `"…"` as the mode reads it.
    #[inline]
    pub(super) fn quote(&mut self, quote: u8) -> Option<TokenKind> {
        if quote == b'"' && self.mode.ansi_quotes {
            self.quoted_name(quote)
        } else {
            self.string(quote)
        }
    }

    /// A string from its opening quote to its closing one.
    pub(super) fn string(&mut self, quote: u8) -> Option<TokenKind> {
        let escapes = !self.mode.no_backslash_escapes;
        let wide = self.mode.charset.has_backslash_trails();
        self.at += 1;
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return self.give_up(Doubt::UnterminatedQuote);
            };
            if byte == quote {
                self.at += 1;
                if self.peek(0) != quote {
                    return Some(TokenKind::Text);
                }
                self.at += 1;
            } else if byte == b'\\' && escapes {
                // the server skips one byte, not one character: do not guess what follows
                if wide && self.peek(1) >= 0x80 {
                    return self.give_up(Doubt::AmbiguousString);
                }
                self.at += 2;
            } else if wide && byte >= 0x80 {
                self.at += self.mode.charset.multibyte_len(self.rest()).max(1);
            } else {
                self.at += 1;
            }
        }
    }

    /// A name from its opening quote to its closing one.
    pub(super) fn quoted_name(&mut self, quote: u8) -> Option<TokenKind> {
        self.at += 1;
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return self.give_up(Doubt::UnterminatedQuote);
            };
            self.at += match byte {
                0 => return self.give_up(Doubt::NulByte),
                0x80.. => match self.mode.charset.multibyte_len(self.rest()) {
                    // one-byte sets: any high byte is a character
                    0 if self.mode.charset == CharsetClass::SingleByte => 1,
                    // versions differ on whether the lead byte takes the next one with it
                    0 => return self.give_up(Doubt::MalformedCharacter),
                    len => len,
                },
                _ if byte != quote => 1,
                _ if self.peek(1) == quote => 2,
                _ => {
                    self.at += 1;
                    return Some(TokenKind::Quoted);
                }
            };
        }
    }

    /// `x'…'` or `b'…'`.
    pub(super) fn bits(&mut self, digit: impl Fn(u8) -> bool) -> Option<TokenKind> {
        self.at += 2;
        while digit(self.peek(0)) {
            self.at += 1;
        }
        if self.peek(0) != b'\'' {
            return self.give_up(Doubt::MalformedBits);
        }
        self.at += 1;
        Some(TokenKind::Bits)
    }

    /// After the word from `start`: if it is `_charset` and a string follows, takes that in as well.
    pub(super) fn introduces_a_string(&mut self, start: usize) -> Option<bool> {
        let name = self.text.get(start + 1..self.at).unwrap_or_default();
        let Some(class) = introducer_class(name) else {
            return Some(false);
        };
        let blanks = self.rest().iter().take_while(|&&byte| is_blank(byte)).count();
        let quote = self.peek(blanks);
        if quote != b'\'' && (quote != b'"' || self.mode.ansi_quotes) {
            return Some(false);
        }
        self.at += blanks;
        let from = self.at;
        self.string(quote)?;
        let risky = class.has_backslash_trails() || self.mode.charset.has_backslash_trails();
        if risky && class != self.mode.charset && !self.text.get(from..self.at).unwrap_or_default().is_ascii()
        {
            self.give_up(Doubt::AmbiguousString);
            return None;
        }
        Some(true)
    }
}

fn introducer_class(name: &[u8]) -> Option<CharsetClass> {
    // a collation's name is no introducer, and the wide sets are ones although no client may use them
    if name.contains(&b'_') {
        return None;
    }
    let wide: [&[u8]; 4] = [b"ucs2", b"utf16", b"utf16le", b"utf32"];
    if wide.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Some(CharsetClass::SingleByte);
    }
    CharsetClass::from_name(name)
}

//! Blanks, comments, and the comments that some servers run.

use super::{
    lexer::{Lexer, is_blank},
    token::{Doubt, TokenKind},
};

impl Lexer<'_> {
    /// Moves to the next token. `None`: the text ended or cannot be trusted.
    /// `Some(Some(…))`: an executable comment begins or ends here, with the mark's length.
    #[inline]
    pub(super) fn skip_blanks_and_comments(&mut self) -> Option<Option<(TokenKind, usize)>> {
        loop {
            let byte = self.peek(0);
            if is_blank(byte) {
                self.at += 1;
                continue;
            }
            match byte {
                0 if self.at >= self.text.len() => return None,
                b'#' => self.line_comment()?,
                b'-' if self.peek(1) == b'-' => {
                    let third = self.peek(2);
                    if third >= 0x80 {
                        // a control character in some sets
                        self.give_up(Doubt::MalformedCharacter);
                        return None;
                    }
                    if !is_blank(third) && !third.is_ascii_control() {
                        return Some(None);
                    }
                    self.line_comment()?;
                }
                b'/' if self.peek(1) == b'*' => {
                    if let Some(mark_len) = self.executable_mark() {
                        self.enter_executable(mark_len)?;
                        return Some(Some((TokenKind::ExecutableOpen, mark_len)));
                    }
                    self.block_comment()?;
                }
                b'*' if self.executable_end == Some(self.at) => {
                    // the mark itself lies past the end that tokens must respect
                    self.executable_end = Some(self.at + 2);
                    return Some(Some((TokenKind::ExecutableClose, 2)));
                }
                _ => return Some(None),
            }
        }
    }

    fn line_comment(&mut self) -> Option<()> {
        if self.executable_end.is_some() {
            self.give_up(Doubt::NestedComment);
            return None;
        }
        let rest = self.rest();
        let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        // the server ends such a comment at a NUL as well
        if rest.get(..len).unwrap_or_default().contains(&0) {
            self.give_up(Doubt::NulByte);
            return None;
        }
        self.at += len;
        Some(())
    }

    fn block_comment(&mut self) -> Option<()> {
        if self.executable_end.is_some() {
            self.give_up(Doubt::NestedComment);
            return None;
        }
        let Some(len) = find(self.text.get(self.at + 2..).unwrap_or_default(), b"*/") else {
            self.give_up(Doubt::UnterminatedComment);
            return None;
        };
        let (start, end) = (self.at, self.at + 2 + len + 2);
        let body = self.text.get(start + 2..end - 2).unwrap_or_default();
        if let [b'+', hints @ ..] = body {
            // the server's hint lexer knows quotes: `*/` between them would not end the comment
            if [b'`', b'"', b'\'']
                .iter()
                .any(|quote| hints.iter().filter(|&byte| byte == quote).count() % 2 == 1)
            {
                self.give_up(Doubt::UnterminatedQuote);
                return None;
            }
            if self.tokens() == 1 {
                self.hint = Some((start, end));
            }
        }
        self.at = end;
        Some(())
    }

    /// Length of `/*!`, `/*M!` with its version digits, if one stands here.
    fn executable_mark(&self) -> Option<usize> {
        let mark = match (self.peek(2), self.peek(3)) {
            (b'!', _) => 3,
            (b'M', b'!') => 4,
            _ => return None,
        };
        let digits = (0..6)
            .take_while(|&n| self.peek(mark + n).is_ascii_digit())
            .count();
        Some(if digits >= 5 { mark + digits } else { mark })
    }

    /// An executable comment must end at the same place whether it is opened or dropped.
    fn enter_executable(&mut self, mark_len: usize) -> Option<()> {
        if self.executable_end.is_some() {
            self.give_up(Doubt::NestedComment);
            return None;
        }
        let from = self.at + mark_len;
        let body = self.text.get(from..).unwrap_or_default();
        let Some(len) = find(body, b"*/") else {
            self.give_up(Doubt::UnterminatedComment);
            return None;
        };
        if find(body.get(..len).unwrap_or_default(), b"/*").is_some() {
            self.give_up(Doubt::NestedComment);
            return None;
        }
        self.executable_end = Some(from + len);
        Some(())
    }
}

/// Where `needle` first stands in `haystack`.
fn find(haystack: &[u8], needle: &[u8; 2]) -> Option<usize> {
    haystack.windows(2).position(|pair| pair == needle)
}

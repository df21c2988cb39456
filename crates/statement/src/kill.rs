//! `KILL`: which connection a statement names, as far as its text tells.
//!
//! ```text
//! KILL [HARD | SOFT] [CONNECTION | QUERY] operand
//! ```
//!
//! The operand is an expression to both engines. A number is read here; what can be asked for without an effect
//! (variables, `CONNECTION_ID()`, arithmetic) is told apart from everything else, such as MariaDB's `USER name`
//! and `QUERY ID n`, which name no connection.

use std::ops::Range;

use crate::{
    scan::{LexMode, Lexer, Token, TokenKind},
    tokens::{Tokens, unquote},
};

/// A KILL statement that stands alone in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// What of the connection is to end.
    pub ends: KillEnds,
    /// Which one.
    pub victim: KillVictim,
    /// The bytes of the operand in the text.
    pub operand: Range<usize>,
}

/// What of a connection a KILL ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillEnds {
    /// `KILL QUERY`: what it runs at this moment.
    Query,
    /// `KILL`, `KILL CONNECTION`: all of it.
    Connection,
}

/// How a KILL names its victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillVictim {
    /// A number, written out.
    Number(u64),
    /// A parameter of a prepared statement.
    Parameter,
    /// An expression whose value can be asked for without an effect.
    Expression,
    /// MariaDB's `USER name`: the account's name, without its host.
    User(Box<[u8]>),
    /// Something else: only the server knows what it means.
    Unclear,
}

/// Most tokens of a KILL that are looked at: its operand is a number or short.
const TOKENS_MAX: usize = 64;

impl Kill {
    /// The KILL that `text` is; none when it is anything else, or more than that.
    #[must_use]
    pub fn of(text: &[u8], mode: LexMode) -> Option<Self> {
        let mut lexer = Lexer::new(text, mode);
        let mut all: Vec<Token> = lexer.by_ref().take(TOKENS_MAX + 1).collect();
        if lexer.doubt().is_some() || all.len() > TOKENS_MAX {
            return None;
        }
        // `KILL /*!50000 QUERY */ 7`, as old clients write it: every server opens such a comment
        all.retain(|token| !matches!(token.kind, TokenKind::ExecutableOpen | TokenKind::ExecutableClose));
        while all.last().is_some_and(|token| token.kind == TokenKind::Semicolon) {
            all.pop();
        }
        let tokens = Tokens { text, all: &all };
        let (ends, operand) = parts(tokens)?;
        let victim = victim(ends, operand);
        let start = operand
            .all
            .first()
            .map_or(text.len(), |token| token.start as usize);
        let end = operand.all.last().map_or(text.len(), |token| token.end as usize);
        Some(Self {
            ends,
            victim,
            operand: start..end,
        })
    }

    /// The statement with the number in the operand's place.
    #[must_use]
    pub fn with_number(&self, text: &[u8], number: u64) -> Vec<u8> {
        let before = text.get(..self.operand.start).unwrap_or_default();
        let behind = text.get(self.operand.end..).unwrap_or_default();
        [before, number.to_string().as_bytes(), behind].concat()
    }
}

/// Whether a KILL says which connection it means in a way that can be followed. The tokens may be those of a
/// fingerprint, where a number is a `?`.
pub(crate) fn is_clear(tokens: Tokens<'_>) -> bool {
    parts(tokens).is_some_and(|(ends, operand)| {
        let is_value = |at| operand.kind(at) == Some(TokenKind::Placeholder) || has_no_effect(operand, at);
        match victim(ends, operand) {
            KillVictim::Number(_) | KillVictim::Parameter | KillVictim::Expression => true,
            KillVictim::User(_) => false,
            KillVictim::Unclear => {
                operand.len() > 0 && !is_query_id(ends, operand) && (0..operand.len()).all(is_value)
            }
        }
    })
}

/// `KILL QUERY ID 7` is another statement than `KILL QUERY 7`.
fn is_query_id(ends: KillEnds, operand: Tokens<'_>) -> bool {
    ends == KillEnds::Query && operand.is(0, "ID")
}

fn parts(tokens: Tokens<'_>) -> Option<(KillEnds, Tokens<'_>)> {
    if !tokens.is(0, "KILL") {
        return None;
    }
    let mut at = 1 + usize::from(tokens.is_any(1, &["HARD", "SOFT"]));
    let mut ends = KillEnds::Connection;
    if tokens.is_any(at, &["QUERY", "CONNECTION"]) {
        if tokens.is(at, "QUERY") {
            ends = KillEnds::Query;
        }
        at += 1;
    }
    Some((ends, tokens.from(at)))
}

fn victim(ends: KillEnds, operand: Tokens<'_>) -> KillVictim {
    if operand.is(0, "USER")
        && let Some(name) = user(operand)
    {
        return KillVictim::User(name);
    }
    if operand.len() == 1 {
        match operand.kind(0) {
            Some(TokenKind::Number) => {
                let number = std::str::from_utf8(operand.bytes(0)).ok();
                return number
                    .and_then(|digits| digits.parse().ok())
                    .map_or(KillVictim::Expression, KillVictim::Number);
            }
            Some(TokenKind::Placeholder) => return KillVictim::Parameter,
            _ => {}
        }
    }
    if operand.len() > 0
        && !is_query_id(ends, operand)
        && (0..operand.len()).all(|at| has_no_effect(operand, at))
    {
        KillVictim::Expression
    } else {
        KillVictim::Unclear
    }
}

/// `USER name`, `USER name@host`.
fn user(operand: Tokens<'_>) -> Option<Box<[u8]>> {
    match operand.kind(1)? {
        TokenKind::Text => Some(unquote(operand.bytes(1))),
        _ => operand.name(1),
    }
}

/// Whether a token can stand in an expression that does nothing but have a value.
fn has_no_effect(tokens: Tokens<'_>, at: usize) -> bool {
    match tokens.kind(at) {
        Some(
            TokenKind::Number
            | TokenKind::Text
            | TokenKind::Bits
            | TokenKind::UserVariable
            | TokenKind::SystemVariable
            | TokenKind::Close,
        ) => true,
        Some(TokenKind::Open) => at == 0 || tokens.kind(at - 1) != Some(TokenKind::Quoted),
        Some(TokenKind::Operator) => !tokens.is_operator(at, ":="),
        Some(TokenKind::Dot) => at > 0 && tokens.kind(at - 1) == Some(TokenKind::SystemVariable),
        Some(TokenKind::Word) => {
            let of_variable = at > 1
                && tokens.kind(at - 1) == Some(TokenKind::Dot)
                && tokens.kind(at - 2) == Some(TokenKind::SystemVariable);
            let calls = tokens.kind(at + 1) == Some(TokenKind::Open);
            if calls {
                tokens.is(at, "CONNECTION_ID")
            } else {
                of_variable || tokens.is_any(at, &["DIV", "MOD", "NULL", "TRUE", "FALSE"])
            }
        }
        Some(
            TokenKind::Quoted
            | TokenKind::Placeholder
            | TokenKind::Ellipsis
            | TokenKind::Comma
            | TokenKind::Semicolon
            | TokenKind::ExecutableOpen
            | TokenKind::ExecutableClose,
        )
        | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(text: &str) -> Option<(KillEnds, KillVictim)> {
        Kill::of(text.as_bytes(), LexMode::default()).map(|kill| (kill.ends, kill.victim))
    }

    #[test]
    fn numbers_in_every_form_that_servers_take() {
        use KillEnds::{Connection, Query};
        for (text, ends) in [
            ("KILL 7", Connection),
            ("kill connection 7", Connection),
            ("KILL HARD 7;", Connection),
            ("KILL SOFT QUERY 7", Query),
            ("KILL /*!50000 QUERY */ 7", Query),
            ("/* why */ KILL QUERY 7 -- now", Query),
        ] {
            assert_eq!(kill(text), Some((ends, KillVictim::Number(7))), "{text}");
        }
    }

    #[test]
    fn what_can_be_asked_for_and_what_cannot() {
        for (text, victim) in [
            ("KILL ?", KillVictim::Parameter),
            ("KILL CONNECTION_ID()", KillVictim::Expression),
            ("KILL QUERY @a", KillVictim::Expression),
            ("KILL @@session.pseudo_thread_id", KillVictim::Expression),
            ("KILL (3 + 4)", KillVictim::Expression),
            ("KILL '7'", KillVictim::Expression),
            ("KILL 99999999999999999999", KillVictim::Expression),
            ("KILL @a := 7", KillVictim::Unclear),
            ("KILL my_function()", KillVictim::Unclear),
            ("KILL (SELECT 7)", KillVictim::Unclear),
            ("KILL QUERY ID 7", KillVictim::Unclear),
            ("KILL id", KillVictim::Unclear),
            ("KILL", KillVictim::Unclear),
            ("KILL 7, 8", KillVictim::Unclear),
            (
                "KILL QUERY USER app@localhost",
                KillVictim::User((*b"app").into()),
            ),
            ("KILL USER 'app'", KillVictim::User((*b"app").into())),
        ] {
            assert_eq!(kill(text).map(|(_, victim)| victim), Some(victim), "{text}");
        }
        for text in ["SELECT 7", "SHUTDOWN", "", "'open"] {
            assert_eq!(kill(text), None, "{text}");
        }
        assert_eq!(
            kill("KILL 7; SELECT 8").map(|(_, victim)| victim),
            Some(KillVictim::Unclear)
        );
    }

    #[test]
    fn the_number_takes_the_operands_place() {
        let text = b"KILL /*!50000 QUERY */ @a -- why";
        let kill = Kill::of(text, LexMode::default()).unwrap();
        assert_eq!(kill.with_number(text, 42), b"KILL /*!50000 QUERY */ 42 -- why");
    }
}

//! PREPARE, EXECUTE, EXECUTE IMMEDIATE, DEALLOCATE: statements about statements.

use super::Judge;
use crate::{
    danger::Danger,
    effect::{Administration, Cause, Effect, SessionChange},
    facts::{Facts, StatementFacts},
    scan::TokenKind,
    tokens::Tokens,
};

pub(super) fn judge(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if tokens.is(0, "PREPARE") {
        prepare(judge, tokens, facts);
    } else if tokens.are(0, &["EXECUTE", "IMMEDIATE"]) {
        let Some((text, behind)) =
            constant(judge, tokens, 2).filter(|(_, behind)| ends_or_using(tokens, *behind))
        else {
            facts.effect = Effect::Unknown(Cause::DynamicSql);
            return;
        };
        facts.effect = Effect::Session(SessionChange::ExecuteImmediate);
        adopt(&judge.inner(&text), facts);
        facts.needs.reads_user_variables |= behind < tokens.len();
    } else if tokens.is(0, "EXECUTE") {
        if let Some(name) = tokens.name(1)
            && ends_or_using(tokens, 2)
        {
            facts.effect = Effect::Session(SessionChange::Execute { name });
        }
        facts.tables.mark_incomplete();
    } else if let Some(name) = tokens.name(2)
        && tokens.is(1, "PREPARE")
        && tokens.len() == 3
    {
        facts.effect = Effect::Session(SessionChange::Deallocate { name });
    }
}

fn prepare(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let constant = constant(judge, tokens, 3).filter(|(_, behind)| *behind == tokens.len());
    facts.effect = match (tokens.name(1), constant) {
        (Some(name), Some((text, _))) if tokens.is(2, "FROM") => {
            let inner = judge.inner(&text);
            adopt(&inner, facts);
            match inner.unknown_cause() {
                Some(cause) => Effect::Unknown(cause),
                None => Effect::Session(SessionChange::Prepare { name, text }),
            }
        }
        _ => Effect::Unknown(Cause::DynamicSql),
    };
}

/// Takes over what an inner text would do.
fn adopt(inner: &Facts, facts: &mut StatementFacts) {
    if let Some(cause) = inner.unknown_cause() {
        facts.effect = Effect::Unknown(cause);
    }
    for statement in inner.statements() {
        facts.needs = facts.needs.union(statement.needs);
        facts.dangers |= statement.dangers;
        if statement.effect == Effect::Administration(Administration::Kill) {
            facts.dangers.insert(Danger::KillUnclear);
        }
        facts.tables.extend(statement.tables.clone());
        facts.creates_temporary_table |= statement.creates_temporary_table;
        facts.implicit_commit |= statement.implicit_commit;
    }
}

fn ends_or_using(tokens: Tokens<'_>, at: usize) -> bool {
    at == tokens.len() || tokens.is(at, "USING")
}

/// The value of the plain string at `at`, and the place behind it. Introducers and `N'…'` are not plain.
pub(super) fn constant(judge: Judge, tokens: Tokens<'_>, at: usize) -> Option<(Box<[u8]>, usize)> {
    let quoted = tokens.bytes(at);
    let plain = tokens.kind(at) == Some(TokenKind::Text) && matches!(quoted.first(), Some(b'\'' | b'"'));
    // adjacent strings are one string to the server
    if !plain || tokens.kind(at + 1) == Some(TokenKind::Text) {
        return None;
    }
    Some((unescape(quoted, judge)?, at + 1))
}

/// What the server makes of a string's bytes. `None` where the character set could make it differ.
fn unescape(quoted: &[u8], judge: Judge) -> Option<Box<[u8]>> {
    if judge.mode.charset.has_backslash_trails() && !quoted.is_ascii() {
        return None;
    }
    let (&quote, rest) = quoted.split_first()?;
    let mut bytes = rest.strip_suffix(&[quote])?.iter().copied();
    let mut plain = Vec::with_capacity(bytes.len());
    while let Some(byte) = bytes.next() {
        if byte == quote {
            bytes.next();
            plain.push(byte);
        } else if byte == b'\\' && !judge.mode.no_backslash_escapes {
            match bytes.next()? {
                b'0' => plain.push(0),
                b'b' => plain.push(8),
                b'n' => plain.push(b'\n'),
                b'r' => plain.push(b'\r'),
                b't' => plain.push(b'\t'),
                b'Z' => plain.push(0x1a),
                wildcard @ (b'%' | b'_') => plain.extend([b'\\', wildcard]),
                other => plain.push(other),
            }
        } else {
            plain.push(byte);
        }
    }
    Some(plain.into())
}

//! SELECT, VALUES, TABLE: a read only when lexer and parser agree that it is one.

use crate::{
    effect::{Cause, Effect},
    facts::StatementFacts,
    parse,
    scan::TokenKind,
    tokens::Tokens,
};

/// Words that no query holds, except where [`is_harmless`] says so.
const NOT_IN_A_QUERY: [&str; 13] = [
    "INSERT", "UPDATE", "DELETE", "REPLACE", "DROP", "CREATE", "ALTER", "GRANT", "REVOKE", "CALL", "LOAD",
    "RENAME", "EXECUTE",
];

pub(super) fn judge(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if facts.needs.writes_file {
        facts.effect = Effect::Write;
        return;
    }
    let writes = (0..tokens.len()).any(|at| tokens.is_any(at, &NOT_IN_A_QUERY) && !is_harmless(tokens, at));
    if writes || into_something_else(tokens) {
        facts.effect = Effect::Unknown(Cause::Contradiction);
        return;
    }
    match parse::query(tokens) {
        Ok(tables) => {
            facts.effect = Effect::Read;
            facts.tables.extend(tables);
        }
        Err(cause) => facts.effect = Effect::Unknown(cause),
    }
}

/// `INSERT(` and `REPLACE(` are functions, FOR UPDATE locks; EXECUTE, RENAME and their like can be aliases.
fn is_harmless(tokens: Tokens<'_>, at: usize) -> bool {
    let called = tokens.kind(at + 1) == Some(TokenKind::Open);
    let behind = |word: &str| at > 0 && tokens.is(at - 1, word);
    called && tokens.is_any(at, &["INSERT", "REPLACE"])
        || tokens.is(at, "UPDATE") && behind("FOR")
        || tokens.is(at, "EXECUTE") && !tokens.is(at + 1, "IMMEDIATE")
}

/// `INTO` anything but user variables: a file was seen before, a local variable has no place here.
fn into_something_else(tokens: Tokens<'_>) -> bool {
    let mut from = 0;
    while let Some(at) = tokens.position(from, "INTO") {
        if tokens.kind(at + 1) != Some(TokenKind::UserVariable) {
            return true;
        }
        from = at + 1;
    }
    false
}

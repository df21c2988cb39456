//! Bodies of stored programs: looked through for what a policy stops, statement by statement.
//!
//! No grammar of blocks is needed: a dangerous statement is found by its words wherever it stands,
//! which finds rather too many than too few.

use super::{Judge, modify, text};
use crate::{
    danger::Danger,
    effect::{Cause, Effect},
    facts::StatementFacts,
    scan::TokenKind,
    tokens::Tokens,
};

/// Adds the dangers of a body. `tokens` may begin with the program's name and parameters.
pub(super) fn judge(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    for at in 0..tokens.len() {
        if tokens.kind(at) != Some(TokenKind::Word) {
            continue;
        }
        match tokens.keyword(at).as_str() {
            "DROP" => dropped(tokens, at, facts),
            // TRUNCATE(x, d) is a function
            "TRUNCATE" if tokens.kind(at + 1) != Some(TokenKind::Open) => {
                facts.dangers.insert(Danger::Truncate);
            }
            // ON DELETE …, BEFORE DELETE ON t, AFTER DELETE ON t
            "DELETE" | "UPDATE" if !names_an_event(tokens, at) => {
                let end = end_of_statement(tokens, at);
                let mut inner = StatementFacts::of(Effect::Empty);
                modify::judge(judge, tokens.range(at, end), &mut inner);
                facts.dangers |= inner.dangers;
            }
            "PREPARE" if tokens.is_name(at + 1) && !is_deallocation(tokens, at) => {
                dynamic(judge, tokens, at, facts);
            }
            // a reserved word: nothing else can be called so without quotes
            "KILL" => facts.dangers.insert(Danger::KillUnclear),
            "EXECUTE" if tokens.is(at + 1, "IMMEDIATE") => dynamic(judge, tokens, at, facts),
            _ => {}
        }
    }
}

fn dropped(tokens: Tokens<'_>, at: usize, facts: &mut StatementFacts) {
    let temporary = tokens.is(at + 1, "TEMPORARY");
    match tokens.keyword(at + 1 + usize::from(temporary)).as_str() {
        "TABLE" | "TABLES" if temporary => facts.dangers.insert(Danger::DropTemporaryTable),
        "TABLE" | "TABLES" => facts.dangers.insert(Danger::DropTable),
        "DATABASE" | "SCHEMA" => facts.dangers.insert(Danger::DropSchema),
        "PREPARE" | "INDEX" | "COLUMN" | "KEY" | "PRIMARY" | "FOREIGN" | "CONSTRAINT" => {}
        "PARTITION" => facts.dangers.insert(Danger::DropPartition),
        _ => facts.dangers.insert(Danger::DropOther),
    }
}

fn names_an_event(tokens: Tokens<'_>, at: usize) -> bool {
    at > 0 && tokens.is_any(at - 1, &["ON", "BEFORE", "AFTER", "FOR", "KEY", "OR"])
}

fn is_deallocation(tokens: Tokens<'_>, at: usize) -> bool {
    at > 0 && tokens.is_any(at - 1, &["DEALLOCATE", "DROP"])
}

/// The next `;` at any depth; a block's END ends a condition as well.
fn end_of_statement(tokens: Tokens<'_>, from: usize) -> usize {
    (from..tokens.len())
        .find(|&at| tokens.kind(at) == Some(TokenKind::Semicolon))
        .unwrap_or(tokens.len())
}

fn dynamic(judge: Judge, tokens: Tokens<'_>, at: usize, facts: &mut StatementFacts) {
    let statement = tokens.range(at, end_of_statement(tokens, at));
    let mut inner = StatementFacts::of(Effect::Unknown(Cause::DynamicSql));
    text::judge(judge, statement, &mut inner);
    facts.dangers |= inner.dangers;
    if let Effect::Unknown(cause) = inner.effect {
        facts.effect = Effect::Unknown(cause);
    }
}

//! What a statement does to FOUND_ROWS(), as servers were seen to do it; no manual says more than that it is undefined behind
//! anything but a SELECT.

use crate::{
    effect::{Effect, SessionChange},
    facts::{FoundRows, StatementFacts},
    scan::TokenKind,
    tokens::Tokens,
};

/// The statement's facts are settled but for this.
pub(super) fn of(tokens: Tokens<'_>, facts: &StatementFacts) -> FoundRows {
    // a query inside another statement counts its own rows
    let selects_inside = tokens.position(1, "SELECT").is_some();
    match &facts.effect {
        Effect::Transaction(_) | Effect::Administration(_) | Effect::Empty | Effect::Proxy(_) => {
            FoundRows::Kept
        }
        Effect::Session(SessionChange::Execute { .. } | SessionChange::ExecuteImmediate)
        | Effect::Call
        | Effect::Unknown(_) => FoundRows::Set,
        Effect::Session(_) if selects_inside => FoundRows::SetOnMariadb,
        Effect::Session(_) => FoundRows::Kept,
        Effect::Definition => definition(tokens, selects_inside),
        Effect::Read => read(tokens),
        Effect::Write => write(tokens, facts, selects_inside),
    }
}

/// `CREATE TABLE … SELECT`; a view or a routine runs nothing.
fn definition(tokens: Tokens<'_>, selects_inside: bool) -> FoundRows {
    let table = tokens.position(1, "TABLE").is_some_and(|at| at <= 4);
    if selects_inside && table && tokens.is(0, "CREATE") {
        FoundRows::SetOnMariadb
    } else {
        FoundRows::Kept
    }
}

fn read(tokens: Tokens<'_>) -> FoundRows {
    match tokens.keyword(0).as_str() {
        "SHOW" => {
            let kept = [
                "CREATE",
                "GRANTS",
                "PROCESSLIST",
                "PRIVILEGES",
                "WARNINGS",
                "ERRORS",
                "BINARY",
                "MASTER",
                "REPLICA",
                "SLAVE",
                "ENGINE",
            ];
            let at = if tokens.is(1, "FULL") { 2 } else { 1 };
            if tokens.is_any(at, &kept) {
                FoundRows::Kept
            } else {
                FoundRows::Set
            }
        }
        "EXPLAIN" | "DESCRIBE" | "DESC" => {
            let statement = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "FORMAT"];
            let of_statement = (1..tokens.len()).any(|at| tokens.is_any(at, &statement));
            if of_statement && !tokens.is(1, "ANALYZE") {
                FoundRows::Kept
            } else {
                FoundRows::Set
            }
        }
        "HELP" | "GET" => FoundRows::Kept,
        "SELECT" => {
            let counted_otherwise = [
                "LIMIT",
                "FETCH",
                "OFFSET",
                "SQL_CALC_FOUND_ROWS",
                "INTO",
                "UNION",
                "EXCEPT",
                "INTERSECT",
                "PROCEDURE",
            ];
            if (1..tokens.len()).any(|at| tokens.is_any(at, &counted_otherwise)) {
                FoundRows::Set
            } else {
                FoundRows::Sent
            }
        }
        _ => FoundRows::Set,
    }
}

fn write(tokens: Tokens<'_>, facts: &StatementFacts, selects_inside: bool) -> FoundRows {
    let single = !selects_inside && facts.tables.names().len() == 1 && is_of_one_table(tokens);
    match tokens.keyword(0).as_str() {
        "INSERT" | "REPLACE" if !selects_inside => FoundRows::Kept,
        "DELETE" if single => FoundRows::Kept,
        "UPDATE" if single => FoundRows::SetOnMysql,
        "DO" if !selects_inside => FoundRows::SetOnMysql,
        _ => FoundRows::Set,
    }
}

/// Whether an UPDATE or a DELETE joins nothing, not even its table with itself.
fn is_of_one_table(tokens: Tokens<'_>) -> bool {
    let behind_tables = ["SET", "WHERE", "ORDER", "LIMIT", "RETURNING"];
    let joins = ["JOIN", "STRAIGHT_JOIN", "USING"];
    (1..tokens.len())
        .take_while(|&at| !tokens.is_any(at, &behind_tables))
        .all(|at| tokens.kind(at) != Some(TokenKind::Comma) && !tokens.is_any(at, &joins))
}

//! Whether a WHERE can be true without a look at any column.
//!
//! Values do not count: a literal may be any literal (`WHERE 1`, `WHERE ?`), since facts are kept by shape.

use crate::{
    scan::{LexMode, TokenKind},
    tokens::Tokens,
};

/// How deep parentheses of a condition are opened; deeper ones are taken for constant.
const DEPTH_MAX: u8 = 32;

/// Whether the condition, or one branch of its ORs, can hold whatever the columns say.
pub(super) fn can_hold_without_columns(condition: Tokens<'_>, mode: LexMode) -> bool {
    disjunction(condition, mode, DEPTH_MAX)
}

fn disjunction(tokens: Tokens<'_>, mode: LexMode, depth: u8) -> bool {
    if depth == 0 {
        return true;
    }
    let is_or = |at: usize| {
        tokens.is_any(at, &["OR", "XOR"]) || tokens.is_operator(at, "||") && !mode.pipes_as_concat
    };
    parts(tokens, is_or).any(|part| conjunction(part, mode, depth))
}

fn conjunction(tokens: Tokens<'_>, mode: LexMode, depth: u8) -> bool {
    // BETWEEN's own AND only cuts its operands apart: a column on its left still counts for that part
    let mut between = false;
    let is_and = |at: usize| tokens.is(at, "AND") || tokens.is_operator(at, "&&");
    let mut start = 0;
    let mut nesting = 0_usize;
    for at in 0..tokens.len() {
        match tokens.kind(at) {
            Some(TokenKind::Open) => nesting += 1,
            Some(TokenKind::Close) => nesting = nesting.saturating_sub(1),
            _ if nesting > 0 => {}
            _ if tokens.is(at, "BETWEEN") => between = true,
            _ if is_and(at) && std::mem::take(&mut between) => {}
            _ if is_and(at) => {
                if !term(tokens.range(start, at), mode, depth) {
                    return false;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    term(tokens.from(start), mode, depth)
}

/// One comparison, or a condition in parentheses.
fn term(tokens: Tokens<'_>, mode: LexMode, depth: u8) -> bool {
    if tokens.kind(0) == Some(TokenKind::Open)
        && tokens.closing(0) == tokens.len().checked_sub(1)
        && !tokens.is_any(1, &["SELECT", "WITH", "TABLE", "VALUES"])
    {
        return disjunction(tokens.range(1, tokens.len() - 1), mode, depth - 1);
    }
    !looks_at_a_column(tokens) || compares_with_itself(tokens)
}

fn looks_at_a_column(tokens: Tokens<'_>) -> bool {
    let mut at = 0;
    while at < tokens.len() {
        if tokens.kind(at) == Some(TokenKind::Open)
            && tokens.is_any(at + 1, &["SELECT", "WITH", "TABLE", "VALUES"])
        {
            let close = tokens.closing(at).unwrap_or(tokens.len());
            // a subquery may be correlated, which only a qualified name shows
            if (at..close).any(|n| tokens.kind(n) == Some(TokenKind::Dot) && tokens.is_name(n + 1)) {
                return true;
            }
            at = close + 1;
            continue;
        }
        if is_column(tokens, at) {
            return true;
        }
        at += 1;
    }
    false
}

/// Words of expressions that are no columns.
const NO_COLUMN: [&str; 44] = [
    "AND",
    "ANY",
    "ALL",
    "AS",
    "BETWEEN",
    "BINARY",
    "CASE",
    "COLLATE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DAY",
    "DIV",
    "ELSE",
    "END",
    "ESCAPE",
    "EXISTS",
    "FALSE",
    "HOUR",
    "IN",
    "INTERVAL",
    "IS",
    "LIKE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "MINUTE",
    "MOD",
    "MONTH",
    "NOT",
    "NULL",
    "OR",
    "REGEXP",
    "RLIKE",
    "SECOND",
    "SOUNDS",
    "THEN",
    "TRUE",
    "UNKNOWN",
    "UTC_DATE",
    "UTC_TIMESTAMP",
    "WHEN",
    "XOR",
    "YEAR",
];

fn is_column(tokens: Tokens<'_>, at: usize) -> bool {
    let collation = at > 0 && tokens.is(at - 1, "COLLATE");
    let called = tokens.kind(at + 1) == Some(TokenKind::Open);
    match tokens.kind(at) {
        Some(TokenKind::Quoted) => !called && !collation,
        Some(TokenKind::Word) => {
            let qualifies = tokens.kind(at + 1) == Some(TokenKind::Dot);
            let behind_variable = at >= 2
                && tokens.kind(at - 1) == Some(TokenKind::Dot)
                && tokens.kind(at - 2) == Some(TokenKind::SystemVariable);
            !called && !collation && !behind_variable && (qualifies || !tokens.is_any(at, &NO_COLUMN))
        }
        _ => false,
    }
}

/// `a = a`, `t.a <=> t.a`, `a LIKE a`.
fn compares_with_itself(tokens: Tokens<'_>) -> bool {
    let compares = |at: usize| {
        ["=", "<=>", "<=", ">="]
            .iter()
            .any(|operator| tokens.is_operator(at, operator))
            || tokens.is_any(at, &["LIKE", "IS"])
    };
    let half = tokens.len() / 2;
    tokens.len() % 2 == 1
        && compares(half)
        && (0..half).all(|n| {
            tokens.kind(n) == tokens.kind(half + 1 + n)
                && !tokens.bytes(n).is_empty()
                && tokens.bytes(n).eq_ignore_ascii_case(tokens.bytes(half + 1 + n))
        })
        && (0..half).any(|n| tokens.is_name(n))
}

/// The parts between the places where `is_cut` says so, outside parentheses.
fn parts<'a>(tokens: Tokens<'a>, is_cut: impl Fn(usize) -> bool) -> impl Iterator<Item = Tokens<'a>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        if next > tokens.len() {
            return None;
        }
        let start = next;
        let mut nesting = 0_usize;
        let mut at = start;
        while at < tokens.len() {
            match tokens.kind(at) {
                Some(TokenKind::Open) => nesting += 1,
                Some(TokenKind::Close) => nesting = nesting.saturating_sub(1),
                _ if nesting == 0 && is_cut(at) => break,
                _ => {}
            }
            at += 1;
        }
        next = at + 1;
        Some(tokens.range(start, at))
    })
}

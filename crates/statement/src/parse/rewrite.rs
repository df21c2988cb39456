//! A query written anew for the parser: the same query as far as facts go, in the SQL that it can read.
//!
//! What MySQL and MariaDB know and the parser does not is left out or replaced: index hints, SELECT's modifiers,
//! row locks, variables, partitions, compound intervals. Values are all alike, so none can confuse it.

use crate::{scan::TokenKind, tokens::Tokens};

/// The query's text. `None` when it holds something that a query does not.
pub(super) fn rewrite(tokens: Tokens<'_>) -> Option<String> {
    let mut text = String::with_capacity(tokens.len() * 8);
    let mut table_lists = TableLists::default();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(skipped) = skipped(tokens, at) {
            at += skipped;
            continue;
        }
        let crossed = table_lists.see(tokens, at);
        let (written, used) = if crossed {
            (Written::Text("CROSS JOIN"), 1)
        } else {
            replaced(tokens, at)?
        };
        match written {
            Written::Text(replacement) => text.push_str(replacement),
            Written::Name(name) => push_name(&mut text, &name),
            Written::Word(word) => push_word(&mut text, word),
        }
        // function names must stay next to their parenthesis for nobody: a blank is always safe but before `(`
        if tokens.kind(at + used) != Some(TokenKind::Open) && tokens.kind(at) != Some(TokenKind::Dot) {
            text.push(' ');
        }
        at += used;
    }
    Some(text)
}

/// Knows inside which parentheses a comma joins tables: `FROM (a, b) LEFT JOIN c`.
#[derive(Default)]
struct TableLists {
    open: Vec<bool>,
}

impl TableLists {
    /// Whether the token at `at` is such a comma.
    fn see(&mut self, tokens: Tokens<'_>, at: usize) -> bool {
        let inside = self.open.last().copied().unwrap_or(false);
        match tokens.kind(at) {
            Some(TokenKind::Open) => {
                let begins = at > 0 && tokens.is_any(at - 1, &["FROM", "JOIN", "STRAIGHT_JOIN"])
                    || inside && matches!(tokens.kind(at - 1), Some(TokenKind::Open | TokenKind::Comma));
                let query = tokens.is_any(at + 1, &["SELECT", "WITH", "VALUES", "TABLE"]);
                self.open.push(begins && !query);
            }
            Some(TokenKind::Close) => {
                self.open.pop();
            }
            Some(TokenKind::Comma) => return inside,
            _ => {}
        }
        false
    }
}

enum Written<'a> {
    Text(&'static str),
    Word(&'a [u8]),
    Name(Box<[u8]>),
}

/// SELECT's modifiers that say nothing about what is read.
const MODIFIERS: [&str; 9] = [
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_NO_CACHE",
    "SQL_CACHE",
    "SQL_CALC_FOUND_ROWS",
    "DISTINCTROW",
];

/// Number of tokens to leave out at `at`.
fn skipped(tokens: Tokens<'_>, at: usize) -> Option<usize> {
    match tokens.kind(at)? {
        TokenKind::Word => skipped_words(tokens, at),
        // {d '2020-01-01'}, {fn now()}, {oj a LEFT JOIN b}
        TokenKind::Operator if tokens.is_operator(at, "{") => Some(2),
        TokenKind::Operator if tokens.is_operator(at, "}") => Some(1),
        // @a := 1 is read as its value
        TokenKind::UserVariable if tokens.is_operator(at + 1, ":=") => Some(2),
        _ => None,
    }
}

fn skipped_words(tokens: Tokens<'_>, at: usize) -> Option<usize> {
    let keyword = tokens.keyword(at);
    let behind = |words: &[&str]| at > 0 && tokens.is_any(at - 1, words);
    let list = |from: usize| tokens.closing(from).map(|close| close + 1 - at);
    match keyword.as_str() {
        word if MODIFIERS.contains(&word) && in_select_head(tokens, at) => Some(1),
        "USE" | "FORCE" | "IGNORE" if tokens.is_any(at + 1, &["INDEX", "KEY"]) => {
            let mut open = at + 2;
            if tokens.is(open, "FOR") {
                open += if tokens.is(open + 1, "JOIN") { 2 } else { 3 };
            }
            (tokens.kind(open) == Some(TokenKind::Open)).then(|| list(open))?
        }
        "PARTITION" if tokens.kind(at + 1) == Some(TokenKind::Open) && !behind(&["BY"]) => list(at + 1),
        "LOCK" if tokens.are(at + 1, &["IN", "SHARE", "MODE"]) => Some(4),
        "FOR" if tokens.is_any(at + 1, &["UPDATE", "SHARE"]) => Some(2 + lock_options(tokens, at + 2)),
        "INTO" if tokens.kind(at + 1) == Some(TokenKind::UserVariable) => {
            let mut end = at + 2;
            while tokens.kind(end) == Some(TokenKind::Comma)
                && tokens.kind(end + 1) == Some(TokenKind::UserVariable)
            {
                end += 2;
            }
            Some(end - at)
        }
        "BINARY" if !behind(&["AS", "SET", "COLLATE"]) && tokens.kind(at + 1) != Some(TokenKind::Open) => {
            Some(1)
        }
        "ROW" if tokens.kind(at + 1) == Some(TokenKind::Open) && !behind(&["VALUES"]) => Some(1),
        // CAST(a AS CHAR CHARACTER SET utf8), CAST(a AS CHAR CHARSET utf8)
        "CHARACTER" if tokens.is(at + 1, "SET") => Some(3),
        "CHARSET"
            if tokens.is_name(at + 1)
                && (behind(&["CHAR"]) || tokens.kind(at - 1) == Some(TokenKind::Close)) =>
        {
            Some(2)
        }
        // CHAR(65 USING utf8)
        "USING" if tokens.is_name(at + 1) && tokens.kind(at + 2) == Some(TokenKind::Close) => Some(2),
        // JSON_VALUE(a, path RETURNING type DEFAULT x ON EMPTY)
        "RETURNING" => enclosing_close(tokens, at).map(|close| close - at),
        // t FOR SYSTEM_TIME ALL
        "FOR" if tokens.are(at + 1, &["SYSTEM_TIME", "ALL"]) => Some(3),
        _ => None,
    }
}

/// The parenthesis that closes the list in which `at` stands.
fn enclosing_close(tokens: Tokens<'_>, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for place in at..tokens.len() {
        match tokens.kind(place) {
            Some(TokenKind::Open) => depth += 1,
            Some(TokenKind::Close) if depth == 0 => return Some(place),
            Some(TokenKind::Close) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Behind `SELECT`, or behind another modifier that is.
fn in_select_head(tokens: Tokens<'_>, at: usize) -> bool {
    let mut before = at;
    while before > 0 {
        before -= 1;
        if tokens.is(before, "SELECT") {
            return true;
        }
        if !tokens.is_any(before, &MODIFIERS) && !tokens.is_any(before, &["ALL", "DISTINCT"]) {
            return false;
        }
    }
    false
}

/// `OF t, u`, `NOWAIT`, `WAIT n`, `SKIP LOCKED` behind FOR UPDATE.
fn lock_options(tokens: Tokens<'_>, from: usize) -> usize {
    let mut at = from;
    if tokens.is(at, "OF") {
        at += 1;
        while let Some((_, behind)) = tokens.table(at) {
            at = behind;
            if tokens.kind(at) != Some(TokenKind::Comma) {
                break;
            }
            at += 1;
        }
    }
    if tokens.is(at, "NOWAIT") {
        at += 1;
    } else if tokens.is(at, "WAIT") || tokens.are(at, &["SKIP", "LOCKED"]) {
        at += 2;
    }
    at - from
}

/// What is written for the token at `at`, and how many tokens that stands for.
fn replaced(tokens: Tokens<'_>, at: usize) -> Option<(Written<'_>, usize)> {
    use TokenKind as K;
    let text = |text: &'static str, used: usize| Some((Written::Text(text), used));
    match tokens.kind(at)? {
        K::Number | K::Text | K::Bits | K::Placeholder => {
            let wants_text = at > 0
                && tokens.is_any(
                    at - 1,
                    &["DATE", "TIME", "TIMESTAMP", "ESCAPE", "PATH", "SEPARATOR", "LIKE"],
                );
            // strings next to each other are one
            let used = (at..tokens.len())
                .take_while(|&n| tokens.kind(n) == Some(K::Text))
                .count()
                .max(1);
            text(
                if follows_operand(tokens, at) {
                    "`x`"
                } else if wants_text {
                    "'x'"
                } else {
                    "1"
                },
                used,
            )
        }
        K::Ellipsis => text("1, 1", 1),
        K::UserVariable => text("1", 1),
        K::SystemVariable => {
            let dotted = tokens.kind(at + 1) == Some(K::Dot) && tokens.is_name(at + 2);
            text("1", if dotted { 3 } else { 1 })
        }
        K::Quoted => Some((Written::Name(tokens.name(at)?), 1)),
        K::Word => word(tokens, at),
        K::Operator => match tokens.bytes(at) {
            b":=" => text("=", 1),
            b"&&" => text("AND", 1),
            b"!" => text("NOT", 1),
            b"~" => text("-", 1),
            // JSON paths
            b"->" | b"->>" => text("=", 1),
            other => Some((Written::Word(other), 1)),
        },
        K::Comma => text(",", 1),
        K::Dot => text(".", 1),
        K::Open => text("(", 1),
        K::Close => text(")", 1),
        K::Semicolon | K::ExecutableOpen | K::ExecutableClose => None,
    }
}

/// Words of expressions and clauses behind which a value is a value.
#[rustfmt::skip]
const BEFORE_VALUE: [&str; 43] = [
    "AGAINST", "ALL", "AND", "BETWEEN", "BINARY", "BY", "CASE", "DATE", "DEFAULT", "DISTINCT",
    "DIV", "ELSE", "ESCAPE", "FETCH", "FIRST", "FOR", "FROM", "HAVING", "IN", "INTERVAL",
    "LIKE", "LIMIT", "MOD", "NEXT", "NOT", "OF", "OFFSET", "ON", "OR", "PATH",
    "RANGE", "REGEXP", "RLIKE", "ROWS", "SELECT", "SEPARATOR", "THEN", "TIME", "TIMESTAMP", "USING",
    "WHEN", "WHERE", "XOR",
];

/// Behind a name, a value or a parenthesis: a string there renames it (`a 'name'`, `f(x) AS "name"`),
/// and MOD is an operator.
fn follows_operand(tokens: Tokens<'_>, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else {
        return false;
    };
    match tokens.kind(before) {
        Some(
            TokenKind::Quoted
            | TokenKind::Close
            | TokenKind::Number
            | TokenKind::Text
            | TokenKind::Bits
            | TokenKind::Placeholder
            | TokenKind::UserVariable,
        ) => true,
        Some(TokenKind::Word) => !tokens.is_any(before, &BEFORE_VALUE),
        _ => false,
    }
}

fn word(tokens: Tokens<'_>, at: usize) -> Option<(Written<'_>, usize)> {
    let keyword = tokens.keyword(at);
    let text = |text: &'static str, used: usize| Some((Written::Text(text), used));
    let called = tokens.kind(at + 1) == Some(TokenKind::Open);
    match keyword.as_str() {
        "TABLE" if starts_query(tokens, at) => text("SELECT * FROM", 1),
        "STRAIGHT_JOIN" => text("JOIN", 1),
        "SOUNDS" if tokens.is(at + 1, "LIKE") => text("=", 2),
        "MEMBER" if tokens.is(at + 1, "OF") => text("=", 2),
        "NEXT" | "PREVIOUS" if tokens.are(at + 1, &["VALUE", "FOR"]) => {
            let (_, behind) = tokens.table(at + 3)?;
            text("1", behind - at)
        }
        "INTERVAL" if called => {
            let close = tokens.closing(at + 1)?;
            text(
                if is_unit(tokens, close + 1) {
                    "INTERVAL"
                } else {
                    "interval_of"
                },
                1,
            )
        }
        "RLIKE" => text("REGEXP", 1),
        "SECOND_MICROSECOND" | "MINUTE_MICROSECOND" | "MINUTE_SECOND" | "HOUR_MICROSECOND"
        | "HOUR_SECOND" | "HOUR_MINUTE" | "DAY_MICROSECOND" | "DAY_SECOND" | "DAY_MINUTE" | "DAY_HOUR"
        | "YEAR_MONTH" => text("DAY", 1),
        "MOD" if !called || follows_operand(tokens, at) => text("%", 1),
        "CONVERT" | "CHAR" if called && holds(tokens, at + 1, "USING") => text("char_of", 1),
        "WEIGHT_STRING" if called && holds(tokens, at + 1, "AS") => text("CAST", 1),
        _ => Some((Written::Word(tokens.bytes(at)), 1)),
    }
}

/// Whether the parentheses that begin at `open` hold this word, outside of further ones.
fn holds(tokens: Tokens<'_>, open: usize, word: &str) -> bool {
    tokens.position_outside(open + 1, &[word]).is_some()
}

fn starts_query(tokens: Tokens<'_>, at: usize) -> bool {
    at == 0
        || tokens.kind(at - 1) == Some(TokenKind::Open)
        || tokens.is_any(at - 1, &["UNION", "ALL", "EXCEPT"])
}

fn is_unit(tokens: Tokens<'_>, at: usize) -> bool {
    let units = [
        "MICROSECOND",
        "SECOND",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "MONTH",
        "QUARTER",
        "YEAR",
        "SECOND_MICROSECOND",
        "MINUTE_MICROSECOND",
        "MINUTE_SECOND",
        "HOUR_MICROSECOND",
        "HOUR_SECOND",
        "HOUR_MINUTE",
        "DAY_MICROSECOND",
        "DAY_SECOND",
        "DAY_MINUTE",
        "DAY_HOUR",
        "YEAR_MONTH",
    ];
    tokens.is_any(at, &units)
}

/// A quoted name; what is not UTF-8 in it is written as some letter, what quotes is doubled.
fn push_name(text: &mut String, name: &[u8]) {
    text.push('`');
    for c in String::from_utf8_lossy(name).chars() {
        if c == '`' {
            text.push('`');
        }
        text.push(c);
    }
    text.push('`');
}

/// A word; one with other letters than the parser takes is quoted.
fn push_word(text: &mut String, word: &[u8]) {
    match std::str::from_utf8(word) {
        Ok(word) if word.is_ascii() && !word.starts_with(|c: char| c.is_ascii_digit()) => text.push_str(word),
        _ => push_name(text, word),
    }
}

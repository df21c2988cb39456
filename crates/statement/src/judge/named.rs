//! Tables by the words before them: FROM, JOIN, INTO, UPDATE, TABLE.
//!
//! Names more than there are rather than fewer: `EXTRACT(YEAR FROM d)` names a table `d`.

use crate::{scan::TokenKind, tables::Tables, tokens::Tokens};

/// Tables that the tokens name.
pub(super) fn tables(tokens: Tokens<'_>) -> Tables {
    let mut tables = Tables::default();
    for at in 0..tokens.len() {
        if tokens.kind(at) == Some(TokenKind::Word) {
            let keyword = tokens.keyword(at);
            match keyword.as_str() {
                "FROM" | "TABLE" | "TABLES" | "USING" => list(tokens, at + 1, &mut tables),
                "UPDATE" if !(at > 0 && tokens.is_any(at - 1, &["FOR", "ON", "KEY"])) => {
                    list(tokens, at + 1, &mut tables);
                }
                "JOIN" | "STRAIGHT_JOIN" | "INTO" | "REFERENCES" => {
                    one(tokens, at + 1, &mut tables);
                }
                "TRUNCATE" | "DESCRIBE" | "DESC" | "EXPLAIN" | "REPLACE" | "INSERT" if at == 0 => {
                    one(tokens, at + 1, &mut tables);
                }
                _ => {}
            }
        }
    }
    tables
}

/// Words between the keyword and the name.
const BETWEEN: [&str; 14] = [
    "LOW_PRIORITY",
    "HIGH_PRIORITY",
    "DELAYED",
    "QUICK",
    "IGNORE",
    "IF",
    "NOT",
    "EXISTS",
    "TABLE",
    "TABLES",
    "INTO",
    "FROM",
    "EXTENDED",
    "PARTITIONS",
];

/// Words that begin something else than a table.
const NO_TABLE: [&str; 16] = [
    "SELECT",
    "OUTFILE",
    "DUMPFILE",
    "LATERAL",
    "DUAL",
    "VALUES",
    "VALUE",
    "SET",
    "JSON_TABLE",
    "COLUMN",
    "DELETE",
    "UPDATE",
    "INSERT",
    "REPLACE",
    "WITH",
    "FORMAT",
];

fn one(tokens: Tokens<'_>, mut at: usize, tables: &mut Tables) -> Option<usize> {
    while tokens.is_any(at, &BETWEEN) {
        at += 1;
    }
    while tokens.kind(at) == Some(TokenKind::Open) {
        at += 1;
    }
    if tokens.is_any(at, &NO_TABLE) {
        return None;
    }
    let (table, behind) = tokens.table(at)?;
    tables.add(table);
    Some(behind)
}

fn list(tokens: Tokens<'_>, mut at: usize, tables: &mut Tables) {
    while let Some(mut behind) = one(tokens, at, tables) {
        // alias, `AS alias`, or LOCK TABLES' kind of lock
        for _ in 0..3 {
            if tokens.is_name(behind) && tokens.kind(behind + 1) != Some(TokenKind::Dot) {
                behind += 1;
            }
        }
        if tokens.kind(behind) != Some(TokenKind::Comma) {
            break;
        }
        at = behind + 1;
    }
}

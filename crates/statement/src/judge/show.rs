//! SHOW, DESCRIBE, EXPLAIN: which are the same on every node.

use super::{Judge, kind};
use crate::{
    effect::{Cause, Effect},
    facts::StatementFacts,
    scan::TokenKind,
    tables::is_node_schema,
    tokens::Tokens,
};

pub(super) fn judge(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    facts.effect = Effect::Read;
    facts.needs.shows = true;
    // SHOW TABLES FROM mysql: the schema stands alone, without a dot behind it
    let names_node_schema = |at: usize| tokens.name(at).is_some_and(|name| is_node_schema(&name));
    facts.needs.node_schema |= (1..tokens.len()).any(names_node_schema);
    let mut at = 1;
    while tokens.is_any(
        at,
        &["FULL", "EXTENDED", "GLOBAL", "SESSION", "LOCAL", "STORAGE", "ALL"],
    ) {
        at += 1;
    }
    match tokens.keyword(at).as_str() {
        "TABLES" | "COLUMNS" | "FIELDS" | "INDEX" | "INDEXES" | "KEYS" | "DATABASES" | "SCHEMAS"
        | "TRIGGERS" | "COLLATION" | "CHARSET" => {}
        // TABLE TYPES, TABLE STATUS: row counts are each node's own guess
        "TABLE" => facts.needs.node_state = true,
        "CHARACTER" if tokens.is(at + 1, "SET") => {}
        "CREATE" => created(tokens, at + 1, facts),
        // COUNT(*) WARNINGS
        "WARNINGS" | "ERRORS" | "COUNT" => {
            facts.needs.follows_diagnostics = true;
            facts.needs.keeps_diagnostics = true;
        }
        "FUNCTION" | "PROCEDURE" | "PACKAGE" => facts.needs.node_state = !tokens.holds("STATUS"),
        "" => facts.effect = Effect::Unknown(Cause::Kind),
        "VARIABLES" => {
            facts.needs.node_state = true;
            facts.needs.lists_variables = true;
        }
        // EVENTS: a replica switches them off
        // STATUS, VARIABLES, PROCESSLIST, ENGINE, GRANTS, MASTER STATUS, BINLOG EVENTS, …
        _ => facts.needs.node_state = true,
    }
}

/// `SHOW CREATE …`: definitions are replicated, accounts need not be, and events are switched off by it.
fn created(tokens: Tokens<'_>, at: usize, facts: &mut StatementFacts) {
    let same = [
        "TABLE",
        "VIEW",
        "DATABASE",
        "SCHEMA",
        "PROCEDURE",
        "FUNCTION",
        "TRIGGER",
    ];
    facts.needs.node_state = !tokens.is_any(at, &same);
    if let Some((table, _)) = tokens.table(at + 1)
        && tokens.is_any(at, &["TABLE", "VIEW"])
    {
        facts.tables.add(table);
    }
}

/// `EXPLAIN`, `DESCRIBE`, `ANALYZE` of a table or of a statement.
pub(super) fn explain(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    facts.needs.shows = true;
    let mut runs = tokens.is(0, "ANALYZE");
    let mut at = 1;
    loop {
        if tokens.is(at, "ANALYZE") {
            runs = true;
            at += 1;
        } else if tokens.is_any(at, &["EXTENDED", "PARTITIONS"]) {
            at += 1;
        } else if tokens.is(at, "FORMAT") && tokens.is_operator(at + 1, "=") {
            at += 3;
        } else if tokens.is(at, "INTO") && tokens.kind(at + 1) == Some(TokenKind::UserVariable) {
            at += 2;
        } else if tokens.are(at, &["FOR", "SCHEMA"]) || tokens.are(at, &["FOR", "DATABASE"]) {
            at += 3;
        } else {
            break;
        }
    }
    let inner = tokens.from(at);
    if inner.is(0, "FOR") {
        // EXPLAIN FOR CONNECTION n
        facts.effect = Effect::Read;
        facts.needs.node_state = true;
    } else if is_statement(inner) {
        explained(judge, inner, facts, runs);
    } else if inner.is_name(0) && !runs {
        facts.effect = Effect::Read;
        if let Some((table, _)) = inner.table(0) {
            facts.tables.add(table);
        }
    }
}

fn is_statement(tokens: Tokens<'_>) -> bool {
    let verbs = [
        "SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "VALUES", "TABLE",
    ];
    tokens.kind(0) == Some(TokenKind::Open) || tokens.is_any(0, &verbs)
}

fn explained(judge: Judge, inner: Tokens<'_>, facts: &mut StatementFacts, runs: bool) {
    let mut judged = facts.clone();
    kind::dispatch(judge, inner, &mut judged);
    // a worker's read-only transaction may refuse even the plan of a change
    judged.needs.node_state |= judged.effect != Effect::Read;
    if !runs {
        judged.effect = match judged.effect {
            Effect::Unknown(cause) => Effect::Unknown(cause),
            _ => Effect::Read,
        };
        judged.dangers = facts.dangers;
    }
    *facts = judged;
}

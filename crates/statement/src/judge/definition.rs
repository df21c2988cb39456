//! CREATE, ALTER, DROP, TRUNCATE, RENAME of anything, and the definition of stored programs.

use super::{Judge, body, split};
use crate::{
    danger::Danger,
    effect::{Administration, Cause, Effect, SessionChange},
    facts::StatementFacts,
    scan::TokenKind,
    tokens::Tokens,
};

pub(super) fn judge(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    facts.effect = Effect::Definition;
    facts.implicit_commit = true;
    match tokens.keyword(0).as_str() {
        "CREATE" => create(tokens, facts),
        "ALTER" => alter(tokens, facts),
        "DROP" => drop(tokens, facts),
        "TRUNCATE" => {
            facts.dangers.insert(Danger::Truncate);
            if tokens.len() < 2 {
                facts.effect = Effect::Unknown(Cause::Kind);
            }
        }
        "RENAME" if tokens.is(1, "USER") => facts.effect = Effect::Administration(Administration::Accounts),
        "RENAME" if tokens.is_any(1, &["TABLE", "TABLES"]) => {}
        "IMPORT" if tokens.is(1, "TABLE") => facts.effect = Effect::Administration(Administration::Plugins),
        _ => facts.effect = Effect::Unknown(Cause::Kind),
    }
}

/// Words between CREATE, ALTER, DROP and the kind of object.
fn object(tokens: Tokens<'_>) -> usize {
    let mut at = 1;
    loop {
        if tokens.are(at, &["OR", "REPLACE"]) || tokens.are(at, &["SQL", "SECURITY"]) {
            at += 2 + usize::from(tokens.is(at, "SQL"));
        } else if tokens.is_any(
            at,
            &[
                "TEMPORARY",
                "UNIQUE",
                "FULLTEXT",
                "SPATIAL",
                "VECTOR",
                "ONLINE",
                "OFFLINE",
                "IGNORE",
                "AGGREGATE",
                "UNDO",
            ],
        ) {
            at += 1;
        } else if tokens.is_any(at, &["DEFINER", "ALGORITHM"]) && tokens.is_operator(at + 1, "=") {
            // DEFINER = name, 'name'@'host', CURRENT_USER [()]
            at += 3;
            while matches!(
                tokens.kind(at),
                Some(TokenKind::UserVariable | TokenKind::Open | TokenKind::Close)
            ) {
                at += 1;
            }
        } else {
            return at;
        }
    }
}

fn create(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let at = object(tokens);
    let temporary = (1..at).any(|n| tokens.is(n, "TEMPORARY"));
    match tokens.keyword(at).as_str() {
        "TABLE" => {
            facts.creates_temporary_table = temporary;
            facts.implicit_commit = !temporary;
            if tokens.are(1, &["OR", "REPLACE"]) && !temporary {
                facts.dangers.insert(Danger::ReplaceTable);
            }
        }
        "INDEX" => on_table(tokens, at, facts),
        "VIEW" | "DATABASE" | "SCHEMA" | "SEQUENCE" | "TABLESPACE" | "LOGFILE" | "SPATIAL" => {}
        "USER" | "ROLE" => facts.effect = Effect::Administration(Administration::Accounts),
        "SERVER" => facts.effect = Effect::Administration(Administration::Server),
        "RESOURCE" => facts.effect = Effect::Administration(Administration::Resources),
        _ => facts.effect = Effect::Unknown(Cause::Kind),
    }
}

fn alter(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let at = object(tokens);
    match tokens.keyword(at).as_str() {
        "TABLE" => {
            for n in at..tokens.len() {
                let partition = tokens.is(n + 1, "PARTITION");
                if partition && tokens.is(n, "TRUNCATE") {
                    facts.dangers.insert(Danger::Truncate);
                } else if partition && tokens.is(n, "DROP") {
                    facts.dangers.insert(Danger::DropPartition);
                }
            }
        }
        "VIEW" | "DATABASE" | "SCHEMA" | "SEQUENCE" | "TABLESPACE" | "LOGFILE" => {}
        "USER" | "ROLE" => facts.effect = Effect::Administration(Administration::Accounts),
        "SERVER" | "INSTANCE" => facts.effect = Effect::Administration(Administration::Server),
        "RESOURCE" => facts.effect = Effect::Administration(Administration::Resources),
        _ => facts.effect = Effect::Unknown(Cause::Kind),
    }
}

fn drop(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let at = object(tokens);
    let temporary = (1..at).any(|n| tokens.is(n, "TEMPORARY"));
    match tokens.keyword(at).as_str() {
        "TABLE" | "TABLES" if temporary => {
            facts.implicit_commit = false;
            facts.dangers.insert(Danger::DropTemporaryTable);
        }
        "TABLE" | "TABLES" => facts.dangers.insert(Danger::DropTable),
        "DATABASE" | "SCHEMA" => facts.dangers.insert(Danger::DropSchema),
        "INDEX" => on_table(tokens, at, facts),
        "PREPARE" => {
            facts.implicit_commit = false;
            facts.effect = match tokens.name(at + 1) {
                Some(name) => Effect::Session(SessionChange::Deallocate { name }),
                None => Effect::Unknown(Cause::Kind),
            };
        }
        "VIEW" | "PROCEDURE" | "FUNCTION" | "PACKAGE" | "TRIGGER" | "EVENT" | "SEQUENCE" | "TABLESPACE"
        | "LOGFILE" | "SPATIAL" => facts.dangers.insert(Danger::DropOther),
        "USER" | "ROLE" => {
            facts.dangers.insert(Danger::DropOther);
            facts.effect = Effect::Administration(Administration::Accounts);
        }
        "SERVER" => facts.effect = Effect::Administration(Administration::Server),
        "RESOURCE" => facts.effect = Effect::Administration(Administration::Resources),
        _ => facts.effect = Effect::Unknown(Cause::Kind),
    }
}

/// `CREATE INDEX i ON t (…)`, `DROP INDEX i ON t`.
fn on_table(tokens: Tokens<'_>, from: usize, facts: &mut StatementFacts) {
    if let Some(on) = tokens.position(from, "ON")
        && let Some((table, _)) = tokens.table(on + 1)
    {
        facts.tables.add(table);
    }
}

/// `CREATE [DEFINER=…] PROCEDURE | FUNCTION | TRIGGER | EVENT | PACKAGE …`, `ALTER EVENT …`, and blocks
/// outside of any (`BEGIN NOT ATOMIC`).
pub(super) fn program(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    facts.tables.mark_incomplete();
    let Some(head) = split::program_kind(tokens) else {
        body::judge(judge, tokens, facts);
        facts.effect = Effect::Unknown(Cause::Program);
        return;
    };
    facts.effect = Effect::Definition;
    facts.implicit_commit = true;
    if tokens.holds("SONAME") {
        facts.effect = Effect::Administration(Administration::Plugins);
        return;
    }
    body::judge(judge, tokens.from(head + 1), facts);
    if !split::blocks_are_closed(tokens) {
        facts.effect = Effect::Unknown(Cause::Program);
    }
}

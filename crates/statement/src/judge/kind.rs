//! The kind of a statement, by its first words.

use super::{
    Judge, administration, definition, found_rows, modify, named, proxy, query, set, show, split, survey,
    text, transaction,
};
use crate::{
    effect::{Administration, Cause, Effect, SessionChange},
    facts::{FoundRows, StatementFacts},
    scan::TokenKind,
    tokens::Tokens,
};

/// Facts of one statement.
pub(super) fn judge(judge: Judge, tokens: Tokens<'_>) -> StatementFacts {
    if tokens.len() == 0 {
        return StatementFacts {
            found_rows: FoundRows::Kept,
            ..StatementFacts::of(Effect::Empty)
        };
    }
    let mut facts = StatementFacts::of(Effect::Unknown(Cause::Kind));
    facts.needs = survey::needs(tokens);
    facts.tables = named::tables(tokens);
    dispatch(judge, tokens, &mut facts);
    facts.found_rows = found_rows::of(tokens, &facts);
    facts
}

/// Sets what the first words decide.
pub(super) fn dispatch(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if split::is_program(tokens) {
        definition::program(judge, tokens, facts);
        return;
    }
    let first = tokens.keyword(0);
    match first.as_str() {
        "SELECT" | "VALUES" | "TABLE" => query::judge(tokens, facts),
        "" if tokens.kind(0) == Some(TokenKind::Open) => query::judge(tokens, facts),
        "WITH" => with(judge, tokens, facts),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" => modify::judge(judge, tokens, facts),
        "LOAD" => load(tokens, facts),
        "DO" => facts.effect = Effect::Write,
        "CALL" => {
            facts.effect = Effect::Call;
            facts.needs.visits_schema = tokens.kind(2) == Some(TokenKind::Dot);
            facts.tables.mark_incomplete();
        }
        "HANDLER" => facts.effect = Effect::Session(SessionChange::Handler),
        "SHOW" => show::judge(tokens, facts),
        "DESCRIBE" | "DESC" | "EXPLAIN" => show::explain(judge, tokens, facts),
        "ANALYZE" => analyze(judge, tokens, facts),
        "HELP" => read_of_node(facts),
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "IMPORT" => definition::judge(tokens, facts),
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => {
            transaction::judge(tokens, facts);
        }
        "SET" => set::judge(judge, tokens, facts),
        "USE" => use_schema(tokens, facts),
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => text::judge(judge, tokens, facts),
        "LOCK" | "UNLOCK" => lock(tokens, facts),
        "GET" => {
            // GET [CURRENT] DIAGNOSTICS @a = …: reads what the last statement left
            facts.effect = Effect::Read;
            facts.needs.follows_diagnostics = true;
            facts.needs.follows_row_count = true;
            facts.needs.keeps_diagnostics = true;
            facts.needs.assigns_user_variables = true;
        }
        "SIGNAL" | "RESIGNAL" => facts.effect = Effect::Write,
        "PROXY" => proxy::judge(judge, tokens, facts),
        other => administration::judge(other, tokens, facts),
    }
}

fn read_of_node(facts: &mut StatementFacts) {
    facts.effect = Effect::Read;
    facts.needs.node_state = true;
}

/// `WITH a AS (…), b AS (…)`: the statement behind the expressions decides.
fn with(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let verbs = [
        "SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "TABLE", "VALUES",
    ];
    let verb = tokens.position_outside(1, &verbs);
    match verb {
        Some(at) if tokens.is_any(at, &["UPDATE", "DELETE", "INSERT", "REPLACE"]) => {
            modify::judge(judge, tokens.from(at), facts);
        }
        // without a verb outside: WITH … (SELECT …)
        _ => query::judge(tokens, facts),
    }
}

/// `LOAD DATA`, `LOAD XML` write; `LOAD INDEX INTO CACHE` is for the node.
fn load(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if tokens.is_any(1, &["DATA", "XML"]) {
        facts.effect = Effect::Write;
    } else if tokens.is(1, "INDEX") {
        facts.effect = Effect::Administration(Administration::Flush);
    }
}

/// `ANALYZE TABLE` maintains; MariaDB's `ANALYZE [FORMAT=JSON] statement` runs the statement.
fn analyze(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let modifier = usize::from(tokens.is_any(1, &["LOCAL", "NO_WRITE_TO_BINLOG"]));
    if tokens.is_any(1 + modifier, &["TABLE", "TABLES"]) {
        facts.effect = Effect::Administration(Administration::Maintenance);
        facts.implicit_commit = true;
    } else {
        show::explain(judge, tokens, facts);
    }
}

fn use_schema(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if let Some(name) = tokens.name(1)
        && tokens.len() == 2
    {
        facts.effect = Effect::Session(SessionChange::Use(name));
    }
}

fn lock(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let unlock = tokens.is(0, "UNLOCK");
    if tokens.is_any(1, &["TABLE", "TABLES"]) {
        facts.effect = Effect::Session(if unlock {
            SessionChange::UnlockTables
        } else {
            SessionChange::LockTables
        });
        facts.implicit_commit = true;
    } else if tokens.is_any(1, &["INSTANCE", "BINLOG"]) {
        facts.effect = Effect::Administration(Administration::Server);
    }
}

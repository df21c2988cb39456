//! SET in all its forms.

use super::{Judge, kind, text, transaction};
use crate::{
    effect::{
        Administration, Assignment, Cause, Effect, SessionChange, TransactionScope, Value, VariableScope,
    },
    facts::StatementFacts,
    scan::TokenKind,
    tokens::{Tokens, unquote},
};

pub(super) fn judge(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let scope = usize::from(tokens.is_any(1, &["GLOBAL", "SESSION", "LOCAL"]));
    if tokens.is(1, "NAMES") {
        names(judge, tokens, facts);
    } else if tokens.is(1, "CHARSET")
        || tokens.are(1, &["CHARACTER", "SET"])
        || tokens.are(1, &["CHAR", "SET"])
    {
        let at = if tokens.is(1, "CHARSET") { 2 } else { 3 };
        if tokens.len() == at + 1 {
            facts.effect = Effect::Session(SessionChange::SetCharacterSet(value(judge, tokens.from(at))));
        }
    } else if tokens.is(1 + scope, "TRANSACTION") && !is_assignment(tokens, 2 + scope) {
        let transaction_scope = match tokens.keyword(1).as_str() {
            "GLOBAL" => TransactionScope::Global,
            "SESSION" | "LOCAL" => TransactionScope::Session,
            _ => TransactionScope::Next,
        };
        if let Some(step) = transaction::characteristics(tokens.from(2 + scope), transaction_scope) {
            facts.effect = Effect::Transaction(step);
        }
    } else if tokens.is(1, "PASSWORD") {
        facts.effect = Effect::Administration(Administration::Accounts);
        facts.implicit_commit = true;
    } else if tokens.is(1, "DEFAULT") && tokens.is(2, "ROLE") {
        facts.effect = Effect::Administration(Administration::Accounts);
    } else if tokens.is(1, "ROLE") && !is_assignment(tokens, 2) {
        facts.effect = Effect::Session(SessionChange::SetRole);
    } else if tokens.are(1, &["RESOURCE", "GROUP"]) {
        facts.effect = Effect::Administration(Administration::Resources);
    } else if tokens.is(1, "STATEMENT") && !is_assignment(tokens, 2) {
        // MariaDB: SET STATEMENT a = 1 FOR statement
        if let Some(at) = tokens.position_outside(2, &["FOR"]) {
            facts.needs.reads_system_variables = true;
            let assignments = assignments(judge, tokens.range(2, at), facts);
            kind::dispatch(judge, tokens.from(at + 1), facts);
            for_statement(assignments, facts);
        }
    } else if let Some(assignments) = assignments(judge, tokens.from(1), facts) {
        facts.effect = Effect::Session(SessionChange::SetVariables(assignments));
    }
}

/// What is set for one statement comes back behind it, and servers do not report that.
fn for_statement(assignments: Option<Box<[Assignment]>>, facts: &mut StatementFacts) {
    let names: Option<Box<[Box<[u8]>]>> = assignments.map(|all| {
        all.into_iter()
            .map(|one| one.name.to_ascii_lowercase().into())
            .collect()
    });
    match names {
        // nobody must take the report of it for how texts are read from now on
        Some(names) if !names.iter().any(|name| &**name == b"sql_mode") => facts.for_statement = names,
        Some(names) => {
            facts.for_statement = names;
            facts.effect = Effect::Unknown(Cause::ModeChange);
        }
        None => facts.effect = Effect::Unknown(Cause::Kind),
    }
}

fn is_assignment(tokens: Tokens<'_>, at: usize) -> bool {
    tokens.is_operator(at, "=") || tokens.is_operator(at, ":=")
}

fn names(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let collated = tokens.is(3, "COLLATE") && tokens.len() == 5;
    if tokens.len() == 3 || collated {
        let charset = value(judge, tokens.range(2, 3));
        facts.effect = Effect::Session(SessionChange::SetNames { charset, collated });
    }
}

/// `a = 1, @b := 2, GLOBAL c = 3, @@session.d = 4`; NAMES and CHARACTER SET may stand among them.
fn assignments(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) -> Option<Box<[Assignment]>> {
    let mut found = Vec::new();
    let mut rest = tokens;
    loop {
        let end = end_of_assignment(rest);
        found.push(assignment(judge, rest.range(0, end), facts)?);
        if end >= rest.len() {
            return Some(found.into());
        }
        rest = rest.from(end + 1);
    }
}

fn end_of_assignment(tokens: Tokens<'_>) -> usize {
    let mut depth = 0_usize;
    for at in 0..tokens.len() {
        match tokens.kind(at) {
            Some(TokenKind::Open) => depth += 1,
            Some(TokenKind::Close) => depth = depth.saturating_sub(1),
            Some(TokenKind::Comma) if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len()
}

fn assignment(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) -> Option<Assignment> {
    if tokens.kind(0) == Some(TokenKind::UserVariable) {
        facts.needs.assigns_user_variables = true;
        let name = tokens.bytes(0).get(1..).unwrap_or_default();
        let quoted = matches!(name.first(), Some(b'`' | b'\'' | b'"'));
        let name: Box<[u8]> = if quoted { unquote(name) } else { name.into() };
        return assigned(judge, tokens, 1, VariableScope::User, &name);
    }
    // NAMES utf8 behind a comma
    if tokens.is(0, "NAMES") && !is_assignment(tokens, 1) {
        let value = if tokens.len() == 2 {
            value(judge, tokens.from(1))
        } else {
            Value::Expression
        };
        let name = b"character_set_client".as_slice().into();
        return Some(Assignment {
            scope: VariableScope::Session,
            name,
            value,
        });
    }
    let (scope, at) = scope(tokens);
    // a keyed cache's or a replication channel's variable: `SET GLOBAL hot.key_buffer_size = 1`
    let mut name = tokens.name(at).or_else(|| {
        let system = tokens.kind(at) == Some(TokenKind::SystemVariable);
        let bytes = tokens.bytes(at).get(2..).filter(|_| system)?;
        Some(if bytes.first() == Some(&b'`') {
            unquote(bytes)
        } else {
            bytes.into()
        })
    })?;
    let mut behind = at + 1;
    if tokens.kind(behind) == Some(TokenKind::Dot) {
        name = tokens.name(behind + 1)?;
        behind += 2;
    }
    assigned(judge, tokens, behind, scope, &name)
}

/// The scope that is written, and the place of the variable's name.
fn scope(tokens: Tokens<'_>) -> (VariableScope, usize) {
    let named = |word: &str| match word {
        "GLOBAL" => Some(VariableScope::Global),
        "PERSIST" | "PERSIST_ONLY" => Some(VariableScope::Persist),
        "SESSION" | "LOCAL" => Some(VariableScope::Session),
        _ => None,
    };
    if tokens.kind(0) == Some(TokenKind::SystemVariable) && tokens.kind(1) == Some(TokenKind::Dot) {
        let word = tokens.bytes(0).get(2..).unwrap_or_default().to_ascii_uppercase();
        if let Some(scope) = std::str::from_utf8(&word).ok().and_then(named) {
            return (scope, 2);
        }
    } else if !is_assignment(tokens, 1)
        && let Some(scope) = named(tokens.keyword(0).as_str())
    {
        return (scope, 1);
    }
    (VariableScope::Session, 0)
}

fn assigned(
    judge: Judge,
    tokens: Tokens<'_>,
    at: usize,
    scope: VariableScope,
    name: &[u8],
) -> Option<Assignment> {
    if !is_assignment(tokens, at) || tokens.len() <= at + 1 {
        return None;
    }
    let name = name.to_ascii_lowercase().into();
    Some(Assignment {
        scope,
        name,
        value: value(judge, tokens.from(at + 1)),
    })
}

/// A value as far as the text tells.
fn value(judge: Judge, tokens: Tokens<'_>) -> Value {
    let single = tokens.len() == 1;
    match tokens.kind(0) {
        Some(TokenKind::Text) if single => {
            text::constant(judge, tokens, 0).map_or(Value::Expression, |(text, _)| Value::Text(text))
        }
        Some(TokenKind::Number) if single => Value::Number(tokens.bytes(0).into()),
        Some(TokenKind::Word) if single && tokens.is(0, "DEFAULT") => Value::Default,
        Some(TokenKind::Word) if single => Value::Word(tokens.bytes(0).into()),
        _ => Value::Expression,
    }
}

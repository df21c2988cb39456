//! BEGIN, COMMIT, ROLLBACK, savepoints, XA, and START of other things.

use crate::{
    effect::{Administration, Effect, Ending, Isolation, TransactionScope, TransactionStep},
    facts::StatementFacts,
    tokens::Tokens,
};

pub(super) fn judge(tokens: Tokens<'_>, facts: &mut StatementFacts) {
    if tokens.is(0, "START") && tokens.is_any(1, &["SLAVE", "REPLICA", "ALL", "GROUP_REPLICATION"]) {
        facts.effect = Effect::Administration(Administration::Replication);
        return;
    }
    if let Some(step) = step(tokens) {
        facts.effect = Effect::Transaction(step);
    }
}

fn step(tokens: Tokens<'_>) -> Option<TransactionStep> {
    match tokens.keyword(0).as_str() {
        "BEGIN" if tokens.len() == 1 || tokens.len() == 2 && tokens.is(1, "WORK") => {
            Some(TransactionStep::Begin {
                read_only: None,
                consistent_snapshot: false,
            })
        }
        "START" if tokens.is(1, "TRANSACTION") => start(tokens.from(2)),
        "COMMIT" => ending(tokens.from(1)).map(TransactionStep::Commit),
        "ROLLBACK" => {
            let rest = tokens.from(1 + usize::from(tokens.is(1, "WORK")));
            if rest.is(0, "TO") {
                let name = 1 + usize::from(rest.is(1, "SAVEPOINT") && rest.len() > 2);
                return (rest.is_name(name) && rest.len() == name + 1)
                    .then_some(TransactionStep::RollbackToSavepoint);
            }
            ending(rest).map(TransactionStep::Rollback)
        }
        "SAVEPOINT" if tokens.is_name(1) && tokens.len() == 2 => Some(TransactionStep::Savepoint),
        "RELEASE" if tokens.is(1, "SAVEPOINT") && tokens.is_name(2) && tokens.len() == 3 => {
            Some(TransactionStep::ReleaseSavepoint)
        }
        "XA" => Some(TransactionStep::Xa),
        _ => None,
    }
}

fn start(mut rest: Tokens<'_>) -> Option<TransactionStep> {
    let (mut read_only, mut consistent_snapshot) = (None, false);
    while rest.len() > 0 {
        let used = if rest.are(0, &["READ", "ONLY"]) {
            read_only = Some(true);
            2
        } else if rest.are(0, &["READ", "WRITE"]) {
            read_only = Some(false);
            2
        } else if rest.are(0, &["WITH", "CONSISTENT", "SNAPSHOT"]) {
            consistent_snapshot = true;
            3
        } else {
            return None;
        };
        // a comma between two of them
        rest = rest.from(used);
        if rest.len() > 0 {
            rest = rest.from(1);
            if rest.len() == 0 {
                return None;
            }
        }
    }
    Some(TransactionStep::Begin {
        read_only,
        consistent_snapshot,
    })
}

/// `[WORK] [AND [NO] CHAIN] [[NO] RELEASE]`.
fn ending(tokens: Tokens<'_>) -> Option<Ending> {
    let mut ending = Ending::default();
    let mut at = usize::from(tokens.is(0, "WORK"));
    if tokens.are(at, &["AND", "CHAIN"]) {
        ending.chain = true;
        at += 2;
    } else if tokens.are(at, &["AND", "NO", "CHAIN"]) {
        at += 3;
    }
    if tokens.is(at, "RELEASE") {
        ending.release = true;
        at += 1;
    } else if tokens.are(at, &["NO", "RELEASE"]) {
        at += 2;
    }
    (at == tokens.len()).then_some(ending)
}

/// What follows `SET [scope] TRANSACTION`.
pub(super) fn characteristics(mut rest: Tokens<'_>, scope: TransactionScope) -> Option<TransactionStep> {
    let (mut read_only, mut isolation) = (None, None);
    loop {
        let used = if rest.are(0, &["READ", "ONLY"]) {
            read_only = Some(true);
            2
        } else if rest.are(0, &["READ", "WRITE"]) {
            read_only = Some(false);
            2
        } else if rest.are(0, &["ISOLATION", "LEVEL"]) {
            let (level, used) = level(rest.from(2))?;
            isolation = Some(level);
            2 + used
        } else {
            return None;
        };
        rest = rest.from(used);
        if rest.len() == 0 {
            return Some(TransactionStep::SetTransaction {
                scope,
                read_only,
                isolation,
            });
        }
        rest = rest.from(1);
    }
}

fn level(tokens: Tokens<'_>) -> Option<(Isolation, usize)> {
    if tokens.are(0, &["READ", "UNCOMMITTED"]) {
        Some((Isolation::ReadUncommitted, 2))
    } else if tokens.are(0, &["READ", "COMMITTED"]) {
        Some((Isolation::ReadCommitted, 2))
    } else if tokens.are(0, &["REPEATABLE", "READ"]) {
        Some((Isolation::RepeatableRead, 2))
    } else if tokens.is(0, "SERIALIZABLE") {
        Some((Isolation::Serializable, 1))
    } else {
        None
    }
}

//! INSERT, REPLACE, UPDATE, DELETE: whether they have an effective WHERE.

use super::{Judge, condition};
use crate::{danger::Danger, effect::Effect, facts::StatementFacts, tokens::Tokens};

pub(super) fn judge(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    facts.effect = Effect::Write;
    if tokens.is(0, "DELETE") {
        unrestricted(
            judge,
            tokens,
            facts,
            Danger::DeleteWithoutWhere,
            Danger::DeleteWhereConstant,
        );
    } else if tokens.is(0, "UPDATE") {
        unrestricted(
            judge,
            tokens,
            facts,
            Danger::UpdateWithoutWhere,
            Danger::UpdateWhereConstant,
        );
    }
}

fn unrestricted(
    judge: Judge,
    tokens: Tokens<'_>,
    facts: &mut StatementFacts,
    without: Danger,
    constant: Danger,
) {
    // a WHERE inside parentheses belongs to a subquery
    let Some(start) = tokens.position_outside(1, &["WHERE"]) else {
        facts.dangers.insert(without);
        return;
    };
    let end = tokens
        .position_outside(start + 1, &["ORDER", "LIMIT", "RETURNING"])
        .unwrap_or(tokens.len());
    if condition::can_hold_without_columns(tokens.range(start + 1, end), judge.mode) {
        facts.dangers.insert(constant);
    }
}

//! Our own commands: `PROXY SET …`, `PROXY SHOW ROUTE`, `PROXY SHOW TOKEN`, `PROXY EXPLAIN …`.

use std::sync::Arc;

use super::{Judge, text};
use crate::{
    effect::{Effect, ProxyCommand},
    facts::{Facts, StatementFacts},
    scan::TokenKind,
    tokens::Tokens,
};

pub(super) fn judge(judge: Judge, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    // it reaches no server: nothing in it needs a node, nothing in it is dangerous
    let command = command(judge, tokens);
    *facts = StatementFacts::of(Effect::Proxy(command));
}

fn command(judge: Judge, tokens: Tokens<'_>) -> ProxyCommand {
    if tokens.are(1, &["SHOW", "ROUTE"]) && tokens.len() == 3 {
        return ProxyCommand::ShowRoute;
    }
    if tokens.are(1, &["SHOW", "TOKEN"]) && tokens.len() == 3 {
        return ProxyCommand::ShowToken;
    }
    if tokens.is(1, "EXPLAIN") && tokens.len() > 2 {
        return ProxyCommand::Explain(Arc::new(explained(judge, tokens.from(2))));
    }
    set(judge, tokens).unwrap_or(ProxyCommand::Unrecognised)
}

fn set(judge: Judge, tokens: Tokens<'_>) -> Option<ProxyCommand> {
    let name = tokens
        .name(2)
        .filter(|_| tokens.is(1, "SET"))?
        .to_ascii_lowercase()
        .into();
    let at = 3 + usize::from(tokens.is_operator(3, "="));
    if tokens.len() != at + 1 {
        return None;
    }
    let value = match tokens.kind(at)? {
        TokenKind::Text => text::constant(judge, tokens, at)?.0,
        TokenKind::Number => tokens.bytes(at).into(),
        _ => tokens.name(at)?,
    };
    Some(ProxyCommand::Set { name, value })
}

/// The facts of the statement to be explained.
fn explained(judge: Judge, tokens: Tokens<'_>) -> Facts {
    let (first, last) = (tokens.all.first(), tokens.all.last());
    let text = match (first, last) {
        (Some(first), Some(last)) => tokens.text.get(first.start as usize..last.end as usize),
        _ => None,
    };
    judge.inner(text.unwrap_or_default())
}

//! From tokens to facts: readings of executable comments, statements of a batch, kinds of statement.

mod administration;
mod body;
mod condition;
mod definition;
mod kind;
mod modify;
mod named;
mod proxy;
mod query;
mod set;
mod show;
mod split;
mod survey;
mod text;
mod transaction;

use smallvec::SmallVec;

use crate::{
    effect::{Cause, Effect},
    facts::{Facts, StatementFacts},
    fingerprint::{Scan, fingerprint},
    scan::{LexMode, Lexer, Token, TokenKind},
    tokens::Tokens,
};

/// Most tokens of a normalised text that are judged.
pub const TOKENS_MAX: usize = 1 << 20;

/// Most statements of one batch that are judged.
pub const STATEMENTS_MAX: usize = 1_000;

/// Most different executable comment marks (`/*!40101`, `/*!50003`, …) in one text: each doubles the readings.
pub const READINGS_MARKS_MAX: usize = 4;

/// How deep texts inside texts are followed: `PREPARE s FROM 'PREPARE …'`.
const TEXT_DEPTH_MAX: u8 = 3;

/// Facts of a text, computed anew. [`FactsCache`](crate::FactsCache) is the way for statements on their path.
#[must_use]
pub fn facts(text: &[u8], mode: LexMode) -> Facts {
    let mut normalised = Vec::new();
    let scan = fingerprint(text, mode, &mut normalised);
    of_scanned(text, &normalised, &scan, mode)
}

/// Facts of a text that was scanned: from its fingerprint alone, unless literals matter.
pub(crate) fn of_scanned(text: &[u8], normalised: &[u8], scan: &Scan, mode: LexMode) -> Facts {
    if let Some(doubt) = scan.doubt {
        return Facts::unknown(Cause::Doubt(doubt));
    }
    let judged = if scan.literals_matter { text } else { normalised };
    Judge { mode, depth: 0 }.facts(judged)
}

/// What judging needs to know besides the tokens.
#[derive(Clone, Copy)]
pub(crate) struct Judge {
    pub(crate) mode: LexMode,
    /// How many texts this one stands in.
    depth: u8,
}

impl Judge {
    fn facts(self, text: &[u8]) -> Facts {
        let mut lexer = Lexer::new(text, self.mode);
        let tokens: Vec<Token> = lexer.by_ref().take(TOKENS_MAX + 1).collect();
        if let Some(doubt) = lexer.doubt() {
            return Facts::unknown(Cause::Doubt(doubt));
        }
        if tokens.len() > TOKENS_MAX {
            return Facts::unknown(Cause::TooComplex);
        }
        let marks = match marks(text, &tokens) {
            Ok(marks) => marks,
            Err(cause) => return Facts::unknown(cause),
        };
        if marks.is_empty() {
            return Facts::new(self.batch(Tokens { text, all: &tokens }));
        }
        let readings = (0..1_u32 << marks.len()).map(|opened| {
            let kept = reading(text, &tokens, &marks, opened);
            self.batch(Tokens { text, all: &kept })
        });
        Facts::new(readings.reduce(combine).unwrap_or_default())
    }

    /// Facts of a text inside this one.
    fn inner(self, text: &[u8]) -> Facts {
        if self.depth >= TEXT_DEPTH_MAX {
            return Facts::unknown(Cause::TooComplex);
        }
        let mut normalised = Vec::new();
        let scan = fingerprint(text, self.mode, &mut normalised);
        if let Some(doubt) = scan.doubt {
            return Facts::unknown(Cause::Doubt(doubt));
        }
        Self {
            depth: self.depth + 1,
            ..self
        }
        .facts(if scan.literals_matter { text } else { &normalised })
    }

    /// Facts of each statement of one reading.
    fn batch(self, tokens: Tokens<'_>) -> SmallVec<[StatementFacts; 1]> {
        let mut statements = SmallVec::new();
        let mut lexing_changed = false;
        let mut rest = tokens;
        loop {
            let (statement, behind) = split::first(rest);
            let mut facts = kind::judge(self, statement);
            if lexing_changed && facts.effect != Effect::Empty {
                facts.effect = Effect::Unknown(Cause::ModeChange);
            }
            lexing_changed |= facts.changes_lexing();
            statements.push(facts);
            let Some(behind) = behind.filter(|behind| behind.len() > 0) else {
                break;
            };
            if statements.len() >= STATEMENTS_MAX {
                statements.push(StatementFacts::of(Effect::Unknown(Cause::TooComplex)));
                break;
            }
            rest = behind;
        }
        statements
    }
}

/// The different marks of executable comments in the text.
fn marks<'a>(text: &'a [u8], tokens: &[Token]) -> Result<SmallVec<[&'a [u8]; READINGS_MARKS_MAX]>, Cause> {
    let mut marks = SmallVec::new();
    for token in tokens
        .iter()
        .filter(|token| token.kind == TokenKind::ExecutableOpen)
    {
        let mark = token.of(text);
        if !marks.contains(&mark) {
            if marks.len() == READINGS_MARKS_MAX {
                return Err(Cause::Readings);
            }
            marks.push(mark);
        }
    }
    Ok(marks)
}

/// The tokens as a server sees them that opens the comments whose marks' bits are set, and drops the others.
fn reading(text: &[u8], tokens: &[Token], marks: &[&[u8]], opened: u32) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut dropping = false;
    for &token in tokens {
        match token.kind {
            TokenKind::ExecutableOpen => {
                let bit = marks.iter().position(|&mark| mark == token.of(text));
                dropping = bit.is_none_or(|bit| opened & (1 << bit) == 0);
            }
            TokenKind::ExecutableClose => dropping = false,
            _ if !dropping => kept.push(token),
            _ => {}
        }
    }
    kept
}

/// The more cautious of two readings, statement by statement.
fn combine(
    mut one: SmallVec<[StatementFacts; 1]>,
    mut other: SmallVec<[StatementFacts; 1]>,
) -> SmallVec<[StatementFacts; 1]> {
    let aligned = one.len() == other.len();
    if one.len() < other.len() {
        std::mem::swap(&mut one, &mut other);
    }
    let mut shorter = other.into_iter();
    for facts in &mut one {
        if let Some(other) = shorter.next() {
            combine_statement(facts, other);
        }
        if !aligned {
            facts.effect = Effect::Unknown(Cause::Readings);
        }
    }
    one
}

fn combine_statement(facts: &mut StatementFacts, other: StatementFacts) {
    let differ = facts.effect != other.effect;
    facts.conditional |= other.conditional | differ;
    facts.needs = facts.needs.union(other.needs);
    facts.dangers |= other.dangers;
    facts.tables.extend(other.tables);
    facts.creates_temporary_table |= other.creates_temporary_table;
    facts.implicit_commit |= other.implicit_commit;
    if differ {
        let mine = std::mem::replace(&mut facts.effect, Effect::Empty);
        facts.effect = match (mine, other.effect) {
            (Effect::Empty, effect) | (effect, Effect::Empty) => effect,
            (Effect::Unknown(cause), _) | (_, Effect::Unknown(cause)) => Effect::Unknown(cause),
            // the same kind of statement with another ending
            (Effect::Definition, Effect::Write) | (Effect::Write, Effect::Definition) => Effect::Definition,
            (Effect::Read, Effect::Write) | (Effect::Write, Effect::Read) => Effect::Write,
            _ => Effect::Unknown(Cause::Readings),
        };
    }
}

#[cfg(test)]
mod tests;

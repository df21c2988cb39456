//! From tokens to facts: readings of executable comments, statements of a batch, kinds of statement.

mod administration;
mod body;
mod condition;
mod definition;
mod found_rows;
mod kind;
mod modify;
mod named;
mod proxy;
mod query;
mod readings;
mod set;
mod show;
mod split;
mod survey;
mod text;
mod transaction;

use smallvec::SmallVec;

use crate::{
    danger::Danger,
    effect::{Administration, Cause, Effect},
    facts::{Facts, StatementFacts},
    fingerprint::{Scan, fingerprint},
    scan::{LexMode, Lexer, Token},
    tokens::Tokens,
};

/// Most tokens of a normalised text that are judged.
pub const TOKENS_MAX: usize = 1 << 20;

/// Most statements of one batch that are judged.
pub const STATEMENTS_MAX: usize = 1_000;

/// Most different executable comment marks (`/*!40101`, `/*!50003`, …) in one text: each adds readings.
pub const READINGS_MARKS_MAX: usize = 16;

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
        let marks = match readings::marks(text, &tokens) {
            Ok(marks) => marks,
            Err(cause) => return Facts::unknown(cause),
        };
        if marks.is_empty() {
            return Facts::new(self.batch(Tokens { text, all: &tokens }));
        }
        let readings = readings::of_marks(&marks).into_iter().map(|opened| {
            let kept = readings::reading(text, &tokens, &marks, opened);
            self.batch(Tokens { text, all: &kept })
        });
        Facts::new(readings.reduce(readings::combine).unwrap_or_default())
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
        let mut statements: SmallVec<[StatementFacts; 1]> = SmallVec::new();
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
        if statements.len() > 1 {
            for facts in &mut statements {
                if facts.effect == Effect::Administration(Administration::Kill) {
                    facts.dangers.insert(Danger::KillUnclear);
                }
            }
        }
        statements
    }
}

#[cfg(test)]
mod tests;

//! Executable comments: the statements that different servers see in one text.
//!
//! A server opens a comment when its version is high enough, so the readings are those of each engine at each
//! version that the text names, and besides, all comments opened and all dropped. The facts of a text are the
//! cautious combination of them, so that neither engine nor version matters.

use smallvec::SmallVec;

use super::READINGS_MARKS_MAX;
use crate::{
    effect::{Cause, Effect},
    facts::StatementFacts,
    scan::{Token, TokenKind},
};

/// One bit for each mark: whether its comments are opened.
pub(super) type Opened = u32;

/// The readings of a text with these marks.
pub(super) fn of_marks(marks: &[&[u8]]) -> SmallVec<[Opened; 8]> {
    let marks: SmallVec<[Mark; READINGS_MARKS_MAX]> = marks.iter().map(|mark| Mark::of(mark)).collect();
    let opened_by = |server: Server| {
        marks
            .iter()
            .enumerate()
            .filter(|(_, mark)| server.opens(**mark))
            .fold(0, |bits, (n, _)| bits | 1 << n)
    };
    let mut readings: SmallVec<[Opened; 8]> = SmallVec::new();
    readings.push(0);
    readings.push((1 << marks.len()) - 1);
    for version in std::iter::once(0).chain(marks.iter().filter_map(|mark| mark.version)) {
        for engine in [Engine::MySql, Engine::MariaDb, Engine::MariaDbWithGap] {
            readings.push(opened_by(Server { engine, version }));
        }
    }
    readings.sort_unstable();
    readings.dedup();
    readings
}

/// `/*!`, `/*!50003`, `/*M!`, `/*M!100100`.
#[derive(Clone, Copy)]
struct Mark {
    mariadb_only: bool,
    version: Option<u32>,
}

impl Mark {
    fn of(mark: &[u8]) -> Self {
        let digits = mark.iter().filter(|byte| byte.is_ascii_digit());
        let version = digits.fold(None, |version: Option<u32>, &digit| {
            Some(
                version
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(u32::from(digit - b'0')),
            )
        });
        Self {
            mariadb_only: mark.contains(&b'M'),
            version,
        }
    }
}

#[derive(Clone, Copy)]
enum Engine {
    MySql,
    /// Skips the versions of MySQL 5.7 to 9.x in `/*!`.
    MariaDb,
    /// Skips them in `/*M!` as well.
    MariaDbWithGap,
}

#[derive(Clone, Copy)]
struct Server {
    engine: Engine,
    version: u32,
}

impl Server {
    fn opens(self, mark: Mark) -> bool {
        let gap = mark
            .version
            .is_some_and(|version| (50_700..=99_999).contains(&version));
        let flavour = match self.engine {
            Engine::MySql => !mark.mariadb_only,
            Engine::MariaDb => mark.mariadb_only || !gap,
            Engine::MariaDbWithGap => !gap,
        };
        flavour && mark.version.is_none_or(|version| version <= self.version)
    }
}

/// The different marks of executable comments in the text.
pub(super) fn marks<'a>(
    text: &'a [u8],
    tokens: &[Token],
) -> Result<SmallVec<[&'a [u8]; READINGS_MARKS_MAX]>, Cause> {
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
pub(super) fn reading(text: &[u8], tokens: &[Token], marks: &[&[u8]], opened: Opened) -> Vec<Token> {
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
pub(super) fn combine(
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
mod tests {
    use super::*;

    #[test]
    fn versions_open_from_the_lowest_up() {
        assert_eq!(
            of_marks(&[b"/*!50003", b"/*!50017"]).as_slice(),
            [0b00, 0b01, 0b11]
        );
        assert_eq!(of_marks(&[b"/*!", b"/*M!"]).as_slice(), [0b00, 0b01, 0b11]);
        // MySQL 8 opens the first alone, MariaDB the second alone
        assert_eq!(
            of_marks(&[b"/*!80000", b"/*M!100100"]).as_slice(),
            [0b00, 0b01, 0b10, 0b11]
        );
    }
}

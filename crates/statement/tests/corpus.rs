//! The corpus: what each statement in `tests/corpus/` must be taken for.
//!
//! `reads.sql` and `others.sql` are ordinary SQL of applications and tools: none may be Unknown, none dangerous.
//! `attacks.sql` are the dangers and their disguises: none may be missed.

use statement::{Danger, Effect, Facts, FactsCache, LexMode, ReadScope, facts};

/// The corpus's lines: expectation, statement.
fn cases(file: &'static str) -> impl Iterator<Item = (&'static str, String)> {
    file.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (expected, text) = line
                .split_once(" | ")
                .expect("an expectation, a bar, a statement");
            let text = text
                .replace('␤', "\n")
                .replace('␉', "\t")
                .replace('␌', "\u{c}")
                .replace('␋', "\u{b}")
                .replace('␍', "\r");
            (expected.trim(), text)
        })
}

fn kind(facts: &Facts) -> String {
    let Some(statement) = facts.single() else {
        return "batch".to_owned();
    };
    match &statement.effect {
        Effect::Read => match statement.scope() {
            ReadScope::AnyNode => "any".to_owned(),
            ReadScope::PreviousNode => "previous".to_owned(),
            ReadScope::Manager(_) => "manager".to_owned(),
            ReadScope::NotARead => "a read that is none".to_owned(),
        },
        Effect::Write => "write".to_owned(),
        Effect::Definition if statement.creates_temporary_table => "definition temporary".to_owned(),
        Effect::Definition => "definition".to_owned(),
        Effect::Transaction(_) => "transaction".to_owned(),
        Effect::Session(_) => "session".to_owned(),
        Effect::Administration(_) => "administration".to_owned(),
        Effect::Call => "call".to_owned(),
        Effect::Proxy(_) => "proxy".to_owned(),
        Effect::Empty => "empty".to_owned(),
        Effect::Unknown(cause) => format!("unknown {cause:?}"),
    }
}

fn ordinary(file: &'static str) {
    let mut wrong = Vec::new();
    for (expected, text) in cases(file) {
        let facts = facts(text.as_bytes(), LexMode::default());
        let found = kind(&facts);
        if found != expected || facts.unknown_cause().is_some() {
            wrong.push(format!("{found} instead of {expected}: {text}"));
        }
        let dangers: Vec<Danger> = facts.dangers().iter().collect();
        if !dangers.is_empty() {
            wrong.push(format!("{dangers:?}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_reads_are_reads_and_run_where_they_may() {
    ordinary(include_str!("corpus/reads.sql"));
}

#[test]
fn ordinary_statements_are_understood() {
    ordinary(include_str!("corpus/others.sql"));
}

fn shows(facts: &Facts, expected: &str) -> bool {
    let danger = facts
        .dangers()
        .iter()
        .any(|danger| format!("{danger:?}") == expected);
    let cause = facts.statements().iter().any(
        |statement| matches!(statement.effect, Effect::Unknown(cause) if format!("{cause:?}").starts_with(expected)),
    );
    danger || cause
}

#[test]
fn no_attack_is_missed() {
    let mut wrong = Vec::new();
    for (expected, text) in cases(include_str!("corpus/attacks.sql")) {
        let facts = facts(text.as_bytes(), LexMode::default());
        if !shows(&facts, expected) || facts.is_surely_read() {
            wrong.push(format!("{expected} not found: {text}\n  {facts:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Disguises of a statement that the server does not care about.
fn disguises(text: &str) -> Vec<String> {
    let respaced = |blank: &str| text.replace(' ', blank);
    vec![
        respaced("\n"),
        respaced(" /* x */ "),
        respaced(" -- y\n"),
        respaced("\t#z\n\u{b}"),
        format!("\n \t{text} ; "),
        format!("SELECT 1; {text}"),
        format!("SELECT ';' ; {text}"),
        format!("/* a ; b */ {text}"),
        format!("/*!{text}*/"),
        format!("/*!40000 {text} */"),
        format!("/*!99999 {text} */"),
        format!("/*M!100000 {text} */"),
        format!("/*!50000 {text} */ ;"),
        format!("CREATE PROCEDURE p() BEGIN {text}; END"),
        format!("BEGIN NOT ATOMIC {text}; END"),
        format!(
            "PREPARE s FROM '{}'",
            text.replace('\\', "\\\\").replace('\'', "''")
        ),
        format!(
            "EXECUTE IMMEDIATE \"{}\"",
            text.replace('\\', "\\\\").replace('"', "\"\"")
        ),
    ]
}

#[test]
fn no_disguise_hides_a_danger() {
    let bases = [
        ("DropTable", "DROP TABLE t"),
        ("DropTable", "drop table `a`.`b`, c"),
        ("DropSchema", "Drop Database d"),
        ("Truncate", "TRUNCATE TABLE t"),
        ("Truncate", "ALTER TABLE t TRUNCATE PARTITION p0"),
        ("DeleteWithoutWhere", "DELETE FROM t"),
        ("DeleteWithoutWhere", "DELETE a FROM t a JOIN b"),
        ("DeleteWhereConstant", "DELETE FROM t WHERE 1 = 1"),
    ];
    for (expected, base) in bases {
        for text in disguises(base) {
            let facts = facts(text.as_bytes(), LexMode::default());
            assert!(shows(&facts, expected), "{expected}: {text}\n{facts:?}");
        }
    }
}

#[test]
fn the_cache_answers_as_a_fresh_judgement_does() {
    let mut cache = FactsCache::new(1 << 20);
    let files = [
        include_str!("corpus/reads.sql"),
        include_str!("corpus/others.sql"),
        include_str!("corpus/attacks.sql"),
    ];
    for _ in 0..2 {
        for (_, text) in files.iter().flat_map(|file| cases(file)) {
            let (cached, _) = cache.facts(text.as_bytes(), LexMode::default());
            assert_eq!(*cached, facts(text.as_bytes(), LexMode::default()), "{text}");
        }
    }
    assert!(cache.counts().hits > 200, "{:?}", cache.counts());
}

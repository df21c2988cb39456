//! Conversations as text: `tests/conformance/*.cases`. docs/testing.md describes the words.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use infra::local::Engine;

use super::conversation::{Action, Case, Expected, Mask, Request, Schema, Shape, Start, Step};
use super::personality::Personality;

/// utf8mb4_general_ci, which both engines know.
const COLLATION: u8 = 45;

/// Where the scripts are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// The subjects: the scripts' names.
///
/// # Errors
/// When the folder cannot be read.
pub fn subjects() -> anyhow::Result<Vec<String>> {
    let mut subjects = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cases") {
            let name = path.file_stem().and_then(|name| name.to_str());
            subjects.push(name.context("a name that is no text")?.to_owned());
        }
    }
    subjects.sort();
    Ok(subjects)
}

/// The conversations of a subject.
///
/// # Errors
/// When the script cannot be read, with its line.
pub fn read(subject: &str) -> anyhow::Result<Vec<Case>> {
    let path = folder().join(format!("{subject}.cases"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    parse(subject, &text).with_context(|| path.display().to_string())
}

/// Reads a script.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse(subject: &str, text: &str) -> anyhow::Result<Vec<Case>> {
    let mut start = Start {
        engine: None,
        personalities: vec![Personality::Modern, Personality::Old],
        schema: Schema::None,
        user: None,
        password: None,
        collation: COLLATION,
    };
    let mut cases: Vec<Case> = Vec::new();
    for (line, text) in logical_lines(text) {
        let place = || format!("line {line}: {text}");
        if let Some(name) = text.strip_prefix("==") {
            let name = name.trim().to_owned();
            ensure!(cases.iter().all(|case| case.name != name), "{}: twice", place());
            cases.push(Case {
                subject: subject.to_owned(),
                name,
                line,
                start: start.clone(),
                steps: vec![implicit_login(line)],
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            header(&text, &mut start).with_context(place)?;
            continue;
        };
        if text.starts_with('@') {
            ensure!(case.steps.len() == 1, "{}: behind a step", place());
            header(&text, &mut case.start).with_context(place)?;
        } else if text.starts_with(['!', '~']) {
            let step = case.steps.last_mut().with_context(place)?;
            note(&text, step).with_context(place)?;
        } else {
            let step = step(&text, line).with_context(place)?;
            match (&step.action, case.steps.as_mut_slice()) {
                (Action::Login { .. }, [first]) => *first = step,
                _ => case.steps.push(step),
            }
        }
    }
    Ok(cases)
}

/// Lines with their continuations, which are indented.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with([' ', '\t']) => {
                before.push('\n');
                before.push_str(line.trim());
            }
            _ => lines.push((index + 1, line.trim_end().to_owned())),
        }
    }
    lines
}

/// The login that every conversation begins with. Its greeting is compared only where the script says `login`.
fn implicit_login(line: usize) -> Step {
    Step {
        line,
        text: "(login)".to_owned(),
        engine: None,
        connection: 0,
        action: Action::Login { greeting: false },
        expected: Vec::new(),
        masks: Vec::new(),
        asks_route: false,
    }
}

fn engine(word: &str) -> anyhow::Result<Engine> {
    match word {
        "mariadb" => Ok(Engine::Mariadb),
        "mysql" => Ok(Engine::Mysql),
        other => bail!("no engine {other}"),
    }
}

/// `[mysql] rest`
fn with_engine(text: &str) -> anyhow::Result<(Option<Engine>, &str)> {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((word, rest)) => Ok((Some(engine(word)?), rest.trim_start())),
        None => Ok((None, text)),
    }
}

fn header(text: &str, start: &mut Start) -> anyhow::Result<()> {
    let text = text.strip_prefix('@').context("a case begins with ==")?;
    let (key, value) = text.split_once(' ').context("a header has a value")?;
    let value = value.trim();
    match key {
        "on" => start.engine = Some(engine(value)?),
        "as" => {
            start.personalities = match value {
                "all" => Personality::ALL.iter().map(|(_, known)| *known).collect(),
                names => names
                    .split_whitespace()
                    .map(Personality::named)
                    .collect::<anyhow::Result<_>>()?,
            }
        }
        "schema" => {
            start.schema = match value {
                "none" => Schema::None,
                "own" => Schema::Own,
                name => Schema::Named(name.to_owned()),
            }
        }
        "user" => start.user = Some(quoted(value)),
        "password" => start.password = Some(quoted(value)),
        "collation" => start.collation = value.parse()?,
        other => bail!("no header {other}"),
    }
    Ok(())
}

/// `''` is nothing.
fn quoted(value: &str) -> String {
    value.trim_matches('\'').to_owned()
}

fn note(text: &str, step: &mut Step) -> anyhow::Result<()> {
    let (mark, rest) = text.split_at(1);
    let rest = rest.trim();
    if mark == "~" {
        step.masks.push(match rest.split_once(' ').unwrap_or((rest, "")) {
            ("ids", "") => Mask::Ids,
            ("numbers", "") => Mask::Numbers,
            ("rows", "") => Mask::Rows,
            ("order", "") => Mask::Order,
            ("lengths", "") => Mask::Lengths,
            ("column", number) => Mask::Column(number.trim().parse()?),
            _ => bail!("no mask {rest}"),
        });
        return Ok(());
    }
    let (engine, rest) = with_engine(rest)?;
    let expected = match rest {
        "worker" => {
            step.asks_route = true;
            return Ok(());
        }
        "ok" => Expected::NoError,
        "closed" => Expected::Closed,
        number => Expected::Error(number.parse()?),
    };
    step.expected.push((engine, expected));
    Ok(())
}

fn step(text: &str, line: usize) -> anyhow::Result<Step> {
    let (engine, rest) = with_engine(text)?;
    let (connection, rest) = match rest.split_once(": ") {
        Some((number, rest)) if number.len() == 1 && number != "0" => match number.parse::<usize>() {
            Ok(number) => (number - 1, rest),
            Err(_) => (0, text),
        },
        _ => (0, rest),
    };
    Ok(Step {
        line,
        text: text.to_owned(),
        engine,
        connection,
        action: action(rest.trim_start())?,
        expected: Vec::new(),
        masks: Vec::new(),
        asks_route: false,
    })
}

fn action(text: &str) -> anyhow::Result<Action> {
    let (verb, rest) = match text.split_once(char::is_whitespace) {
        Some((verb, rest)) => (verb, rest.trim_start()),
        None => (text, ""),
    };
    Ok(match verb {
        "login" => Action::Login { greeting: true },
        "send" => Action::Send(request(rest)?),
        "read" => Action::Read,
        "read-to-end" => Action::ReadToEnd,
        "bytes" => Action::Bytes(hexadecimal(rest)),
        "file" => Action::File(rest.to_owned()),
        "attribute" => {
            let (name, value) = rest.split_once(' ').context("attribute NAME TYPE VALUE")?;
            Action::Attribute(name.to_owned(), value.to_owned())
        }
        "sync" => Action::Sync,
        "wait-for" => Action::WaitFor(rest.to_owned()),
        _ => Action::Ask(request(text)?),
    })
}

/// Hexadecimal digits with insets between them, as a template.
fn hexadecimal(text: &str) -> String {
    let mut template = String::new();
    for part in text.split(['⟨', '⟩']) {
        if !part.trim().is_empty() {
            template.push('⟨');
            template.push_str(part.trim());
            template.push('⟩');
        }
    }
    template
}

fn request(text: &str) -> anyhow::Result<Request> {
    if text.starts_with(|first: char| first.is_uppercase() || first == '(') {
        return Ok(Request::Query(text.to_owned()));
    }
    let (verb, rest) = match text.split_once(char::is_whitespace) {
        Some((verb, rest)) => (verb, rest.trim_start()),
        None => (text, ""),
    };
    let raw = |bytes: String| Request::Raw {
        bytes: hexadecimal(&bytes),
        shape: None,
    };
    Ok(match verb {
        "query" => Request::Query(rest.to_owned()),
        "prepare" => {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            Request::Prepare {
                name: name.to_owned(),
                text: text.to_owned(),
            }
        }
        "execute" => execute(rest)?,
        "bulk" => {
            let (name, rows) = rest.split_once(':').context("bulk NAME: ROWS")?;
            Request::Bulk {
                name: name.trim().to_owned(),
                rows: rows.trim().to_owned(),
            }
        }
        "fetch" => {
            let (name, rows) = rest.split_once(' ').context("fetch NAME COUNT")?;
            Request::Fetch {
                name: name.to_owned(),
                rows: rows.trim().parse()?,
            }
        }
        "long" => {
            let mut parts = rest.splitn(3, ' ');
            let mut next = || parts.next().context("long NAME PARAMETER TEXT");
            Request::LongData {
                name: next()?.to_owned(),
                parameter: next()?.parse()?,
                text: next().unwrap_or_default().to_owned(),
            }
        }
        "reset" => Request::ResetStatement(rest.to_owned()),
        "close" => Request::CloseStatement(rest.to_owned()),
        "init-db" => Request::InitDb(rest.to_owned()),
        "field-list" => {
            let (table, wild) = rest.split_once(' ').unwrap_or((rest, ""));
            Request::FieldList {
                table: table.to_owned(),
                wild: wild.to_owned(),
            }
        }
        "change-user" => change_user(rest)?,
        "raw" => {
            let (bytes, shape) = match rest.rsplit_once(" as ") {
                Some((bytes, word)) => (bytes, Some(shape(word)?)),
                None => (rest, None),
            };
            Request::Raw {
                bytes: hexadecimal(bytes),
                shape,
            }
        }
        "quit" => raw("01".to_owned()),
        "ping" => raw("0e".to_owned()),
        "statistics" => raw("09".to_owned()),
        "process-info" => raw("0a".to_owned()),
        "debug" => raw("0d".to_owned()),
        "reset-connection" => raw("1f".to_owned()),
        "refresh" => raw(format!("07{:02x}", rest.parse::<u8>()?)),
        "kill" => raw(format!("0c {rest}")),
        "set-option" => {
            let [low, high] = rest.parse::<u16>()?.to_le_bytes();
            raw(format!("1b{low:02x}{high:02x}"))
        }
        other => bail!("no verb {other}; SQL begins with a capital letter, or with `query`"),
    })
}

/// `NAME [(OPTIONS)] [: VALUES]`
fn execute(text: &str) -> anyhow::Result<Request> {
    let (head, values) = text.split_once(':').unwrap_or((text, ""));
    let (name, options) = match head.split_once('(') {
        Some((name, options)) => {
            let options = options.trim().strip_suffix(')').context("( without )")?;
            (
                name,
                options
                    .split(',')
                    .map(|option| option.trim().to_owned())
                    .collect(),
            )
        }
        None => (head, Vec::new()),
    };
    for option in &options {
        ensure!(
            ["cursor", "again", "for-update", "scrollable"].contains(&option.as_str()),
            "no option {option}"
        );
    }
    Ok(Request::Execute {
        name: name.trim().to_owned(),
        options,
        values: values.trim().to_owned(),
    })
}

/// `USER [password=…] [schema=…] [collation=N]`
fn change_user(text: &str) -> anyhow::Result<Request> {
    let mut words = text.split_whitespace();
    let user = quoted(words.next().context("change-user USER")?);
    let (mut password, mut schema, mut collation) = (None, String::new(), u16::from(COLLATION));
    for word in words {
        match word.split_once('=') {
            Some(("password", value)) => password = Some(quoted(value)),
            Some(("schema", value)) => value.clone_into(&mut schema),
            Some(("collation", value)) => collation = value.parse()?,
            _ => bail!("no option {word}"),
        }
    }
    Ok(Request::ChangeUser {
        user,
        password,
        schema,
        collation,
    })
}

fn shape(word: &str) -> anyhow::Result<Shape> {
    Ok(match word.trim() {
        "results" => Shape::TextResults,
        "binary-results" => Shape::BinaryResults,
        "prepared" => Shape::Prepared,
        "verdict" => Shape::Verdict,
        "columns" => Shape::Columns,
        "binary-rows" => Shape::BinaryRows,
        "text" => Shape::Text,
        "nothing" => Shape::Nothing,
        other => bail!("no shape {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_becomes_conversations() {
        let script = "# comment\n@as modern\n== one\n@schema own\nSELECT 1,\n  2\n! [mysql] 1064\n~ column 2\n\
                      2: ping\n[mariadb] execute s (cursor): long 1\n== two\nlogin\nraw 0c ⟨int 2⟩ as verdict\n";
        let cases = parse("subject", script).unwrap();
        let [one, two] = cases.as_slice() else {
            panic!("{cases:?}")
        };
        assert_eq!((one.name.as_str(), one.steps.len()), ("one", 4));
        assert_eq!(one.start.schema, Schema::Own);
        let query = one.steps.get(1).unwrap();
        assert!(matches!(&query.action, Action::Ask(Request::Query(text)) if text == "SELECT 1,\n2"));
        assert_eq!(query.expected, [(Some(Engine::Mysql), Expected::Error(1064))]);
        assert_eq!(query.masks, [Mask::Column(2)]);
        assert_eq!(one.steps.get(2).map(|step| step.connection), Some(1));
        assert!(matches!(
            two.steps.first().unwrap().action,
            Action::Login { greeting: true }
        ));
        assert!(matches!(
            &two.steps.get(1).unwrap().action,
            Action::Ask(Request::Raw { bytes, shape: Some(Shape::Verdict) }) if bytes == "⟨0c⟩⟨int 2⟩"
        ));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (script, what) in [
            ("== a\nselect 1\n", "line 2"),
            ("== a\nping\n@as modern\n", "line 3"),
            ("== a\n== a\n", "line 2"),
            ("== a\nping\n~ colour\n", "line 3"),
            ("ping\n", "line 1"),
        ] {
            let error = format!("{:#}", parse("subject", script).unwrap_err());
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn every_script_can_be_read_and_has_cases() {
        for subject in subjects().unwrap() {
            assert!(!read(&subject).unwrap().is_empty(), "{subject}");
        }
    }
}

//! docs/compatibility.md: the differences that are known. Each entry has a reason, tells what the client sees, and
//! names the steps of the conversations that it excuses:
//!
//! ```text
//! ## Known differences
//! ### A title
//! **The client sees:** …
//! **Reason:** …
//! - `subject: case` step 3 on mysql
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use infra::local::Engine;

/// One step of one case whose difference is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The entry's title.
    pub entry: String,
    /// The case's file.
    pub subject: String,
    /// The case.
    pub case: String,
    /// The step, as differences count them: 0 is the login.
    pub step: usize,
    /// The engine; both when there is none.
    pub engine: Option<Engine>,
}

/// The page.
#[must_use]
pub fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md")
}

/// Reads the page.
///
/// # Errors
/// When an entry is not complete, with its title.
pub fn read() -> anyhow::Result<Vec<Exception>> {
    let path = page();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(page: &str) -> anyhow::Result<Vec<Exception>> {
    let (_, entries) = page
        .split_once("## Known differences")
        .context("no list of known differences")?;
    let entries = entries.split("\n## ").next().unwrap_or_default();
    let mut exceptions = Vec::new();
    for entry in entries.split("\n### ").skip(1) {
        let title = entry.lines().next().unwrap_or_default().trim().to_owned();
        let mut found = Vec::new();
        for line in entry.lines().filter_map(|line| line.strip_prefix("- `")) {
            found.extend(excused(&title, line).with_context(|| format!("{title}: {line}"))?);
        }
        for needed in ["**The client sees:** ", "**Reason:** "] {
            ensure!(
                entry.lines().any(|line| line.starts_with(needed)),
                "{title}: no {needed}"
            );
        }
        ensure!(!found.is_empty(), "{title}: excuses nothing");
        exceptions.extend(found);
    }
    Ok(exceptions)
}

/// ``subject: case` step 1, 2 on mysql``
fn excused(entry: &str, line: &str) -> anyhow::Result<Vec<Exception>> {
    let (name, rest) = line.split_once('`').context("a case stands in backticks")?;
    let (subject, case) = name.split_once(": ").context("`subject: case`")?;
    let rest = rest.trim().strip_prefix("step").context("which step?")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    let (steps, engine) = match rest.split_once(" on ") {
        Some((steps, "mariadb")) => (steps, Some(Engine::Mariadb)),
        Some((steps, "mysql")) => (steps, Some(Engine::Mysql)),
        Some((_, other)) => bail!("no engine {other}"),
        None => (rest, None),
    };
    steps
        .split(',')
        .map(|step| {
            Ok(Exception {
                entry: entry.to_owned(),
                subject: subject.to_owned(),
                case: case.to_owned(),
                step: step.trim().parse()?,
                engine,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "# Page\n## Known differences\n### Title\n\n**The client sees:** this\n\n**Reason:** that\n\n\
                         - `commands: ping` step 1\n- `errors: long ones` steps 2, 3 on mysql\n## After\n### Not me\n";

    #[test]
    fn an_entry_names_steps() {
        let found = parse(ENTRY).unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|one| (one.subject.as_str(), one.case.as_str(), one.step, one.engine))
            .collect();
        assert_eq!(
            short,
            [
                ("commands", "ping", 1, None),
                ("errors", "long ones", 2, Some(Engine::Mysql)),
                ("errors", "long ones", 3, Some(Engine::Mysql)),
            ]
        );
    }

    #[test]
    fn an_entry_without_reason_or_case_is_none() {
        for missing in [
            "**Reason:** that",
            "**The client sees:** this",
            "- `commands: ping` step 1\n- `errors: long ones` steps 2, 3 on mysql",
        ] {
            assert!(parse(&ENTRY.replace(missing, "")).is_err(), "{missing}");
        }
    }

    #[test]
    fn every_exception_names_a_step_that_exists() {
        for exception in read().unwrap() {
            let cases = super::super::script::read(&exception.subject).unwrap();
            let case = cases.iter().find(|case| case.name == exception.case);
            let steps = case.map_or(0, |case| case.steps.len());
            assert!(exception.step < steps, "{exception:?}");
        }
    }
}

//! A program: what one or two sessions say, in turns.

use std::fmt;

use infra::local::Engine;

use crate::conformance::conversation::{Action, Case, Mask, Request, Schema, Shape, Start, Step};
use crate::conformance::personality::Personality;

/// How its sessions stand to each other, and what they are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One session, `session`.
    Single,
    /// Two sessions in turns, each with tables of its own, `session`.
    Disjoint,
    /// Two sessions in turns on the same tables, `global`.
    Shared,
}

impl Mode {
    /// What its sessions are promised.
    #[must_use]
    pub fn consistency(self) -> &'static str {
        match self {
            Mode::Single | Mode::Disjoint => "session",
            Mode::Shared => "global",
        }
    }

    pub(crate) fn sessions(self) -> usize {
        match self {
            Mode::Single => 1,
            Mode::Disjoint | Mode::Shared => 2,
        }
    }
}

/// What is said.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it was made of.
    pub seed: u64,
    /// How its sessions stand to each other.
    pub mode: Mode,
    /// What kind of client speaks.
    pub personality: Personality,
    /// What is said, in order.
    pub lines: Vec<Line>,
}

/// One command of one session.
#[derive(Debug, Clone)]
pub struct Line {
    /// Who says it: 0 or 1.
    pub session: usize,
    /// What.
    pub request: Request,
    /// Rows may come in any order.
    pub any_order: bool,
}

/// What is done to the side that goes through, to show that the comparison finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Old reads are allowed.
    Eventual,
    /// Every `SET` is forgotten.
    ForgottenSets,
    /// Texts that begin with SELECT go to a session of their own, as where a splitter looks at nothing but the text.
    ReadsElsewhere,
}

impl Fault {
    /// All that is wrong.
    pub const ALL: [Fault; 3] = [Fault::Eventual, Fault::ForgottenSets, Fault::ReadsElsewhere];
}

/// COM_RESET_CONNECTION.
pub(crate) fn reset_connection() -> Request {
    Request::Raw {
        bytes: "⟨1f⟩".to_owned(),
        shape: Some(Shape::Verdict),
    }
}

/// Said first: `FOUND_ROWS()` of a connection that has not read anything is anybody's on MariaDB.
fn first() -> Request {
    Request::Query("SELECT 1".to_owned())
}

impl Program {
    /// The conversation with a server itself, and the steps whose replies are compared.
    pub(crate) fn direct(&self, schema: &str) -> (Case, Vec<usize>) {
        self.case(schema, None)
    }

    /// The conversation through gatekeeper and proxy.
    pub(crate) fn through(&self, schema: &str, fault: Fault) -> (Case, Vec<usize>) {
        self.case(schema, Some(fault))
    }

    fn case(&self, schema: &str, through: Option<Fault>) -> (Case, Vec<usize>) {
        let mut steps = vec![];
        let mut compared = vec![];
        let ask = |session: usize, request: Request, any_order: bool| Step {
            line: 0,
            text: String::new(),
            engine: None,
            connection: session,
            action: Action::Ask(request),
            expected: vec![],
            masks: if any_order {
                vec![Mask::IndexUse, Mask::Order]
            } else {
                vec![Mask::IndexUse]
            },
            asks_route: false,
        };
        let promise = |session: usize, steps: &mut Vec<Step>| {
            let consistency = match through {
                None => return,
                Some(Fault::Eventual) => "eventual",
                Some(_) => self.mode.consistency(),
            };
            for text in [
                format!("PROXY SET consistency = '{consistency}'"),
                "PROXY SET strategy = 'random'".to_owned(),
            ] {
                steps.push(ask(session, Request::Query(text), false));
            }
        };
        for session in 0..self.mode.sessions() {
            // each side opens all its sessions before anything is said
            promise(session, &mut steps);
            steps.push(ask(session, first(), false));
        }
        for line in &self.lines {
            compared.push(steps.len());
            let forgotten = through == Some(Fault::ForgottenSets)
                && matches!(&line.request, Request::Query(text) if text.starts_with("SET "));
            let request = if forgotten {
                Request::Query("DO 0".to_owned())
            } else {
                line.request.clone()
            };
            let elsewhere = through == Some(Fault::ReadsElsewhere)
                && matches!(&request, Request::Query(text) if text.starts_with("SELECT "));
            let session = if elsewhere {
                line.session + self.mode.sessions()
            } else {
                line.session
            };
            let asks_route = matches!(request, Request::Query(_) | Request::Execute { .. });
            let step = ask(session, request, line.any_order);
            steps.push(Step { asks_route, ..step });
            if line.starts_anew() {
                promise(line.session, &mut steps);
                steps.push(ask(line.session, first(), false));
            }
        }
        let case = Case {
            subject: "oracle".to_owned(),
            name: self.seed.to_string(),
            line: 0,
            start: Start {
                engine: None,
                personalities: vec![self.personality],
                schema: Schema::Named(schema.to_owned()),
                user: None,
                password: None,
                collation: 45,
            },
            steps,
        };
        (case, compared)
    }

    /// Whether it defines tables or views, or takes from a sequence: what no new rows put right.
    pub(crate) fn defines(&self) -> bool {
        const WORDS: [&str; 6] = [
            "CREATE TABLE",
            "CREATE OR",
            "CREATE INDEX",
            "ALTER",
            "TRUNCATE",
            "RENAME",
        ];
        self.lines.iter().any(|line| {
            matches!(&line.request, Request::Query(text) if WORDS.iter().any(|word| text.starts_with(word)) || text.contains("_sequence"))
        })
    }

    /// Only the lines that are kept.
    pub(crate) fn with_lines(&self, keep: &[usize]) -> Program {
        Program {
            lines: keep
                .iter()
                .filter_map(|index| self.lines.get(*index).cloned())
                .collect(),
            ..self.clone()
        }
    }

    /// How to have it again.
    #[must_use]
    pub fn name(&self, engine: Engine) -> String {
        format!(
            "ORACLE_SEED={} on {engine}: {:?} as {}",
            self.seed,
            self.mode,
            self.personality.name()
        )
    }
}

impl Line {
    /// The session forgets what it was told.
    fn starts_anew(&self) -> bool {
        match &self.request {
            Request::ChangeUser { .. } => true,
            Request::Raw { bytes, .. } => bytes == "⟨1f⟩",
            _ => false,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines.iter().enumerate() {
            writeln!(f, "  {index:3} {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.session + 1)?;
        match &self.request {
            Request::Query(text) => write!(f, "{text}"),
            Request::Prepare { name, text } => write!(f, "prepare {name} {text}"),
            Request::Execute {
                name,
                options,
                values,
            } => write!(f, "execute {name} ({}): {values}", options.join(", ")),
            Request::Fetch { name, rows } => write!(f, "fetch {name} {rows}"),
            Request::LongData {
                name,
                parameter,
                text,
            } => write!(f, "long {name} {parameter} {text}"),
            Request::CloseStatement(name) => write!(f, "close {name}"),
            Request::ResetStatement(name) => write!(f, "reset {name}"),
            Request::InitDb(name) => write!(f, "init-db {name}"),
            Request::ChangeUser { user, schema, .. } => write!(f, "change-user {user} schema={schema}"),
            Request::Raw { bytes, .. } if bytes == "⟨1f⟩" => write!(f, "reset-connection"),
            Request::Raw { bytes, .. } if bytes == "⟨0e⟩" => write!(f, "ping"),
            Request::Raw { bytes, .. } => write!(f, "raw {bytes}"),
            other => write!(f, "{other:?}"),
        }
    }
}

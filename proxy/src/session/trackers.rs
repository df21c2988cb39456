//! The client's own `session_track_schema` and `session_track_system_variables`, apart from ours. Pure.
//!
//! The manager's connection must report more than the client asked for, so it holds *our* values of these two, a
//! superset of the client's. What the client would see of them is arranged around the few statements that can:
//!
//! ```text
//!          a statement that names or lists them: the client's values are put in place first
//!   Ours ──────────────────────────────────────────────▶ Client's
//!     ▲  ╲                                                │ the server itself filters what it reports
//!     │   ╲ a routine, a text inside a text               │
//!     │    ▶ Unsure                                       │
//!     └──────── before the next change of session state ◀─┘  (asked for, and ours put in place again)
//! ```
//!
//! While ours are in place, the state block of each OK packet is sorted: what the client asked for stays as the
//! server sent it, what the gatekeeper needs goes into an entry of its own, the rest goes.

mod values;

use statement::{Assignment, Effect, Facts, SessionChange, StatementFacts, Value, VariableScope};
use wire::StatusFlags;
use wire::reply::{self, SessionChanges, StateEntry};

pub(super) use self::values::{VALUES, Values};

/// Most text statements (`PREPARE name FROM …`) that are remembered to see these variables; more are not, and their
/// EXECUTE shows our values.
const TEXT_STATEMENTS_MAX: usize = 64;

/// What the manager's connection holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Held {
    /// Our values: all is reported.
    #[default]
    Ours,
    /// The client's values: the server reports what the client wants and nothing else.
    Clients,
    /// Ours, if nothing that ran has changed them.
    Unsure,
}

/// What is to be done after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// Nothing: it saw the values and could not change them, or it did not see them.
    Nothing,
    /// It may have changed the client's values: they must be asked for before ours come back.
    Changed,
    /// It may have changed the values that are in place, whichever they are.
    Unsure,
    /// It changed other variables too, while the server reported only what the client wants: its reply waits until
    /// the server has been made to report them.
    Report,
    /// The same, of a text whose reply cannot wait.
    Pin,
}

/// What is known to change while a statement runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meanwhile {
    /// The schema, perhaps.
    pub(super) schema: bool,
    /// `autocommit`, by the flags of the reply.
    pub(super) autocommit: bool,
}

/// One session's trackers.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    /// The client's own values.
    client: Values,
    pub(super) held: Held,
    /// Text statements that see the variables, and what follows their EXECUTE.
    text_statements: Vec<(Box<[u8]>, Afterwards)>,
}

impl Trackers {
    /// The client's values, as the server has told them.
    pub(super) fn client(&self) -> &Values {
        &self.client
    }

    /// Takes in what the server has told.
    pub(super) fn learn(&mut self, values: Values) {
        self.client = values;
    }

    /// The client has set one of the two that stay its own.
    pub(super) fn assigned(&mut self, name: &[u8], value: &Value) {
        let is_on = match value {
            Value::Text(value) | Value::Number(value) | Value::Word(value) => {
                let off: [&[u8]; 3] = [b"OFF", b"0", b"FALSE"];
                !off.iter().any(|off| off.eq_ignore_ascii_case(value))
            }
            // the servers' own default
            Value::Default => false,
            Value::Expression => true,
        };
        match name {
            b"session_track_state_change" => self.client.state = is_on,
            b"session_track_transaction_info" => self.client.transactions = is_on,
            _ => {}
        }
    }

    /// Something ran that may have changed the values in place.
    pub(super) fn doubt(&mut self) {
        if self.held == Held::Ours {
            self.held = Held::Unsure;
        }
    }

    /// A routine may have changed the values that were in place: what is not ours any more is the client's wish.
    pub(super) fn compare(&mut self, found: Values, is_mariadb: bool) -> bool {
        (self.client.state, self.client.transactions) = (found.state, found.transactions);
        let ours = self.client.ours(is_mariadb);
        if found == ours {
            return false;
        }
        if found.variables != ours.variables {
            self.client.variables = found.variables;
        }
        if !found.schema {
            self.client.schema = false;
        }
        true
    }

    /// Whether the statement reads or sets the variables.
    #[inline]
    pub(super) fn are_seen_by(&self, facts: &Facts) -> bool {
        facts.sees_trackers() || !self.text_statements.is_empty() && self.executed(facts).is_some()
    }

    fn executed(&self, facts: &Facts) -> Option<Afterwards> {
        let Effect::Session(SessionChange::Execute { name }) = &facts.single()?.effect else {
            return None;
        };
        self.text_statements
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, afterwards)| *afterwards)
    }

    /// What follows a statement that sees the variables.
    pub(super) fn after_seen(&self, facts: &Facts) -> Afterwards {
        if let Some(afterwards) = self.executed(facts) {
            return afterwards;
        }
        let alone = facts.single().is_some();
        let mut worst = Afterwards::Nothing;
        for statement in facts.statements() {
            match after_one(statement) {
                Afterwards::Report if alone => return Afterwards::Report,
                Afterwards::Report | Afterwards::Pin => return Afterwards::Pin,
                Afterwards::Changed | Afterwards::Unsure => worst = Afterwards::Changed,
                Afterwards::Nothing => {}
            }
        }
        worst
    }

    /// Remembers text statements that see the variables. `inner`: the facts of the text that was prepared.
    pub(super) fn prepared(&mut self, name: &[u8], inner: &Facts) {
        self.deallocated(name);
        if inner.sees_trackers() && self.text_statements.len() < TEXT_STATEMENTS_MAX {
            let afterwards = match self.after_seen(inner) {
                Afterwards::Report => Afterwards::Pin,
                other => other,
            };
            self.text_statements.push((name.into(), afterwards));
        }
    }

    /// A text statement is gone.
    pub(super) fn deallocated(&mut self, name: &[u8]) {
        self.text_statements
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The state block as the gatekeeper gets it, when that is not what the server sent.
    pub(super) fn sort(&self, state: &[u8]) -> Option<Vec<u8>> {
        if self.held == Held::Clients || self.shows_all(state) {
            return None;
        }
        let mut sorted = Vec::new();
        for entry in StateEntry::all(state).flatten() {
            if entry.is_variables() {
                let shown = variables(&entry)
                    .filter_map(|(name, value)| self.client.shown(name).map(|name| (name, value)));
                StateEntry::encode_variables(shown, &mut sorted);
            } else if !entry.is_schema() || self.client.schema {
                entry.encode(&mut sorted);
            }
        }
        hide(state, &mut sorted);
        Some(sorted)
    }

    /// The flags, for the client, of a packet without a state block: an EOF, or an OK about a variable that the server does
    /// not report. MariaDB alone sets SESSION_STATE_CHANGED there, for plugins' variables in the OK and for all in the EOF;
    /// while ours are in place, for every commit too (`last_gtid`).
    #[inline]
    pub(super) fn shown_without_state(&self, status: StatusFlags, meanwhile: Meanwhile) -> StatusFlags {
        let is_the_clients = || {
            meanwhile.schema && self.client.schema
                || meanwhile.autocommit && self.client.shown(b"autocommit").is_some()
                || self.held == Held::Clients
                || self.client.state
                || self.client.transactions
                || self.client.shown(b"last_gtid").is_some()
        };
        if status.has(StatusFlags::SESSION_STATE_CHANGED) && !is_the_clients() {
            status.without(StatusFlags::SESSION_STATE_CHANGED)
        } else {
            status
        }
    }

    fn shows_all(&self, state: &[u8]) -> bool {
        StateEntry::all(state).flatten().all(|entry| {
            if entry.is_variables() {
                variables(&entry).all(|(name, _)| self.client.shown(name) == Some(name))
            } else {
                !entry.is_schema() || self.client.schema
            }
        })
    }
}

/// What a statement that does not see the variables may leave behind.
pub(super) fn after_unseen(facts: &Facts) -> Afterwards {
    let may_change = |statement: &StatementFacts| match &statement.effect {
        Effect::Call | Effect::Unknown(_) => true,
        Effect::Session(SessionChange::Execute { .. } | SessionChange::ExecuteImmediate) => true,
        _ => statement.needs.unknown_function,
    };
    if facts.statements().iter().any(may_change) {
        Afterwards::Unsure
    } else {
        Afterwards::Nothing
    }
}

/// Whether the statement changes session state that must be reported to us.
pub(super) fn must_be_reported(facts: &Facts) -> bool {
    facts
        .statements()
        .iter()
        .any(|statement| match &statement.effect {
            Effect::Session(SessionChange::SetVariables(assignments)) => {
                assignments.iter().any(is_of_session)
            }
            Effect::Session(_) | Effect::Unknown(_) | Effect::Definition => true,
            Effect::Read
            | Effect::Write
            | Effect::Transaction(_)
            | Effect::Administration(_)
            | Effect::Call
            | Effect::Proxy(_)
            | Effect::Empty => false,
        })
}

/// The variables of the session that a statement sets.
pub(super) fn assigned(facts: &Facts) -> impl Iterator<Item = &[u8]> {
    let assignments = facts
        .statements()
        .iter()
        .filter_map(|statement| match &statement.effect {
            Effect::Session(SessionChange::SetVariables(assignments)) => Some(assignments.iter()),
            _ => None,
        });
    assignments
        .flatten()
        .filter(|assignment| is_of_session(assignment))
        .map(|assignment| &*assignment.name)
}

fn is_of_session(assignment: &Assignment) -> bool {
    assignment.scope == VariableScope::Session
}

fn after_one(statement: &StatementFacts) -> Afterwards {
    match &statement.effect {
        Effect::Session(SessionChange::SetVariables(assignments)) => {
            let is_tracker = |assignment: &Assignment| assignment.name.starts_with(b"session_track_");
            if assignments
                .iter()
                .filter(|assignment| is_of_session(assignment))
                .all(is_tracker)
            {
                Afterwards::Changed
            } else {
                Afterwards::Report
            }
        }
        Effect::Session(SessionChange::Prepare { .. } | SessionChange::Deallocate { .. }) => {
            Afterwards::Nothing
        }
        Effect::Session(_) | Effect::Unknown(_) => Afterwards::Pin,
        Effect::Call => Afterwards::Changed,
        _ if statement.needs.unknown_function => Afterwards::Changed,
        Effect::Read
        | Effect::Write
        | Effect::Definition
        | Effect::Transaction(_)
        | Effect::Administration(_)
        | Effect::Proxy(_)
        | Effect::Empty => Afterwards::Nothing,
    }
}

/// Appends what the gatekeeper must know of a state block, whatever the client sees.
pub(super) fn hide(state: &[u8], out: &mut Vec<u8>) {
    let mut hidden = Vec::new();
    for change in SessionChanges::new(state).flatten() {
        if let reply::SessionChange::Variable {
            name: b"sql_mode" | b"character_set_client",
            ..
        } = change
        {
            change.encode(&mut hidden);
        }
    }
    if !hidden.is_empty() {
        reply::SessionChange::Unshown(&hidden).encode(out);
    }
}

fn variables<'a>(entry: &StateEntry<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    entry.changes().flatten().filter_map(|change| match change {
        reply::SessionChange::Variable { name, value } => Some((name, value)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use statement::LexMode;

    fn facts(text: &str) -> Facts {
        statement::facts(text.as_bytes(), LexMode::default())
    }

    fn trackers(schema: bool, variables: Option<&str>) -> Trackers {
        Trackers {
            client: Values {
                schema,
                variables: variables.map(|list| list.as_bytes().into()),
                ..Values::default()
            },
            ..Trackers::default()
        }
    }

    fn state(changes: &[reply::SessionChange<'_>]) -> Vec<u8> {
        let mut state = Vec::new();
        changes.iter().for_each(|change| change.encode(&mut state));
        state
    }

    const SQL_MODE: reply::SessionChange<'_> = reply::SessionChange::Variable {
        name: b"sql_mode",
        value: b"ANSI_QUOTES",
    };
    const TIME_ZONE: reply::SessionChange<'_> = reply::SessionChange::Variable {
        name: b"time_zone",
        value: b"UTC",
    };
    const SCHEMA: reply::SessionChange<'_> = reply::SessionChange::Schema(b"s");

    #[test]
    fn the_client_sees_its_own_trackers_and_the_gatekeeper_what_it_needs() {
        let state = state(&[SQL_MODE, TIME_ZONE, SCHEMA]);
        let seen = |trackers: &Trackers| -> Vec<String> {
            let sorted = trackers.sort(&state);
            let block = sorted.as_deref().unwrap_or(&state);
            SessionChanges::new(block)
                .flatten()
                .map(|change| match change {
                    reply::SessionChange::Unshown(_) => "ours".to_owned(),
                    other => format!("{other:?}")
                        .split([' ', '('])
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                })
                .collect()
        };
        assert_eq!(
            seen(&trackers(true, Some("time_zone"))),
            ["Variable", "Schema", "ours"]
        );
        assert_eq!(seen(&trackers(false, Some(""))), ["ours"]);
        assert_eq!(seen(&trackers(false, None)), ["ours"]);
        let spelled = trackers(true, Some("Time_Zone")).sort(&state).unwrap();
        assert!(
            String::from_utf8_lossy(&spelled).contains("Time_Zone"),
            "as the client wrote it"
        );
        for all in ["*", " time_zone , sql_mode"] {
            assert_eq!(
                seen(&trackers(true, Some(all))),
                ["Variable", "Variable", "Schema"],
                "{all}"
            );
        }
        let mut exposed = trackers(false, None);
        exposed.held = Held::Clients;
        assert_eq!(exposed.sort(&state), None, "the server has sorted it");
    }

    #[test]
    fn what_follows_a_statement_that_sees_them() {
        let after = |text: &str| Trackers::default().after_seen(&facts(text));
        for (text, expected) in [
            ("SELECT @@session_track_schema", Afterwards::Nothing),
            ("SHOW VARIABLES LIKE 'session_track%'", Afterwards::Nothing),
            ("SET session_track_schema = 1", Afterwards::Changed),
            (
                "SET @@SESSION.`session_track_schema` = DEFAULT, @a = 1",
                Afterwards::Changed,
            ),
            ("SET session_track_schema = f()", Afterwards::Changed),
            ("SET session_track_schema = 1, sql_mode = ''", Afterwards::Report),
            (
                "SET session_track_schema = 1; SET time_zone = 'UTC'",
                Afterwards::Pin,
            ),
            (
                "EXECUTE IMMEDIATE 'SET session_track_schema = 1'",
                Afterwards::Pin,
            ),
        ] {
            assert!(facts(text).sees_trackers(), "{text}");
            assert_eq!(after(text), expected, "{text}");
        }
        assert!(!facts("SELECT 'session_track_schema'").sees_trackers());
        assert_eq!(after_unseen(&facts("CALL p()")), Afterwards::Unsure);
        assert_eq!(after_unseen(&facts("SELECT 1")), Afterwards::Nothing);
    }

    #[test]
    fn a_text_statement_is_known_by_its_name() {
        let mut trackers = Trackers::default();
        trackers.prepared(b"s", &facts("SELECT @@session_track_schema"));
        assert!(trackers.are_seen_by(&facts("EXECUTE S")));
        trackers.prepared(b"s", &facts("SELECT 1"));
        assert!(!trackers.are_seen_by(&facts("EXECUTE s")));
    }

    #[test]
    fn a_routines_own_change_is_the_clients() {
        let mut trackers = trackers(true, Some("autocommit"));
        let ours = trackers.client.ours(true);
        assert!(!trackers.compare(ours, true));
        let found = Values {
            schema: false,
            variables: Some(b"time_zone"[..].into()),
            state: true,
            transactions: false,
        };
        assert!(trackers.compare(found.clone(), true));
        assert_eq!(trackers.client, found);
    }

    #[test]
    fn the_flag_of_an_eof_packet_is_for_who_would_get_it_of_one_server() {
        let flags = StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED;
        let shown = |trackers: &Trackers| trackers.shown_without_state(flags, Meanwhile::default()) == flags;
        assert!(!shown(&trackers(true, Some("autocommit,time_zone"))));
        assert!(!shown(&trackers(true, None)));
        assert!(shown(&trackers(false, Some("time_zone, Last_Gtid"))));
        assert!(shown(&trackers(false, Some("*"))));
        let (schema, autocommit) = (
            Meanwhile {
                schema: true,
                autocommit: false,
            },
            Meanwhile {
                schema: false,
                autocommit: true,
            },
        );
        assert_eq!(
            trackers(true, Some("autocommit")).shown_without_state(flags, autocommit),
            flags
        );
        assert_ne!(
            trackers(true, Some("time_zone")).shown_without_state(flags, autocommit),
            flags
        );
        assert_eq!(trackers(true, None).shown_without_state(flags, schema), flags);
        assert_ne!(trackers(false, None).shown_without_state(flags, schema), flags);
        let mut more = trackers(false, None);
        more.assigned(
            b"session_track_transaction_info",
            &Value::Word(b"STATE"[..].into()),
        );
        assert!(shown(&more), "what a transaction does is told");
        more.assigned(b"session_track_transaction_info", &Value::Text(b"off"[..].into()));
        assert!(!shown(&more));
    }
}

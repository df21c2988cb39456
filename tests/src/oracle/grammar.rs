//! Programs from chance. What is generated is mostly sound and sometimes wrong, for errors have to be equal too.
//!
//! Left out is what is never the same twice (clocks, numbers of connections, estimates) and what would wait for another
//! session's lock.

mod prepared;
mod reads;
mod session;
mod settings;
mod writes;

use std::collections::HashSet;

use infra::local::Engine;

use super::dice::Dice;
use super::program::{Line, Mode, Program, reset_connection};
use crate::conformance::conversation::Request;
use crate::conformance::personality::Personality;
use session::Session;

const LINES_MIN: u64 = 10;
const LINES_MAX: u64 = 40;

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Transaction,
    Setting,
    Prepared,
    TextPrepared,
    Diagnostics,
    Call,
    Temporary,
    Definition,
    Locks,
    Several,
    Elsewhere,
    NamedLocks,
    Mistake,
    Unordered,
    Sequence,
    Command,
    Anew,
}

/// How often each is thrown.
const WEIGHTS: [(Kind, u64); 19] = [
    (Kind::Read, 34),
    (Kind::Write, 12),
    (Kind::Transaction, 8),
    (Kind::Setting, 9),
    (Kind::Prepared, 10),
    (Kind::TextPrepared, 5),
    (Kind::Diagnostics, 7),
    (Kind::Call, 2),
    (Kind::Temporary, 2),
    (Kind::Definition, 1),
    (Kind::Locks, 1),
    (Kind::Several, 2),
    (Kind::Elsewhere, 2),
    (Kind::NamedLocks, 1),
    (Kind::Mistake, 2),
    (Kind::Unordered, 3),
    (Kind::Sequence, 2),
    (Kind::Command, 2),
    (Kind::Anew, 2),
];

/// What keeps a session on the manager for its rest, or for long, and what workers take long to apply. Most programs have one or the other of it; were it in
/// all of them, few reads would run on workers.
const KEEPS_ON_MANAGER: [Kind; 8] = [
    Kind::Definition,
    Kind::Transaction,
    Kind::TextPrepared,
    Kind::Call,
    Kind::Temporary,
    Kind::Locks,
    Kind::Sequence,
    Kind::NamedLocks,
];

fn weights(dice: &mut Dice) -> [(Kind, u64); 19] {
    WEIGHTS.map(|(kind, weight)| {
        // what a program has it has more of than if all had it
        let (kept_percent, factor) = if KEEPS_ON_MANAGER.contains(&kind) {
            (22, 2)
        } else {
            (75, 1)
        };
        let kept = kind == Kind::Read || dice.percent(kept_percent);
        (kind, if kept { weight * factor } else { 0 })
    })
}

/// The program of that seed.
pub(crate) fn program(seed: u64, engine: Engine) -> Program {
    let mut dice = Dice::new(seed);
    let mode = match dice.below(4) {
        0 | 1 => Mode::Single,
        2 => Mode::Disjoint,
        _ => Mode::Shared,
    };
    let personality = match (dice.below(10), engine) {
        (0..=4, _) => Personality::Modern,
        (5 | 6, _) => Personality::Old,
        (7, _) => Personality::FoundRows,
        (_, Engine::Mariadb) => Personality::Mariadb,
        (_, Engine::Mysql) => Personality::Mysql9,
    };
    let sessions = (0..mode.sessions()).map(|number| Session::new(number, mode));
    let weights = weights(&mut dice);
    let mut writer = Writer {
        dice,
        weights,
        engine,
        mode,
        sessions: sessions.collect(),
        current: 0,
        lines: vec![],
        executed: HashSet::new(),
    };
    let wanted = LINES_MIN + writer.dice.below(LINES_MAX - LINES_MIN);
    while (writer.lines.len() as u64) < wanted {
        writer.current = usize::try_from(writer.dice.below(mode.sessions() as u64)).unwrap_or(0);
        writer.step();
    }
    Program {
        seed,
        mode,
        personality,
        lines: writer.lines,
    }
}

/// Writes a program, and remembers what its sessions have done.
struct Writer {
    dice: Dice,
    weights: [(Kind, u64); 19],
    engine: Engine,
    mode: Mode,
    sessions: Vec<Session>,
    current: usize,
    lines: Vec<Line>,
    /// Prepared statements whose parameters' types the server has been told.
    executed: HashSet<u64>,
}

impl Writer {
    /// One kind of step after another, each as often as it is heavy.
    fn step(&mut self) {
        let all: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut throw = self.dice.below(all);
        let mut kind = Kind::Read;
        for (candidate, weight) in self.weights {
            if throw < weight {
                kind = candidate;
                break;
            }
            throw -= weight;
        }
        match kind {
            Kind::Read => {
                let text = self.read();
                self.say(&text);
            }
            Kind::Write => self.write_step(),
            Kind::Transaction => self.transaction(),
            Kind::Setting => self.setting(),
            Kind::Prepared => self.prepared(),
            Kind::TextPrepared => self.text_prepared(),
            Kind::Diagnostics => self.diagnostics(),
            Kind::Call => self.call(),
            Kind::Temporary => self.temporary(),
            Kind::Definition => self.definition(),
            Kind::Locks => self.locks(),
            Kind::Several => self.several(),
            Kind::Elsewhere => self.elsewhere(),
            Kind::NamedLocks => self.named_locks(),
            Kind::Mistake => self.mistake(),
            Kind::Unordered => self.unordered(),
            Kind::Sequence => self.sequence(),
            Kind::Command => self.command(),
            Kind::Anew => self.begin_anew(),
        }
    }

    fn session(&mut self) -> &mut Session {
        let current = self.current;
        #[allow(clippy::indexing_slicing, reason = "chosen below their number")]
        &mut self.sessions[current]
    }

    fn prefix(&self) -> &'static str {
        self.sessions
            .get(self.current)
            .map_or("a_", |session| session.prefix)
    }

    /// A table, view or routine of this session.
    fn t(&self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    fn say(&mut self, text: &str) {
        self.ask(Request::Query(text.to_owned()));
    }

    fn ask(&mut self, request: Request) {
        self.lines.push(Line {
            session: self.current,
            request,
            any_order: false,
        });
    }

    fn others(&self) -> impl Iterator<Item = &Session> {
        let current = self.current;
        let shared = self.mode == Mode::Shared;
        let others = self.sessions.iter().enumerate();
        others
            .filter(move |(index, _)| shared && *index != current)
            .map(|(_, session)| session)
    }

    /// Nobody else holds locks that a write would wait for.
    fn may_write(&self) -> bool {
        self.others()
            .all(|other| !other.holds_rows && !other.locks_tables)
    }

    /// Nobody else is inside anything.
    fn may_define(&self) -> bool {
        self.others().all(|other| !other.is_busy())
    }

    fn write_step(&mut self) {
        if !self.may_write() {
            let text = self.read();
            return self.say(&text);
        }
        let text = self.write();
        self.say(&text);
        self.session().wrote();
    }

    fn unordered(&mut self) {
        let item = self.t("item");
        let line = self.t("line");
        let text = *self.dice.pick(&[
            &"SELECT id, code FROM ITEM",
            &"SELECT n, COUNT(*) FROM ITEM GROUP BY n",
            &"SELECT i.code, l.qty FROM ITEM i, LINE l WHERE l.item = i.id",
            &"SELECT DISTINCT n FROM ITEM UNION SELECT qty FROM LINE",
        ]);
        let text = text.replace("ITEM", &item).replace("LINE", &line);
        // fewer than all are no set
        if !self.session().limited {
            self.lines.push(Line {
                session: self.current,
                request: Request::Query(text),
                any_order: true,
            });
        }
    }

    fn several(&mut self) {
        let mut texts = vec![];
        for _ in 0..=self.dice.below(2) + 1 {
            if self.may_write() && self.dice.percent(40) {
                texts.push(self.write());
                self.session().wrote();
            } else {
                texts.push(self.read());
            }
        }
        if self.dice.percent(15) {
            texts.push("SELECT nothing FROM nowhere".to_owned());
        }
        let text = texts.join("; ");
        self.say(&text);
        // it may have failed anywhere
        self.session().found_unsure = true;
    }

    fn elsewhere(&mut self) {
        let away = self.session().away;
        let name = if away { "⟨schema⟩" } else { "⟨schema⟩_x" };
        if self.dice.percent(50) {
            self.say(&format!("USE {name}"));
        } else {
            self.ask(Request::InitDb(name.to_owned()));
        }
        self.session().away = !away;
    }

    /// MariaDB's sequences; on MySQL what is alike.
    fn sequence(&mut self) {
        let text = match (self.engine, self.dice.below(6)) {
            (Engine::Mysql, _) => "SELECT LAST_INSERT_ID(7), LAST_INSERT_ID()".to_owned(),
            (Engine::Mariadb, 0 | 1) => format!("SELECT NEXTVAL({})", self.t("sequence")),
            (Engine::Mariadb, 2) => format!("SELECT NEXT VALUE FOR {}", self.t("sequence")),
            (Engine::Mariadb, 3) => format!("SELECT LASTVAL({})", self.t("sequence")),
            (Engine::Mariadb, 4) => format!("SELECT PREVIOUS VALUE FOR {}", self.t("sequence")),
            (Engine::Mariadb, _) => format!(
                "INSERT INTO {} (what, n) VALUES ('s', NEXTVAL({}))",
                self.t("log"),
                self.t("sequence")
            ),
        };
        if self.may_write() {
            self.say(&text);
            self.session().wrote();
        }
    }

    /// Commands that are no statements.
    fn command(&mut self) {
        let bytes = match self.dice.below(4) {
            0 | 1 => "⟨0e⟩",   // COM_PING
            2 => "⟨1b 01 00⟩", // COM_SET_OPTION: several statements off, which a batch then finds
            _ => "⟨1b 00 00⟩",
        };
        self.ask(Request::Raw {
            bytes: bytes.to_owned(),
            shape: None,
        });
    }

    fn begin_anew(&mut self) {
        if self.dice.percent(60) {
            self.ask(reset_connection());
        } else {
            self.ask(Request::ChangeUser {
                user: "dba".to_owned(),
                password: None,
                schema: "⟨schema⟩".to_owned(),
                collation: 45,
            });
            self.session().away = false;
        }
        self.executed.clear();
        let (number, mode, away) = (self.current, self.mode, self.session().away);
        *self.session() = Session::new(number, mode);
        self.session().away = away;
    }

    fn mistake(&mut self) {
        let text = match self.dice.below(9) {
            0 => "SELECT * FROM nowhere".to_owned(),
            1 => format!("SELECT none FROM {}", self.t("item")),
            2 => "SELEC 1".to_owned(),
            3 => "SELECT 1 FROM".to_owned(),
            4 => format!("INSERT INTO {} VALUES (1)", self.t("log")),
            5 => "SELECT nofunction(1)".to_owned(),
            6 => "CALL noprocedure()".to_owned(),
            7 => "USE noschema".to_owned(),
            _ => "SET nosuchvariable = 1".to_owned(),
        };
        self.say(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn a_seed_is_a_program() {
        for engine in [Engine::Mariadb, Engine::Mysql] {
            for seed in 0..200 {
                let (one, other) = (program(seed, engine), program(seed, engine));
                assert_eq!(one.to_string(), other.to_string());
                assert!(one.lines.len() as u64 >= LINES_MIN);
                assert!(one.lines.iter().all(|line| line.session < schema::PREFIXES.len()));
            }
        }
    }
}

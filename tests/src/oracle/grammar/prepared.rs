//! Prepared statements, by command and by text.

use infra::local::Engine;

use super::Writer;
use crate::conformance::conversation::Request;

/// Numbers that no server gives: a statement that was never prepared is an unknown one on both sides.
const NAMES_FROM: u64 = 4_000_000;
/// Each session has names of its own.
const NAMES_PER_SESSION: u64 = 100;

/// Texts with the types of their parameters; whether they write.
const STATEMENTS: &[(&str, &[&str], bool)] = &[
    ("SELECT * FROM ~item WHERE id = ?", &["long"], false),
    (
        "SELECT id, code FROM ~item WHERE n > ? AND id < ? ORDER BY id",
        &["long", "longlong"],
        false,
    ),
    (
        "SELECT id FROM ~item WHERE code = ? ORDER BY id",
        &["string"],
        false,
    ),
    ("SELECT COUNT(*), SUM(n) FROM ~item", &[], false),
    ("SELECT id, n FROM ~item ORDER BY id LIMIT ?", &["long"], false),
    ("SELECT ~total(?)", &["long"], false),
    ("SELECT @a, ? + 1", &["long"], false),
    ("SELECT * FROM ~view WHERE id >= ? ORDER BY id", &["long"], false),
    (
        "SELECT n FROM ~item UNION SELECT qty FROM ~line ORDER BY 1",
        &[],
        false,
    ),
    ("SELECT LAST_INSERT_ID()", &[], false),
    (
        "INSERT INTO ~item (code, n) VALUES (?, ?)",
        &["string", "long"],
        true,
    ),
    ("UPDATE ~item SET n = n + ? WHERE id = ?", &["long", "long"], true),
    ("DELETE FROM ~line WHERE item = ?", &["long"], true),
    ("SELECT ~bump(?)", &["long"], true),
    ("CALL ~list(?)", &["long"], false),
    ("SELECT n FROM ~item WHERE id = ? FOR UPDATE", &["long"], true),
    ("SELECT * FROM nowhere WHERE a = ?", &["long"], false),
    ("SET @a = ?", &["long"], false),
];

impl Writer {
    fn statement(&mut self) -> (String, &'static [&'static str], bool) {
        let all: Vec<&(&str, &[&str], bool)> = STATEMENTS.iter().collect();
        let (text, types, writes) = *self.dice.pick(&all);
        (text.replace('~', self.prefix()), types, writes)
    }

    fn value(&mut self, kind: &str) -> String {
        if self.dice.percent(8) {
            return format!("{kind} null");
        }
        match kind {
            "string" => format!("string 'c{}'", self.dice.below(9)),
            kind => format!("{kind} {}", self.dice.below(7)),
        }
    }

    /// Prepares one, or executes one that is there.
    pub(super) fn prepared(&mut self) {
        let base = NAMES_FROM + NAMES_PER_SESSION * self.current as u64;
        let known = self.session().statements.clone();
        if known.is_empty() || self.dice.percent(25) {
            let (text, types, writes) = self.statement();
            if writes && !self.may_write() {
                return;
            }
            let number = base + known.len() as u64 * 2 + u64::from(writes);
            self.ask(Request::Prepare {
                name: number.to_string(),
                text,
            });
            self.session().statements.push((number, types));
            return self.execute(number, types);
        }
        let all: Vec<&(u64, &[&str])> = known.iter().collect();
        let (number, types) = *self.dice.pick(&all);
        match self.dice.below(15) {
            0 => self.ask(Request::CloseStatement(number.to_string())),
            1 => self.ask(Request::ResetStatement(number.to_string())),
            2 => self.fetch(number),
            3 | 4 if number % 2 == 0 => {
                self.execute_as(number, types, "cursor");
                for _ in 0..self.dice.below(3) {
                    self.fetch(number);
                }
            }
            5 if types.first() == Some(&"string") => self.long_data(number, types),
            // values whose types were never told crash MariaDB, and a program that is made shorter may never tell them
            6 if self.executed.contains(&number) && self.engine == Engine::Mysql => {
                self.execute_as(number, types, "again");
            }
            _ => self.execute(number, types),
        }
    }

    fn fetch(&mut self, number: u64) {
        let rows = 1 + u32::try_from(self.dice.below(3)).unwrap_or(0);
        let name = number.to_string();
        self.ask(Request::Fetch { name, rows });
    }

    /// The first parameter in parts.
    fn long_data(&mut self, number: u64, types: &[&'static str]) {
        if number % 2 == 1 && !self.may_write() {
            return;
        }
        for _ in 0..=self.dice.below(2) {
            let text = format!("c{}", self.dice.below(9));
            self.ask(Request::LongData {
                name: number.to_string(),
                parameter: 0,
                text,
            });
        }
        if self.dice.percent(20) {
            let text = self.read();
            self.say(&text);
        }
        let mut values = vec!["sent blob".to_owned()];
        for kind in types.iter().skip(1) {
            let value = self.value(kind);
            values.push(value);
        }
        self.ask(Request::Execute {
            name: number.to_string(),
            options: vec![],
            values: values.join(", "),
        });
        if number % 2 == 1 {
            self.session().wrote();
        }
    }

    fn execute(&mut self, number: u64, types: &[&'static str]) {
        self.execute_as(number, types, "");
    }

    fn execute_as(&mut self, number: u64, types: &[&'static str], option: &str) {
        let writes = number % 2 == 1;
        if writes && !self.may_write() {
            return;
        }
        let values: Vec<String> = types.iter().map(|kind| self.value(kind)).collect();
        self.ask(Request::Execute {
            name: number.to_string(),
            options: [option]
                .into_iter()
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
            values: values.join(", "),
        });
        self.executed.insert(number);
        self.session().found_unsure = true;
        if writes {
            self.session().wrote();
        }
    }

    /// PREPARE, EXECUTE, DEALLOCATE as statements.
    pub(super) fn text_prepared(&mut self) {
        let known = self.session().texts.clone();
        if known.is_empty() || self.dice.percent(30) {
            let (text, types, writes) = self.statement();
            if writes && !self.may_write() {
                return;
            }
            let number = known.len() as u64 * 2 + u64::from(writes);
            self.say(&format!("PREPARE p{number} FROM '{text}'"));
            let count = types.len() as u64;
            self.session().texts.push((number, count));
            return self.execute_text(number, count);
        }
        let all: Vec<&(u64, u64)> = known.iter().collect();
        let (number, count) = *self.dice.pick(&all);
        if self.dice.percent(12) {
            self.say(&format!("DEALLOCATE PREPARE p{number}"));
        } else {
            self.execute_text(number, count);
        }
    }

    fn execute_text(&mut self, number: u64, count: u64) {
        let writes = number % 2 == 1;
        if writes && !self.may_write() {
            return;
        }
        let using: Vec<&str> = ["@a", "@b"]
            .into_iter()
            .take(usize::try_from(count).unwrap_or(0))
            .collect();
        let using = if using.is_empty() {
            String::new()
        } else {
            let (a, b) = (self.dice.below(7), self.dice.below(7));
            self.say(&format!("SET @a = {a}, @b = {b}"));
            format!(" USING {}", using.join(", "))
        };
        self.say(&format!("EXECUTE p{number}{using}"));
        self.session().found_unsure = true;
        if writes {
            self.session().wrote();
        }
    }
}

//! Statements that write rows, call what writes, define and lock.

use infra::local::Engine;

use super::super::program::Mode;
use super::Writer;

impl Writer {
    #[allow(clippy::too_many_lines, reason = "a list")]
    pub(super) fn write(&mut self) -> String {
        let (item, line, log) = (self.t("item"), self.t("line"), self.t("log"));
        let (id, n) = (self.id(), self.dice.below(12));
        let p = self.prefix();
        let code = self.dice.below(9);
        let mariadb = self.engine == Engine::Mariadb;
        let stands = self.session().clock_stands;
        match self.dice.below(34) {
            0 | 1 => format!("INSERT INTO {item} (code, n) VALUES ('c{code}', {n})"),
            2 => format!(
                "INSERT INTO {item} (code, n, txt) VALUES ('m{n}', 1, 'é'), ('m{n}b', 2, NULL), (NULL, 3, '')"
            ),
            3 => format!("INSERT IGNORE INTO {item} (code, n) VALUES ('c{code}', {n}), ('c1', 5)"),
            4 | 5 => format!(
                "INSERT INTO {item} (code, n) VALUES ('c{code}', {n}) ON DUPLICATE KEY UPDATE n = n + 1, id = LAST_INSERT_ID(id)"
            ),
            6 => format!("INSERT INTO {log} (what, n) SELECT code, n FROM {item} ORDER BY id"),
            7 => format!("REPLACE INTO {line} VALUES ({id}, {}, {n}, 'r')", n % 3),
            8..=11 => format!("UPDATE {item} SET n = {n} WHERE id = {id}"),
            12 => format!("UPDATE {item} SET n = n + 1, price = n * 1.5 ORDER BY id"),
            13 => {
                format!("UPDATE {item} i JOIN {line} l ON l.item = i.id SET i.price = l.qty, l.note = i.code")
            }
            14 => format!("DELETE FROM {item} WHERE id = {id}"),
            15 => format!("DELETE FROM {line} WHERE item = {id} ORDER BY pos LIMIT 1"),
            16 => format!("DELETE l FROM {line} l JOIN {item} i ON l.item = i.id WHERE i.n = {n}"),
            17 if mariadb => {
                format!("INSERT INTO {item} (code, n) VALUES ('c{code}', {n}) RETURNING id, code, n + 1")
            }
            18 if mariadb => format!("DELETE FROM {log} WHERE n = {n} RETURNING id, what"),
            17 | 18 => format!("INSERT INTO {log} (what, n) VALUES ROW('row', {n}), ROW('row', 2)"),
            19 => format!("INSERT INTO {line} VALUES ({id}, {n}, {}, 'x')", n * 20),
            20 => format!("INSERT INTO {line} (item, pos) VALUES ({id}, 9)"),
            21 => format!("INSERT INTO {item} (code, n) VALUES ('c{code}', 'no number')"),
            22 => format!("INSERT INTO {item} (code, price) VALUES ('averyveryverylongcode{n}', 1.239)"),
            23 => format!("UPDATE {item} SET n = (@a := COALESCE(@a, 0) + 1) ORDER BY id"),
            24 => format!("UPDATE {item} SET id = LAST_INSERT_ID(id) WHERE n = {n} ORDER BY id"),
            25 => format!("SELECT {p}bump({id})"),
            26 => format!("SELECT {p}logged('f{n}')"),
            27 => format!("DO {p}bump({id})"),
            28 => format!("SET @b = {p}bump({id})"),
            29 => format!("INSERT INTO {log} (what, n) VALUES (CONCAT('v', @a), {p}total({id}))"),
            30 => format!("SELECT n FROM {item} WHERE id = {id} FOR UPDATE"),
            31 => format!("SELECT code FROM {item} WHERE id <= {id} ORDER BY id LOCK IN SHARE MODE"),
            32 if stands => format!("INSERT INTO {item} (code, made) VALUES ('now{n}', NOW())"),
            _ => format!(
                "UPDATE {item} SET made = '2024-07-0{} 10:00:00', txt = 'd' WHERE id = {id}",
                1 + n % 9
            ),
        }
    }

    pub(super) fn call(&mut self) {
        let p = self.prefix();
        let (id, may_write) = (self.id(), self.may_write());
        self.session().found_unsure = true;
        match self.dice.below(7) {
            0..=2 => self.say(&format!("CALL {p}list({id})")),
            3 | 4 if may_write => {
                self.say(&format!("CALL {p}write({id}, @b)"));
                self.session().wrote();
                self.say("SELECT @b");
            }
            5 => {
                self.say(&format!("CALL {p}session()"));
                self.session().limited = true;
            }
            _ => self.say(&format!("CALL {p}refuse()")),
        }
    }

    pub(super) fn temporary(&mut self) {
        let p = self.prefix();
        let number = self.session().temporary;
        let which = self.dice.below(number + 1);
        match self.dice.below(8) {
            0 | 1 => {
                self.session().temporary += 1;
                self.say(&format!(
                    "CREATE TEMPORARY TABLE {p}temp{number} (id INT PRIMARY KEY, v VARCHAR(10))"
                ));
                self.say(&format!(
                    "INSERT INTO {p}temp{number} VALUES (1, 'one'), (2, 'two')"
                ));
            }
            // hides the table of the same name
            2 => {
                self.say(&format!(
                    "CREATE TEMPORARY TABLE {p}item (id INT PRIMARY KEY, code INT, n INT)"
                ));
                self.say(&format!("SELECT * FROM {p}item ORDER BY id"));
            }
            3 => self.say(&format!("DROP TEMPORARY TABLE IF EXISTS {p}item")),
            4 => self.say(&format!("DROP TEMPORARY TABLE {p}temp{which}")),
            5 => self.say(&format!(
                "SELECT i.id, t.v FROM {p}item i JOIN {p}temp{which} t ON t.id = i.id ORDER BY 1"
            )),
            6 => self.say(&format!("UPDATE {p}temp{which} SET v = 'new' WHERE id = 1")),
            _ => self.say(&format!("SELECT * FROM {p}temp{which} ORDER BY id")),
        }
    }

    /// Definitions commit: what was open ends.
    pub(super) fn definition(&mut self) {
        if !self.may_define() {
            return;
        }
        let p = self.prefix();
        let n = self.dice.below(3);
        let text = match self.dice.below(10) {
            0 | 1 => format!("CREATE TABLE {p}made{n} (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"),
            2 => format!("CREATE TABLE IF NOT EXISTS {p}made{n} AS SELECT id, n AS v FROM {p}item"),
            3 => format!("DROP TABLE {p}made{n}"),
            4 => format!("DROP TABLE IF EXISTS {p}made{n}"),
            5 => format!("ALTER TABLE {p}item ADD COLUMN extra{n} INT DEFAULT {n}"),
            6 => format!("TRUNCATE TABLE {p}log"),
            7 => format!(
                "CREATE OR REPLACE VIEW {p}view AS SELECT id, code, {n} AS parts, n AS total FROM {p}item"
            ),
            8 => format!("CREATE INDEX code_n{n} ON {p}item (code, n)"),
            _ => format!("RENAME TABLE {p}made{n} TO {p}made{}", (n + 1) % 3),
        };
        self.say(&text);
        self.session().found_unsure |= text.contains(" AS SELECT ");
        self.session().ended();
        self.say(&format!("SELECT * FROM {p}made{n} ORDER BY id"));
        if self.dice.percent(50) {
            self.say(&format!("INSERT INTO {p}made{n} (v) VALUES ({n})"));
            self.session().wrote();
            self.say(&format!("SELECT * FROM {p}made{n} ORDER BY id"));
        }
    }

    pub(super) fn locks(&mut self) {
        let p = self.prefix();
        if self.session().locks_tables || !self.may_define() {
            self.say("UNLOCK TABLES");
            self.session().locks_tables = false;
            return;
        }
        let how = if self.mode == Mode::Shared || self.dice.percent(50) {
            "READ"
        } else {
            "WRITE"
        };
        self.say(&format!("LOCK TABLES {p}item {how}, {p}line READ"));
        self.session().ended();
        self.session().locks_tables = true;
        for _ in 0..self.dice.below(4) {
            let text = if self.dice.percent(40) {
                self.write()
            } else {
                self.read()
            };
            self.say(&text);
            self.session().wrote();
        }
        if self.dice.percent(80) {
            self.say("UNLOCK TABLES");
            self.session().locks_tables = false;
        }
    }

    pub(super) fn named_locks(&mut self) {
        let mine = format!("⟨schema⟩_{}", self.current);
        let text = match self.dice.below(5) {
            0 | 1 => format!("SELECT GET_LOCK('{mine}', 0)"),
            2 => format!("SELECT RELEASE_LOCK('{mine}')"),
            3 => "SELECT IS_FREE_LOCK('⟨schema⟩_0'), IS_USED_LOCK('⟨schema⟩_1') IS NULL".to_owned(),
            _ => "SELECT RELEASE_ALL_LOCKS()".to_owned(),
        };
        self.say(&text);
    }
}

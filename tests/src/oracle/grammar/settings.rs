//! What changes the session, transactions, and questions about the statement before.

use infra::local::Engine;

use super::Writer;

const SQL_MODES: &[&str] = &[
    "",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES,NO_ZERO_DATE",
    "PIPES_AS_CONCAT",
    "ONLY_FULL_GROUP_BY",
    "ANSI",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_UNSIGNED_SUBTRACTION",
];
const ISOLATIONS: &[&str] = &["READ COMMITTED", "REPEATABLE READ", "READ UNCOMMITTED"];

impl Writer {
    #[allow(clippy::too_many_lines, reason = "a list")]
    pub(super) fn setting(&mut self) {
        let n = self.dice.below(5);
        let text = match self.dice.below(26) {
            0 | 1 => format!("SET sql_mode = '{}'", self.dice.pick(SQL_MODES)),
            2 | 3 => format!(
                "SET time_zone = '{}'",
                self.dice
                    .pick(&["+02:00", "-05:30", "SYSTEM", "+00:00", "nowhere"])
            ),
            4 => "SET NAMES latin1".to_owned(),
            5 => "SET NAMES utf8mb4".to_owned(),
            6 => "SET NAMES utf8mb4 COLLATE utf8mb4_bin".to_owned(),
            7 => "SET character_set_results = latin1".to_owned(),
            8 => "SET character_set_results = NULL".to_owned(),
            9 => "SET collation_connection = utf8mb4_unicode_ci".to_owned(),
            10 => {
                self.session().limited = true;
                format!("SET sql_select_limit = {}", n + 1)
            }
            11 => {
                self.session().limited = false;
                "SET sql_select_limit = DEFAULT".to_owned()
            }
            12..=14 => format!("SET @a = {n}"),
            15 => "SET @b = 'text', @c = 1.25".to_owned(),
            16 => "SET @c = NULL".to_owned(),
            // its reads lock rows
            17 if self.may_write() => format!("SET @a = (SELECT MAX(n) FROM {})", self.t("item")),
            18 => {
                self.session().clock_stands = true;
                format!("SET timestamp = 170000000{n}")
            }
            19 => {
                self.session().clock_stands = false;
                "SET timestamp = DEFAULT".to_owned()
            }
            20 => format!("SET insert_id = {}", 40 + n),
            21 => "SET last_insert_id = 77".to_owned(),
            22 => format!("SET foreign_key_checks = {}", n % 2),
            23 if self.engine == Engine::Mariadb => {
                let item = self.t("item");
                format!("SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM {item} ORDER BY id")
            }
            23 => format!(
                "SELECT /*+ SET_VAR(sort_buffer_size = 1M) */ COUNT(*) FROM {}",
                self.t("item")
            ),
            24 => format!(
                "SET SESSION group_concat_max_len = {}, @@session.max_sort_length = 64",
                4 + n
            ),
            _ => format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL {}",
                self.dice.pick(ISOLATIONS)
            ),
        };
        self.say(&text);
    }

    pub(super) fn transaction(&mut self) {
        let n = self.dice.below(2);
        let inside = self.session().transaction || !self.session().autocommit;
        let throw = self.dice.below(if inside { 20 } else { 12 });
        match throw {
            0..=3 => self.begin("BEGIN"),
            4 => self.begin("START TRANSACTION READ ONLY"),
            5 => self.begin("START TRANSACTION WITH CONSISTENT SNAPSHOT"),
            6 => self.begin("START TRANSACTION READ WRITE"),
            7 => {
                self.say("SET autocommit = 0");
                self.session().autocommit = false;
            }
            8 => {
                self.say("SET autocommit = 1");
                self.session().autocommit = true;
                self.session().ended();
            }
            9 => {
                let isolation = self.dice.pick(ISOLATIONS);
                self.say(&format!("SET TRANSACTION ISOLATION LEVEL {isolation}"));
            }
            10 => self.say("SET TRANSACTION READ ONLY"),
            11 => {
                self.begin("START TRANSACTION READ ONLY");
                for _ in 0..=self.dice.below(3) {
                    let text = self.read();
                    self.say(&text);
                }
                self.end("COMMIT");
            }
            12 => self.say(&format!("SAVEPOINT s{n}")),
            13 => self.say(&format!("ROLLBACK TO s{n}")),
            14 => self.say(&format!("RELEASE SAVEPOINT s{n}")),
            15 => {
                self.end("COMMIT AND CHAIN");
                self.session().transaction = true;
            }
            16 | 17 => self.end("ROLLBACK"),
            _ => self.end("COMMIT"),
        }
    }

    fn begin(&mut self, text: &str) {
        self.say(text);
        // a new one ends the one before, and table locks
        self.session().ended();
        self.session().locks_tables = false;
        self.session().transaction = true;
    }

    fn end(&mut self, text: &str) {
        self.say(text);
        self.session().ended();
    }

    pub(super) fn diagnostics(&mut self) {
        let text = match self.dice.below(11) {
            0 | 1 => "SELECT LAST_INSERT_ID()",
            2 | 3 => "SELECT ROW_COUNT()",
            4 | 5 => {
                if self.session().found_unsure {
                    self.say("SELECT 1");
                    self.session().found_unsure = false;
                }
                *self
                    .dice
                    .pick(&[&"SELECT FOUND_ROWS()", &"SELECT FOUND_ROWS(), LAST_INSERT_ID()"])
            }
            6 => "SHOW WARNINGS",
            7 => "SHOW ERRORS",
            8 => "SELECT @@warning_count, @@error_count",
            9 => "SHOW COUNT(*) WARNINGS",
            _ => "GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT",
        };
        self.say(text);
    }
}

//! Statements that read, each with its order.

use infra::local::Engine;

use super::Writer;

impl Writer {
    pub(super) fn id(&mut self) -> u64 {
        1 + self.dice.below(6)
    }

    #[allow(clippy::too_many_lines, reason = "a list")]
    pub(super) fn read(&mut self) -> String {
        let (item, line, log) = (self.t("item"), self.t("line"), self.t("log"));
        let (id, n) = (self.id(), self.dice.below(12));
        let p = self.prefix();
        let mariadb = self.engine == Engine::Mariadb;
        let stands = self.session().clock_stands;
        match self.dice.below(44) {
            0 | 1 => format!("SELECT * FROM {item} WHERE id = {id}"),
            2 | 3 => format!("SELECT id, code, n, price, txt FROM {item} WHERE n >= {n} ORDER BY id"),
            4 => format!("SELECT COUNT(*), SUM(n), MIN(code), MAX(price), AVG(n) FROM {item}"),
            5 => format!("SELECT i.id, l.pos, l.qty FROM {item} i STRAIGHT_JOIN {line} l ON l.item = i.id ORDER BY i.id, l.pos"),
            6 => format!("SELECT i.n, COUNT(l.pos) FROM {item} i LEFT JOIN {line} l ON l.item = i.id GROUP BY i.n ORDER BY i.n"),
            7 => format!("SELECT id, (SELECT COUNT(*) FROM {line} l WHERE l.item = i.id) AS c FROM {item} i ORDER BY id"),
            8 => format!("SELECT id FROM {item} i WHERE EXISTS (SELECT 1 FROM {line} l WHERE l.item = i.id) ORDER BY id"),
            9 => format!("SELECT code FROM {item} i WHERE (SELECT MAX(qty) FROM {line} l WHERE l.item = i.id) > {n} ORDER BY code"),
            10 => format!("WITH few AS (SELECT id, n FROM {item} WHERE n < {n}) SELECT * FROM few ORDER BY id"),
            11 => format!("WITH RECURSIVE up AS (SELECT 1 AS v UNION ALL SELECT v + 1 FROM up WHERE v < {id}) SELECT v, (SELECT COUNT(*) FROM {item} WHERE id > v) AS c FROM up ORDER BY v"),
            12 => format!("SELECT id FROM {item} UNION SELECT qty FROM {line} ORDER BY 1"),
            13 => format!("(SELECT id, 'i' AS k FROM {item}) UNION ALL (SELECT id, 'l' FROM {log}) ORDER BY k, id"),
            14 => format!("SELECT * FROM {p}view ORDER BY id"),
            15 => format!("SELECT {p}total({id}), {p}plus({n}, 1)"),
            16 => format!("SELECT id, {p}total(id) AS t FROM {item} ORDER BY id"),
            17 => "SELECT @a, @b, @c".to_owned(),
            18 => format!("SELECT DISTINCT n FROM {item} ORDER BY n"),
            19 => format!("SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS r, SUM(n) OVER (ORDER BY id) AS s FROM {item} ORDER BY id"),
            20 => format!("SELECT id, CASE WHEN n > 2 THEN 'much' ELSE 'few' END AS c, IFNULL(price, 0) AS p FROM {item} ORDER BY id"),
            21 => format!("SELECT id, code FROM {item} ORDER BY id LIMIT 2 OFFSET {}", n % 3),
            22 => format!("SELECT SQL_CALC_FOUND_ROWS id FROM {item} ORDER BY id LIMIT 1"),
            23 => format!("SELECT x.c FROM (SELECT COUNT(*) AS c FROM {item} WHERE n > {n}) x"),
            24 => format!("SELECT id, made, UNIX_TIMESTAMP(made) AS u FROM {item} ORDER BY id"),
            25 => "SELECT DATABASE(), SCHEMA()".to_owned(),
            26 => format!("SELECT id, what, n FROM {log} ORDER BY id"),
            27 => "SELECT @@sql_mode, @@time_zone, @@autocommit, @@sql_select_limit".to_owned(),
            28 => "SELECT @@character_set_client, @@character_set_results, @@collation_connection, @@insert_id, @@last_insert_id".to_owned(),
            29 if mariadb => "SELECT @@tx_isolation, @@tx_read_only, @@in_transaction, @@foreign_key_checks".to_owned(),
            29 => "SELECT @@transaction_isolation, @@transaction_read_only, @@foreign_key_checks".to_owned(),
            30 => format!("SELECT n, SUM(id) FROM {item} GROUP BY n WITH ROLLUP"),
            31 => "SELECT 'a' || 'b', 'it''s', \"quoted\", 'back\\slash', HEX('é')".to_owned(),
            32 => format!("SELECT \"code\" FROM {item} ORDER BY id"),
            33 => "SELECT 1 / 0, CAST('12x' AS SIGNED), CONVERT('é' USING latin1)".to_owned(),
            34 => format!("SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.columns WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{item}' ORDER BY ORDINAL_POSITION"),
            35 => "SHOW TABLES".to_owned(),
            36 => format!("SHOW COLUMNS FROM {item}"),
            37 => format!("SELECT n FROM {item} WHERE id = {id} INTO @b"),
            38 => format!("SELECT @c := COUNT(*) FROM {item}"),
            39 => format!("SELECT i.id, o.n FROM {item} i STRAIGHT_JOIN ⟨schema⟩_x.{p}item o ON o.id = i.id ORDER BY i.id"),
            40 => format!("SELECT txt, COUNT(*) FROM {item} GROUP BY txt ORDER BY txt"),
            41 if stands => "SELECT NOW(), CURDATE(), UNIX_TIMESTAMP(), FROM_UNIXTIME(0)".to_owned(),
            41 => "SELECT FROM_UNIXTIME(1700000000)".to_owned(),
            42 => format!("SELECT GROUP_CONCAT(code ORDER BY id) FROM {item}"),
            _ => "SELECT 1".to_owned(),
        }
    }
}

//! The tables, views, triggers and routines that every program begins with.

use infra::local::Engine;

use super::program::Mode;

/// Tables of a session carry its prefix: sessions on tables of their own have different ones.
pub(crate) const PREFIXES: [&str; 2] = ["a_", "b_"];

/// The second schema of a program, to `USE`.
pub(crate) fn second(schema: &str) -> String {
    format!("{schema}_x")
}

/// Statements that make both schemas anew, in one text.
pub(crate) fn anew(schema: &str, engine: Engine) -> String {
    let second = second(schema);
    let mut texts = vec![];
    for schema in [schema, &second] {
        texts.push(format!("DROP DATABASE IF EXISTS {schema}"));
        texts.push(format!(
            "CREATE DATABASE {schema} DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
        ));
    }
    texts.extend(for_each(&second, OTHER_TABLES, &PREFIXES));
    texts.extend(for_each(schema, TABLES, &PREFIXES));
    if engine == Engine::Mariadb {
        texts.extend(for_each(
            schema,
            &["CREATE SEQUENCE ~sequence START WITH 5"],
            &PREFIXES,
        ));
    }
    texts.push(refilled(schema, Mode::Disjoint));
    texts.join("; ")
}

/// Statements that put the first rows into tables that are as they were made, in one text. Workers apply one statement
/// after the other and definitions are slow: this is what lets them keep up.
pub(crate) fn refilled(schema: &str, mode: Mode) -> String {
    let [first, _] = PREFIXES;
    let prefixes = match mode {
        Mode::Disjoint => &PREFIXES[..],
        Mode::Single | Mode::Shared => &[first],
    };
    let mut texts = for_each(&second(schema), OTHER_ROWS, prefixes);
    texts.extend(for_each(schema, ROWS, prefixes));
    texts.join("; ")
}

fn for_each(schema: &str, statements: &[&str], prefixes: &[&str]) -> Vec<String> {
    let mut texts = vec![format!("USE {schema}")];
    for prefix in prefixes {
        texts.extend(statements.iter().map(|text| text.replace('~', prefix)));
    }
    texts
}

const OTHER_TABLES: &[&str] = &["CREATE TABLE ~item (id INT PRIMARY KEY, code VARCHAR(20), n INT)"];

const OTHER_ROWS: &[&str] = &[
    "DELETE FROM ~item",
    "INSERT INTO ~item VALUES (1, 'other', 100), (2, 'far', 200)",
];

const TABLES: &[&str] = &[
    "CREATE TABLE ~item (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) UNIQUE, n INT NOT NULL DEFAULT 7,
     price DECIMAL(10,2), made TIMESTAMP NULL, txt VARCHAR(60))",
    "CREATE TABLE ~line (item INT, pos INT, qty TINYINT NOT NULL, note TEXT, PRIMARY KEY (item, pos),
     CONSTRAINT ~line_of FOREIGN KEY (item) REFERENCES ~item (id) ON DELETE CASCADE)",
    "CREATE TABLE ~log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40), n INT)",
    "CREATE VIEW ~view AS SELECT i.id, i.code, COUNT(l.pos) AS parts, SUM(l.qty) AS total
     FROM ~item i LEFT JOIN ~line l ON l.item = i.id GROUP BY i.id, i.code",
    "CREATE TRIGGER ~after_line AFTER INSERT ON ~line FOR EACH ROW INSERT INTO ~log (what, n) VALUES ('line', NEW.qty)",
    "CREATE TRIGGER ~before_item BEFORE UPDATE ON ~item FOR EACH ROW SET NEW.txt = CONCAT('was ', OLD.n)",
    "CREATE FUNCTION ~total(i INT) RETURNS INT DETERMINISTIC READS SQL DATA RETURN (SELECT SUM(qty) FROM ~line WHERE item = i)",
    "CREATE FUNCTION ~plus(a INT, b INT) RETURNS INT DETERMINISTIC NO SQL RETURN a + b",
    "CREATE FUNCTION ~bump(i INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA
     BEGIN UPDATE ~item SET n = n + 1 WHERE id = i; RETURN (SELECT n FROM ~item WHERE id = i); END",
    "CREATE FUNCTION ~logged(w VARCHAR(40)) RETURNS INT DETERMINISTIC MODIFIES SQL DATA
     BEGIN INSERT INTO ~log (what, n) VALUES (w, 0); RETURN LAST_INSERT_ID(); END",
    "CREATE PROCEDURE ~list(IN i INT) READS SQL DATA
     BEGIN SELECT id, code, n FROM ~item WHERE id >= i ORDER BY id; SELECT COUNT(*) FROM ~line; END",
    "CREATE PROCEDURE ~write(IN i INT, OUT o INT) MODIFIES SQL DATA
     BEGIN UPDATE ~item SET n = n + i ORDER BY id; SELECT MAX(n) INTO o FROM ~item; END",
    "CREATE PROCEDURE ~refuse() BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END",
    "CREATE PROCEDURE ~session() BEGIN SET @a = 'set inside'; SET SESSION sql_select_limit = 2; END",
];

const ROWS: &[&str] = &[
    "DELETE FROM ~line",
    "DELETE FROM ~item",
    "DELETE FROM ~log",
    "ALTER TABLE ~item AUTO_INCREMENT = 1",
    "ALTER TABLE ~log AUTO_INCREMENT = 1",
    "INSERT INTO ~item (code, n, price, made, txt) VALUES ('c1', 1, 1.50, '2024-02-29 12:00:00', 'one'),
     ('c2', 2, NULL, NULL, 'zwei'), ('c3', 2, 3.25, '2023-06-01 00:00:00', NULL)",
    "INSERT INTO ~line VALUES (1, 1, 5, 'a'), (1, 2, 6, 'b'), (2, 1, 7, NULL)",
];

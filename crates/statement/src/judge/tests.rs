use super::*;
use crate::effect::{
    Assignment, Ending, Isolation, ProxyCommand, SessionChange, TransactionScope, TransactionStep, Value,
    VariableScope,
};
use crate::scan::{CharsetClass, Doubt};

fn of(text: &str) -> Facts {
    facts(text.as_bytes(), LexMode::default())
}

fn effect(text: &str) -> Effect {
    of(text).single().expect("one statement").effect.clone()
}

fn text(value: &str) -> Value {
    Value::Text(value.as_bytes().into())
}

fn assigned(scope: VariableScope, name: &str, value: Value) -> Assignment {
    Assignment {
        scope,
        name: name.as_bytes().into(),
        value,
    }
}

#[test]
fn a_set_tells_each_variable_its_scope_and_its_value() {
    let Effect::Session(SessionChange::SetVariables(assignments)) = effect(
        "SET autocommit=0, SESSION Sql_Mode='a,''b\\n', @@global.x := ON, PERSIST y = 1+1, @V = DEFAULT, @@`z` = NULL, \
         LOCAL w = (SELECT 1, 2), @'u u' = 1",
    ) else {
        panic!("no SET of variables")
    };
    use VariableScope::{Global, Persist, Session, User};
    assert_eq!(
        *assignments,
        [
            assigned(Session, "autocommit", Value::Number(b"0"[..].into())),
            assigned(Session, "sql_mode", text("a,'b\n")),
            assigned(Global, "x", Value::Word(b"ON"[..].into())),
            assigned(Persist, "y", Value::Expression),
            assigned(User, "v", Value::Default),
            assigned(Session, "z", Value::Word(b"NULL"[..].into())),
            assigned(Session, "w", Value::Expression),
            assigned(User, "u u", Value::Number(b"1"[..].into())),
        ]
    );
    assert_eq!(effect("SET a"), Effect::Unknown(Cause::Kind));
    assert_eq!(effect("SET a = 1,"), Effect::Unknown(Cause::Kind));
}

#[test]
fn what_is_set_for_one_statement_is_named() {
    let text = b"SET STATEMENT Sql_Select_Limit = 1, time_zone = '+00:00' FOR SELECT 1";
    let facts = facts(text, LexMode::default());
    let statement = facts.single().unwrap();
    assert_eq!(statement.effect, Effect::Read);
    let names: Vec<&[u8]> = statement.for_statement.iter().map(|name| &**name).collect();
    assert_eq!(names, [&b"sql_select_limit"[..], b"time_zone"]);
    // servers report the mode, and not that the former one comes back
    assert_eq!(
        effect("SET STATEMENT sql_mode = 'NO_BACKSLASH_ESCAPES' FOR SELECT 1"),
        Effect::Unknown(Cause::ModeChange)
    );
    assert_eq!(
        effect("SET STATEMENT a FOR SELECT 1"),
        Effect::Unknown(Cause::Kind)
    );
}

#[test]
fn character_sets_are_named() {
    for (sql, collated) in [
        ("SET NAMES 'gbk' COLLATE gbk_bin", true),
        ("SET NAMES 'gbk'", false),
    ] {
        let charset = text("gbk");
        assert_eq!(
            effect(sql),
            Effect::Session(SessionChange::SetNames { charset, collated })
        );
    }
    assert_eq!(
        effect("SET CHARACTER SET latin1"),
        Effect::Session(SessionChange::SetCharacterSet(Value::Word(b"latin1"[..].into())))
    );
    assert_eq!(effect("SET NAMES utf8 utf8"), Effect::Unknown(Cause::Kind));
    let facts = of("SET NAMES gbk");
    assert!(facts.statements()[0].changes_lexing());
    assert!(!of("SET a = 1").statements()[0].changes_lexing());
}

#[test]
fn transactions_tell_how_they_begin_and_end() {
    assert_eq!(
        effect("start transaction read only, with consistent snapshot"),
        Effect::Transaction(TransactionStep::Begin {
            read_only: Some(true),
            consistent_snapshot: true
        })
    );
    assert_eq!(
        effect("ROLLBACK WORK AND CHAIN NO RELEASE"),
        Effect::Transaction(TransactionStep::Rollback(Ending {
            chain: true,
            release: false
        }))
    );
    assert_eq!(
        effect("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE"),
        Effect::Transaction(TransactionStep::SetTransaction {
            scope: TransactionScope::Session,
            read_only: Some(false),
            isolation: Some(Isolation::Serializable),
        })
    );
    assert_eq!(effect("COMMIT t"), Effect::Unknown(Cause::Kind));
    assert!(of("COMMIT").statements()[0].ends_transaction());
    assert!(of("CREATE TABLE t (a INT)").statements()[0].implicit_commit);
    assert!(!of("DROP TEMPORARY TABLE t").statements()[0].implicit_commit);
}

#[test]
fn our_commands_are_read() {
    let set = ProxyCommand::Set {
        name: b"strategy"[..].into(),
        value: b"random"[..].into(),
    };
    assert_eq!(
        effect("proxy set Strategy = 'random'"),
        Effect::Proxy(set.clone())
    );
    assert_eq!(effect("PROXY SET strategy random"), Effect::Proxy(set));
    assert_eq!(
        effect("PROXY SHOW ROUTE;"),
        Effect::Proxy(ProxyCommand::ShowRoute)
    );
    assert_eq!(effect("proxy show token"), Effect::Proxy(ProxyCommand::ShowToken));
    assert_eq!(
        effect("PROXY SHOW ROUTE x"),
        Effect::Proxy(ProxyCommand::Unrecognised)
    );
    let Effect::Proxy(ProxyCommand::Explain(inner)) = effect("PROXY EXPLAIN DELETE FROM t") else {
        panic!("no explanation")
    };
    assert!(inner.dangers().contains(Danger::DeleteWithoutWhere));
    assert!(of("PROXY EXPLAIN DELETE FROM t").dangers().is_empty());
}

#[test]
fn a_condition_in_an_executable_comment_is_judged_both_ways() {
    let facts = of("SELECT 1 /*!80000 FOR UPDATE */");
    assert!(facts.statements()[0].needs.locks_rows);
    assert!(!facts.is_surely_read());
    let facts = of("/*!40101 SET NAMES utf8 */");
    assert!(facts.statements()[0].conditional && !of("SET NAMES utf8").statements()[0].conditional);
}

#[test]
fn tables_are_named_with_their_schemas() {
    let names = |text: &str| {
        let facts = of(text);
        let mut names: Vec<String> = facts.statements()[0]
            .tables
            .names()
            .iter()
            .map(|table| {
                let schema = table
                    .schema
                    .as_deref()
                    .map(|schema| format!("{}.", String::from_utf8_lossy(schema)));
                format!(
                    "{}{}",
                    schema.unwrap_or_default(),
                    String::from_utf8_lossy(&table.name)
                )
            })
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        names("SELECT * FROM a JOIN `b`.`c` x ON 1 = 1, d AS y"),
        "a b.c d"
    );
    assert_eq!(names("INSERT INTO s.t (a) SELECT b FROM u"), "s.t u");
    assert_eq!(names("UPDATE a, b SET a.x = b.y WHERE a.id = 1"), "a b");
    assert_eq!(names("DROP TABLE IF EXISTS a, `b``c`"), "a b`c");
    assert_eq!(names("TRUNCATE t"), "t");
    assert_eq!(names("CREATE INDEX i ON t (a)"), "t");
    assert_eq!(names("SHOW CREATE TABLE s.t"), "s.t");
    assert_eq!(names("REPLACE t VALUES (1)"), "t");
}

#[test]
fn the_mode_decides_what_is_a_string() {
    let mode = LexMode {
        ansi_quotes: true,
        ..LexMode::default()
    };
    // a table named "t", not a string
    assert!(
        facts(b"DROP TABLE \"t\"", mode)
            .dangers()
            .contains(Danger::DropTable)
    );
    // a quote inside a gbk character does not open what follows
    let gbk = LexMode {
        charset: CharsetClass::Gbk,
        ..LexMode::default()
    };
    let attack = b"SELECT '\xbf\x5c'; DROP TABLE t -- '";
    assert!(facts(attack, gbk).dangers().contains(Danger::DropTable));
    let utf8 = facts(attack, LexMode::default());
    assert_eq!(utf8.unknown_cause(), None, "one string under utf8: {utf8:?}");
}

#[test]
fn limits_end_in_unknown() {
    let many = "SELECT 1;".repeat(STATEMENTS_MAX + 1);
    assert_eq!(of(&many).unknown_cause(), Some(Cause::TooComplex));
    let deep = (0..5).fold("SELECT 1".to_owned(), |text, _| {
        format!("PREPARE s FROM '{}'", text.replace('\'', "''"))
    });
    assert_eq!(of(&deep).unknown_cause(), Some(Cause::TooComplex));
    assert_eq!(
        of("SELECT '").unknown_cause(),
        Some(Cause::Doubt(Doubt::UnterminatedQuote))
    );
    assert_eq!(of(&"(".repeat(100_000)).unknown_cause(), Some(Cause::TooComplex));
    let rows = format!(
        "INSERT INTO t VALUES {}(1, NOW())",
        "(1, NOW()), ".repeat(200_000)
    );
    assert_eq!(of(&rows).unknown_cause(), None);
}

#[test]
fn a_stored_program_ends_where_its_blocks_do() {
    let facts = of(
        "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; CASE x WHEN 1 THEN SELECT 2; END CASE; END; SELECT 3",
    );
    assert_eq!(facts.statement_count(), 2);
    assert_eq!(facts.unknown_cause(), None);
    let hidden = of("CREATE PROCEDURE p() BEGIN SELECT 1 AS begin; END; GRANT ALL ON *.* TO a");
    assert_eq!(hidden.unknown_cause(), Some(Cause::Program));
    let early = of("CREATE PROCEDURE p() BEGIN SELECT 1 AS end; SELECT 2; END");
    assert!(early.unknown_cause().is_some());
}

#[test]
fn show_of_what_each_node_has_for_itself_stays_on_the_manager() {
    for text in ["SHOW EVENTS", "SHOW CREATE EVENT e", "SHOW EVENTS FROM s"] {
        assert!(!of(text).is_surely_read(), "{text}");
    }
    assert!(of("SHOW CREATE PROCEDURE p").is_surely_read());
}

#[test]
fn show_of_a_node_schema_stays_on_the_manager() {
    for text in [
        "SHOW TABLES FROM mysql",
        "SHOW TABLES IN `Information_Schema`",
        "SHOW COLUMNS FROM user FROM mysql",
    ] {
        assert!(!of(text).is_surely_read(), "{text}");
    }
}

#[test]
fn what_a_statement_does_to_found_rows() {
    use crate::facts::FoundRows::{Kept, Sent, Set, SetOnMariadb, SetOnMysql};
    for (sql, expected) in [
        ("SELECT a FROM t", Sent),
        ("SELECT a FROM t LIMIT 1", Set),
        ("SELECT a FROM t UNION SELECT 1", Set),
        ("SELECT a FROM t INTO @a", Set),
        ("INSERT INTO t VALUES (1)", Kept),
        ("INSERT INTO t SELECT 1", Set),
        ("DELETE FROM t WHERE a = 1", Kept),
        ("DELETE x FROM t x JOIN t y", Set),
        ("UPDATE t SET a = 1, b = 2", SetOnMysql),
        ("UPDATE t x, t y SET x.a = 1", Set),
        ("DO 1", SetOnMysql),
        ("SET @a = 1", Kept),
        ("SET @a = (SELECT 1)", SetOnMariadb),
        ("CREATE TABLE u AS SELECT 1", SetOnMariadb),
        ("CREATE VIEW v AS SELECT 1", Kept),
        ("TRUNCATE TABLE t", Kept),
        ("SHOW CREATE TABLE t", Kept),
        ("SHOW TABLES", Set),
        ("EXPLAIN SELECT 1", Kept),
        ("DESCRIBE t", Set),
        ("CALL p()", Set),
        ("BEGIN", Kept),
    ] {
        assert_eq!(of(sql).statements()[0].found_rows, expected, "{sql}");
    }
}

#[test]
fn a_parameter_may_be_a_column_of_the_result() {
    for (text, shows) in [
        ("SELECT ?", true),
        ("SELECT a, ? + 1 FROM t", true),
        ("SELECT CONCAT(?, a) FROM t", true),
        ("SELECT a FROM t WHERE b = ? LIMIT ?", false),
        ("SELECT a FROM t JOIN u ON t.x = ? ORDER BY a", false),
        ("SELECT a FROM (SELECT ? AS a) d", true),
        ("SELECT (SELECT b FROM u WHERE c = 1), ? FROM t", true),
        ("SELECT a FROM t UNION SELECT ?", true),
        ("VALUES ROW(?)", true),
        ("SELECT * FROM t WHERE 1 = ?", false),
    ] {
        let facts = of(text);
        let found = facts.statements().iter().any(|of| of.needs.shows_parameters);
        assert_eq!(found, shows, "{text}");
    }
}

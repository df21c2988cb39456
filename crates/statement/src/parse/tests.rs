use super::*;
use crate::scan::{LexMode, Lexer, Token};

fn parsed(text: &str) -> Result<Tables, Cause> {
    let all: Vec<Token> = Lexer::new(text.as_bytes(), LexMode::default()).collect();
    query(Tokens {
        text: text.as_bytes(),
        all: &all,
    })
}

fn rewritten(text: &str) -> String {
    let all: Vec<Token> = Lexer::new(text.as_bytes(), LexMode::default()).collect();
    rewrite::rewrite(Tokens {
        text: text.as_bytes(),
        all: &all,
    })
    .unwrap()
}

#[test]
fn expressions_parse_one_by_one() {
    for expression in [
        "a DIV b",
        "a MOD b",
        "a % b",
        "a XOR b",
        "!a",
        "~a",
        "a & b | c ^ d",
        "a << 2 >> 1",
        "CONVERT(a USING utf8mb4)",
        "CONVERT(a, CHAR)",
        "CAST(a AS UNSIGNED)",
        "CAST(a AS CHAR(10) CHARACTER SET utf8)",
        "CHAR(77, 121 USING utf8)",
        "_utf8mb4'x' COLLATE utf8mb4_bin",
        "a 'alias'",
        "b AS \"other\"",
        "-a",
        "- -a",
        "+a",
        "a = !b",
        "NOT a",
        "CAST(a AS SIGNED INTEGER)",
        "CAST(a AS DECIMAL(10, 2))",
        "CAST(a AS JSON)",
        "CAST(a AS DATETIME(6))",
        "CAST(a AS NCHAR)",
        "CAST(a AS BINARY(3))",
        "CAST(a AS CHAR CHARSET utf8)",
        "a NOT IN (1)",
        "a IS NOT NULL",
        "a NOT RLIKE 'x'",
        "CAST(a AS YEAR)",
        "CAST(a AS UNSIGNED ARRAY)",
        "CAST(a AS DOUBLE)",
        "CAST(a AS FLOAT)",
        "CONVERT(a, DECIMAL(10, 2))",
        "CONVERT(a, SIGNED)",
        "CONVERT(a, CHAR(5)) x",
        "WEIGHT_STRING(a AS CHAR(3))",
        "TIMESTAMPADD(DAY, 1, d)",
        "GET_FORMAT(DATE, 'USA')",
        "COUNT(*) OVER ()",
        "FIRST_VALUE(a) IGNORE NULLS OVER w",
        "JSON_VALUE(a, '$.b' RETURNING DECIMAL(4, 2) DEFAULT 0 ON EMPTY)",
        "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a) OVER (PARTITION BY b)",
        "GROUP_CONCAT(a ORDER BY b LIMIT 1)",
        "a IN (1, 2) IS TRUE",
        "(a, b) = (1, 2)",
        "ROW(a, b) = ROW(1, 2)",
        "a COLLATE utf8_bin = b",
        "a REGEXP 'x' AND b",
        "TRIM(a)",
        "TRIM(LEADING 'x' FROM a)",
        "SUBSTR(a FROM 1)",
        "DEFAULT(a)",
        "VALUES(a)",
        "a -> '$.b'",
        "CURRENT_TIMESTAMP(6)",
        "LOCALTIME",
        "UTC_DATE",
        "INTERVAL 1 DAY + d",
        "d + INTERVAL -1 DAY",
        "BINARY 'a' = 'A'",
        "a IS FALSE",
        "CASE WHEN a THEN 1 END AS 'x'",
        "DATE(a)",
        "YEAR(a)",
        "TIME(a)",
        "`a`.`b`.`c`",
        "a.*",
        "t.`order`",
        "EXISTS (SELECT 1)",
        "COUNT(DISTINCT CASE WHEN a THEN b END)",
        "MAX(a) KEEP",
        "1 + 1 'two'",
        "a BETWEEN 1 AND 2 AND c",
        "a LIKE CONCAT('%', ?, '%')",
        "DATE_FORMAT(a, '%Y') AS y",
        "IF(a IS NULL, 1, 2)",
        "LEFT(a, 2)",
        "MOD(a, 2)",
        "INTERVAL(a, 1, 2)",
        "STRCMP(a, b)",
    ] {
        let text = format!("SELECT {expression} FROM t");
        assert!(parsed(&text).is_ok(), "{text}\n{}", rewritten(&text));
    }
}

#[test]
fn what_is_no_query_is_refused() {
    assert_eq!(parsed("SELECT 1 1 1"), Err(Cause::Query));
    assert_eq!(parsed("SELECT a FROM"), Err(Cause::Query));
    assert_eq!(parsed("SELECT (1"), Err(Cause::Query));
    assert_eq!(parsed("UPDATE t SET a = 1"), Err(Cause::Contradiction));
    assert_eq!(parsed("SELECT a INTO b FROM t"), Err(Cause::Contradiction));
    assert!(parsed("WITH a AS (DELETE FROM t) SELECT 1").is_err());
}

#[test]
fn tables_are_collected() {
    let tables = parsed("SELECT 1 FROM `a`.b JOIN c USING (id) WHERE x IN (SELECT y FROM d)").unwrap();
    let names: Vec<_> = tables
        .names()
        .iter()
        .map(|table| String::from_utf8_lossy(&table.name).into_owned())
        .collect();
    assert_eq!(names, ["b", "c", "d"]);
    assert_eq!(tables.names()[0].schema.as_deref(), Some(b"a".as_slice()));
    assert!(tables.complete());
}

/// At each limit the parser must do with the stack of a thread (2 MiB), and past it nothing is parsed.
#[test]
fn the_largest_queries_fit_a_threads_stack() {
    let chain = |n: usize, with: &str| format!("SELECT a FROM t WHERE a = 1{}", with.repeat(n));
    let joins = |n: usize| format!("SELECT 1 FROM t{}", " JOIN u ON t.a = u.a".repeat(n));
    let unions = |n: usize| format!("SELECT 1{}", " UNION SELECT 1".repeat(n));
    let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let queries = |n: usize| format!("SELECT {}1{}", "(SELECT ".repeat(n), ")".repeat(n));
    let cases = |n: usize| format!("SELECT {}1{}", "CASE WHEN a THEN ".repeat(n), " END".repeat(n));
    let signs = |n: usize| format!("SELECT {}1", "- ".repeat(n));
    let nots = |n: usize| format!("SELECT {} a", "NOT ".repeat(n));
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            for (within, past) in [
                (
                    chain(CHAIN_TERMS_MAX / 2 - 1, " OR a = 1"),
                    chain(CHAIN_TERMS_MAX, " OR a = 1"),
                ),
                (chain(CHAIN_TERMS_MAX - 2, " + 1"), chain(100_000, " + 1")),
                (joins(JOINS_MAX), joins(1_000)),
                (unions(SET_OPERATIONS_MAX), unions(100_000)),
                (nested(NESTING_MAX), nested(100_000)),
                (queries(NESTING_MAX), queries(10_000)),
                (cases(NESTING_MAX), cases(10_000)),
                (signs(100), signs(100_000)),
                (nots(100), nots(100_000)),
            ] {
                assert!(parsed(&within).is_ok(), "{}", within.get(..80).unwrap_or(&within));
                assert_eq!(
                    parsed(&past),
                    Err(Cause::TooComplex),
                    "{}",
                    past.get(..80).unwrap_or(&past)
                );
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

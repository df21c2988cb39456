use super::*;

fn of(text: &str) -> String {
    let mut out = Vec::new();
    fingerprint(text.as_bytes(), LexMode::default(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn values_comments_and_blanks_go() {
    assert_eq!(
        of("SELECT\n c /* x */ FROM sbtest1 # y\n WHERE id=5"),
        "SELECT c FROM sbtest1 WHERE id = ?"
    );
    assert_eq!(
        of("select `a`.b, -1.5e3, x'00', _utf8'x', N'y', @u, @@global.v"),
        "select `a`.b, - ?, ?, ?, ?, @u, @@global.v"
    );
}

#[test]
fn lists_and_equal_rows_collapse() {
    assert_eq!(
        of("INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL), (-3, 'z')"),
        "INSERT INTO t (a, b) VALUES (...)"
    );
    assert_eq!(
        of("INSERT INTO t VALUES (1, now()), (2, now()), (3, now())"),
        "INSERT INTO t VALUES (?, now())"
    );
    assert_eq!(
        of("INSERT INTO t VALUES (1), (2), (3)"),
        "INSERT INTO t VALUES (?)"
    );
    assert_eq!(
        of("SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))"),
        "SELECT * FROM t WHERE (a, b) IN ((...))"
    );
    assert_eq!(of("SELECT f(1, 2), f(1, g(2))"), "SELECT f(...), f(?, g(?))");
}

#[test]
fn a_fingerprint_is_its_own_fingerprint() {
    for text in [
        "SELECT c FROM t WHERE id IN (1,2)",
        "SELECT a. b, .5, `x`.1, 1.5.6 - -1",
        "/*!50003 SET x=1*/ /*! 1 */",
        "SELECT count (1), ((1,2),(1,2)), (((1)))",
    ] {
        let once = of(text);
        assert_eq!(of(&once), once, "{text}");
    }
}

#[test]
fn executable_comments_keep_their_marks() {
    assert_eq!(
        of("SELECT /*!40001 SQL_NO_CACHE*/ 1 /*+ MERGE(t) */"),
        "SELECT /*!40001 SQL_NO_CACHE */ ?"
    );
}

#[test]
fn our_hint_is_found_and_is_no_part_of_the_shape() {
    let mut out = Vec::new();
    let text = b"SELECT /*+ proxy(strategy=ping) */ 1";
    let scan = fingerprint(text, LexMode::default(), &mut out);
    let (hint, range) = scan.hint.unwrap();
    assert_eq!(&text[range], b"/*+ proxy(strategy=ping) */");
    assert_eq!(hint, Hint::Strategy(b"ping".as_slice().into()));
    assert_eq!(out, b"SELECT ?");
}

#[test]
fn statements_whose_literals_matter_are_known() {
    let matters =
        |text: &str| fingerprint(text.as_bytes(), LexMode::default(), &mut Vec::new()).literals_matter;
    assert!(matters("SET autocommit = 0"));
    assert!(matters("SELECT 1; set names utf8"));
    assert!(matters("CREATE PROCEDURE p() EXECUTE IMMEDIATE 'DROP TABLE t'"));
    assert!(matters("/*!40101 SET NAMES utf8 */"));
    assert!(!matters("UPDATE t SET a = 1"));
}

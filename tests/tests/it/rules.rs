//! Each rule of the read/write split by what the nodes themselves wrote down, and the complaints of other proxies' users
//! that none of them can be had here. docs/testing.md, "The rules of the split", lists them.

use anyhow::{Context, ensure};
use harness::node_log::{NodeLog, marker};
use harness::{Cluster, Engine, on_each_engine};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

on_each_engine!(
    what_a_rule_keeps_on_the_manager_runs_there_alone,
    what_no_rule_keeps_on_the_manager_runs_on_a_worker,
    a_common_table_expression_in_front_of_a_write_is_a_write,
    line_breaks_and_comments_hide_no_lock,
    the_last_insert_id_is_the_sessions_own_however_it_is_asked_for,
    no_set_locks_a_session_to_a_node,
    a_user_variable_keeps_nothing_but_its_readers_on_the_manager,
);

use Engine::{Mariadb, Mysql};

/// A statement with what goes before it in a fresh session; `MARK` is how the nodes' logs tell it apart.
struct Rule {
    only: Option<Engine>,
    before: &'static [&'static str],
    text: &'static str,
}

const fn rule(before: &'static [&'static str], text: &'static str) -> Rule {
    let only = None;
    Rule { only, before, text }
}

const fn on(engine: Engine, before: &'static [&'static str], text: &'static str) -> Rule {
    let only = Some(engine);
    Rule { only, before, text }
}

const KEPT_ON_THE_MANAGER: &[Rule] = &[
    // writes
    rule(&[], "INSERT INTO t (v) VALUES ('MARK')"),
    rule(&[], "UPDATE t SET v = 'MARK' WHERE id = 1"),
    rule(&[], "DELETE FROM t WHERE v = 'MARK'"),
    rule(&[], "REPLACE INTO t VALUES (1, 'MARK')"),
    rule(&[], "SELECT v INTO OUTFILE '/nowhere/MARK' FROM t"),
    rule(&[], "SELECT 'MARK' INTO @v"),
    rule(&[], "CREATE TEMPORARY TABLE mine AS SELECT 'MARK' AS v"),
    rule(&[], "EXPLAIN UPDATE t SET v = 'MARK' WHERE id = 1"),
    rule(&[], "CALL nothing('MARK')"),
    rule(&[], "DO LENGTH('MARK')"),
    // locking reads
    rule(&[], "SELECT v FROM t WHERE v = 'MARK' FOR UPDATE"),
    rule(&[], "SELECT v FROM t WHERE v = 'MARK' LOCK IN SHARE MODE"),
    on(Mysql, &[], "SELECT v FROM t WHERE v = 'MARK' FOR SHARE"),
    rule(
        &[],
        "SELECT * FROM (SELECT v FROM t WHERE v = 'MARK' FOR UPDATE) AS held",
    ),
    // transactions
    rule(&["BEGIN"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &["START TRANSACTION READ ONLY"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(&["BEGIN", "COMMIT AND CHAIN"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(&["SET autocommit = 0"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &["SET @v = (SELECT 1), autocommit = 0"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(
        &["PREPARE p FROM 'SET autocommit = 0'", "EXECUTE p"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(&["CALL begins()"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &["XA START 'rule'", "XA END 'rule'"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(
        &["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(
        &["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    // what only this session has
    rule(
        &["CREATE TEMPORARY TABLE mine (v INT)"],
        "SELECT v FROM mine WHERE v = 'MARK'",
    ),
    rule(&["CALL makes_temporary()"], "SELECT v FROM made WHERE v = 'MARK'"),
    rule(&["LOCK TABLES t READ"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(&["SET @v = 1"], "SELECT @v, 'MARK'"),
    rule(&[], "SELECT @v := 'MARK'"),
    rule(&["HANDLER t OPEN"], "SELECT v FROM t WHERE v = 'MARK'"),
    // functions with effects, and those that nobody knows
    rule(&[], "SELECT nothing_but_a_read(1), 'MARK'"),
    rule(&[], "SELECT LAST_INSERT_ID(), 'MARK'"),
    rule(&[], "SELECT ROW_COUNT(), 'MARK'"),
    rule(&[], "SELECT GET_LOCK('MARK', 0)"),
    rule(&[], "SELECT RELEASE_LOCK('MARK')"),
    rule(&[], "SELECT IS_FREE_LOCK('MARK')"),
    rule(&[], "SELECT IS_USED_LOCK('MARK')"),
    rule(&[], "SELECT RELEASE_ALL_LOCKS(), 'MARK'"),
    rule(&[], "SELECT UUID_SHORT(), 'MARK'"),
    rule(&[], "SELECT LOAD_FILE('MARK')"),
    rule(&[], "SELECT CONNECTION_ID(), 'MARK'"),
    on(Mariadb, &[], "SELECT NEXTVAL(s), 'MARK'"),
    on(Mariadb, &[], "SELECT NEXT VALUE FOR s, 'MARK'"),
    on(Mariadb, &[], "SELECT LASTVAL(s), 'MARK'"),
    // what is a node's own
    rule(&[], "SELECT @@last_insert_id, @@identity, 'MARK'"),
    rule(&[], "SELECT @@hostname, @@server_id, 'MARK'"),
    rule(
        &[],
        "SELECT COUNT(*) FROM information_schema.processlist WHERE INFO = 'MARK'",
    ),
    rule(&[], "SHOW GLOBAL STATUS LIKE 'MARK'"),
    on(Mariadb, &[], "SHOW MASTER STATUS /* MARK */"),
    on(Mysql, &[], "SHOW BINARY LOG STATUS /* MARK */"),
    // several at once, and text inside text
    rule(&[], "SELECT 1; SELECT 'MARK'"),
    rule(&[], "SELECT 'MARK'; UPDATE t SET v = 'MARK' WHERE id = 1"),
    rule(
        &["PREPARE p FROM 'SELECT v FROM t WHERE id = ?'"],
        "SET @m = 'MARK'",
    ),
    on(Mariadb, &[], "EXECUTE IMMEDIATE 'SELECT ''MARK'''"),
    // what nobody can read
    rule(&[], "SELECT v FROM t WHERE v = 'MARK' /*! FOR UPDATE */"),
];

const FOR_WORKERS: &[Rule] = &[
    rule(&[], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &[],
        "(SELECT v FROM t WHERE v = 'MARK') UNION (SELECT 'x') ORDER BY 1",
    ),
    rule(
        &[],
        "WITH few AS (SELECT v FROM t WHERE v = 'MARK') SELECT * FROM few",
    ),
    rule(&[], "SELECT COUNT(*), MAX(id), CONCAT('MARK', ABS(-1)) FROM t"),
    rule(&[], "SHOW TABLES LIKE 'MARK'"),
    rule(&[], "SHOW COLUMNS FROM t LIKE 'MARK'"),
    rule(&[], "EXPLAIN SELECT v FROM t WHERE v = 'MARK'"),
    // when what kept it has ended, nothing does
    rule(
        &["BEGIN", "INSERT INTO t (v) VALUES ('x')", "COMMIT"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(&["BEGIN", "ROLLBACK"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &["SET autocommit = 0", "SET autocommit = 1"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(
        &["LOCK TABLES t READ", "UNLOCK TABLES"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    rule(&["SELECT GET_LOCK('x', 0)"], "SELECT v FROM t WHERE v = 'MARK'"),
    rule(
        &["XA START 'x'", "XA END 'x'", "XA ROLLBACK 'x'"],
        "SELECT v FROM t WHERE v = 'MARK'",
    ),
    // a session's state goes with its reads
    rule(
        &["SET sql_mode = 'ANSI_QUOTES'"],
        "SELECT \"v\" FROM t WHERE v = 'MARK'",
    ),
    rule(
        &["SET time_zone = '+05:00'"],
        "SELECT FROM_UNIXTIME(0), 'MARK' FROM t",
    ),
    rule(&["SET NAMES latin1"], "SELECT v FROM t WHERE v = 'MARK'"),
];

/// A schema with what the rules need; the same session may write on every node that it reaches.
async fn schema(cluster: &Cluster, what: &str) -> anyhow::Result<String> {
    let schema = cluster.schema(what).await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("USE {schema}")).await?;
    for text in [
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(80))",
        "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
        "CREATE PROCEDURE nothing(IN v VARCHAR(80)) DO LENGTH(v)",
        "CREATE PROCEDURE begins() BEGIN SET autocommit = 0; SELECT COUNT(*) FROM t; END",
        "CREATE PROCEDURE makes_temporary() CREATE TEMPORARY TABLE made (v VARCHAR(80))",
        "CREATE FUNCTION nothing_but_a_read(i INT) RETURNS INT DETERMINISTIC READS SQL DATA RETURN (SELECT COUNT(*) FROM t)",
    ] {
        root.query_drop(text).await.context(text)?;
    }
    if cluster.engine() == Mariadb {
        root.query_drop("CREATE SEQUENCE s").await?;
    }
    root.disconnect().await?;
    cluster.settle().await?;
    cluster.serving(&["worker1", "worker2"]).await?;
    Ok(schema)
}

async fn session(cluster: &Cluster, schema: &str) -> anyhow::Result<Conn> {
    let mut session = cluster.door()?.connect_to("dba", schema).await?;
    session.query_drop("PROXY SET strategy = 'random'").await?;
    Ok(session)
}

/// How often it was said to the manager and to workers: lines with the mark, for a text may have several.
fn places(log: &NodeLog, mark: &str) -> anyhow::Result<(usize, usize)> {
    let on = |node: &str| anyhow::Ok(log.lines(node, mark)?.len());
    Ok((on("manager")?, on("worker1")? + on("worker2")?))
}

/// Has a rule's statement in a session of its own; it may fail, for where it ran is what matters.
async fn have(cluster: &Cluster, schema: &str, rule: &Rule) -> anyhow::Result<(usize, usize)> {
    let (log, mark) = (cluster.log().await?, marker("rule"));
    let mut conn = session(cluster, schema).await?;
    for text in rule.before {
        conn.query_drop(*text).await.context(*text)?;
    }
    let _ = conn.query_drop(rule.text.replace("MARK", &mark)).await;
    conn.disconnect().await?;
    places(&log, &mark)
}

async fn what_a_rule_keeps_on_the_manager_runs_there_alone(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = schema(cluster, "rules").await?;
    let mut wrong = vec![];
    for rule in KEPT_ON_THE_MANAGER {
        if rule.only.is_some_and(|only| only != cluster.engine()) {
            continue;
        }
        let (on_manager, on_workers) = have(cluster, &schema, rule).await?;
        if on_manager == 0 || on_workers > 0 {
            wrong.push(format!(
                "{:?} {}: {on_manager} on the manager, {on_workers} on workers",
                rule.before, rule.text
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Other tests write meanwhile, and a worker may be behind for a moment.
const CHANCES: usize = 6;

async fn what_no_rule_keeps_on_the_manager_runs_on_a_worker(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = schema(cluster, "free").await?;
    let mut wrong = vec![];
    for rule in FOR_WORKERS {
        let mut ran = vec![];
        while ran.len() < CHANCES
            && !ran
                .iter()
                .any(|(on_manager, on_workers)| (*on_manager, *on_workers) == (0, 1))
        {
            ran.push(have(cluster, &schema, rule).await?);
        }
        if ran.len() == CHANCES {
            wrong.push(format!("{:?} {}: {ran:?}", rule.before, rule.text));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// pgcat#829: the write behind a WITH went to a replica.
async fn a_common_table_expression_in_front_of_a_write_is_a_write(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = schema(cluster, "with").await?;
    let texts: &[Rule] = &[
        on(
            Mysql,
            &[],
            "WITH few AS (SELECT 1 AS id) UPDATE t JOIN few USING (id) SET t.v = 'MARK'",
        ),
        on(
            Mysql,
            &[],
            "WITH few AS (SELECT 'MARK' AS v) DELETE FROM t WHERE v IN (SELECT v FROM few)",
        ),
        rule(
            &[],
            "INSERT INTO t (v) WITH few AS (SELECT 'MARK' AS v) SELECT v FROM few",
        ),
        rule(
            &[],
            "WITH few AS (SELECT v FROM t WHERE v = 'MARK' FOR UPDATE) SELECT * FROM few",
        ),
        rule(
            &[],
            "WITH few AS (SELECT nothing_but_a_read(1), 'MARK' AS v) SELECT * FROM few",
        ),
    ];
    for rule in texts {
        if rule.only.is_none_or(|only| only == cluster.engine()) {
            let (on_manager, on_workers) = have(cluster, &schema, rule).await?;
            assert_eq!((on_manager, on_workers), (1, 0), "{}", rule.text);
        }
    }
    Ok(())
}

/// ProxySQL #1670, #941, #1341: rules that are patterns miss what is written otherwise.
async fn line_breaks_and_comments_hide_no_lock(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = schema(cluster, "breaks").await?;
    let texts: &[Rule] = &[
        rule(&[], "SELECT v\nFROM t\nWHERE v = 'MARK'\nFOR\nUPDATE"),
        rule(
            &[],
            "\n\t  select v from t where v = 'MARK' for /* a comment */ update",
        ),
        rule(
            &[],
            "/* first */ SELECT v FROM t WHERE v = 'MARK' FOR UPDATE -- last",
        ),
        rule(&[], "SELECT v FROM t WHERE v = 'MARK' LOCK\r\nIN SHARE\tMODE;"),
        rule(&[], "-- first\nUPDATE t SET v = 'MARK' WHERE id = 1"),
        rule(&[], "(SELECT v FROM t WHERE v = 'MARK' FOR UPDATE)"),
        rule(
            &["CREATE TEMPORARY TABLE\nmine (v VARCHAR(80))"],
            "SELECT v FROM mine WHERE v = 'MARK'",
        ),
        rule(
            &["/* made */ create temporary table t (v varchar(80))"],
            "SELECT v FROM t WHERE v = 'MARK'",
        ),
        rule(&[], "SELECT nothing_but_a_read (1), 'MARK'"),
        rule(&[], "SELECT `nothing_but_a_read`(1), 'MARK'"),
        rule(&[], "SELECT/**/GET_LOCK('MARK', 0)"),
    ];
    for rule in texts {
        let (on_manager, on_workers) = have(cluster, &schema, rule).await?;
        assert_eq!((on_manager, on_workers), (1, 0), "{:?}", rule.text);
    }
    Ok(())
}

/// ProxySQL #1452, #4621, #1048: with an alias, a semicolon or as a prepared statement it was another session's.
async fn the_last_insert_id_is_the_sessions_own_however_it_is_asked_for(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let schema = schema(cluster, "insert_id").await?;
    let (mut conn, mut other) = (session(cluster, &schema).await?, session(cluster, &schema).await?);
    let prepared = conn.prep("SELECT LAST_INSERT_ID() AS id").await?;
    for _ in 0..3 {
        conn.query_drop("INSERT INTO t (v) VALUES ('mine')").await?;
        let id = conn.last_insert_id().context("an id")?;
        other.query_drop("INSERT INTO t (v) VALUES ('another')").await?;
        // reads in between change nothing of it
        conn.query_drop("SELECT COUNT(*) FROM t").await?;
        for text in [
            "SELECT LAST_INSERT_ID()",
            "SELECT LAST_INSERT_ID() AS id",
            "SELECT LAST_INSERT_ID() id;",
            "select\tlast_insert_id( ) as `a b`",
            "SELECT @@last_insert_id",
            "SELECT @@identity AS id",
            "SELECT id FROM t WHERE id = LAST_INSERT_ID()",
            "SELECT MAX(id) FROM t WHERE id <= LAST_INSERT_ID() LIMIT 1",
        ] {
            // a name that is taken from the function needs IGNORE_SPACE to go apart; this one is native, and does not
            assert_eq!(conn.query_first::<u64, _>(text).await?, Some(id), "{text}");
        }
        assert_eq!(
            conn.exec_first::<u64, _, _>(&prepared, ()).await?,
            Some(id),
            "prepared"
        );
    }
    other.disconnect().await?;
    Ok(conn.disconnect().await?)
}

/// ProxySQL #2522 (and #3506, #2702): a SET that it could not parse locked the session to a hostgroup, and the next
/// statement for another one got error 9006.
async fn no_set_locks_a_session_to_a_node(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = schema(cluster, "sets").await?;
    let sets: &[&[&str]] = &[
        &["SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_ENGINE_SUBSTITUTION')"],
        &["SET @@session.sql_mode = (SELECT 'ANSI_QUOTES')"],
        &["SET sql_mode = REPLACE(REPLACE(@@sql_mode, 'STRICT_TRANS_TABLES', ''), ',,', ',')"],
        &["SET SQL_SAFE_UPDATES = 1, SQL_SELECT_LIMIT = 500, MAX_JOIN_SIZE = 1000000"],
        &[
            "SET @OLD_SQL_MODE = @@SQL_MODE, SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO'",
            "SET SQL_MODE = @OLD_SQL_MODE",
        ],
        &[
            "SET @OLD_CHARACTER_SET_CLIENT = @@CHARACTER_SET_CLIENT",
            "SET NAMES utf8mb4",
        ],
        &[
            "/*!40101 SET NAMES utf8mb4 */",
            "/*!40103 SET TIME_ZONE = '+00:00' */",
        ],
        &["SET character_set_results = NULL"],
        &["SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'"],
        &["SET autocommit = 1, sql_mode = 'STRICT_TRANS_TABLES', net_write_timeout = 60"],
        &["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"],
        &["SET time_zone = '+00:00', group_concat_max_len = 4096"],
    ];
    for texts in sets {
        let mut on_workers = 0;
        for _ in 0..CHANCES {
            let (log, mark) = (cluster.log().await?, marker("sets"));
            let mut conn = session(cluster, &schema).await?;
            for text in *texts {
                conn.query_drop(*text).await.context(*text)?;
            }
            conn.query_drop(format!("SELECT v FROM t WHERE v = '{mark}'"))
                .await
                .with_context(|| format!("a read after {texts:?}"))?;
            conn.query_drop("UPDATE t SET v = 'set' WHERE id = 2")
                .await
                .with_context(|| format!("a write after {texts:?}"))?;
            let read: Option<String> = conn.query_first("SELECT v FROM t WHERE id = 2").await?;
            assert_eq!(read.as_deref(), Some("set"), "after {texts:?}");
            conn.disconnect().await?;
            on_workers += places(&log, &mark)?.1;
            if on_workers > 0 {
                break;
            }
        }
        assert!(on_workers > 0, "no read after {texts:?} ran on a worker");
    }
    Ok(())
}

/// ProxySQL #1250: one `@` kept a connection out of multiplexing for good.
async fn a_user_variable_keeps_nothing_but_its_readers_on_the_manager(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let schema = schema(cluster, "at").await?;
    let mut conn = session(cluster, &schema).await?;
    conn.query_drop("SET @seen = 'seen'").await?;
    let mut on_workers = 0;
    for _ in 0..CHANCES {
        let (log, with, without) = (cluster.log().await?, marker("with"), marker("without"));
        let seen: Option<(String, String)> = conn.query_first(format!("SELECT @seen, '{with}'")).await?;
        assert_eq!(seen.context("a row")?.0, "seen");
        conn.query_drop(format!("SELECT v FROM t WHERE v = '{without} @seen'"))
            .await?;
        assert_eq!(places(&log, &with)?, (1, 0), "what reads it");
        on_workers += places(&log, &without)?.1;
    }
    ensure!(on_workers > 0, "no read beside it ran on a worker");
    Ok(conn.disconnect().await?)
}

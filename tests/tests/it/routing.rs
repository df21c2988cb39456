//! Where statements run, by what the nodes themselves wrote down, and what the proxy says of it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::{Cluster, on_each_engine};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

on_each_engine!(
    a_thousand_reads_of_one_session_are_spread_evenly,
    a_thousand_reads_of_many_sessions_are_spread_evenly,
    prepared_reads_are_spread_evenly_too,
    writes_run_on_the_manager_alone,
    direct_sends_everything_to_the_manager,
    what_is_not_surely_a_read_stays_on_the_manager,
    a_transaction_stays_on_the_manager,
    autocommit_off_keeps_reads_on_the_manager,
    what_asks_about_the_previous_statement_follows_it,
    temporary_tables_keep_the_session_on_the_manager,
    a_stored_function_that_writes_runs_on_the_manager,
    hints_choose_and_never_reach_a_server,
    explain_says_where_and_runs_nothing,
    reads_see_the_sessions_schema_and_sql_mode,
);

const READS: usize = 1_000;

/// Each of two workers serves 430 to 570 of 1,000: five standard deviations to either side. Other tests write meanwhile: a
/// read that a busy machine's workers are too far behind for is the manager's.
fn assert_even(ran: &BTreeMap<String, usize>) {
    const ON_MANAGER_MAX: usize = 50;
    assert_eq!(ran.values().sum::<usize>(), READS, "{ran:?}");
    let on_manager = ran.get("manager").copied().unwrap_or_default();
    assert!(on_manager <= ON_MANAGER_MAX, "{ran:?}");
    for worker in ["worker1", "worker2"] {
        let served = ran.get(worker).copied().unwrap_or_default();
        assert!((430 - on_manager..=570).contains(&served), "{ran:?}");
    }
}

/// Only the manager, and it all.
fn assert_manager(ran: &BTreeMap<String, usize>, statements: usize) {
    let on_manager = ran.get("manager").copied().unwrap_or_default();
    assert_eq!(
        (on_manager, ran.values().sum::<usize>()),
        (statements, statements),
        "{ran:?}"
    );
}

async fn random(cluster: &Cluster) -> anyhow::Result<Conn> {
    cluster.serving(&["worker1", "worker2"]).await?;
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    conn.query_drop("PROXY SET strategy = 'random'").await?;
    Ok(conn)
}

/// Where the previous statement ran, and why.
async fn route(conn: &mut Conn) -> anyhow::Result<(String, String)> {
    let shown: Option<(String, String, String, String, u64)> = conn.query_first("PROXY SHOW ROUTE").await?;
    let (_node, role, _strategy, reason, _microseconds) = shown.context("no route")?;
    Ok((role, reason))
}

async fn assert_route(conn: &mut Conn, role: &str, reason: &str, after: &str) -> anyhow::Result<()> {
    let (is_role, is_reason) = route(conn).await?;
    assert_eq!(
        (is_role.as_str(), is_reason.as_str()),
        (role, reason),
        "after {after}"
    );
    Ok(())
}

async fn a_thousand_reads_of_one_session_are_spread_evenly(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("one_session"));
    let mut conn = random(cluster).await?;
    for _ in 0..READS {
        conn.query_drop(format!(
            "SELECT first_name, '{mark}' FROM actor WHERE actor_id = 7"
        ))
        .await?;
    }
    conn.disconnect().await?;
    assert_even(&log.ran(&mark)?);
    Ok(())
}

async fn a_thousand_reads_of_many_sessions_are_spread_evenly(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("many_sessions"));
    cluster.serving(&["worker1", "worker2"]).await?;
    let door = cluster.door()?;
    const SESSIONS_AT_ONCE: usize = 20;
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS_AT_ONCE {
        let (door, mark) = (door.clone(), mark.clone());
        sessions.spawn(async move {
            for _ in 0..READS / SESSIONS_AT_ONCE {
                let mut conn = door.connect_to("app", "sakila").await?;
                conn.query_drop(format!(
                    "SELECT first_name, '{mark}' FROM actor WHERE actor_id = 7"
                ))
                .await?;
                conn.disconnect().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(session) = sessions.join_next().await {
        session??;
    }
    assert_even(&log.ran(&mark)?);
    Ok(())
}

async fn prepared_reads_are_spread_evenly_too(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("prepared"));
    let mut conn = random(cluster).await?;
    let statement = conn
        .prep(format!("SELECT actor_id, '{mark}' FROM actor WHERE actor_id = ?"))
        .await?;
    for index in 0..READS {
        let id = index % 200 + 1;
        let row: Option<(usize, String)> = conn.exec_first(&statement, (id,)).await?;
        assert_eq!(row, Some((id, mark.clone())));
    }
    conn.disconnect().await?;
    assert_even(&log.ran(&mark)?);
    Ok(())
}

async fn writes_run_on_the_manager_alone(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("writes"));
    let schema = cluster.schema("writes").await?;
    let mut conn = cluster.door()?.connect_to("app", &schema).await?;
    // definitions carry no mark: replicas run their texts too, and rows' changes without a text
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(80))")
        .await?;
    assert_route(&mut conn, "manager", "definition", "CREATE TABLE").await?;
    let statements = [
        format!("INSERT INTO t VALUES (1, '{mark}')"),
        format!("REPLACE INTO t VALUES (1, '{mark}')"),
        format!("UPDATE t SET v = '{mark} again' WHERE id = 1"),
        format!("INSERT INTO t SELECT 2, '{mark}'"),
        format!("INSERT INTO t VALUES (2, '') ON DUPLICATE KEY UPDATE v = '{mark}'"),
        format!("DELETE FROM t WHERE v = '{mark}'"),
    ];
    for statement in &statements {
        conn.query_drop(statement.as_str())
            .await
            .with_context(|| statement.clone())?;
        assert_route(&mut conn, "manager", "write", statement).await?;
    }
    conn.disconnect().await?;
    assert_manager(&log.ran(&mark)?, statements.len());
    Ok(())
}

async fn direct_sends_everything_to_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("direct"));
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    conn.query_drop("PROXY SET strategy = 'direct'").await?;
    for _ in 0..100 {
        conn.query_drop(format!("SELECT COUNT(*), '{mark}' FROM actor"))
            .await?;
    }
    assert_route(&mut conn, "manager", "strategy-direct", "a read").await?;
    conn.disconnect().await?;
    assert_manager(&log.ran(&mark)?, 100);
    Ok(())
}

async fn what_is_not_surely_a_read_stays_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = random(cluster).await?;
    let statements = [
        (
            "SELECT actor_id FROM actor WHERE actor_id = 1 FOR UPDATE",
            "locking-read",
        ),
        (
            "SELECT actor_id FROM actor WHERE actor_id = 1 LOCK IN SHARE MODE",
            "locking-read",
        ),
        ("SELECT @a := 1", "user-variables"),
        ("SELECT @a", "user-variables"),
        ("SELECT @@version", "system-variables"),
        ("SELECT LAST_INSERT_ID()", "function-with-effect"),
        ("SELECT CONNECTION_ID()", "function-with-effect"),
        ("SET @b = 2", "session-state"),
    ];
    for (statement, reason) in statements {
        conn.query_drop(statement)
            .await
            .with_context(|| statement.to_owned())?;
        assert_route(&mut conn, "manager", reason, statement).await?;
    }
    assert_eq!(conn.query_first::<i64, _>("SELECT @a + @b").await?, Some(3));
    Ok(conn.disconnect().await?)
}

async fn a_transaction_stays_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = random(cluster).await?;
    for begin in ["BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY"] {
        conn.query_drop(begin).await?;
        for _ in 0..4 {
            conn.query_drop("SELECT COUNT(*) FROM actor").await?;
            assert_route(&mut conn, "manager", "in-transaction", begin).await?;
        }
        conn.query_drop("COMMIT").await?;
        conn.query_drop("SELECT COUNT(*) FROM actor").await?;
        assert_route(&mut conn, "worker", "strategy-random", "COMMIT").await?;
    }
    Ok(conn.disconnect().await?)
}

async fn autocommit_off_keeps_reads_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = random(cluster).await?;
    conn.query_drop("SET autocommit = 0").await?;
    for reason in ["autocommit-off", "in-transaction"] {
        conn.query_drop("SELECT COUNT(*) FROM actor").await?;
        let (role, shown) = route(&mut conn).await?;
        ensure!(
            role == "manager" && (shown == reason || shown == "autocommit-off"),
            "{role} {shown}"
        );
    }
    conn.query_drop("COMMIT").await?;
    conn.query_drop("SET autocommit = 1").await?;
    conn.query_drop("SELECT COUNT(*) FROM actor").await?;
    assert_route(&mut conn, "worker", "strategy-random", "SET autocommit = 1").await?;
    Ok(conn.disconnect().await?)
}

async fn what_asks_about_the_previous_statement_follows_it(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("previous").await?;
    let mut conn = random(cluster).await?;
    conn.query_drop(format!("USE {schema}")).await?;
    conn.query_drop("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
        .await?;
    conn.query_drop("INSERT INTO t (v) VALUES (5), (6)").await?;
    for _ in 0..4 {
        assert_eq!(
            conn.query_first::<u64, _>("SELECT LAST_INSERT_ID()").await?,
            Some(1)
        );
    }
    for _ in 0..8 {
        let found: Vec<u16> = conn
            .query("SELECT SQL_CALC_FOUND_ROWS actor_id FROM sakila.actor LIMIT 3")
            .await?;
        assert_eq!(found.len(), 3);
        assert_eq!(
            conn.query_first::<u64, _>("SELECT FOUND_ROWS()").await?,
            Some(200)
        );
        conn.query_drop("SELECT 1 / 0, COUNT(*) FROM sakila.actor")
            .await?;
        let warnings: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
        assert_eq!(
            warnings.iter().map(|warning| warning.1).collect::<Vec<_>>(),
            [1365],
            "{warnings:?}"
        );
    }
    Ok(conn.disconnect().await?)
}

async fn temporary_tables_keep_the_session_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("temporary").await?;
    let mut conn = random(cluster).await?;
    conn.query_drop(format!("USE {schema}")).await?;
    conn.query_drop("CREATE TEMPORARY TABLE mine (v INT)").await?;
    conn.query_drop("INSERT INTO mine VALUES (1), (2)").await?;
    for _ in 0..8 {
        assert_eq!(
            conn.query_first::<u64, _>("SELECT COUNT(*) FROM mine").await?,
            Some(2)
        );
        assert_route(&mut conn, "manager", "temporary-tables", "a temporary table").await?;
    }
    Ok(conn.disconnect().await?)
}

async fn a_stored_function_that_writes_runs_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("functions").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("USE {schema}")).await?;
    root.query_drop("CREATE TABLE counted (v INT)").await?;
    // the word lets it into the binary log, where the replicas take it from
    let body =
        "RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO counted VALUES (1); RETURN 7; END";
    root.query_drop(format!("CREATE FUNCTION write_one() {body}"))
        .await?;
    // the same in disguise: a view looks like a table
    root.query_drop("CREATE VIEW innocent AS SELECT write_one() AS v")
        .await?;
    root.disconnect().await?;
    cluster.settle().await?;
    let mut conn = random(cluster).await?;
    conn.query_drop(format!("USE {schema}")).await?;
    const CALLS: u64 = 6;
    for _ in 0..CALLS {
        assert_eq!(conn.query_first::<i64, _>("SELECT write_one()").await?, Some(7));
        assert_route(&mut conn, "manager", "function-with-effect", "SELECT write_one()").await?;
    }
    for _ in 0..CALLS {
        assert_eq!(
            conn.query_first::<i64, _>("SELECT v FROM innocent").await?,
            Some(7)
        );
        assert_route(
            &mut conn,
            "manager",
            "retried-on-manager",
            "SELECT v FROM innocent",
        )
        .await?;
    }
    conn.query_drop("PROXY SET strategy = 'direct'").await?;
    let counted: Option<u64> = conn.query_first("SELECT COUNT(*) FROM counted").await?;
    assert_eq!(counted, Some(2 * CALLS), "each call wrote once");
    Ok(conn.disconnect().await?)
}

async fn hints_choose_and_never_reach_a_server(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("hints"));
    let mut conn = random(cluster).await?;
    conn.query_drop(format!(
        "SELECT /*+ proxy(target=manager) */ COUNT(*), '{mark}' FROM actor"
    ))
    .await?;
    assert_route(&mut conn, "manager", "hint-manager", "target=manager").await?;
    conn.query_drop("PROXY SET strategy = 'direct'").await?;
    for strategy in ["random", "ping"] {
        let text = format!("SELECT /*+ proxy(strategy={strategy}) */ COUNT(*), '{mark}' FROM actor");
        conn.query_drop(text).await?;
        assert_route(&mut conn, "worker", "hint-strategy", strategy).await?;
    }
    let mut seen = 0;
    for node in ["manager", "worker1", "worker2"] {
        for line in log.lines(node, &mark)? {
            ensure!(!line.contains("proxy("), "{node} saw {line}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
    let warnings: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
    assert_eq!(warnings, []);
    Ok(conn.disconnect().await?)
}

async fn explain_says_where_and_runs_nothing(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("explain"));
    let mut conn = random(cluster).await?;
    let questions = [
        (
            format!("PROXY EXPLAIN SELECT '{mark}' FROM actor"),
            "worker",
            "strategy-random",
        ),
        (
            format!("PROXY EXPLAIN UPDATE actor SET first_name = '{mark}' WHERE actor_id = 1"),
            "manager",
            "write",
        ),
    ];
    for (question, role, reason) in questions {
        let shown: Option<(String, String, String, String)> = conn.query_first(question).await?;
        let (node, is_role, strategy, is_reason) = shown.context("no answer")?;
        assert_eq!(
            (is_role.as_str(), strategy.as_str(), is_reason.as_str()),
            (role, "random", reason)
        );
        ensure!(cluster.facts().node(&node).is_some(), "{node} is no node");
    }
    conn.disconnect().await?;
    assert_eq!(log.ran(&mark)?.values().sum::<usize>(), 0);
    Ok(())
}

async fn reads_see_the_sessions_schema_and_sql_mode(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("state").await?;
    let mut conn = random(cluster).await?;
    for name in [schema.as_str(), "sakila", schema.as_str()] {
        conn.query_drop(format!("USE {name}")).await?;
        for _ in 0..4 {
            let tables: Vec<String> = conn.query("SHOW TABLES LIKE 'actor'").await?;
            assert_eq!(tables.len(), usize::from(name == "sakila"), "in {name}");
        }
    }
    conn.query_drop("USE sakila").await?;
    conn.query_drop("SET sql_mode = 'ANSI_QUOTES'").await?;
    let mut on_workers = 0;
    for _ in 0..8 {
        let quoted: Option<u16> = conn
            .query_first("SELECT \"actor_id\" FROM \"actor\" WHERE \"actor_id\" = 3")
            .await?;
        assert_eq!(quoted, Some(3));
        on_workers += usize::from(route(&mut conn).await?.0 == "worker");
    }
    conn.query_drop("SET sql_mode = ''").await?;
    for _ in 0..4 {
        let quoted: Option<String> = conn.query_first("SELECT \"actor_id\" FROM actor LIMIT 1").await?;
        assert_eq!(quoted.as_deref(), Some("actor_id"));
    }
    assert_eq!(on_workers, 8, "sql_mode is no reason to leave the workers");
    Ok(conn.disconnect().await?)
}

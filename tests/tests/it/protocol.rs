//! Commands and replies as a driver has them. Whether they are the manager's byte for byte is the conformance suite's
//! subject.

use std::fmt::Write as _;

use anyhow::{Context, ensure};
use harness::program::{Entry, StockClient, run};
use harness::{Cluster, Engine, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, Conn, Row};

on_each_engine!(
    a_procedures_results_all_arrive,
    a_statement_and_a_row_beyond_sixteen_mebibytes_pass,
    a_reset_forgets_the_session_and_keeps_the_schema,
    another_user_can_take_over_the_connection,
    a_local_file_is_loaded,
    errors_in_the_middle_of_several_statements_end_them,
);

async fn a_procedures_results_all_arrive(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("procedures").await?;
    let mut root = cluster.root("manager").await?;
    let body = "BEGIN SELECT 1, 'one'; SELECT actor_id FROM sakila.actor WHERE actor_id < 4; END";
    root.query_drop(format!("CREATE PROCEDURE {schema}.two() {body}"))
        .await?;
    root.disconnect().await?;
    let mut conn = cluster.door()?.connect_to("app", &schema).await?;
    let mut results = conn.query_iter("CALL two()").await?;
    assert_eq!(results.collect::<(u8, String)>().await?, [(1, "one".to_owned())]);
    assert_eq!(results.collect::<u16>().await?, [1, 2, 3]);
    results.drop_result().await?;
    assert_eq!(
        conn.query_first::<u64, _>("SELECT COUNT(*) FROM sakila.actor")
            .await?,
        Some(200)
    );
    Ok(conn.disconnect().await?)
}

async fn a_statement_and_a_row_beyond_sixteen_mebibytes_pass(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = cluster.door()?.connect("dba").await?;
    // exactly at the border a packet is followed by an empty one
    const BORDER: usize = (1 << 24) - 1;
    for bytes in [BORDER - 1, BORDER, BORDER + 1, 20 << 20] {
        let frame = "SELECT LENGTH('')".len() + 1;
        let text = format!("SELECT LENGTH('{}')", "x".repeat(bytes - frame));
        assert_eq!(
            conn.query_first::<usize, _>(text).await?,
            Some(bytes - frame),
            "{bytes}"
        );
    }
    for bytes in [BORDER - 5, BORDER - 4, BORDER, 20 << 20] {
        let row: Option<Vec<u8>> = conn.query_first(format!("SELECT REPEAT('y', {bytes})")).await?;
        let row = row.context("no row")?;
        ensure!(
            row.len() == bytes && row.iter().all(|byte| *byte == b'y'),
            "{bytes}: {}",
            row.len()
        );
    }
    Ok(conn.disconnect().await?)
}

async fn a_reset_forgets_the_session_and_keeps_the_schema(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    conn.query_drop("SET @a = 1, sql_mode = 'ANSI_QUOTES'").await?;
    conn.query_drop("CREATE TEMPORARY TABLE gone (v INT)").await?;
    ensure!(conn.reset().await?, "the driver does not know the command");
    let state: Option<(Option<i64>, String, bool)> = conn
        .query_first("SELECT @a, DATABASE(), @@sql_mode LIKE '%ANSI_QUOTES%'")
        .await?;
    assert_eq!(state, Some((None, "sakila".to_owned(), false)));
    let error = crate::server_error::server_error(conn.query_drop("SELECT * FROM gone").await)?;
    assert_eq!(error.code, 1146);
    for _ in 0..8 {
        let text: Option<String> = conn.query_first("SELECT \"text\" FROM actor LIMIT 1").await?;
        assert_eq!(
            text.as_deref(),
            Some("text"),
            "ANSI_QUOTES is gone from workers too"
        );
    }
    Ok(conn.disconnect().await?)
}

async fn another_user_can_take_over_the_connection(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let mut conn = door.connect_to("app", "sakila").await?;
    conn.query_drop("SET @a = 1").await?;
    for (user, schema) in [
        ("dba", Some("sakila")),
        ("app", None),
        ("guarded", Some("sakila")),
    ] {
        let options = ChangeUserOpts::default()
            .with_user(Some(user.to_owned()))
            .with_pass(Some(door.password(user)?.to_owned()))
            .with_db_name(schema.map(str::to_owned));
        conn.change_user(options).await.context(user)?;
        let who: Option<(String, Option<String>, Option<i64>)> =
            conn.query_first("SELECT USER(), DATABASE(), @a").await?;
        let (who, database, variable) = who.context("no row")?;
        ensure!(who.starts_with(&format!("{user}@")), "{who}");
        assert_eq!((database.as_deref(), variable), (schema, None), "{user}");
        // the policy is the new user's
        let dropped = conn.query_drop("DROP TABLE IF EXISTS sakila.no_such_table").await;
        assert_eq!(dropped.is_ok(), user == "dba", "{user}: {dropped:?}");
    }
    let options = ChangeUserOpts::default()
        .with_user(Some("dba".to_owned()))
        .with_pass(Some("wrong".to_owned()));
    let error = crate::server_error::server_error(conn.change_user(options).await)?;
    assert_eq!(error.code, 1045);
    Ok(())
}

async fn a_local_file_is_loaded(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("infile").await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rows.tsv");
    const ROWS: u32 = 50_000;
    let mut rows = String::new();
    for id in 0..ROWS {
        let _ = writeln!(rows, "{id}\trow {id}");
    }
    std::fs::write(&file, rows)?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!(
        "CREATE TABLE {schema}.t (id INT PRIMARY KEY, v VARCHAR(20))"
    ))
    .await?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        root.query_drop(format!("TRUNCATE {schema}.t")).await?;
        let client = StockClient::of(family).await?;
        let mut command = client.command(&cluster.door()?, "dba", Entry::Plain)?;
        let text = format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE {schema}.t; SELECT 'after'",
            file.display()
        );
        let printed = run(command.arg("--local-infile=1").arg("-e").arg(text))
            .await
            .context(family.to_string())?;
        assert_eq!(printed.trim(), "after");
        let loaded: Option<u32> = root
            .query_first(format!("SELECT COUNT(*) FROM {schema}.t"))
            .await?;
        assert_eq!(loaded, Some(ROWS), "{family}");
    }
    Ok(root.disconnect().await?)
}

async fn errors_in_the_middle_of_several_statements_end_them(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("middle").await?;
    let mut conn: Conn = cluster.door()?.connect_to("app", &schema).await?;
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY)").await?;
    let mut results = conn
        .query_iter("INSERT INTO t VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
        .await?;
    let first: Vec<Row> = results.collect().await?;
    ensure!(first.is_empty());
    let error = crate::server_error::server_error(results.collect::<Row>().await)?;
    assert_eq!((error.code, error.state.as_str()), (1062, "23000"));
    drop(results);
    conn.query_drop("PROXY SET strategy = 'direct'").await?;
    assert_eq!(conn.query::<u32, _>("SELECT id FROM t").await?, [1]);
    Ok(conn.disconnect().await?)
}

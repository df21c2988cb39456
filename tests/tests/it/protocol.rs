//! A client cannot tell the system from one server: replies are compared with the manager's own, byte for byte.

use std::fmt::Write as _;

use anyhow::{Context, ensure};
use harness::program::{Entry, StockClient, run};
use harness::raw_client::{MODERN, OLD, RawClient, Reply};
use harness::{Cluster, Engine, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, Conn, Row};
use peer::connect::{Address, TlsPolicy};
use peer::tls::Connector;
use wire::command::CommandCode;
use wire::reply::{OkPacket, SessionChange};
use wire::{Capabilities, StatusFlags};

on_each_engine!(
    every_reply_is_the_managers_byte_for_byte,
    every_reply_to_an_old_client_is_the_managers_too,
    a_procedures_results_all_arrive,
    a_statement_and_a_row_beyond_sixteen_mebibytes_pass,
    a_reset_forgets_the_session_and_keeps_the_schema,
    another_user_can_take_over_the_connection,
    a_local_file_is_loaded,
    errors_in_the_middle_of_several_statements_end_them,
);

/// One session's life, in texts whose replies do not depend on time or connection.
const TEXTS: &[&str] = &[
    "SELECT * FROM sakila.actor WHERE actor_id < 4",
    "SELECT * FROM sakila.film WHERE film_id = 1",
    "SELECT * FROM sakila.actor WHERE 1 = 0",
    "SELECT NULL, '', 0, -1.5, 1e10, 18446744073709551615, REPEAT('x', 300), DATE'2020-02-29'",
    "SELECT a.first_name, f.title FROM sakila.actor a JOIN sakila.film_actor USING (actor_id) \
     JOIN sakila.film f USING (film_id) WHERE actor_id = 1 ORDER BY film_id",
    "DO 1",
    "SET @a = 1",
    "SELECT @a",
    "SELECT 1; SELECT 2; DO 3; SELECT 4",
    "SELECT 1; SELECT * FROM sakila.nothing; SELECT 2",
    "SELECT * FROM sakila.nothing",
    "SELECT nothing FROM sakila.actor",
    "SELECT * FROM nowhere.actor",
    "SELECT 1 +",
    "",
    "SELECT 1 / 0",
    "SHOW WARNINGS",
    "SHOW ERRORS",
    "SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED)",
    "SHOW COUNT(*) WARNINGS",
    "USE sakila",
    "SELECT DATABASE()",
    "SHOW TABLES",
    "DESCRIBE actor",
    "SHOW CREATE TABLE actor",
    "USE nowhere",
    "CREATE TEMPORARY TABLE mine (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9) UNIQUE)",
    "INSERT INTO mine (v) VALUES ('a'), ('b')",
    "SELECT LAST_INSERT_ID()",
    "INSERT INTO mine (v) VALUES ('a')",
    "UPDATE mine SET v = 'a' WHERE v = 'a'",
    "UPDATE mine SET v = 'c' WHERE v = 'a'",
    "SELECT ROW_COUNT()",
    "BEGIN",
    "INSERT INTO mine (v) VALUES ('d')",
    "SELECT * FROM mine",
    "ROLLBACK",
    "SELECT * FROM mine ORDER BY id",
    "START TRANSACTION READ ONLY",
    "SELECT COUNT(*) FROM actor",
    "COMMIT",
    "SET autocommit = 0",
    "SELECT COUNT(*) FROM actor",
    "COMMIT",
    "SET autocommit = 1",
    "SET NAMES latin1",
    "SELECT 'caf\u{e9}'",
    "SET NAMES utf8mb4",
    "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "SELECT \"actor_id\", 'a\\' FROM \"actor\" WHERE \"actor_id\" = 1",
    "SELECT @@sql_mode",
    "SET sql_mode = DEFAULT",
    "SET nothing = 1",
    "SHOW VARIABLES LIKE 'autocommit'",
    "SELECT SQL_CALC_FOUND_ROWS actor_id FROM actor LIMIT 2",
    "SELECT FOUND_ROWS()",
    "KILL 4294967295",
];

/// Through the gatekeeper, and the manager itself.
async fn both(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<(RawClient, RawClient)> {
    let through = cluster.door()?.raw("dba", capabilities).await?;
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let tls = Connector::encrypt_only()?;
    let (user, password) = (&node.root_user, &node.root_password);
    let tls = TlsPolicy::Preferred(&tls);
    let direct = RawClient::login(&address, user, password, None, capabilities, tls).await?;
    Ok((through, direct))
}

/// The packets, with each OK packet's reported changes of session state in order: servers keep them in a hash table,
/// whose order depends on what else is in it. What MySQL says of transactions to a client that has not asked
/// (`session_track_transaction_info` is OFF) is left out.
fn in_order(reply: &Reply) -> Vec<(u8, Vec<u8>)> {
    let ordered = |payload: &[u8]| -> Option<Vec<u8>> {
        let ok = OkPacket::decode(payload, reply.capabilities()).ok()?;
        let mut changes = Vec::new();
        for change in ok.changes() {
            match change.ok()? {
                SessionChange::TransactionState(_) => {}
                change => changes.push(format!("{change:?}")),
            }
        }
        changes.sort();
        let status = ok.status.without(StatusFlags::SESSION_STATE_CHANGED);
        let rest = (
            ok.marker,
            ok.affected_rows,
            ok.last_insert_id,
            status,
            ok.warnings,
            ok.info,
        );
        Some(format!("{rest:?} {changes:?}").into_bytes())
    };
    let packets = reply.packets.iter();
    packets
        .map(|(sequence, payload)| (*sequence, ordered(payload).unwrap_or_else(|| payload.clone())))
        .collect()
}

/// What differs, in words; nothing when nothing does.
fn difference(what: &str, through: &Reply, direct: &Reply) -> Option<String> {
    if through.bytes == direct.bytes || in_order(through) == in_order(direct) {
        return None;
    }
    let mut text = format!("{what:?}:\n");
    for index in 0..through.packets.len().max(direct.packets.len()) {
        let (one, other) = (through.packets.get(index), direct.packets.get(index));
        if one != other {
            for (name, packet) in [("through", one), ("direct ", other)] {
                let shown = packet.map(|(sequence, payload)| {
                    let head = payload.get(..payload.len().min(160)).unwrap_or_default();
                    format!(
                        "#{sequence} {} {:?}",
                        hex::encode(head),
                        String::from_utf8_lossy(head)
                    )
                });
                let _ = writeln!(text, "  packet {index} {name} {}", shown.unwrap_or_default());
            }
            break;
        }
    }
    Some(text)
}

async fn compare(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<()> {
    let (mut through, mut direct) = both(cluster, capabilities).await?;
    let mut differences = Vec::new();
    for text in TEXTS {
        let one = through
            .query(text)
            .await
            .with_context(|| format!("through: {text}"))?;
        let other = direct
            .query(text)
            .await
            .with_context(|| format!("direct: {text}"))?;
        differences.extend(difference(text, &one, &other));
    }
    let commands: [(CommandCode, &[u8]); 7] = [
        (CommandCode::PING, b""),
        (CommandCode::INIT_DB, b"sakila"),
        (CommandCode::INIT_DB, b"nowhere"),
        (CommandCode::SET_OPTION, &[1, 0]),
        (CommandCode::SET_OPTION, &[0, 0]),
        (CommandCode::STMT_RESET, &[99, 0, 0, 0]),
        (CommandCode(0x7f), b""),
    ];
    for (code, argument) in commands {
        let one = through
            .ask(code, argument)
            .await
            .with_context(|| format!("through: {code:?}"))?;
        let other = direct
            .ask(code, argument)
            .await
            .with_context(|| format!("direct: {code:?}"))?;
        differences.extend(difference(&format!("{code:?}"), &one, &other));
    }
    ensure!(
        differences.is_empty(),
        "{} differ\n{}",
        differences.len(),
        differences.concat()
    );
    Ok(())
}

async fn every_reply_is_the_managers_byte_for_byte(cluster: &Cluster) -> anyhow::Result<()> {
    compare(cluster, MODERN).await
}

async fn every_reply_to_an_old_client_is_the_managers_too(cluster: &Cluster) -> anyhow::Result<()> {
    compare(cluster, OLD).await
}

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
    conn.disconnect().await?;
    let (mut through, mut direct) = both(cluster, MODERN).await?;
    let call = format!("CALL {schema}.two()");
    let (one, other) = (through.query(&call).await?, direct.query(&call).await?);
    assert_eq!(difference(&call, &one, &other), None);
    Ok(())
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

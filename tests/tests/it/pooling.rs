//! Connections to workers are shared: few of them serve many sessions, and no session sees another's state.

use std::time::Duration;

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::relay::{Relay, Way};
use harness::{Cluster, Door, Pair, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use proxy::config::raw::Pool;

on_each_engine!(
    many_sessions_use_few_connections,
    a_connection_has_the_state_of_whoever_uses_it,
    what_a_read_left_is_its_sessions_whoever_used_the_connection_since,
    a_statement_is_prepared_once_for_all_sessions_of_a_connection,
    a_statement_means_what_it_meant_to_its_own_session,
    a_session_that_was_reset_has_nothing_of_its_past,
    a_connection_that_its_worker_has_closed_is_not_used,
);

/// A pair whose sessions must share.
async fn tight(cluster: &Cluster, connections_max: u32) -> anyhow::Result<Pair> {
    let pool = Pool {
        connections_max,
        shared_above: connections_max,
        // they wait for each other on a busy machine
        wait_ms: 30_000,
        ..Pool::default()
    };
    Pair::plan(cluster)?
        .proxy(|config| {
            config.pool = pool;
            // what a read may be asked for is another test's
            config.routing.consistency = "eventual".to_owned();
            config.routing.strategy = "round-robin".to_owned();
        })
        .start()
        .await
}

async fn sessions<const N: usize>(door: &Door, schema: &str) -> anyhow::Result<[Conn; N]> {
    let mut sessions = Vec::new();
    for _ in 0..N {
        sessions.push(door.connect_to("dba", schema).await?);
    }
    sessions.try_into().ok().context("as many as were opened")
}

/// The last statement ran on a worker.
async fn on_worker(conn: &mut Conn) -> anyhow::Result<()> {
    let route: Option<(String, String, String, String, u64)> = conn.query_first("PROXY SHOW ROUTE").await?;
    let (_, role, _, reason, _) = route.context("no route")?;
    ensure!(role == "worker", "{reason}");
    Ok(())
}

async fn many_sessions_use_few_connections(cluster: &Cluster) -> anyhow::Result<()> {
    const SESSIONS: usize = 60;
    const CONNECTIONS: u32 = 4;
    let pair = tight(cluster, CONNECTIONS).await?;
    let tasks = (0..SESSIONS).map(|_| {
        let door = pair.door.clone();
        tokio::spawn(async move {
            let mut conn = door.connect_to("app", "sakila").await?;
            for _ in 0..10 {
                let actors: Option<u32> = conn.query_first("SELECT COUNT(*) FROM actor").await?;
                ensure!(actors == Some(200));
                on_worker(&mut conn).await?;
            }
            Ok(conn)
        })
    });
    let mut conns = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        conns.push(task.await??);
    }
    let scrape = pair.door.scrape_proxy().await?;
    for worker in ["worker1", "worker2"] {
        let open = scrape.value("proxy_server_connections", &[("node", worker)]);
        ensure!(
            open.is_some_and(|open| open <= f64::from(CONNECTIONS)),
            "{worker}: {open:?}"
        );
    }
    ensure!(
        scrape
            .value("proxy_pool_taken_over_total", &[])
            .is_some_and(|taken| taken > 0.0)
    );
    Ok(())
}

async fn a_connection_has_the_state_of_whoever_uses_it(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = tight(cluster, 1).await?;
    let schema = cluster.schema("pooling_state").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.actor (actor_id INT)"))
        .await?;
    root.query_drop(format!("INSERT INTO {schema}.actor VALUES (77)"))
        .await?;
    cluster.settle().await?;
    let [mut east, mut west, mut plain] = sessions::<3>(&pair.door, "sakila").await?;
    east.query_drop("SET time_zone = '+02:00', sql_mode = 'ANSI_QUOTES', group_concat_max_len = 9")
        .await?;
    west.query_drop("SET time_zone = '-05:00', sql_mode = '', group_concat_max_len = 5")
        .await?;
    west.query_drop(format!("USE {schema}")).await?;
    let read = "SELECT CAST(FROM_UNIXTIME(0) AS CHAR), \"actor_id\", \
                (SELECT GROUP_CONCAT(first_name) FROM sakila.actor) FROM actor ORDER BY actor_id LIMIT 1";
    for _ in 0..6 {
        for (conn, time, name, concatenated) in [
            (&mut east, "1970-01-01 02:00:00", "1", 9),
            (&mut west, "1969-12-31 19:00:00", "actor_id", 5),
        ] {
            let row: Option<Row> = conn.query_first(read).await?;
            on_worker(conn).await?;
            let mut row = row.context("a row")?;
            let text = |row: &mut Row, at| row.take::<String, _>(at).unwrap_or_default();
            ensure!(text(&mut row, 0).starts_with(time), "{row:?}");
            let found = text(&mut row, 1);
            ensure!(found == name, "{found} for {name}");
            ensure!(text(&mut row, 2).len() == concatenated);
        }
        // one that has set nothing gets nothing of what the others have set
        let row: Option<(String, String)> = plain
            .query_first(
                "SELECT \"actor_id\", (SELECT GROUP_CONCAT(first_name) FROM sakila.actor) FROM actor LIMIT 1",
            )
            .await?;
        on_worker(&mut plain).await?;
        let (name, concatenated) = row.context("a row")?;
        ensure!(
            name == "actor_id" && concatenated.len() > 100,
            "{name}, {concatenated}"
        );
    }
    Ok(())
}

async fn what_a_read_left_is_its_sessions_whoever_used_the_connection_since(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let pair = tight(cluster, 1).await?;
    let [mut conn, mut other] = sessions::<2>(&pair.door, "sakila").await?;
    let others = async |other: &mut Conn| -> anyhow::Result<()> {
        // both workers' only connections
        for _ in 0..2 {
            other.query_drop("SELECT actor_id FROM actor LIMIT 3").await?;
            on_worker(other).await?;
        }
        Ok(())
    };
    let counted = "SELECT actor_id FROM actor LIMIT 7";
    for between in [false, true] {
        conn.query_drop(counted).await?;
        on_worker(&mut conn).await?;
        if between {
            others(&mut other).await?;
        }
        let found: Option<u32> = conn.query_first("SELECT FOUND_ROWS()").await?;
        ensure!(found == Some(7), "between: {between}, {found:?}");
    }
    let long = format!("{counted} /*{}*/", "x".repeat(4096));
    conn.query_drop(&long).await?;
    on_worker(&mut conn).await?;
    let found: Option<u32> = conn.query_first("SELECT FOUND_ROWS()").await?;
    ensure!(found == Some(7), "{found:?}");
    conn.query_drop(&long).await?;
    others(&mut other).await?;
    let lost = conn.query_drop("SELECT FOUND_ROWS()").await;
    match lost {
        Err(mysql_async::Error::Server(error)) => ensure!(error.code == 1105, "{error}"),
        other => anyhow::bail!("not another session's number: {other:?}"),
    }
    let found: Option<u32> = conn.query_first("SELECT COUNT(*) FROM actor").await?;
    ensure!(found == Some(200), "the session goes on");
    Ok(())
}

async fn a_statement_is_prepared_once_for_all_sessions_of_a_connection(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let pair = tight(cluster, 1).await?;
    let log = cluster.log().await?;
    let marker = marker("pooling");
    let text = format!("SELECT actor_id FROM actor WHERE actor_id = ? /*{marker}*/");
    for id in 1..=10_u32 {
        let [mut conn] = sessions::<1>(&pair.door, "sakila").await?;
        let statement = conn.prep(text.as_str()).await?;
        for _ in 0..2 {
            let found: Option<u32> = conn.exec_first(&statement, (id,)).await?;
            ensure!(found == Some(id));
            on_worker(&mut conn).await?;
        }
        conn.disconnect().await?;
    }
    for worker in ["worker1", "worker2"] {
        let (prepared, ran) = (log.prepared(&marker)?, log.ran(&marker)?);
        ensure!(prepared.get(worker) == Some(&1), "{prepared:?}");
        ensure!(ran.get(worker) == Some(&10), "{ran:?}");
    }
    Ok(())
}

async fn a_statement_means_what_it_meant_to_its_own_session(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = tight(cluster, 1).await?;
    let schema = cluster.schema("pooling_statement").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!(
        "CREATE TABLE {schema}.actor (actor_id INT, first_name CHAR(9))"
    ))
    .await?;
    root.query_drop(format!("INSERT INTO {schema}.actor VALUES (1, 'ours')"))
        .await?;
    cluster.settle().await?;
    let [mut theirs] = sessions::<1>(&pair.door, "sakila").await?;
    let [mut ours] = sessions::<1>(&pair.door, &schema).await?;
    let first: Option<String> = root
        .query_first("SELECT first_name FROM sakila.actor WHERE actor_id = 1")
        .await?;
    let first = first.context("an actor")?;
    let text = "SELECT first_name FROM actor WHERE actor_id = ?";
    let (of_theirs, of_ours) = (theirs.prep(text).await?, ours.prep(text).await?);
    for _ in 0..4 {
        for (conn, statement, name) in [(&mut theirs, &of_theirs, &*first), (&mut ours, &of_ours, "ours")] {
            let found: Option<String> = conn.exec_first(statement, (1,)).await?;
            ensure!(found.as_deref() == Some(name), "{found:?}");
            on_worker(conn).await?;
        }
    }
    // types of parameters are a session's own too
    let text = "SELECT ? FROM actor LIMIT 1";
    let (of_theirs, of_ours) = (theirs.prep(text).await?, ours.prep(text).await?);
    for _ in 0..4 {
        let number: Option<i64> = theirs.exec_first(&of_theirs, (7,)).await?;
        let text: Option<String> = ours.exec_first(&of_ours, ("seven",)).await?;
        ensure!(
            number == Some(7) && text.as_deref() == Some("seven"),
            "{number:?}, {text:?}"
        );
    }
    Ok(())
}

async fn a_session_that_was_reset_has_nothing_of_its_past(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = tight(cluster, 1).await?;
    let [mut conn] = sessions::<1>(&pair.door, "sakila").await?;
    let read = "SELECT LENGTH(GROUP_CONCAT(first_name)) FROM actor";
    for _ in 0..3 {
        conn.query_drop("SET group_concat_max_len = 7").await?;
        for _ in 0..2 {
            let length: Option<u32> = conn.query_first(read).await?;
            on_worker(&mut conn).await?;
            ensure!(length == Some(7), "{length:?}");
        }
        conn.reset().await?;
        for _ in 0..2 {
            let length: Option<u32> = conn.query_first(read).await?;
            on_worker(&mut conn).await?;
            ensure!(length.is_some_and(|length| length > 100), "{length:?}");
        }
    }
    Ok(())
}

async fn a_connection_that_its_worker_has_closed_is_not_used(cluster: &Cluster) -> anyhow::Result<()> {
    let relay = Relay::start(cluster.node("worker1")?.port).await?;
    let pair = Pair::plan(cluster)?
        .node_port("worker1", relay.port())?
        .proxy(|config| {
            config.nodes.retain(|node| node.name != "worker2");
            config.pool.connections_max = 1;
        })
        .start()
        .await?;
    let [mut first, mut second] = sessions::<2>(&pair.door, "sakila").await?;
    let read = "SELECT COUNT(*) FROM actor";
    first.query_drop(read).await?;
    on_worker(&mut first).await?;
    relay.set(Way::Cut);
    // its own connection is gone, and with it the worker
    first.query_drop(read).await?;
    ensure!(on_worker(&mut first).await.is_err());
    relay.set(Way::Delayed(Duration::ZERO));
    pair.door.serving(&["worker1"]).await?;
    for conn in [&mut second, &mut first] {
        let actors: Option<u32> = conn.query_first(read).await?;
        ensure!(actors == Some(200));
        on_worker(conn).await?;
    }
    Ok(())
}

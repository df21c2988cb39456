//! The manager is lost, a worker is promoted by hand, the old manager comes back. These tests change who the manager is, so each has
//! a cluster of its own; what a node holds is asked of the node itself.

use anyhow::{Context, ensure};
use harness::cluster::{self, Cluster};
use harness::each_engine::block_on;
use harness::{Console, Door, Engine, Pair, SOON, eventually};
use infra::local::{Stop, start_node, stop_node};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, ServerError};

use crate::server_error::server_error;

/// Longer than anything here takes, so that who waits for a manager gets one.
const PATIENT: [&str; 2] = [
    "proxy.routing.manager-wait-ms=60000",
    "gatekeeper.limits.session-timeout-ms=90000",
];

const REPLICATION_PASSWORD: &str = "follows-0123456789";

#[test]
fn a_worker_is_promoted_and_the_old_manager_comes_back_on_mariadb() -> anyhow::Result<()> {
    block_on(a_worker_is_promoted_and_the_old_manager_comes_back(
        Engine::Mariadb,
    ))
}

#[test]
fn a_worker_is_promoted_and_the_old_manager_comes_back_on_mysql() -> anyhow::Result<()> {
    block_on(a_worker_is_promoted_and_the_old_manager_comes_back(Engine::Mysql))
}

/// One story on one cluster, seen by two proxies: a patient one and one that waits for nothing.
async fn a_worker_is_promoted_and_the_old_manager_comes_back(engine: Engine) -> anyhow::Result<()> {
    let Some(cluster) = cluster::own(engine, 2, &PATIENT).await? else {
        return Ok(());
    };
    let impatient = Pair::plan(&cluster)?
        .proxy(|config| config.routing.manager_wait_ms = 100)
        .start()
        .await?;
    cluster.serving(&["worker1", "worker2"]).await?;
    prepare(&cluster).await?;
    let mut session = cluster.door()?.connect("app").await?;
    write(&mut session, 1).await?;
    cluster.settle().await?;
    stop_node(cluster.dir(), "manager", Stop::AtOnce).await?;
    without_a_manager_nothing_is_written(&mut session, &impatient).await?;
    who_waits_writes_to_the_promoted_worker(&cluster, &impatient).await?;
    let mut session = impatient.door.connect("app").await?;
    of_two_managers_neither_is_written_to(&cluster, &impatient, &mut session).await?;
    the_old_manager_serves_as_a_worker(&cluster, &impatient, &mut session).await?;
    a_session_does_not_write_to_a_node_of_the_past(&cluster, &impatient, session).await
}

async fn prepare(cluster: &Cluster) -> anyhow::Result<()> {
    let mut root = cluster.root("manager").await?;
    for text in [
        "CREATE DATABASE test_failover",
        "CREATE TABLE test_failover.t (v INT PRIMARY KEY)",
        &format!("CREATE USER follows@'%' IDENTIFIED BY '{REPLICATION_PASSWORD}'"),
        "GRANT REPLICATION SLAVE ON *.* TO follows@'%'",
    ] {
        root.query_drop(text).await?;
    }
    Ok(root.disconnect().await?)
}

async fn write(conn: &mut Conn, value: u32) -> mysql_async::Result<()> {
    conn.query_drop(format!("INSERT INTO test_failover.t VALUES ({value})"))
        .await
}

/// What a node holds, by its own word.
async fn held(cluster: &Cluster, node: &str) -> anyhow::Result<Vec<u32>> {
    let mut root = cluster.root(node).await?;
    let held = root.query("SELECT v FROM test_failover.t ORDER BY v").await?;
    root.disconnect().await?;
    Ok(held)
}

/// Runs statements of an administrator; `REPLICA` is the engine's word.
async fn run(cluster: &Cluster, node: &str, texts: &[&str]) -> anyhow::Result<()> {
    let mut root = cluster.root(node).await?;
    for text in texts {
        let text = match cluster.engine() {
            Engine::Mariadb => text.replace("REPLICA", "SLAVE"),
            Engine::Mysql => (*text).to_owned(),
        };
        root.query_drop(&text)
            .await
            .with_context(|| format!("{node}: {text}"))?;
    }
    Ok(root.disconnect().await?)
}

async fn read_only(cluster: &Cluster, node: &str, on: bool) -> anyhow::Result<()> {
    let text = match (cluster.engine(), on) {
        (Engine::Mariadb, true) => "SET GLOBAL read_only = 1",
        (Engine::Mysql, true) => "SET GLOBAL super_read_only = 1",
        // the other goes with it
        (_, false) => "SET GLOBAL read_only = 0",
    };
    run(cluster, node, &[text]).await
}

async fn promote(cluster: &Cluster, node: &str) -> anyhow::Result<()> {
    run(cluster, node, &["STOP REPLICA", "RESET REPLICA ALL"]).await?;
    read_only(cluster, node, false).await
}

async fn follow(cluster: &Cluster, node: &str, source: &str) -> anyhow::Result<()> {
    let port = cluster.node(source)?.port;
    let change = match cluster.engine() {
        Engine::Mariadb => format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='follows', \
             MASTER_PASSWORD='{REPLICATION_PASSWORD}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
        ),
        Engine::Mysql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='follows', \
             SOURCE_PASSWORD='{REPLICATION_PASSWORD}', SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1, \
             SOURCE_AUTO_POSITION=1"
        ),
    };
    run(cluster, node, &["STOP REPLICA"]).await?;
    if cluster.engine() == Engine::Mariadb {
        // a former manager begins where its own binary log ends
        let position = "SET GLOBAL gtid_slave_pos = (SELECT @@gtid_current_pos)";
        run(cluster, node, &[position]).await?;
    }
    run(cluster, node, &[&change, "START REPLICA"]).await
}

/// Waits until a proxy says this of its nodes: name, role and state of each.
async fn nodes_are(console: &Console, expected: [(&str, &str, &str); 3]) -> anyhow::Result<()> {
    eventually("the nodes' roles and states", SOON, || async {
        let rows = console
            .rows("SELECT name, role, state FROM nodes ORDER BY name")
            .await?;
        let expected = expected.map(|(name, role, state)| [name, role, state]);
        ensure!(rows == expected, "{rows:?}");
        Ok(())
    })
    .await
}

/// The refusal for lack of a manager.
async fn refused(door: &Door) -> anyhow::Result<ServerError> {
    server_error(door.connect_result("app").await?)
}

async fn without_a_manager_nothing_is_written(session: &mut Conn, impatient: &Pair) -> anyhow::Result<()> {
    ensure!(write(session, 100).await.is_err());
    let error = eventually("a refusal that says why", SOON, || async {
        let error = refused(&impatient.door).await?;
        ensure!(error.message.starts_with("There is no manager"), "{error:?}");
        Ok(error)
    })
    .await?;
    assert_eq!((error.code, error.state.as_str()), (1429, "HY000"));
    ensure!(error.message.contains("it cannot be reached"), "{error:?}");
    ensure!(error.message.contains("nothing was run"), "{error:?}");
    let ready = harness::scrape::http_get(&impatient.door.proxy_http, "/ready").await?;
    assert_eq!((ready.status, ready.body.trim()), (503, "not ready: unreachable"));
    Ok(())
}

async fn who_waits_writes_to_the_promoted_worker(cluster: &Cluster, impatient: &Pair) -> anyhow::Result<()> {
    let waiting: Vec<_> = (10..14)
        .map(|value| {
            let door = cluster.door()?;
            Ok(tokio::spawn(async move {
                let mut conn = door.connect("app").await?;
                write(&mut conn, value).await?;
                Ok::<_, anyhow::Error>(conn.disconnect().await?)
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    // one that can be written to is nobody's manager as long as the other follows the old one
    promote(cluster, "worker1").await?;
    let console = Console::of(cluster)?;
    for console in [&console, &impatient.console] {
        let unconfirmed = ("worker1", "worker", "not-confirmed");
        nodes_are(
            console,
            [
                ("manager", "manager", "unreachable"),
                unconfirmed,
                ("worker2", "worker", "receiver-stopped"),
            ],
        )
        .await?;
    }
    let error = refused(&impatient.door).await?;
    ensure!(
        error.code == 1429 && error.message.contains("do not follow it"),
        "{error:?}"
    );
    follow(cluster, "worker2", "worker1").await?;
    for waiting in waiting {
        waiting.await?.context("one that waited")?;
    }
    let worker2_serves = [
        ("manager", "worker", "unreachable"),
        ("worker1", "manager", "up"),
        ("worker2", "worker", "up"),
    ];
    for console in [&console, &impatient.console] {
        nodes_are(console, worker2_serves).await?;
    }
    assert_eq!(held(cluster, "worker1").await?, [1, 10, 11, 12, 13]);
    let mut conn = cluster.door()?.connect("app").await?;
    write(&mut conn, 14).await?;
    assert_eq!(
        route(&mut conn).await?,
        ("worker1".to_owned(), "manager".to_owned())
    );
    // its own write is read where it is, or where it has arrived
    let read: Vec<u32> = conn.query("SELECT v FROM test_failover.t ORDER BY v").await?;
    assert_eq!(read, [1, 10, 11, 12, 13, 14]);
    Ok(conn.disconnect().await?)
}

/// Node and role of the last statement.
async fn route(conn: &mut Conn) -> anyhow::Result<(String, String)> {
    let route: Option<(String, String, String, String, u64)> = conn.query_first("PROXY SHOW ROUTE").await?;
    let (node, role, ..) = route.context("no route")?;
    Ok((node, role))
}

async fn of_two_managers_neither_is_written_to(
    cluster: &Cluster,
    impatient: &Pair,
    session: &mut Conn,
) -> anyhow::Result<()> {
    write(session, 20).await?;
    session.query_drop("BEGIN").await?;
    write(session, 21).await?;
    start_node(cluster.dir(), "manager").await?;
    let both_left_out = [
        ("manager", "worker", "two-writable"),
        ("worker1", "manager", "two-writable"),
        ("worker2", "worker", "up"),
    ];
    nodes_are(&impatient.console, both_left_out).await?;
    for text in [
        "COMMIT",
        "INSERT INTO test_failover.t VALUES (22)",
        "CREATE TABLE test_failover.u (v INT)",
    ] {
        let error = server_error(session.query_drop(text).await)?;
        ensure!(
            error.code == 1429 && error.message.contains("two nodes"),
            "{text}: {error:?}"
        );
    }
    session.query_drop("ROLLBACK").await?;
    let error = refused(&impatient.door).await?;
    ensure!(
        error.code == 1429 && error.message.contains("two nodes"),
        "{error:?}"
    );
    assert_eq!(held(cluster, "manager").await?, [1]);
    assert_eq!(held(cluster, "worker1").await?, [1, 10, 11, 12, 13, 14, 20]);
    let counted = impatient.door.scrape_proxy().await?;
    ensure!(counted.value("proxy_two_writable_total", &[]) >= Some(1.0));
    assert_eq!(
        counted.value("proxy_no_manager", &[("reason", "two-writable")]),
        Some(1.0)
    );
    Ok(())
}

async fn the_old_manager_serves_as_a_worker(
    cluster: &Cluster,
    impatient: &Pair,
    session: &mut Conn,
) -> anyhow::Result<()> {
    read_only(cluster, "manager", true).await?;
    follow(cluster, "manager", "worker1").await?;
    let all_serve = [
        ("manager", "worker", "up"),
        ("worker1", "manager", "up"),
        ("worker2", "worker", "up"),
    ];
    nodes_are(&impatient.console, all_serve).await?;
    write(session, 30).await?;
    let mut reader = impatient.door.connect("app").await?;
    let read = eventually("a read on the old manager", SOON, async || {
        let mut reader = impatient.door.connect("app").await?;
        let read: Vec<u32> = reader.query("SELECT v FROM test_failover.t ORDER BY v").await?;
        let ran = route(&mut reader).await?;
        reader.disconnect().await?;
        ensure!(ran == ("manager".to_owned(), "worker".to_owned()), "{ran:?}");
        Ok(read)
    })
    .await?;
    assert_eq!(read, [1, 10, 11, 12, 13, 14, 20, 30]);
    // and cannot be written to by us, whoever asks
    reader.query_drop("SELECT 1").await?;
    Ok(reader.disconnect().await?)
}

/// The operator moves the manager back while a session is connected to the one that was.
async fn a_session_does_not_write_to_a_node_of_the_past(
    cluster: &Cluster,
    impatient: &Pair,
    mut session: Conn,
) -> anyhow::Result<()> {
    read_only(cluster, "worker1", true).await?;
    eventually("manager has all of worker1", SOON, || async {
        let (old, new) = (held(cluster, "worker1").await?, held(cluster, "manager").await?);
        ensure!(old == new, "{old:?} {new:?}");
        Ok(())
    })
    .await?;
    promote(cluster, "manager").await?;
    for worker in ["worker1", "worker2"] {
        follow(cluster, worker, "manager").await?;
    }
    let back = [
        ("manager", "manager", "up"),
        ("worker1", "worker", "up"),
        ("worker2", "worker", "up"),
    ];
    nodes_are(&impatient.console, back).await?;
    let error = server_error(write(&mut session, 40).await)?;
    ensure!(
        error.code == 1053 && error.message.contains("nothing was run"),
        "{error:?}"
    );
    ensure!(session.query_drop("SELECT 1").await.is_err(), "that was its end");
    let mut conn = impatient.door.connect("app").await?;
    write(&mut conn, 41).await?;
    assert_eq!(
        held(cluster, "manager").await?,
        [1, 10, 11, 12, 13, 14, 20, 30, 41]
    );
    Ok(conn.disconnect().await?)
}

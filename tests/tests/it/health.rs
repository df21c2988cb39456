//! Nodes that stop replicating, die and come back. These tests break nodes, so each has a cluster of its own.

use anyhow::{Context, ensure};
use harness::cluster::{self, Cluster};
use harness::each_engine::block_on;
use harness::node_log::marker;
use harness::{Engine, SOON, eventually};
use infra::local::{Stop, start_node, stop_node};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::server_error::server_error;

#[test]
fn broken_nodes_are_left_out_and_come_back_on_mariadb() -> anyhow::Result<()> {
    block_on(broken_nodes_are_left_out_and_come_back(Engine::Mariadb))
}

#[test]
fn broken_nodes_are_left_out_and_come_back_on_mysql() -> anyhow::Result<()> {
    block_on(broken_nodes_are_left_out_and_come_back(Engine::Mysql))
}

/// One story on one cluster: a cluster takes longer to start than all of this.
async fn broken_nodes_are_left_out_and_come_back(engine: Engine) -> anyhow::Result<()> {
    let Some(cluster) = cluster::own(engine, 2, &[]).await? else {
        return Ok(());
    };
    cluster.serving(&["worker1", "worker2"]).await?;
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    a_worker_that_stops_replicating_serves_no_reads(&cluster, &mut conn).await?;
    a_worker_that_lags_serves_no_reads(&cluster, &mut conn).await?;
    reads_survive_the_death_of_a_worker(&cluster, &mut conn).await?;
    without_workers_the_manager_reads(&cluster, &mut conn).await?;
    workers_that_return_serve_again(&cluster, &mut conn).await?;
    conn.disconnect().await?;
    without_a_manager_logins_fail_clearly(&cluster).await
}

async fn replication(cluster: &Cluster, worker: &str, verb: &str) -> anyhow::Result<()> {
    let word = if cluster.engine() == Engine::Mariadb {
        "SLAVE"
    } else {
        "REPLICA"
    };
    let mut root = cluster.root(worker).await?;
    root.query_drop(format!("{verb} {word}")).await?;
    Ok(root.disconnect().await?)
}

/// Reads, and which nodes say that they ran them.
async fn readers(cluster: &Cluster, conn: &mut Conn) -> anyhow::Result<Vec<String>> {
    const READS: usize = 60;
    let (log, mark) = (cluster.log().await?, marker("health"));
    for _ in 0..READS {
        let text = format!("SELECT actor_id, '{mark}' FROM actor WHERE actor_id = 7");
        let read: Option<(u16, String)> = conn.query_first(text).await?;
        assert_eq!(read, Some((7, mark.clone())));
    }
    let ran = log.ran(&mark)?;
    Ok(ran
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, _)| name)
        .collect())
}

async fn a_worker_that_stops_replicating_serves_no_reads(
    cluster: &Cluster,
    conn: &mut Conn,
) -> anyhow::Result<()> {
    assert_eq!(readers(cluster, conn).await?, ["worker1", "worker2"]);
    replication(cluster, "worker1", "STOP").await?;
    cluster.serving(&["worker2"]).await?;
    assert_eq!(readers(cluster, conn).await?, ["worker2"]);
    replication(cluster, "worker1", "START").await?;
    cluster.serving(&["worker1", "worker2"]).await?;
    assert_eq!(readers(cluster, conn).await?, ["worker1", "worker2"]);
    Ok(())
}

/// A lock on the worker holds its replication back while its threads still run.
async fn a_worker_that_lags_serves_no_reads(cluster: &Cluster, conn: &mut Conn) -> anyhow::Result<()> {
    let mut manager = cluster.root("manager").await?;
    manager.query_drop("CREATE DATABASE test_lag").await?;
    manager.query_drop("CREATE TABLE test_lag.t (v INT)").await?;
    cluster.settle().await?;
    let mut holder = cluster.root("worker1").await?;
    holder.query_drop("LOCK TABLES test_lag.t READ").await?;
    manager.query_drop("INSERT INTO test_lag.t VALUES (1)").await?;
    // lag is counted in whole seconds, and the limit is ten of them
    cluster.serving(&["worker2"]).await.context("lagging")?;
    assert_eq!(readers(cluster, conn).await?, ["worker2"]);
    holder.query_drop("UNLOCK TABLES").await?;
    cluster.serving(&["worker1", "worker2"]).await?;
    holder.disconnect().await?;
    Ok(manager.disconnect().await?)
}

async fn reads_survive_the_death_of_a_worker(cluster: &Cluster, conn: &mut Conn) -> anyhow::Result<()> {
    stop_node(cluster.dir(), "worker2", Stop::AtOnce).await?;
    for _ in 0..100 {
        let read = conn.query_first::<u64, _>("SELECT COUNT(*) FROM actor").await;
        assert_eq!(read.context("a read just after a worker died")?, Some(200));
    }
    cluster.serving(&["worker1"]).await
}

async fn without_workers_the_manager_reads(cluster: &Cluster, conn: &mut Conn) -> anyhow::Result<()> {
    stop_node(cluster.dir(), "worker1", Stop::AtOnce).await?;
    cluster.serving(&[]).await?;
    conn.query_drop("SELECT COUNT(*) FROM actor").await?;
    let route: Option<(String, String, String, String, u64)> = conn.query_first("PROXY SHOW ROUTE").await?;
    let (node, _role, _strategy, reason, _microseconds) = route.context("no route")?;
    assert_eq!((node.as_str(), reason.as_str()), ("manager", "no-healthy-worker"));
    Ok(())
}

async fn workers_that_return_serve_again(cluster: &Cluster, conn: &mut Conn) -> anyhow::Result<()> {
    for worker in ["worker1", "worker2"] {
        start_node(cluster.dir(), worker).await?;
    }
    cluster.serving(&["worker1", "worker2"]).await?;
    // the session finds its old connections dead, and the manager reads once for each
    readers(cluster, conn).await?;
    assert_eq!(readers(cluster, conn).await?, ["worker1", "worker2"]);
    Ok(())
}

async fn without_a_manager_logins_fail_clearly(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    stop_node(cluster.dir(), "manager", Stop::AtOnce).await?;
    let error = server_error(door.connect_result("app").await?)?;
    assert_eq!(error.code, 1429, "{error:?}");
    for base in [&door.gatekeeper_http, &door.proxy_http] {
        let live = harness::scrape::http_get(base, "/live").await?;
        ensure!(live.status == 200, "{base} died with the manager");
    }
    start_node(cluster.dir(), "manager").await?;
    let mut conn = eventually("a login after the manager is back", SOON, || async {
        door.connect("app").await
    })
    .await?;
    assert_eq!(
        conn.query_first::<u64, _>("SELECT COUNT(*) FROM sakila.actor")
            .await?,
        Some(200)
    );
    Ok(conn.disconnect().await?)
}

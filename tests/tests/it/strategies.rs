//! Strategies that look at load: `round-robin`, `least-connections`, `adaptive`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use harness::relay::{Relay, Way};
use harness::{Cluster, Pair, SOON, on_each_engine};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

on_each_engine!(
    workers_take_turns,
    a_slow_worker_gets_few_of_the_reads_and_its_share_when_it_is_well,
    weights_are_shares,
);

/// Far above what a busy machine does to the other worker.
const SLOW: Way = Way::Delayed(Duration::from_millis(60));
const OPEN: Way = Way::Delayed(Duration::ZERO);

/// Where reads go, and why, counted.
async fn reads(conn: &mut Conn, count: usize) -> anyhow::Result<BTreeMap<(String, String), usize>> {
    let mut ran = BTreeMap::new();
    for _ in 0..count {
        conn.query_drop("SELECT COUNT(*) FROM actor").await?;
        let route: Option<(String, String, String, String, u64)> =
            conn.query_first("PROXY SHOW ROUTE").await?;
        let (node, _role, _strategy, reason, _microseconds) = route.context("no route")?;
        *ran.entry((node, reason)).or_default() += 1;
    }
    Ok(ran)
}

async fn session(door: &harness::Door, strategy: &str) -> anyhow::Result<Conn> {
    let mut conn = door.connect_to("app", "sakila").await?;
    // what a read may be asked for is another test's
    conn.query_drop("PROXY SET consistency = 'eventual'").await?;
    conn.query_drop(format!("PROXY SET strategy = '{strategy}'"))
        .await?;
    Ok(conn)
}

async fn workers_take_turns(cluster: &Cluster) -> anyhow::Result<()> {
    // a proxy of its own: the turns are those of all its sessions
    let pair = Pair::plan(cluster)?.start().await?;
    pair.door.serving(&["worker1", "worker2"]).await?;
    for strategy in ["round-robin", "least-connections"] {
        let mut conn = session(&pair.door, strategy).await?;
        let ran = reads(&mut conn, 100).await?;
        let of = |worker: &str| {
            ran.get(&(worker.to_owned(), strategy.to_owned()))
                .copied()
                .unwrap_or(0)
        };
        assert_eq!(of("worker1") + of("worker2"), 100, "{ran:?}");
        if strategy == "round-robin" {
            assert_eq!(of("worker1"), 50, "{ran:?}");
        } else {
            ensure!(
                of("worker1") > 20 && of("worker2") > 20,
                "nothing is in flight, so a draw decides: {ran:?}"
            );
        }
        conn.disconnect().await?;
    }
    Ok(())
}

async fn a_slow_worker_gets_few_of_the_reads_and_its_share_when_it_is_well(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    const READS: usize = 200;
    const OF_THE_SLOW_MAX: usize = READS * 15 / 100;
    let relay = Relay::start(cluster.node("worker1")?.port).await?;
    let pair = Pair::plan(cluster)?
        .node_port("worker1", relay.port())?
        .start()
        .await?;
    pair.door.serving(&["worker1", "worker2"]).await?;
    relay.set(SLOW);
    let of_slow = |ran: &BTreeMap<(String, String), usize>| -> usize {
        let slow = ran.iter().filter(|((node, _), _)| node == "worker1");
        slow.map(|(_, count)| count).sum()
    };
    let mut conn = session(&pair.door, "adaptive").await?;
    let ran = reads(&mut conn, READS).await?;
    ensure!(of_slow(&ran) <= OF_THE_SLOW_MAX, "{ran:?}");
    let hinted: Option<u64> = conn
        .query_first("SELECT /*+ proxy(strategy=round-robin) */ COUNT(*) FROM actor")
        .await?;
    assert_eq!(hinted, Some(200));
    let mut blind = session(&pair.door, "random").await?;
    let ran = reads(&mut blind, READS).await?;
    ensure!(
        of_slow(&ran) > OF_THE_SLOW_MAX,
        "a strategy that does not look does not notice: {ran:?}"
    );
    relay.set(OPEN);
    // its past fades
    let deadline = tokio::time::Instant::now() + SOON;
    while of_slow(&reads(&mut conn, 50).await?) == 0 {
        ensure!(
            tokio::time::Instant::now() < deadline,
            "the worker gets no reads any more"
        );
    }
    blind.disconnect().await?;
    Ok(conn.disconnect().await?)
}

async fn weights_are_shares(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?
        .proxy(|config| {
            for node in config.nodes.iter_mut().filter(|node| node.name == "worker2") {
                node.weight = 3;
            }
        })
        .start()
        .await?;
    pair.door.serving(&["worker1", "worker2"]).await?;
    let mut conn = session(&pair.door, "round-robin").await?;
    let ran = reads(&mut conn, 100).await?;
    let heavy = ran.get(&("worker2".to_owned(), "round-robin".to_owned()));
    assert_eq!(heavy, Some(&75), "{ran:?}");
    Ok(conn.disconnect().await?)
}

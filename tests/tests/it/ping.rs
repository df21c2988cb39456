//! Strategy `ping`: reads go where the way is shortest, and no statement waits for a measurement.

use std::time::Duration;

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::relay::{Relay, Way};
use harness::{Cluster, Pair, eventually, on_each_engine};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

on_each_engine!(
    the_nearer_worker_serves_and_moving_the_delay_moves_the_reads,
    a_probe_that_hangs_delays_no_statement,
    equal_workers_do_not_flap,
);

const DELAY: Way = Way::Delayed(Duration::from_millis(20));
const OPEN: Way = Way::Delayed(Duration::ZERO);
/// How soon the reads must have moved.
const MOVED_WITHIN: Duration = Duration::from_secs(5);

struct Ways {
    pair: Pair,
    relays: [Relay; 2],
}

async fn ways(cluster: &Cluster) -> anyhow::Result<Ways> {
    let relays = [
        Relay::start(cluster.node("worker1")?.port).await?,
        Relay::start(cluster.node("worker2")?.port).await?,
    ];
    let pair = Pair::plan(cluster)?
        .node_port("worker1", relays[0].port())?
        .node_port("worker2", relays[1].port())?
        .proxy(|config| config.routing.strategy = "ping".to_owned())
        .start()
        .await?;
    Ok(Ways { pair, relays })
}

async fn node(conn: &mut Conn) -> anyhow::Result<String> {
    conn.query_drop("SELECT COUNT(*) FROM actor").await?;
    let route: Option<(String, String, String, String, u64)> = conn.query_first("PROXY SHOW ROUTE").await?;
    let (node, _role, strategy, _reason, _microseconds) = route.context("no route")?;
    assert_eq!(strategy, "ping");
    Ok(node)
}

/// Waits until a run of reads all go to that worker.
async fn reads_go_to(conn: &mut Conn, worker: &str) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + MOVED_WITHIN;
    let mut in_a_row = 0;
    while in_a_row < 10 {
        let at = node(conn).await?;
        in_a_row = if at == worker { in_a_row + 1 } else { 0 };
        ensure!(tokio::time::Instant::now() < deadline, "reads still go to {at}");
    }
    Ok(())
}

async fn the_nearer_worker_serves_and_moving_the_delay_moves_the_reads(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    const READS: usize = 300;
    let Ways {
        pair,
        relays: [first, second],
    } = ways(cluster).await?;
    let mut conn = pair.door.connect_to("app", "sakila").await?;
    for (far, near, worker) in [(&first, &second, "worker2"), (&second, &first, "worker1")] {
        near.set(OPEN);
        far.set(DELAY);
        reads_go_to(&mut conn, worker).await?;
        let (log, mark) = (cluster.log().await?, marker("ping"));
        for _ in 0..READS {
            conn.query_drop(format!(
                "SELECT first_name, '{mark}' FROM actor WHERE actor_id = 7"
            ))
            .await?;
        }
        let ran = log.ran(&mark)?;
        assert_eq!(ran.values().sum::<usize>(), READS, "{ran:?}");
        let served = ran.get(worker).copied().unwrap_or_default();
        ensure!(served * 100 >= READS * 95, "{ran:?} with {worker} the nearer one");
    }
    Ok(conn.disconnect().await?)
}

async fn a_probe_that_hangs_delays_no_statement(cluster: &Cluster) -> anyhow::Result<()> {
    /// Far below the two seconds that the probe hangs, far above what a read takes.
    const READ_WAIT_MAX: Duration = Duration::from_secs(1);
    let Ways {
        pair,
        relays: [first, _second],
    } = ways(cluster).await?;
    first.set(DELAY);
    let mut conn = pair.door.connect_to("app", "sakila").await?;
    reads_go_to(&mut conn, "worker2").await?;
    first.set(Way::Stalled);
    let end = tokio::time::Instant::now() + Duration::from_secs(2);
    let mut reads = 0;
    while tokio::time::Instant::now() < end {
        let at = tokio::time::timeout(READ_WAIT_MAX, node(&mut conn))
            .await
            .context("a read waited")??;
        assert_eq!(at, "worker2");
        reads += 1;
    }
    ensure!(reads > 20, "{reads} reads in two seconds");
    let mut fresh = tokio::time::timeout(READ_WAIT_MAX, pair.door.connect_to("app", "sakila"))
        .await
        .context("a login waited")??;
    assert_eq!(node(&mut fresh).await?, "worker2");
    fresh.disconnect().await?;
    first.set(OPEN);
    Ok(conn.disconnect().await?)
}

/// Both ways are open; which worker wins is chance, that it stays is not.
async fn equal_workers_do_not_flap(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?
        .proxy(|config| config.routing.strategy = "ping".to_owned())
        .start()
        .await?;
    let mut conn = pair.door.connect_to("app", "sakila").await?;
    eventually("a first measurement", MOVED_WITHIN, || async {
        let scrape = pair.door.scrape_proxy().await?;
        for worker in ["worker1", "worker2"] {
            scrape
                .value("proxy_node_latency_seconds", &[("node", worker)])
                .context("none yet")?;
        }
        Ok(())
    })
    .await?;
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    let (mut moves, mut last) = (0, node(&mut conn).await?);
    while tokio::time::Instant::now() < end {
        let now = node(&mut conn).await?;
        moves += u32::from(now != last);
        last = now;
    }
    // ten measurements per node were made; a coin would have moved the reads five times and more
    ensure!(moves <= 2, "the reads moved {moves} times");
    Ok(conn.disconnect().await?)
}

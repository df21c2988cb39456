//! What a monitoring system reads.

use std::path::Path;

use anyhow::{Context, ensure};
use harness::scrape::http_get;
use harness::{Cluster, on_each_engine};
use mysql_async::prelude::Queryable;

on_each_engine!(
    both_processes_say_that_they_live_and_are_ready,
    every_number_is_in_prometheus_format_and_documented,
    a_statement_is_counted_where_it_ran,
);

async fn both_processes_say_that_they_live_and_are_ready(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    for base in [&door.gatekeeper_http, &door.proxy_http] {
        for path in ["/live", "/ready"] {
            assert_eq!(http_get(base, path).await?.status, 200, "{base}{path}");
        }
        assert_eq!(http_get(base, "/nothing").await?.status, 404, "{base}");
    }
    Ok(())
}

async fn every_number_is_in_prometheus_format_and_documented(cluster: &Cluster) -> anyhow::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let door = cluster.door()?;
    let mut conn = door.connect_to("app", "sakila").await?;
    conn.query_drop("SELECT COUNT(*) FROM actor").await?;
    conn.disconnect().await?;
    for (scrape, prefix) in [
        (door.scrape_gatekeeper().await?, "gatekeeper_"),
        (door.scrape_proxy().await?, "proxy_"),
    ] {
        ensure!(scrape.families.len() > 8, "{:?}", scrape.families);
        for family in &scrape.families {
            ensure!(
                family.starts_with(prefix),
                "{family} is not named after its process"
            );
            ensure!(
                page.contains(&format!("`{family}")),
                "{family} is not in docs/metrics.md"
            );
        }
    }
    Ok(())
}

async fn a_statement_is_counted_where_it_ran(cluster: &Cluster) -> anyhow::Result<()> {
    const READS: usize = 40;
    let pair = harness::Pair::plan(cluster)?.start().await?;
    pair.door.serving(&["worker1", "worker2"]).await?;
    let mut conn = pair.door.connect_to("app", "sakila").await?;
    // under another, a read may have a reason besides the strategy's
    conn.query_drop("PROXY SET consistency = 'eventual'").await?;
    let before = pair.door.scrape_proxy().await?;
    for _ in 0..READS {
        conn.query_drop("SELECT COUNT(*) FROM actor").await?;
    }
    let after = pair.door.scrape_proxy().await?;
    let on_workers: f64 = ["worker1", "worker2"]
        .iter()
        .map(|node| {
            let labels = [("node", *node), ("reason", "strategy-random")];
            let value = |scrape: &harness::scrape::Scrape| scrape.value("proxy_statements_total", &labels);
            value(&after).unwrap_or_default() - value(&before).unwrap_or_default()
        })
        .sum();
    assert_eq!(on_workers, READS as f64);
    conn.disconnect().await?;
    let gatekeeper = pair.door.scrape_gatekeeper().await?;
    let count = gatekeeper.value("gatekeeper_statement_duration_seconds_count", &[]);
    ensure!(count >= Some(READS as f64), "{count:?}");
    let finest = gatekeeper.value(
        "gatekeeper_statement_duration_seconds_bucket",
        &[("le", "0.0001")],
    );
    ensure!(finest.is_some(), "buckets begin at 100 µs");
    Ok(())
}

//! Results stream: no process holds more than a few chunks of one, however long it is.

use anyhow::ensure;
use harness::raw_client::MODERN;
use harness::{Cluster, Pair, on_each_engine};
use wire::command::CommandCode;

on_each_engine!(a_gibibyte_streams_through_small_processes);

const RESULT_BYTES: usize = 1 << 30;
const RSS_BYTES_MAX: u64 = 64 << 20;

async fn a_gibibyte_streams_through_small_processes(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let mut client = pair.door.raw("app", MODERN).await?;
    // 16,384 rows of 64 KiB, by whatever node serves reads
    let text =
        "SELECT REPEAT('x', 65536) FROM sakila.rental a JOIN (SELECT 1 UNION ALL SELECT 2) b LIMIT 16384";
    client.send(CommandCode::QUERY, text.as_bytes()).await?;
    let mut taken = 0;
    while taken < RESULT_BYTES {
        let read = client.read_raw(256 * 1024).await?;
        ensure!(read > 0, "the result ended after {taken} bytes");
        taken += read;
    }
    for service in [&pair.gatekeeper, &pair.proxy] {
        let rss = service.rss_bytes_max()?;
        ensure!(rss < RSS_BYTES_MAX, "{service:?} took {} MiB", rss >> 20);
    }
    Ok(())
}

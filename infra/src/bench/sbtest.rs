//! sysbench's tables on the manager: made once, kept as long as they fit.

use std::time::Duration;

use anyhow::{Context, bail};
use mysql_async::{Conn, prelude::Queryable};

use super::{
    ask::{bounded, bye, connect, run},
    limits,
    profile::Settings,
    sysbench::{Bench, Target},
};

/// The schema of the tables; the application account has all rights on it.
pub(super) const SCHEMA: &str = "sbtest";

/// Makes sure that the profile's tables are there with the profile's number of rows.
pub(super) async fn ensure(bench: Bench<'_>, manager: &Target) -> anyhow::Result<Prepared> {
    let settings = bench.settings;
    let mut connection = bounded(connect(manager)).await?;
    let version = bounded(version(&mut connection)).await?;
    bounded(run(
        &mut connection,
        format!("CREATE DATABASE IF NOT EXISTS {SCHEMA}"),
    ))
    .await?;
    let mut fit = true;
    for table in 1..=settings.tables {
        fit &= bounded(rows(&mut connection, table)).await? == Some(u64::from(settings.rows));
    }
    if !fit {
        for table in 1..=settings.tables {
            bounded(run(
                &mut connection,
                format!("DROP TABLE IF EXISTS {SCHEMA}.sbtest{table}"),
            ))
            .await?;
        }
        bench.prepare(manager).await?;
    }
    bye(connection).await;
    Ok(Prepared { version, made: !fit })
}

/// Waits until a worker has the profile's tables with all their rows.
pub(super) async fn arrived(settings: &Settings, worker: &Target) -> anyhow::Result<()> {
    let mut connection = bounded(connect(worker)).await?;
    let deadline = tokio::time::Instant::now() + limits::REPLICATION_TIMEOUT;
    for table in 1..=settings.tables {
        while bounded(rows(&mut connection, table)).await? != Some(u64::from(settings.rows)) {
            if tokio::time::Instant::now() > deadline {
                bail!("a worker has not got the tables in time");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    bye(connection).await;
    Ok(())
}

/// What `ensure` found and did.
pub(super) struct Prepared {
    /// The server's own version string.
    pub(super) version: String,
    /// Whether the tables were made anew.
    pub(super) made: bool,
}

async fn version(connection: &mut Conn) -> anyhow::Result<String> {
    let version: Option<String> = connection.query_first("SELECT VERSION()").await?;
    version.context("the manager has no version")
}

/// How many rows a table has, when there is one.
async fn rows(connection: &mut Conn, table: u32) -> anyhow::Result<Option<u64>> {
    let known: Option<u64> = connection
        .exec_first(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
            (SCHEMA, format!("sbtest{table}")),
        )
        .await?;
    if known != Some(1) {
        return Ok(None);
    }
    Ok(connection
        .query_first(format!("SELECT COUNT(*) FROM {SCHEMA}.sbtest{table}"))
        .await?)
}

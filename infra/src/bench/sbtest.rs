//! sysbench's tables on the manager: made once, kept as long as they fit.

use std::time::Duration;

use anyhow::Context;
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

use super::{
    limits,
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
    // the session is of no more use; that it says goodbye badly is of no interest
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.disconnect()).await;
    Ok(Prepared { version, made: !fit })
}

/// What `ensure` found and did.
pub(super) struct Prepared {
    /// The server's own version string.
    pub(super) version: String,
    /// Whether the tables were made anew.
    pub(super) made: bool,
}

async fn connect(manager: &Target) -> anyhow::Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname(manager.host.clone())
        .tcp_port(manager.port)
        .user(Some(manager.user.clone()))
        .pass(Some(manager.password.clone()))
        // the account answers over loopback TCP; a socket that the server offers may be out of our reach
        .prefer_socket(false);
    Conn::new(options)
        .await
        .context("failed to connect to the manager as root")
}

async fn version(connection: &mut Conn) -> anyhow::Result<String> {
    let version: Option<String> = connection.query_first("SELECT VERSION()").await?;
    version.context("the manager has no version")
}

async fn run(connection: &mut Conn, statement: String) -> anyhow::Result<()> {
    connection
        .query_drop(&statement)
        .await
        .with_context(|| format!("failed to run {statement}"))
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

async fn bounded<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(limits::STATEMENT_TIMEOUT, work)
        .await
        .with_context(|| {
            format!(
                "the manager did not answer within {} s",
                limits::STATEMENT_TIMEOUT.as_secs()
            )
        })?
}

//! Statements of our own beside sysbench's, each within a bound.

use std::time::Duration;

use anyhow::Context;
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

use super::{limits, sysbench::Target};

/// Logs in over TCP.
pub(super) async fn connect(target: &Target) -> anyhow::Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname(target.host.clone())
        .tcp_port(target.port)
        .user(Some(target.user.clone()))
        .pass(Some(target.password.clone()))
        // the account answers over loopback TCP; a socket that the server offers may be out of our reach
        .prefer_socket(false);
    Conn::new(options)
        .await
        .with_context(|| format!("failed to connect as {}", target.user))
}

/// Runs a statement whose rows are of no interest.
pub(super) async fn run(connection: &mut Conn, statement: String) -> anyhow::Result<()> {
    connection
        .query_drop(&statement)
        .await
        .with_context(|| format!("failed to run {statement}"))
}

/// Logs in for one statement.
pub(super) async fn once(target: &Target, statement: String) -> anyhow::Result<()> {
    let mut connection = bounded(connect(target)).await?;
    bounded(run(&mut connection, statement)).await?;
    bye(connection).await;
    Ok(())
}

/// The session is of no more use; that it says goodbye badly is of no interest.
pub(super) async fn bye(connection: Conn) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.disconnect()).await;
}

/// No statement of ours holds up a benchmark for longer.
pub(super) async fn bounded<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(limits::STATEMENT_TIMEOUT, work)
        .await
        .with_context(|| format!("no answer within {} s", limits::STATEMENT_TIMEOUT.as_secs()))?
}

//! Workers follow the manager by GTID, and are not called ready before they have caught up.

use std::time::Duration;

use anyhow::{Context, bail};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::time::Instant;

use super::account::REPLICATION;
use super::engine::{Engine, Server};
use super::node::Node;

/// The initial data is a few MiB; a worker that restarts may have more to read.
const CATCH_UP_WAIT_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A worker's view of its own replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplicaStatus {
    source_port: u16,
    receiver: String,
    applier: String,
    lag_s: Option<u64>,
    error: String,
}

impl ReplicaStatus {
    /// `None` when the server follows nobody.
    pub(crate) async fn of(conn: &mut Conn) -> anyhow::Result<Option<ReplicaStatus>> {
        let row: Option<Row> = match conn.query_first("SHOW REPLICA STATUS").await {
            Ok(row) => row,
            // MySQL before 8.0.22
            Err(mysql_async::Error::Server(error)) if error.code == 1064 => {
                conn.query_first("SHOW SLAVE STATUS").await?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(row.map(|row| ReplicaStatus {
            source_port: column(&row, &["Source_Port", "Master_Port"])
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            receiver: column(&row, &["Replica_IO_Running", "Slave_IO_Running"]).unwrap_or_default(),
            applier: column(&row, &["Replica_SQL_Running", "Slave_SQL_Running"]).unwrap_or_default(),
            lag_s: column(&row, &["Seconds_Behind_Source", "Seconds_Behind_Master"])
                .and_then(|text| text.parse().ok()),
            error: ["Last_IO_Error", "Last_SQL_Error"]
                .iter()
                .filter_map(|name| column(&row, &[name]))
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("; "),
        }))
    }

    /// Both threads run.
    pub(crate) fn is_running(&self) -> bool {
        self.receiver == "Yes" && self.applier == "Yes"
    }

    /// Both threads run and nothing is left to apply.
    pub(crate) fn is_level(&self) -> bool {
        self.is_running() && self.lag_s == Some(0)
    }
}

impl std::fmt::Display for ReplicaStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lag = self.lag_s.map_or("unknown".to_owned(), |lag| format!("{lag} s"));
        write!(
            f,
            "receiver {}, applier {}, lag {lag}",
            self.receiver, self.applier
        )?;
        if !self.error.is_empty() {
            write!(f, ", {}", self.error)?;
        }
        Ok(())
    }
}

fn column(row: &Row, names: &[&str]) -> Option<String> {
    let index = row
        .columns_ref()
        .iter()
        .position(|column| names.contains(&column.name_str().as_ref()))?;
    match row.as_ref(index)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Points the worker at the manager, unless it follows it already.
pub(crate) async fn follow(
    worker: &Node,
    manager: &Node,
    server: &Server,
    password: &str,
) -> anyhow::Result<()> {
    let mut conn = worker.connect().await?;
    let status = ReplicaStatus::of(&mut conn).await?;
    let statements = match status {
        Some(status) if status.source_port == manager.port && status.is_running() => return Ok(()),
        Some(status) if status.source_port == manager.port => start_statements(server),
        _ => change_source_statements(server, manager.port, password),
    };
    worker.run(&statements).await
}

fn start_statements(server: &Server) -> Vec<String> {
    // a thread that gave up keeps its error until both are stopped
    let word = if server.says_replica() { "REPLICA" } else { "SLAVE" };
    vec![format!("STOP {word}"), format!("START {word}")]
}

fn change_source_statements(server: &Server, port: u16, password: &str) -> Vec<String> {
    let change = match server.engine {
        Engine::Mariadb => format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{REPLICATION}', \
             MASTER_PASSWORD='{password}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
        ),
        Engine::Mysql if server.says_replica() => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{REPLICATION}', \
             SOURCE_PASSWORD='{password}', SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400, \
             GET_SOURCE_PUBLIC_KEY=1, SOURCE_AUTO_POSITION=1"
        ),
        Engine::Mysql => format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{REPLICATION}', \
             MASTER_PASSWORD='{password}', MASTER_CONNECT_RETRY=1, GET_MASTER_PUBLIC_KEY=1, MASTER_AUTO_POSITION=1"
        ),
    };
    let word = if server.says_replica() { "REPLICA" } else { "SLAVE" };
    vec![format!("STOP {word}"), change, format!("START {word}")]
}

/// The manager's last transaction, in the engine's own words.
pub(crate) async fn manager_position(manager: &Node) -> anyhow::Result<String> {
    let mut conn = manager.connect().await?;
    let query = match manager.engine() {
        Engine::Mariadb => "SELECT @@GLOBAL.gtid_binlog_pos",
        Engine::Mysql => "SELECT @@GLOBAL.gtid_executed",
    };
    let position: Option<String> = conn.query_first(query).await?;
    conn.disconnect().await?;
    position.context("the manager has no GTID position")
}

/// Waits until the worker has applied everything up to `position`, both its threads run and its lag is 0.
pub(crate) async fn caught_up(worker: &Node, position: &str) -> anyhow::Result<()> {
    let mut conn = worker.connect().await?;
    let deadline = Instant::now() + CATCH_UP_WAIT_MAX;
    let reached = match worker.engine() {
        Engine::Mariadb => format!("SELECT MASTER_GTID_WAIT('{position}', 0.5)"),
        Engine::Mysql => format!(
            "SELECT WAIT_FOR_EXECUTED_GTID_SET('{}', 0.5)",
            position.replace('\n', "")
        ),
    };
    loop {
        let answer: Option<i64> = conn.query_first(&reached).await?;
        let status = ReplicaStatus::of(&mut conn)
            .await?
            .with_context(|| format!("{} follows no manager", worker.name))?;
        if answer == Some(0) && status.is_level() {
            conn.disconnect().await?;
            return Ok(());
        }
        if !status.error.is_empty() && !status.is_running() && status.applier != "Yes" {
            bail!(
                "{}: replication stopped: {status}; {}",
                worker.name,
                worker.process().log_tail(0)
            );
        }
        if Instant::now() > deadline {
            bail!(
                "{} has not caught up within {} s: {status}; {}",
                worker.name,
                CATCH_UP_WAIT_MAX.as_secs(),
                worker.process().log_tail(0)
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

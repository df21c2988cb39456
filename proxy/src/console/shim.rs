//! What opensrv-mysql asks: texts in, rows or errors out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use daemon::shards::Shards;
use opensrv_mysql::{
    AsyncMysqlShim, Column, ColumnFlags, ColumnType, ErrorKind, InitWriter, OkResponse, ParamParser,
    QueryResultWriter, StatementMetaWriter, StatusFlags,
};
use tokio::io::AsyncWrite;

use super::dialect::Asker;
use super::door::is_schema;
use super::order::{self, Order};
use super::query;
use super::refusal::Refusal;
use super::steer;
use super::table::{Answer, Kind, Value};
use super::tables::{Snapshot, Table};
use crate::digests::{self, Digests};
use crate::host::Host;

/// Longest wait for where the nodes stand in their history.
const POSITION_WAIT_MAX: Duration = Duration::from_millis(200);

/// One connection's view of the process.
pub(super) struct Shim {
    host: Arc<Host>,
    shards: Arc<Shards>,
    asker: Asker,
}

impl Shim {
    pub(super) fn new(host: Arc<Host>, shards: Arc<Shards>, asker: Asker) -> Self {
        Self { host, shards, asker }
    }

    /// Does what a text asks for; rows, or none where there are none.
    async fn obey(&mut self, text: &str) -> Result<Option<Answer>, Refusal> {
        self.asker.strategy = self.host.strategy.get().as_str();
        match order::of(text, &self.asker)? {
            Order::Nothing => Ok(None),
            Order::Tell(answer) => Ok(Some(answer)),
            Order::Select { sql, tables } => {
                let snapshots = self.snapshots(&tables).await;
                let answer = tokio::task::spawn_blocking(move || query::run(&sql, &snapshots)).await;
                answer
                    .unwrap_or_else(|error| Err(Refusal::other(error.to_string())))
                    .map(Some)
            }
            Order::SetStrategy(strategy) => {
                steer::set_strategy(&self.host, strategy);
                Ok(None)
            }
            Order::Drain { node, drained } => steer::drain(&self.host, &node, drained).map(|()| None),
            Order::Kill(id) => steer::kill(&self.host, id).await.map(|()| None),
            Order::ResetDigests => {
                steer::reset_digests(&self.shards).await;
                Ok(None)
            }
            Order::Use(schema) => self.use_schema(&schema).map(|()| None),
        }
    }

    fn use_schema(&mut self, schema: &str) -> Result<(), Refusal> {
        if !is_schema(schema) {
            return Err(Refusal::unknown_schema(schema));
        }
        self.asker.schema = Some(schema.to_owned());
        Ok(())
    }

    /// The tables as they are now.
    async fn snapshots(&self, tables: &[Table]) -> Vec<Snapshot> {
        let needs_shards = tables
            .iter()
            .any(|table| matches!(table, Table::Sessions | Table::Digests | Table::Routes));
        let mut shapes = Digests::default();
        if needs_shards {
            for of_shard in self.shards.on_each(digests::of_this_thread).await {
                shapes.merge(of_shard);
            }
        }
        if tables.contains(&Table::Nodes) {
            self.ask_positions().await;
        }
        let snapshot = |table: &Table| Snapshot {
            table: *table,
            rows: match table {
                Table::Nodes => super::tables::nodes::rows(&self.host),
                Table::Sessions => super::tables::sessions::rows(&self.host, &shapes),
                Table::Pools => super::tables::pools::rows(&self.host),
                Table::Digests => super::tables::digests::rows(&self.host, &shapes),
                Table::Routes => super::tables::routes::rows(&self.host, &shapes),
                Table::Config => super::tables::config::rows(&self.host),
            },
        };
        tables.iter().map(snapshot).collect()
    }

    /// Has every node that answers say where it stands.
    async fn ask_positions(&self) {
        let ids: Vec<_> = {
            let view = self.host.cluster.view();
            view.nodes().map(|(id, _)| id).collect()
        };
        let mut asked = tokio::task::JoinSet::new();
        for id in ids {
            let host = Arc::clone(&self.host);
            asked.spawn(async move {
                if let Some(positions) = host.cluster.positions(id) {
                    positions.after(positions.mark(), POSITION_WAIT_MAX).await;
                }
            });
        }
        while asked.join_next().await.is_some() {}
    }
}

#[async_trait]
impl<W: AsyncWrite + Send + Unpin> AsyncMysqlShim<W> for Shim {
    type Error = io::Error;

    fn version(&self) -> String {
        super::VERSION.to_owned()
    }

    async fn on_query<'a>(
        &'a mut self,
        query: &'a str,
        results: QueryResultWriter<'a, W>,
    ) -> Result<(), io::Error> {
        match self.obey(query).await {
            Ok(Some(answer)) => write(&answer, results).await,
            Ok(None) => {
                let ok = OkResponse {
                    status_flags: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
                    ..OkResponse::default()
                };
                results.completed(ok).await
            }
            Err(refusal) => results.error(refusal.kind, refusal.message.as_bytes()).await,
        }
    }

    async fn on_init<'a>(&'a mut self, schema: &'a str, writer: InitWriter<'a, W>) -> Result<(), io::Error> {
        match self.use_schema(schema) {
            Ok(()) => writer.ok().await,
            Err(refusal) => writer.error(refusal.kind, refusal.message.as_bytes()).await,
        }
    }

    // the pipe lets none of these through

    async fn on_prepare<'a>(
        &'a mut self,
        _query: &'a str,
        info: StatementMetaWriter<'a, W>,
    ) -> Result<(), io::Error> {
        info.error(ErrorKind::ER_UNSUPPORTED_PS, "".as_bytes()).await
    }

    async fn on_execute<'a>(
        &'a mut self,
        _id: u32,
        _parameters: ParamParser<'a>,
        results: QueryResultWriter<'a, W>,
    ) -> Result<(), io::Error> {
        results.error(ErrorKind::ER_UNSUPPORTED_PS, "".as_bytes()).await
    }

    async fn on_close<'a>(&'a mut self, _id: u32)
    where
        W: 'async_trait,
    {
    }
}

async fn write<W: AsyncWrite + Send + Unpin>(
    answer: &Answer,
    results: QueryResultWriter<'_, W>,
) -> io::Result<()> {
    let columns: Vec<Column> = answer
        .columns
        .iter()
        .map(|column| Column {
            table: String::new(),
            column: column.name.clone(),
            coltype: match column.kind {
                Kind::Integer => ColumnType::MYSQL_TYPE_LONGLONG,
                Kind::Real => ColumnType::MYSQL_TYPE_DOUBLE,
                Kind::Text => ColumnType::MYSQL_TYPE_VAR_STRING,
            },
            colflags: ColumnFlags::empty(),
        })
        .collect();
    let mut writer = results.start(&columns).await?;
    for row in &answer.rows {
        for value in row {
            match value {
                Value::Null => writer.write_col(None::<&str>)?,
                Value::Integer(integer) => writer.write_col(integer.to_string())?,
                Value::Real(real) => writer.write_col(real.to_string())?,
                Value::Text(text) => writer.write_col(text.as_str())?,
            }
        }
        writer.end_row().await?;
    }
    writer.finish().await
}

//! One node's health: a check every interval, each within one bound.
//!
//! A check asks what can change: `read_only`, who the server is, the state of replication. A new connection
//! asks first who the server is, and reads its greeting.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Row, Value};
use tokio::sync::watch as signal;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Cluster;
use super::control::{Control, ControlError, within};
use super::greeting;
use super::health::{Exclusion, Health, HealthHistory};
use super::node::{Node, NodeFacts, NodeId, Role};
use super::replication::{Identity, Observation, Source, StatusRow, is_mariadb, is_on};
use super::topology::Knowledge;
use crate::config;

/// A node that cannot be reached is tried less and less often, down to this: it must be noticed when it
/// is back, and a failed attempt costs little.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// The same for a node that accepts connections and then says nothing, after [`SILENT_CHECKS_MAX`] checks.
/// Once it goes on, it counts each connection that was given up as a failed handshake, and MySQL blocks a
/// host after `max_connect_errors` (100) of them.
const BACK_OFF_SILENT: Duration = Duration::from_secs(10);

/// About a minute and a half.
const SILENT_CHECKS_MAX: u32 = 30;

/// Checks in a row without an answer in time after which a node counts as lost, for the question who the manager is: a
/// busy machine is late once or twice. A connection that is refused or broken says it at once.
const LATE_CHECKS_MAX: u32 = 3;

/// Which statements a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    MariaDb,
    MySql,
    /// MySQL before 8.0.22.
    MySqlSlave,
}

/// The task of one node.
pub(super) struct Watch {
    cluster: Arc<Cluster>,
    id: NodeId,
    node: Arc<Node>,
    monitor: config::Monitor,
    control: Control,
    dialect: Option<Dialect>,
    history: HealthHistory,
    failures: u32,
    silent_checks: u32,
    /// That was said in the log.
    may_not_ask: bool,
}

impl Watch {
    pub(super) fn new(cluster: Arc<Cluster>, id: NodeId, node: Arc<Node>, monitor: &config::Monitor) -> Self {
        Self {
            control: Control::new(&node, monitor),
            history: HealthHistory::new(monitor.recover_checks),
            monitor: monitor.clone(),
            dialect: None,
            failures: 0,
            silent_checks: 0,
            may_not_ask: false,
            cluster,
            id,
            node,
        }
    }

    /// Checks until told to stop.
    pub(super) async fn run(mut self, mut stopped: signal::Receiver<bool>) {
        let cluster = Arc::clone(&self.cluster);
        loop {
            let started = Instant::now();
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = self.check_once() => {}
            }
            let next = started + self.pause();
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(next) => {}
                () = asked_for_a_check(&cluster, self.id) => {}
            }
        }
        self.control.close().await;
    }

    fn pause(&self) -> Duration {
        if self.silent_checks > SILENT_CHECKS_MAX {
            return BACK_OFF_SILENT.max(self.monitor.interval);
        }
        let doubled = self.monitor.interval.saturating_mul(1 << self.failures.min(8));
        doubled.min(BACK_OFF_MAX).max(self.monitor.interval)
    }

    async fn check_once(&mut self) {
        let limit = self.monitor.timeout;
        let checked = Box::pin(within(limit, self.check_on_an_open_connection())).await;
        self.silent_checks = match &checked {
            Err(ControlError::Timeout(_)) => self.silent_checks.saturating_add(1),
            _ => 0,
        };
        if let Err(error) = &checked {
            self.failures = self.failures.saturating_add(1);
            if !matches!(error, ControlError::Server { .. }) {
                self.control.abandon();
            }
        } else {
            self.failures = 0;
        }
        self.conclude(&checked);
    }

    fn conclude(&mut self, checked: &Result<Observation, ControlError>) {
        let knowledge = match checked {
            Ok(_) => Some(Knowledge::Answered),
            Err(ControlError::Timeout(_)) if self.silent_checks < LATE_CHECKS_MAX => None,
            Err(ControlError::Timeout(_) | ControlError::Lost(_)) => Some(Knowledge::Unreachable),
            Err(ControlError::Denied { .. } | ControlError::Server { .. }) => Some(Knowledge::Unasked),
        };
        let role = self.cluster.observed(self.id, knowledge, checked.as_ref().ok());
        let verdict = match checked {
            Ok(observation) => observation.judge(role, self.monitor.lag_max),
            Err(ControlError::Timeout(_) | ControlError::Lost(_)) => Err(Exclusion::Unreachable),
            Err(ControlError::Denied { .. }) => Err(Exclusion::AccessDenied),
            Err(ControlError::Server { .. }) => Err(Exclusion::StateUnknown),
        };
        let changed = self.history.observe(verdict);
        let health = self.history.health();
        if changed {
            self.report((role, health), checked.as_ref().err());
        }
        self.cluster.update(self.id, |view| {
            view.health = health;
            view.lag = checked.as_ref().ok().and_then(Observation::lag);
        });
    }

    fn report(&self, (role, health): (Role, Health), error: Option<&ControlError>) {
        let node = &*self.node.name;
        match health {
            Health::Up => info!(node, %role, "node is up"),
            Health::Excluded(exclusion) => {
                let error = error.map(tracing::field::display);
                warn!(node, %role, reason = %exclusion, error, "node is left out");
            }
        }
    }

    /// A connection that was lost since the last check (an idle time-out, a KILL, a restart) says nothing
    /// about the server; a new one does.
    async fn check_on_an_open_connection(&mut self) -> Result<Observation, ControlError> {
        let is_new = self.control.open().await?;
        if is_new {
            self.dialect = None;
        }
        match self.check().await {
            Err(ControlError::Lost(_)) if !is_new => {
                self.control.open().await?;
                self.dialect = None;
                self.check().await
            }
            checked => checked,
        }
    }

    async fn check(&mut self) -> Result<Observation, ControlError> {
        let dialect = match self.dialect {
            Some(dialect) => dialect,
            None => self.meet().await?,
        };
        let state = self.control.query(state_of(dialect)).await?;
        let mut state = state
            .first()
            .map(texts)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, text)| text);
        let mut text = || state.next().flatten();
        let read_only = text().is_some_and(|text| is_on(&text));
        let (server_id, uuid) = (text(), text());
        let sources = match self.sources(dialect).await {
            Ok(sources) => Some(sources),
            Err(error @ (ControlError::Server { .. } | ControlError::Denied { .. })) => {
                if !std::mem::replace(&mut self.may_not_ask, true) {
                    warn!(
                        node = &*self.node.name,
                        %error,
                        "the monitor's account may not ask for replication: who the manager is goes by the configured role"
                    );
                }
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Observation {
            read_only,
            identity: Identity::of(server_id.as_deref(), uuid.as_deref()),
            sources,
        })
    }

    /// Who is there? Asked once for each connection.
    async fn meet(&mut self) -> Result<Dialect, ControlError> {
        const WHO: &str = "SELECT VERSION(), @@version_comment, \
                           @@global.character_set_server, @@global.collation_server";
        let row = self.control.query(WHO).await?;
        let mut row = row
            .first()
            .map(texts)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, text)| text);
        let mut text = || row.next().flatten().unwrap_or_default();
        let (version, comment, charset, collation) = (text(), text(), text(), text());
        let dialect = if is_mariadb(&version, &comment) {
            Dialect::MariaDb
        } else {
            Dialect::MySql
        };
        let node = &*self.node.name;
        info!(
            node,
            address = self.node.address_in_log(),
            version,
            comment,
            charset,
            collation,
            "control connection is open"
        );
        if let Some(facts) = self.greeting().await? {
            self.cluster
                .update(self.id, |view| view.facts = Some(Arc::new(facts)));
        }
        self.dialect = Some(dialect);
        Ok(dialect)
    }

    async fn greeting(&self) -> Result<Option<NodeFacts>, ControlError> {
        let visit = greeting::visit(&self.node, &self.monitor).await;
        match visit {
            Ok(visit) => Ok(Some(visit.facts)),
            Err(error) => {
                // the control connection has just logged in, so this is a moment's trouble: the check
                // fails and the next one starts afresh
                debug!(node = &*self.node.name, %error, "the greeting could not be read");
                Err(ControlError::Lost(error.to_string()))
            }
        }
    }

    async fn sources(&mut self, dialect: Dialect) -> Result<Vec<Source>, ControlError> {
        let rows = match dialect {
            Dialect::MariaDb => self.control.query("SHOW ALL SLAVES STATUS").await?,
            Dialect::MySqlSlave => self.control.query("SHOW SLAVE STATUS").await?,
            Dialect::MySql => match self.control.query("SHOW REPLICA STATUS").await {
                Err(error) if error.is_unknown_statement() => {
                    self.dialect = Some(Dialect::MySqlSlave);
                    self.control.query("SHOW SLAVE STATUS").await?
                }
                other => other?,
            },
        };
        Ok(rows.iter().map(|row| Source::from_row(&texts(row))).collect())
    }
}

async fn asked_for_a_check(cluster: &Cluster, id: NodeId) {
    match cluster.recheck.get(id.index()) {
        Some(recheck) => recheck.notified().await,
        None => std::future::pending().await,
    }
}

/// Whether the node may be written to, and who it is.
fn state_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MariaDb => "SELECT @@global.read_only, @@global.server_id",
        Dialect::MySql | Dialect::MySqlSlave => {
            "SELECT @@global.read_only OR @@global.super_read_only, @@global.server_id, @@global.server_uuid"
        }
    }
}

fn texts(row: &Row) -> StatusRow {
    row.columns_ref()
        .iter()
        .enumerate()
        .map(|(place, column)| (column.name_str().into_owned(), row.as_ref(place).and_then(text)))
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        other => Some(other.as_sql(true)),
    }
}

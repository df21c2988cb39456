//! Where each node stands in the manager's history: asked for only when a session wants to know, one question at a
//! time for each node, its answer for everybody who waits.
//!
//! What an answer promises depends on the role, because both engines show a transaction to readers a moment before
//! (or after) they count it as done:
//! - the manager's is an **upper** bound: everything that anybody could have seen anywhere before the question was
//!   put is in it, for it holds what is being committed too (`gtid_owned`; MariaDB's binary log comes first);
//! - a worker's is a **lower** bound: everything in it can be seen there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::Row;
use tokio::sync::{Notify, watch as signal};
use tracing::{debug, warn};

use super::Cluster;
use super::control::{Control, ControlError, within};
use super::node::{Node, NodeId, Role};
use super::replication::is_mariadb;
use crate::config;
use crate::position::Position;

/// A pause after a question that failed: a node that is gone is not asked in a loop.
const FAILED_PAUSE: Duration = Duration::from_millis(200);

/// One answer.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Which question it answers; they are counted from 1.
    pub number: u64,
    /// None where the node could not be asked, or keeps no GTIDs.
    pub position: Option<Arc<Position>>,
}

/// What is known of one node's position, shared by its task and all sessions.
#[derive(Debug)]
pub struct Positions {
    /// Questions put so far.
    asked: AtomicU64,
    latest: signal::Sender<Sample>,
    /// The last answer's [`Position::has_one_order`].
    one_order: AtomicBool,
    wanted: Notify,
}

impl Positions {
    pub(super) fn new() -> Self {
        let nothing = Sample {
            number: 0,
            position: None,
        };
        Self {
            asked: AtomicU64::new(0),
            latest: signal::Sender::new(nothing),
            one_order: AtomicBool::new(false),
            wanted: Notify::new(),
        }
    }

    /// The number of the last question. What a session has seen by now is within the answer to any later one.
    #[inline]
    pub fn mark(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether a transaction of this history says that all before it are there too, by the last answer.
    #[inline]
    pub fn has_one_order(&self) -> bool {
        self.one_order.load(Ordering::Relaxed)
    }

    /// The last answer.
    pub fn latest(&self) -> Sample {
        self.latest.borrow().clone()
    }

    /// Asks for a newer answer, and does not wait.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// The first answer to a question that was put after `mark`; none when it does not come within the limit.
    pub async fn after(&self, mark: u64, limit: Duration) -> Option<Sample> {
        let mut answers = self.latest.subscribe();
        if answers.borrow().number <= mark {
            self.want();
        }
        let answer = tokio::time::timeout(limit, answers.wait_for(|sample| sample.number > mark)).await;
        answer.ok()?.ok().map(|sample| sample.clone())
    }
}

/// The task that asks one node.
pub(super) struct Sampler {
    cluster: Arc<Cluster>,
    id: NodeId,
    node: Arc<Node>,
    control: Control,
    timeout: Duration,
    is_mariadb: Option<bool>,
    /// The last thing that was said in the log.
    had_none: bool,
}

impl Sampler {
    pub(super) fn new(cluster: Arc<Cluster>, id: NodeId, node: Arc<Node>, monitor: &config::Monitor) -> Self {
        Self {
            control: Control::new(&node, monitor),
            timeout: monitor.timeout,
            is_mariadb: None,
            had_none: false,
            cluster,
            id,
            node,
        }
    }

    /// Answers until told to stop.
    pub(super) async fn run(mut self, mut stopped: signal::Receiver<bool>) {
        let cluster = Arc::clone(&self.cluster);
        let Some(positions) = cluster.positions(self.id) else {
            return;
        };
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = positions.wanted.notified() => {}
            }
            // counted before it is put: a session that has not seen this number has seen nothing later than its answer
            let number = positions.asked.fetch_add(1, Ordering::SeqCst) + 1;
            // what an answer promises goes by the role: one that spans a change promises nothing
            let role = cluster.view().role(self.id);
            let asked = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                asked = within(self.timeout, self.ask_on_an_open_connection(role)) => asked,
            };
            let changed = cluster.view().role(self.id) != role;
            let failed = asked.is_err() || changed;
            let position = asked.unwrap_or_else(|error| {
                debug!(node = &*self.node.name, %error, "the position could not be asked for");
                self.control.abandon();
                None
            });
            let position = position.filter(|_| !changed);
            if !failed && position.is_none() && !self.had_none {
                warn!(
                    node = &*self.node.name,
                    "keeps no GTIDs (gtid_mode=ON, or the binary log, is missing): sessions with consistency stay on the manager"
                );
            }
            self.had_none = !failed && position.is_none();
            let one_order = position.as_ref().is_some_and(Position::has_one_order);
            positions.one_order.store(one_order, Ordering::Relaxed);
            positions.latest.send_replace(Sample {
                number,
                position: position.map(Arc::new),
            });
            if failed {
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
        self.control.close().await;
    }

    async fn ask_on_an_open_connection(&mut self, role: Role) -> Result<Option<Position>, ControlError> {
        let is_new = self.control.open().await?;
        if is_new {
            self.is_mariadb = None;
        }
        match self.ask(role).await {
            Err(ControlError::Lost(_)) if !is_new => {
                self.control.open().await?;
                self.is_mariadb = None;
                self.ask(role).await
            }
            asked => asked,
        }
    }

    async fn ask(&mut self, role: Role) -> Result<Option<Position>, ControlError> {
        let is_mariadb = match self.is_mariadb {
            Some(known) => known,
            None => {
                let [version, comment] = self.texts("SELECT VERSION(), @@version_comment").await?;
                *self.is_mariadb.insert(is_mariadb(&version, &comment))
            }
        };
        if is_mariadb {
            self.ask_mariadb(role).await
        } else {
            self.ask_mysql(role).await
        }
    }

    async fn ask_mariadb(&mut self, role: Role) -> Result<Option<Position>, ControlError> {
        const WHERE: &str = "SELECT @@global.log_bin, @@global.gtid_binlog_pos, @@global.gtid_current_pos";
        let [log_bin, binlog, current] = self.texts(WHERE).await?;
        let mut position = parsed(&current, true);
        if role == Role::Manager {
            if log_bin != "1" {
                return Ok(None);
            }
            match (&mut position, parsed(&binlog, true)) {
                (Some(position), Some(binlog)) => position.merge(&binlog),
                _ => return Ok(None),
            }
        }
        Ok(position)
    }

    async fn ask_mysql(&mut self, role: Role) -> Result<Option<Position>, ControlError> {
        // what is on its way to `gtid_executed` is asked for first: it cannot slip out of both
        let owned = match role {
            Role::Manager => {
                let [owned] = self.texts("SELECT @@global.gtid_owned").await?;
                without_owners(&owned)
            }
            Role::Worker => String::new(),
        };
        let [mode, executed] = self
            .texts("SELECT @@global.gtid_mode, @@global.gtid_executed")
            .await?;
        if mode != "ON" {
            return Ok(None);
        }
        let (Some(mut executed), Some(owned)) = (parsed(&executed, false), parsed(&owned, false)) else {
            return Ok(None);
        };
        executed.merge(&owned);
        Ok(Some(executed))
    }

    async fn texts<const N: usize>(&mut self, sql: &str) -> Result<[String; N], ControlError> {
        let rows = self.control.query(sql).await?;
        let row: Option<&Row> = rows.first();
        Ok(std::array::from_fn(|place| {
            row.and_then(|row| row.get_opt::<String, _>(place))
                .and_then(Result::ok)
                .unwrap_or_default()
        }))
    }
}

fn parsed(text: &str, is_mariadb: bool) -> Option<Position> {
    Position::parse(text, is_mariadb)
        .inspect_err(|error| warn!(%error, "a server's position cannot be read"))
        .ok()
}

/// `gtid_owned` names the thread behind each number: `uuid:5#12:6#13`.
fn without_owners(owned: &str) -> String {
    let mut text = String::with_capacity(owned.len());
    let mut in_owner = false;
    for character in owned.chars() {
        in_owner = match character {
            '#' => true,
            ':' | ',' => false,
            _ => in_owner,
        };
        if !in_owner {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_left_out() {
        for (owned, expected) in [
            ("", ""),
            ("u:5#12", "u:5"),
            ("u:5#12:6#13,\nv:1#2", "u:5:6,\nv:1"),
            ("u:tag:5#12", "u:tag:5"),
        ] {
            assert_eq!(without_owners(owned), expected);
        }
    }

    #[tokio::test]
    async fn only_a_question_that_was_put_later_is_an_answer() {
        let positions = Arc::new(Positions::new());
        let limit = Duration::from_secs(60);
        let mark = positions.mark();
        let asking = Arc::clone(&positions);
        let waits = tokio::spawn(async move { asking.after(mark, limit).await });
        positions.wanted.notified().await;
        let number = positions.asked.fetch_add(1, Ordering::SeqCst) + 1;
        positions.latest.send_replace(Sample {
            number,
            position: None,
        });
        assert_eq!(waits.await.unwrap().map(|sample| sample.number), Some(1));
        assert!(positions.after(positions.mark(), Duration::ZERO).await.is_none());
    }
}

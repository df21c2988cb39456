//! Workers that are behind: one most of the time, the other now and then.
//!
//! A worker that is always late would hardly be asked, for the other one is nearer; and one that never is would prove
//! nothing. So worker1 stands still most of the time and catches up in between, and worker2 follows but for a pause now
//! and then: some reads find what they need, some wait for it, some go to the manager. A worker stands still under a lock
//! on all its tables: it serves, and shows what is old. Sometimes its applier is stopped too, which takes it out.

use std::time::Duration;

use infra::local::Engine;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::dice::Dice;
use crate::cluster::Cluster;

/// How long a worker applies and how long it does not, in milliseconds: at least, and so many more; and how often in a
/// hundred times its applier is stopped meanwhile.
struct Pace {
    worker: &'static str,
    runs_ms: (u64, u64),
    stands_ms: (u64, u64),
    stops_percent: u64,
}

/// How long a read waits for a worker here; most pauses are shorter.
const WAIT_SETTING: &str = "proxy.routing.consistency-wait-ms=3000";
/// What MySQL describes a column as depends on its plan, and that on estimates that are never the same twice: behind a temporary
/// table a column is part of no key. So no plan has one that estimates choose. MariaDB's definitions do not depend on it.
const PLAN_SETTING: &str = "mysqld.optimizer_switch=semijoin=off,materialization=off,block_nested_loop=off";
/// Longer than that.
const LONG: Duration = Duration::from_millis(3500);
const LONG_PERCENT: u64 = 2;

const PACES: [Pace; 2] = [
    Pace {
        worker: "worker1",
        runs_ms: (30, 200),
        stands_ms: (50, 350),
        stops_percent: 0,
    },
    Pace {
        worker: "worker2",
        runs_ms: (300, 1500),
        stands_ms: (30, 300),
        stops_percent: 5,
    },
];

/// Settings of the single server, and of the cluster.
#[must_use]
pub fn settings(engine: Engine) -> (&'static [&'static str], &'static [&'static str]) {
    match engine {
        Engine::Mariadb => (&[], &[WAIT_SETTING]),
        Engine::Mysql => (&[PLAN_SETTING], &[WAIT_SETTING, PLAN_SETTING]),
    }
}

/// No session waits long for a lock: should a program do so, both sides get the same error.
///
/// # Errors
/// When it cannot be told.
pub async fn short_lock_waits(cluster: &Cluster) -> anyhow::Result<()> {
    let mut manager = cluster.root("manager").await?;
    manager
        .query_drop("SET GLOBAL innodb_lock_wait_timeout = 1, lock_wait_timeout = 2")
        .await?;
    Ok(manager.disconnect().await?)
}

/// Both workers stand and run, until it is dropped; then [`resume`] lets them run for good.
///
/// # Errors
/// When it cannot be told.
pub async fn pauses(cluster: &Cluster, seed: u64) -> anyhow::Result<()> {
    let [one, other] = PACES;
    tokio::try_join!(
        pause(cluster, one, seed),
        pause(cluster, other, seed.wrapping_add(1))
    )?;
    Ok(())
}

async fn pause(cluster: &Cluster, pace: Pace, seed: u64) -> anyhow::Result<()> {
    let mut worker = cluster.root(pace.worker).await?;
    worker.query_drop("SET SESSION lock_wait_timeout = 1").await?;
    let mut dice = Dice::new(seed);
    let some_of = |dice: &mut Dice, (least, more)| Duration::from_millis(least + dice.below(more));
    loop {
        tokio::time::sleep(some_of(&mut dice, pace.runs_ms)).await;
        let stops = dice.percent(pace.stops_percent);
        if stops {
            tell(cluster, &mut worker, "STOP").await?;
        } else if worker.query_drop("FLUSH TABLES WITH READ LOCK").await.is_err() {
            // somebody's statement takes longer than it waits
            continue;
        }
        let long = dice.percent(LONG_PERCENT);
        let stands = some_of(&mut dice, pace.stands_ms);
        tokio::time::sleep(if long { LONG } else { stands }).await;
        if stops {
            tell(cluster, &mut worker, "START").await?;
        } else {
            worker.query_drop("UNLOCK TABLES").await?;
        }
    }
}

/// Both appliers run.
///
/// # Errors
/// When they cannot be told.
pub async fn resume(cluster: &Cluster) -> anyhow::Result<()> {
    for pace in PACES {
        let mut worker = cluster.root(pace.worker).await?;
        tell(cluster, &mut worker, "START").await?;
        worker.disconnect().await?;
    }
    Ok(())
}

async fn tell(cluster: &Cluster, worker: &mut Conn, what: &str) -> anyhow::Result<()> {
    let word = match cluster.engine() {
        Engine::Mariadb => "SLAVE",
        Engine::Mysql => "REPLICA",
    };
    Ok(worker.query_drop(format!("{what} {word} SQL_THREAD")).await?)
}

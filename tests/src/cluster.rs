//! Real servers. One cluster per engine and run; a schema per test.

use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, bail};
use infra::local::cluster::NodeEntry;
use infra::local::engine::Server;
use infra::local::{Engine, EngineChoice};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::door::Door;
use crate::keeper::{self, Request};
use crate::node_log::NodeLog;
use crate::runner::Runner;

/// What every node of a test cluster runs with beside the defaults: the log is the nodes' own evidence of what they
/// did, and MySQL knows LOAD DATA LOCAL only when told so.
const SETTINGS: [&str; 4] = [
    "mysqld.general-log=ON",
    "mysqld.general-log-file=general.log",
    "mysqld.local-infile=ON",
    "mysqld.max-allowed-packet=64M",
];

/// Of the shared cluster: many tests write at once on a busy machine, and what a read waits for is not what they test.
const PATIENCE: [&str; 2] = [
    "proxy.routing.consistency-wait-ms=5000",
    "proxy.limits.connect-timeout-ms=15000",
];

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    facts: infra::local::Cluster,
    _own: Option<Own>,
}

/// A cluster that only one test uses. It is taken down when dropped; should the test die, its keeper does it.
#[derive(Debug)]
struct Own {
    keeper: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.keeper.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.keeper.wait();
    }
}

/// The cluster of this run, started by whoever asks first. `None` is a skip that has been spoken.
///
/// With TEST_CLUSTER_MARIADB or TEST_CLUSTER_MYSQL it is the running one in that directory, which spares whoever
/// repeats a test the start.
///
/// # Errors
/// Why it does not run; and a missing server, where servers are required.
pub async fn shared(engine: Engine) -> anyhow::Result<Option<Cluster>> {
    if !is_installed(engine).await? {
        return Ok(None);
    }
    if let Ok(dir) = std::env::var(format!("TEST_CLUSTER_{}", engine.to_string().to_uppercase())) {
        return Cluster::load(Path::new(&dir), None).map(Some);
    }
    let runner = Runner::current()?;
    let request = request(
        engine,
        runner.folder().join(engine.to_string()),
        2,
        runner,
        &PATIENCE,
    );
    keeper::running(&request).await?;
    Cluster::load(&request.cluster_dir(), None).map(Some)
}

/// A cluster for a test that breaks nodes. `None` is a skip that has been spoken.
///
/// # Errors
/// As [`shared`].
pub async fn own(engine: Engine, workers: u16, settings: &[&str]) -> anyhow::Result<Option<Cluster>> {
    if !is_installed(engine).await? {
        return Ok(None);
    }
    let folder = tempfile::Builder::new().prefix("gatekeeper-test-").tempdir()?;
    let dir = folder.path().join("keeper");
    let request = request(engine, dir, workers, Runner::this_process()?, settings);
    let keeper = keeper::running(&request)
        .await?
        .context("somebody else keeps this folder")?;
    let own = Own {
        keeper,
        _folder: folder,
    };
    Cluster::load(&request.cluster_dir(), Some(own)).map(Some)
}

fn request(engine: Engine, dir: PathBuf, workers: u16, runner: Runner, settings: &[&str]) -> Request {
    let settings = SETTINGS
        .iter()
        .chain(settings)
        .map(|setting| (*setting).to_owned())
        .collect();
    Request {
        dir,
        engine,
        workers,
        runner,
        settings,
    }
}

/// Whether the engine is on this machine. Where it is not: a spoken skip at home, a failure where servers are
/// required (TEST_SERVERS=required, as `make test` sets it, or CI=true).
async fn is_installed(engine: Engine) -> anyhow::Result<bool> {
    let choice = match engine {
        Engine::Mariadb => EngineChoice::Mariadb,
        Engine::Mysql => EngineChoice::Mysql,
    };
    let Err(error) = Server::find(choice, None).await else {
        return Ok(true);
    };
    if is_required() {
        bail!("servers are required here (TEST_SERVERS=required or CI=true) and one is missing: {error:#}");
    }
    eprintln!("skipped: {error:#}");
    Ok(false)
}

/// Whether what the tests need has to be there (TEST_SERVERS=required, as `make test` sets it, or CI=true).
#[must_use]
pub fn is_required() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    is("TEST_SERVERS", "required") || is("CI", "true")
}

impl Cluster {
    fn load(dir: &Path, own: Option<Own>) -> anyhow::Result<Cluster> {
        Ok(Cluster {
            dir: dir.to_owned(),
            facts: infra::local::Cluster::load(dir)?,
            _own: own,
        })
    }

    /// Which database.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.facts.engine
    }

    /// Its directory, for `infra::local`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `cluster.json`.
    #[must_use]
    pub fn facts(&self) -> &infra::local::Cluster {
        &self.facts
    }

    /// Where clients come in.
    ///
    /// # Errors
    /// When the cluster has no services.
    pub fn door(&self) -> anyhow::Result<Door> {
        let gatekeeper = self.facts.gatekeeper.as_ref().context("no gatekeeper")?;
        let proxy = self.facts.proxy.as_ref().context("no proxy")?;
        Ok(Door {
            port: gatekeeper.port,
            socket: gatekeeper.socket.clone(),
            gatekeeper_http: gatekeeper.http.clone(),
            proxy_http: proxy.http.clone(),
            users: self.facts.users.clone(),
        })
    }

    /// The node of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> anyhow::Result<&NodeEntry> {
        self.facts.node(name).with_context(|| format!("no node {name}"))
    }

    /// The administrator's connection to a node itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn root(&self, name: &str) -> anyhow::Result<Conn> {
        let node = self.node(name)?;
        let options = OptsBuilder::default()
            .ip_or_hostname(node.host.as_str())
            .tcp_port(node.port)
            .user(Some(&node.root_user))
            .pass(Some(&node.root_password))
            .prefer_socket(false);
        Conn::new(options)
            .await
            .with_context(|| format!("cannot log in at {name}"))
    }

    /// What the nodes wrote down from now on.
    ///
    /// # Errors
    /// When a node's log cannot be found.
    pub async fn log(&self) -> anyhow::Result<NodeLog> {
        NodeLog::open(self).await
    }

    /// A schema of this test's own, on every node.
    ///
    /// # Errors
    /// When it cannot be created.
    pub async fn schema(&self, what: &str) -> anyhow::Result<String> {
        let name = format!("test_{what}_{:08x}", rand::random::<u32>());
        let mut root = self.root("manager").await?;
        root.query_drop(format!("CREATE DATABASE {name} DEFAULT CHARACTER SET utf8mb4"))
            .await?;
        root.disconnect().await?;
        self.settle().await?;
        Ok(name)
    }

    /// Waits until every worker has what the manager has now.
    ///
    /// # Errors
    /// When a worker does not follow.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let mut root = self.root("manager").await?;
        let (position, wait) = match self.engine() {
            Engine::Mariadb => ("SELECT @@gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, 20)"),
            Engine::Mysql => (
                "SELECT @@gtid_executed",
                "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 20)",
            ),
        };
        let position: String = root.query_first(position).await?.context("no position")?;
        root.disconnect().await?;
        for worker in self.facts.workers() {
            let mut root = self.root(&worker.name).await?;
            let waited: Option<i64> = root.exec_first(wait, (&position,)).await?;
            root.disconnect().await?;
            if waited != Some(0) {
                bail!("{} does not reach {position}", worker.name);
            }
        }
        Ok(())
    }

    /// Waits until reads may go to these workers, and to no others.
    ///
    /// # Errors
    /// When the proxy does not say so soon.
    pub async fn serving(&self, workers: &[&str]) -> anyhow::Result<()> {
        self.door()?.serving(workers).await
    }
}

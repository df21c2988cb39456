//! The running cluster that is measured: `cluster.json`, and one of our own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::process::Command;

use super::{hop::stop_gently, interrupt::Interrupt, limits, sysbench::Target};

/// What the benchmark needs of `cluster.json`; more may stand there. Without gatekeeper and proxy the other
/// paths can still be measured.
#[derive(Clone, Deserialize)]
pub(super) struct Cluster {
    pub(super) engine: String,
    pub(super) version: String,
    gatekeeper: Option<Service>,
    proxy: Option<Service>,
    nodes: Vec<Node>,
    #[serde(default)]
    users: Vec<User>,
    admin: Option<User>,
}

#[derive(Clone, Deserialize)]
struct Service {
    host: String,
    port: u16,
    #[serde(default)]
    http: String,
    #[serde(default)]
    admin_port: u16,
    pid: u32,
    config: PathBuf,
}

#[derive(Clone, Deserialize)]
struct Node {
    name: String,
    role: String,
    host: String,
    port: u16,
    pid: u32,
    root_user: String,
    root_password: String,
}

#[derive(Clone, Deserialize)]
struct User {
    name: String,
    password: String,
}

/// The pair as it runs: the entrance and its two processes.
pub(super) struct Pair {
    pub(super) entrance: Target,
    pub(super) gatekeeper_pid: u32,
    pub(super) proxy_pid: u32,
}

impl Cluster {
    /// Reads `dir/cluster.json`.
    pub(super) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("cluster.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {} (is the cluster up?)", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("failed to read {}", path.display()))
    }

    /// Root on the manager.
    pub(super) fn manager(&self) -> anyhow::Result<Target> {
        Ok(self.manager_node()?.root())
    }

    /// The workers: each one's place in the proxy's list of nodes, name, and root on it.
    pub(super) fn worker_nodes(&self) -> Vec<(usize, String, Target)> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.role == "worker")
            .map(|(place, node)| (place, node.name.clone(), node.root()))
            .collect()
    }

    /// Where the proxy's pages are.
    pub(super) fn proxy_http(&self) -> anyhow::Result<&str> {
        Ok(&self.proxy.as_ref().context("the cluster has no proxy")?.http)
    }

    /// The proxy's admin console.
    pub(super) fn console(&self) -> anyhow::Result<Target> {
        let (Some(proxy), Some(admin)) = (&self.proxy, &self.admin) else {
            bail!("the cluster has no admin console");
        };
        Ok(Target {
            host: proxy.host.clone(),
            port: proxy.admin_port,
            user: admin.name.clone(),
            password: admin.password.clone(),
        })
    }

    /// The manager's process.
    pub(super) fn manager_pid(&self) -> anyhow::Result<u32> {
        Ok(self.manager_node()?.pid)
    }

    fn manager_node(&self) -> anyhow::Result<&Node> {
        self.nodes
            .iter()
            .find(|node| node.role == "manager")
            .context("the cluster names no manager")
    }

    /// Nodes that are not the manager.
    pub(super) fn workers(&self) -> usize {
        self.nodes.iter().filter(|node| node.role == "worker").count()
    }

    /// Gatekeeper and proxy, entered as `user`.
    pub(super) fn pair(&self, user: &str) -> anyhow::Result<Pair> {
        let (Some(gatekeeper), Some(proxy)) = (&self.gatekeeper, &self.proxy) else {
            bail!("the cluster has no gatekeeper and proxy: leave out `pair` and `proxy` with --paths");
        };
        let user = self
            .users
            .iter()
            .find(|known| known.name == user)
            .with_context(|| format!("the cluster has no user `{user}`"))?;
        Ok(Pair {
            entrance: Target {
                host: gatekeeper.host.clone(),
                port: gatekeeper.port,
                user: user.name.clone(),
                password: user.password.clone(),
            },
            gatekeeper_pid: gatekeeper.pid,
            proxy_pid: proxy.pid,
        })
    }

    /// How the proxy routes, from its configuration; unknown when that cannot be read.
    pub(super) fn strategy(&self) -> Option<String> {
        let config = toml_of(&self.proxy.as_ref()?.config)?;
        Some(config.get("routing")?.get("strategy")?.as_str()?.to_owned())
    }

    /// `unix` or `tcp` between gatekeeper and proxy; unknown when the configuration cannot be read.
    pub(super) fn inner_hop(&self) -> Option<&'static str> {
        let config = toml_of(&self.gatekeeper.as_ref()?.config)?;
        Some(if config.get("proxy")?.get("socket").is_some() {
            "unix"
        } else {
            "tcp"
        })
    }
}

impl Node {
    fn root(&self) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            user: self.root_user.clone(),
            password: self.root_password.clone(),
        }
    }
}

fn toml_of(path: &Path) -> Option<toml::Table> {
    std::fs::read_to_string(path).ok()?.parse().ok()
}

/// A cluster started for the benchmark alone.
pub(super) struct OwnCluster {
    infra: PathBuf,
    dir: tempfile::TempDir,
}

/// What an own cluster is made of.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) engine: String,
    pub(super) workers: u32,
    /// 0: whatever ports are free.
    pub(super) port_base: u16,
    /// Threads of gatekeeper and proxy each, where not one per core.
    pub(super) shards: Option<u16>,
}

impl OwnCluster {
    /// Starts it by `infra local up`, all reads on the manager as they are behind HAProxy.
    pub(super) async fn up(infra: &Path, wanted: &Wanted, interrupt: &mut Interrupt) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("infra-bench-")
            .tempdir()
            .context("failed to make a folder")?;
        let own = Self {
            infra: infra.to_owned(),
            dir,
        };
        let mut settings = vec!["proxy.routing.strategy=direct".to_owned()];
        if let Some(shards) = wanted.shards {
            settings.extend(["gatekeeper", "proxy"].map(|service| format!("{service}.shards={shards}")));
        }
        let mut command = own.local("up");
        command
            .args(["--port-base", &wanted.port_base.to_string()])
            .args(["--engine", &wanted.engine])
            .args(["--workers", &wanted.workers.to_string()])
            .args(settings.iter().flat_map(|setting| ["--set", setting]));
        let started = tokio::select! {
            started = call(command, limits::CLUSTER_UP_TIMEOUT) => started,
            () = interrupt.seen() => Err(anyhow::anyhow!("interrupted")),
        };
        if let Err(error) = started.context("`infra local up` failed") {
            // it may have come half-way
            let _ = own.down().await;
            return Err(error);
        }
        Ok(own)
    }

    /// Brings it up to date with more `--set`; services whose files change start anew.
    pub(super) async fn set(&self, settings: &[String]) -> anyhow::Result<()> {
        let mut command = self.local("up");
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        call(command, limits::CLUSTER_UP_TIMEOUT)
            .await
            .context("`infra local up` with other settings failed")
    }

    /// Where it lives.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops every process of it and removes its folder.
    pub(super) async fn down(self) -> anyhow::Result<()> {
        let stopped = call(self.local("down"), limits::CLUSTER_DOWN_TIMEOUT).await;
        if let Err(error) = stopped {
            let kept = self.dir.keep();
            return Err(error.context(format!("`infra local down` failed; {} is kept", kept.display())));
        }
        self.dir
            .close()
            .context("failed to remove the benchmark's folder")
    }

    fn local(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.infra);
        command.args(["local", verb, "--dir"]).arg(self.dir.path());
        command
    }
}

/// Runs to the end; its progress goes where ours goes, off the table's way. It is a process group of its own, so that
/// a Ctrl-C here does not break `down` half-way; a dropped `up` is killed, and what it started taken down by us.
async fn call(mut command: Command, bound: Duration) -> anyhow::Result<()> {
    command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().context("failed to start infra")?;
    match tokio::time::timeout(bound, child.wait()).await {
        Ok(status) => {
            let status = status.context("failed to wait for infra")?;
            if status.success() {
                Ok(())
            } else {
                bail!("it ended with {status}")
            }
        }
        Err(_) => {
            stop_gently(&mut child, limits::HOP_STOP_TIMEOUT).await;
            bail!("it did not end within {} s", bound.as_secs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's example, with a few values filled in.
    const CLUSTER: &str = r#"{"engine": "mariadb", "version": "10.11.19",
        "gatekeeper": {"host": "127.0.0.1", "port": 24300, "socket": null, "http": "http://127.0.0.1:0", "pid": 11, "config": "DIR/gatekeeper.toml"},
        "proxy":      {"host": "127.0.0.1", "port": 0, "socket": "s", "http": "http://127.0.0.1:0", "admin_port": 24305, "pid": 12, "config": "DIR/proxy.toml"},
        "nodes": [{"name": "manager", "role": "manager", "host": "127.0.0.1", "port": 24310, "pid": 13, "root_user": "root", "root_password": "r"},
                  {"name": "worker1", "role": "worker", "host": "127.0.0.1", "port": 24311, "pid": 14, "root_user": "root", "root_password": "r"}],
        "users": [{"name": "app", "password": "a", "policy": "strict"}],
        "admin": {"name": "admin", "password": "x"}}"#;

    #[test]
    fn the_contracts_example_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display().to_string();
        std::fs::write(dir.path().join("cluster.json"), CLUSTER.replace("DIR", &at)).unwrap();
        std::fs::write(dir.path().join("gatekeeper.toml"), "[proxy]\nsocket = \"s\"\n").unwrap();
        std::fs::write(
            dir.path().join("proxy.toml"),
            "[routing]\nstrategy = \"direct\"\n",
        )
        .unwrap();
        let cluster = Cluster::read(dir.path()).unwrap();
        assert_eq!(cluster.manager().unwrap().port, 24310);
        assert_eq!((cluster.manager_pid().unwrap(), cluster.workers()), (13, 1));
        let [(place, name, root)] = &cluster.worker_nodes()[..] else {
            panic!("one worker")
        };
        assert_eq!((*place, name.as_str(), root.port), (1, "worker1", 24311));
        assert_eq!(cluster.proxy_http().unwrap(), "http://127.0.0.1:0");
        let console = cluster.console().unwrap();
        assert_eq!((console.user.as_str(), console.port), ("admin", 24305));
        let pair = cluster.pair("app").unwrap();
        assert_eq!(
            (pair.entrance.port, pair.gatekeeper_pid, pair.proxy_pid),
            (24300, 11, 12)
        );
        assert_eq!(pair.entrance.password, "a");
        assert!(cluster.pair("nobody").is_err());
        assert_eq!(cluster.strategy().as_deref(), Some("direct"));
        assert_eq!(cluster.inner_hop(), Some("unix"));
    }

    #[test]
    fn a_cluster_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let message = format!("{:#}", Cluster::read(dir.path()).err().unwrap());
        assert!(message.contains("cluster.json (is the cluster up?)"), "{message}");
    }

    #[tokio::test]
    async fn an_own_cluster_that_does_not_come_up_is_taken_down_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (infra, calls) = (dir.path().join("infra"), dir.path().join("calls"));
        let script = format!(
            "#!/bin/sh\\necho \"$2 $4\" >> {}\\n[ \"$2\" = down ]\\n",
            calls.display()
        );
        // written by a process of its own: a file that any of our threads still had open could not be run
        let write = ["-c", "printf \"$1\" > \"$2\" && chmod 700 \"$2\"", "sh", &script];
        assert!(
            std::process::Command::new("sh")
                .args(write)
                .arg(&infra)
                .status()
                .unwrap()
                .success()
        );

        let wanted = Wanted {
            engine: "auto".to_owned(),
            workers: 0,
            port_base: 0,
            shards: None,
        };
        let mut interrupt = Interrupt::watch().unwrap();
        let message = match OwnCluster::up(&infra, &wanted, &mut interrupt).await {
            Ok(_) => panic!("the script starts no cluster"),
            Err(error) => format!("{error:#}"),
        };
        assert!(message.contains("`infra local up` failed"), "{message}");
        let calls = std::fs::read_to_string(calls).unwrap();
        let [up, down] = calls.lines().collect::<Vec<_>>()[..] else {
            panic!("called otherwise: {calls}")
        };
        let folder = up.strip_prefix("up ").unwrap();
        assert_eq!(down.strip_prefix("down "), Some(folder));
        assert!(!Path::new(folder).exists());
    }
}

//! A gatekeeper and a proxy of one test, in front of a cluster's nodes: for configurations that no other test shall
//! see, and for stopping, killing and weighing the processes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use gatekeeper::config::raw::Config as GatekeeperConfig;
use proxy::config::raw::{Config as ProxyConfig, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::console::Console;
use crate::door::Door;
use crate::eventually::{SOON, eventually};
use crate::keeper::program;
use crate::scrape::http_get;

/// A pair that is about to be started.
#[derive(Debug)]
pub struct PairPlan {
    folder: TempDir,
    gatekeeper: GatekeeperConfig,
    proxy: ProxyConfig,
    door: Door,
    console: Console,
}

/// A running pair. Its processes end when it is dropped.
#[derive(Debug)]
pub struct Pair {
    /// Where clients come in.
    pub door: Door,
    /// Where the proxy's operator comes in.
    pub console: Console,
    /// The public process.
    pub gatekeeper: Service,
    /// The trusted process.
    pub proxy: Service,
    _folder: TempDir,
}

/// One of the two processes, running or not.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    config: PathBuf,
    log: PathBuf,
    http: String,
    child: Option<Child>,
}

impl Pair {
    /// A pair like the cluster's own, on ports and sockets of its own. It still knows the users of the cluster.
    ///
    /// # Errors
    /// When the cluster's configuration cannot be read.
    pub fn plan(cluster: &Cluster) -> anyhow::Result<PairPlan> {
        let folder = tempfile::Builder::new().prefix("gatekeeper-pair-").tempdir()?;
        let facts = cluster.facts();
        let mut gatekeeper: GatekeeperConfig =
            read(&facts.gatekeeper.as_ref().context("no gatekeeper")?.config)?;
        let mut proxy: ProxyConfig = read(&facts.proxy.as_ref().context("no proxy")?.config)?;
        let [
            gatekeeper_port,
            gatekeeper_http,
            proxy_port,
            proxy_http,
            admin_port,
        ] = free_ports()?;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let sockets = ["gatekeeper.sock", "proxy.sock"].map(|name| folder.path().join(name));
        let [gatekeeper_socket, proxy_socket] = sockets;
        gatekeeper.listen.tcp = Some(local(gatekeeper_port));
        gatekeeper.listen.socket = Some(gatekeeper_socket.clone());
        gatekeeper.http.address = local(gatekeeper_http);
        gatekeeper.state_dir = folder.path().join("state");
        std::fs::create_dir(&gatekeeper.state_dir)?;
        gatekeeper.proxy.socket = Some(proxy_socket.clone());
        proxy.listen.tcp = Some(local(proxy_port));
        proxy.listen.socket = Some(proxy_socket);
        proxy.http.address = local(proxy_http);
        if let Some(admin) = &mut proxy.admin {
            admin.address = local(admin_port);
        }
        let console = Console {
            port: admin_port,
            ..Console::of(cluster)?
        };
        let door = Door {
            port: gatekeeper_port,
            socket: Some(gatekeeper_socket),
            gatekeeper_http: format!("http://{}", local(gatekeeper_http)),
            proxy_http: format!("http://{}", local(proxy_http)),
            users: facts.users.clone(),
        };
        Ok(PairPlan {
            folder,
            gatekeeper,
            proxy,
            door,
            console,
        })
    }
}

impl PairPlan {
    /// Changes the gatekeeper's configuration.
    #[must_use]
    pub fn gatekeeper(mut self, change: impl FnOnce(&mut GatekeeperConfig)) -> PairPlan {
        change(&mut self.gatekeeper);
        self
    }

    /// Changes the proxy's configuration.
    #[must_use]
    pub fn proxy(mut self, change: impl FnOnce(&mut ProxyConfig)) -> PairPlan {
        change(&mut self.proxy);
        self
    }

    /// The port by which the proxy reaches that node becomes another one: a relay's.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node_port(mut self, name: &str, port: u16) -> anyhow::Result<PairPlan> {
        let node = self.proxy.nodes.iter_mut().find(|node| node.name == name);
        node.with_context(|| format!("no node {name}"))?.port = port;
        Ok(self)
    }

    /// A folder for files that the configuration names.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts both and returns once both are ready and every worker serves.
    ///
    /// # Errors
    /// When one does not get ready, with its log.
    pub async fn start(self) -> anyhow::Result<Pair> {
        let workers = self.proxy.nodes.iter().filter(|node| node.role == Role::Worker);
        let workers: Vec<String> = workers.map(|node| node.name.clone()).collect();
        let mut pair = self.prepare()?;
        pair.proxy.start().await?;
        pair.gatekeeper.start().await?;
        pair.door
            .serving(&workers.iter().map(String::as_str).collect::<Vec<_>>())
            .await?;
        Ok(pair)
    }

    /// Writes both configurations and starts neither.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(self) -> anyhow::Result<Pair> {
        let PairPlan {
            folder,
            gatekeeper,
            proxy,
            door,
            console,
        } = self;
        let gatekeeper = Service::new("gatekeeper", folder.path(), &gatekeeper, &door.gatekeeper_http)?;
        let proxy = Service::new("proxy", folder.path(), &proxy, &door.proxy_http)?;
        Ok(Pair {
            door,
            console,
            gatekeeper,
            proxy,
            _folder: folder,
        })
    }
}

impl Service {
    fn new(
        name: &'static str,
        folder: &Path,
        config: &impl Serialize,
        http: &str,
    ) -> anyhow::Result<Service> {
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, toml::to_string_pretty(config)?)?;
        Ok(Service {
            name,
            config: path,
            log: folder.join(format!("{name}.log")),
            http: http.to_owned(),
            child: None,
        })
    }

    /// Starts the process without waiting for it.
    ///
    /// # Errors
    /// When it was not built.
    pub fn spawn(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = Command::new(program(self.name)?)
            .arg("serve")
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Starts the process and returns once it is ready.
    ///
    /// # Errors
    /// When it does not get ready, with its log.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.spawn()?;
        self.ready().await
    }

    /// Waits until the process is ready.
    ///
    /// # Errors
    /// When it does not get ready, with its log.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let child = self.child.as_mut().context("it was not started")?;
        let (name, log) = (self.name, self.log.clone());
        let ended = child.try_wait()?;
        if let Some(status) = ended {
            bail!(
                "{name} ended ({status})\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        }
        eventually(name, SOON, || async {
            let answer = http_get(&self.http, "/ready").await?;
            ensure!(answer.status == 200, "{}", answer.body);
            Ok(())
        })
        .await
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())
    }

    /// Its number.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.child.as_ref().context("it does not run")?.id())
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // one that has ended already is as good
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Everything that it has written so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let log = std::fs::read(&self.log).with_context(|| format!("no log of the {}", self.name))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// How many sockets it has open, as the kernel counts them.
    ///
    /// # Errors
    /// When it does not run.
    pub fn sockets(&self) -> anyhow::Result<usize> {
        let mut sockets = 0;
        for descriptor in std::fs::read_dir(format!("/proc/{}/fd", self.pid()?))? {
            // one that was closed in the meantime is none
            let target = std::fs::read_link(descriptor?.path()).unwrap_or_default();
            sockets += usize::from(target.as_os_str().to_string_lossy().starts_with("socket:"));
        }
        Ok(sockets)
    }

    /// The largest memory that it has had so far, in bytes.
    ///
    /// # Errors
    /// When it does not run.
    pub fn rss_bytes_max(&self) -> anyhow::Result<u64> {
        rss_bytes_max(self.pid()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The largest memory that a process has had so far, in bytes.
///
/// # Errors
/// When it does not run.
pub fn rss_bytes_max(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .context("no VmHWM")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kibibytes * 1024)
}

fn read<C: DeserializeOwned>(path: &Path) -> anyhow::Result<C> {
    let text = std::fs::read_to_string(path)?;
    toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Ports that nobody listens on at this moment, all different.
///
/// # Errors
/// When there are none.
pub fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

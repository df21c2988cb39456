//! The hops of a path: those that we start (HAProxy, raw relays) and those that run already (the pair).

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::Instant,
};

use super::{cluster::Cluster, haproxy, limits, path::HopPath, relay::Endpoint, sysbench::Target};

/// A path, ready: where sysbench enters it and which processes are its hops.
pub(super) struct Hops {
    pub(super) path: HopPath,
    pub(super) entrance: Target,
    /// Name and process; empty on the direct path.
    pub(super) processes: Vec<(&'static str, u32)>,
    started: Vec<(&'static str, Child)>,
}

/// What the starting of hops needs to know.
pub(super) struct Setting<'a> {
    pub(super) cluster: &'a Cluster,
    /// The gatekeeper's user for the pair.
    pub(super) user: &'a str,
    /// For configurations and sockets.
    pub(super) scratch: &'a Path,
    /// The folder of our binaries.
    pub(super) binaries: &'a Path,
    /// Threads of each hop that we start.
    pub(super) threads: u16,
}

impl Hops {
    /// Makes `path` ready to be measured.
    pub(super) async fn start(path: HopPath, setting: &Setting<'_>) -> anyhow::Result<Self> {
        let manager = setting.cluster.manager()?;
        let mut hops = Self {
            path,
            entrance: manager.clone(),
            processes: Vec::new(),
            started: Vec::new(),
        };
        match path {
            HopPath::Direct => {}
            HopPath::Haproxy => {
                hops.haproxy("haproxy", 1, (&manager.host, manager.port), setting)
                    .await?;
            }
            HopPath::Haproxy2 => {
                hops.haproxy("haproxy", 2, (&manager.host, manager.port), setting)
                    .await?;
            }
            HopPath::Haproxy2Split => {
                let to = (manager.host.as_str(), manager.port);
                let inner = hops.haproxy("inner haproxy", 1, to, setting).await?;
                hops.haproxy("outer haproxy", 1, ("127.0.0.1", inner), setting)
                    .await?;
            }
            HopPath::Relay => {
                hops.relay("relay", None, server_end(&manager), setting).await?;
            }
            HopPath::Relay2 => {
                let inner = hops
                    .relay("inner relay", None, server_end(&manager), setting)
                    .await?;
                hops.relay("outer relay", None, inner, setting).await?;
            }
            HopPath::Relay2Unix => {
                let middle = setting.scratch.join("relays.sock");
                let inner = hops
                    .relay("inner relay", Some(middle), server_end(&manager), setting)
                    .await?;
                hops.relay("outer relay", None, inner, setting).await?;
            }
            HopPath::Proxy | HopPath::Pair => {
                let pair = setting.cluster.pair(setting.user)?;
                hops.entrance = pair.entrance;
                hops.processes = vec![("gatekeeper", pair.gatekeeper_pid), ("proxy", pair.proxy_pid)];
            }
        }
        Ok(hops)
    }

    /// One HAProxy process with a chain of frontends in front of `to`; returns the first of its ports.
    async fn haproxy(
        &mut self,
        name: &'static str,
        frontends: usize,
        to: (&str, u16),
        setting: &Setting<'_>,
    ) -> anyhow::Result<u16> {
        let ports = (0..frontends)
            .map(|_| free_port())
            .collect::<anyhow::Result<Vec<_>>>()?;
        let entrance = ports.first().copied().context("a chain needs a frontend")?;
        let file = setting
            .scratch
            .join(format!("{}-{entrance}.cfg", self.path.name()));
        let config = haproxy::render(&ports, to, setting.threads);
        std::fs::write(&file, config).with_context(|| format!("failed to write {}", file.display()))?;
        let mut command = Command::new(haproxy::program());
        // -db: one process in the foreground, so that its CPU time is found under one pid
        command.arg("-db").arg("-f").arg(&file);
        self.spawn(name, command)
            .context("is the package `haproxy` installed?")?;
        self.enter_at(entrance);
        self.wait_until_open(&Endpoint::Tcp(format!("{}:{entrance}", Ipv4Addr::LOCALHOST)))
            .await?;
        Ok(entrance)
    }

    /// Starts a relay in front of `to` and returns its listening end, which becomes the entrance when it is TCP.
    async fn relay(
        &mut self,
        name: &'static str,
        socket: Option<PathBuf>,
        to: Endpoint,
        setting: &Setting<'_>,
    ) -> anyhow::Result<Endpoint> {
        let listen = match socket {
            Some(path) => Endpoint::Unix(path),
            None => Endpoint::Tcp(format!("{}:{}", Ipv4Addr::LOCALHOST, free_port()?)),
        };
        let mut command = Command::new(setting.binaries.join("relay"));
        command
            .arg("--listen")
            .arg(listen.to_string())
            .arg("--to")
            .arg(to.to_string());
        self.spawn(name, command)
            .context("`cargo build --release -p infra --bins` makes it")?;
        if let Endpoint::Tcp(address) = &listen
            && let Some(port) = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
        {
            self.enter_at(port);
        }
        self.wait_until_open(&listen).await?;
        Ok(listen)
    }

    fn enter_at(&mut self, port: u16) {
        self.entrance.host = Ipv4Addr::LOCALHOST.to_string();
        self.entrance.port = port;
    }

    fn spawn(&mut self, name: &'static str, mut command: Command) -> anyhow::Result<()> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        // the terminal's Ctrl-C is ours to handle: they are stopped after the last run
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .with_context(|| format!("failed to start {program}"))?;
        let pid = child.id().with_context(|| format!("{program} ended at once"))?;
        self.processes.push((name, pid));
        self.started.push((name, child));
        Ok(())
    }

    async fn wait_until_open(&mut self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::HOP_READY_TIMEOUT;
        loop {
            let open = match endpoint {
                Endpoint::Tcp(address) => TcpStream::connect(address).await.map(|_| ()),
                Endpoint::Unix(path) => tokio::net::UnixStream::connect(path).await.map(|_| ()),
            };
            let Err(error) = open else { return Ok(()) };
            for (name, child) in &mut self.started {
                if let Some(status) = child.try_wait().context("failed to look after a child")? {
                    bail!("the {name} for path `{}` ended with {status}", self.path.name());
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "path `{}` does not accept at {endpoint}: {error}",
                    self.path.name()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops what was started for this path.
    pub(super) async fn stop(self) {
        for (_, mut child) in self.started {
            stop_gently(&mut child, limits::HOP_STOP_TIMEOUT).await;
        }
    }
}

/// SIGTERM, and SIGKILL for what does not end in time. Returns when it has ended.
pub(super) async fn stop_gently(child: &mut Child, patience: Duration) {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    // no id: it has ended and was waited for
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        if tokio::time::timeout(patience, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}

fn server_end(manager: &Target) -> Endpoint {
    Endpoint::Tcp(format!("{}:{}", manager.host, manager.port))
}

/// A port that was free a moment ago; the hop that gets it binds it right away.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed() {
        let mut stubborn = Command::new("sh");
        stubborn.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
        let mut child = stubborn
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = tokio::io::BufReader::new(child.stdout.take().unwrap());
        tokio::io::AsyncBufReadExt::read_line(&mut output, &mut line)
            .await
            .unwrap();
        stop_gently(&mut child, Duration::from_millis(200)).await;
        assert!(!child.try_wait().unwrap().unwrap().success());
    }
}

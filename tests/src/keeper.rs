//! The keeper of a cluster: a process of its own, so that a cluster outlives the test that needed it first, serves
//! every other test of the run, and goes when the run ends, be it by ^C or by a crash.
//!
//! ```text
//! test ──spawns──▶ keeper ──▶ infra::local::up ──▶ DIR/ready | DIR/failed
//!                    └── watches the runner; when it is gone, or on SIGTERM ──▶ infra::local::purge
//! ```

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use infra::local::{self, Engine, EngineChoice, Options, Progress};
use nix::fcntl::{Flock, FlockArg};
use tokio::signal::unix::{SignalKind, signal};

use crate::eventually::eventually;
use crate::runner::Runner;

/// Two database servers that make each other wait for two cores.
const UP_WAIT_MAX: Duration = Duration::from_secs(240);
/// How often a port may be lost to somebody else before that is an error.
const PORT_RACES_MAX: usize = 3;
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// What to keep, and for whom.
#[derive(Debug, Clone)]
pub struct Request {
    /// The keeper's folder; the cluster is in `cluster` below it.
    pub dir: PathBuf,
    /// Which database.
    pub engine: Engine,
    /// How many replicas.
    pub workers: u16,
    /// When this process is gone the cluster goes too.
    pub runner: Runner,
    /// `SECTION.KEY=VALUE` as for `infra local up`.
    pub settings: Vec<String>,
}

impl Request {
    /// The cluster's directory.
    #[must_use]
    pub fn cluster_dir(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            self.dir.display().to_string(),
            self.engine.to_string(),
            self.workers.to_string(),
            self.runner.to_string(),
        ];
        arguments.extend(self.settings.iter().cloned());
        arguments
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Request> {
        let mut next = || {
            arguments
                .next()
                .context("usage: keeper DIR ENGINE WORKERS RUNNER [SETTING …]")
        };
        Ok(Request {
            dir: PathBuf::from(next()?),
            engine: match next()?.as_str() {
                "mariadb" => Engine::Mariadb,
                "mysql" => Engine::Mysql,
                other => bail!("{other} is no engine"),
            },
            workers: next()?.parse()?,
            runner: next()?.parse()?,
            settings: arguments.collect(),
        })
    }

    fn options(&self) -> anyhow::Result<Options> {
        let choice = match self.engine {
            Engine::Mariadb => EngineChoice::Mariadb,
            Engine::Mysql => EngineChoice::Mysql,
        };
        let mut options = Options::new(self.cluster_dir())
            .engine(choice)
            .workers(self.workers);
        for setting in &self.settings {
            options = options.set(setting)?;
        }
        Ok(options)
    }
}

/// Returns once the cluster runs; starts its keeper if nobody has. The child is there for who started it.
///
/// # Errors
/// Why the cluster does not run.
pub async fn running(request: &Request) -> anyhow::Result<Option<Child>> {
    std::fs::create_dir_all(&request.dir)?;
    let child = start_once(request)?;
    let (ready, failed) = (request.dir.join("ready"), request.dir.join("failed"));
    let outcome = eventually("a cluster for the tests", UP_WAIT_MAX, || async {
        if ready.exists() {
            return Ok(Ok(()));
        }
        if let Ok(why) = std::fs::read_to_string(&failed) {
            return Ok(Err(why));
        }
        bail!(
            "{}",
            std::fs::read_to_string(request.dir.join("keeper.log")).unwrap_or_default()
        )
    })
    .await?;
    match outcome {
        Ok(()) => Ok(child),
        Err(why) => bail!("no {} cluster: {why}", request.engine),
    }
}

fn start_once(request: &Request) -> anyhow::Result<Option<Child>> {
    let file = std::fs::File::create(request.dir.join("start.lock"))?;
    let _lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let started = request.dir.join("started");
    if started.exists() {
        return Ok(None);
    }
    let program = program("keeper")?;
    let log = std::fs::File::create(request.dir.join("keeper.log"))?;
    let child = Command::new(&program)
        .args(request.arguments())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // ^C is for the runner; the keeper sees the runner go and cleans up
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    std::fs::write(started, child.id().to_string())?;
    Ok(Some(child))
}

/// A program of this workspace, from the same build as this test.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| {
            format!(
                "there is no {name} beside {}: build it first (make build)",
                own.display()
            )
        })
}

/// The keeper's whole life.
///
/// # Errors
/// When the cluster cannot be started, or cannot be taken down.
pub async fn keep(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let request = Request::parse(arguments)?;
    let options = request.options()?;
    let gone = gone(request.runner);
    tokio::pin!(gone);
    let outcome = tokio::select! {
        up = up(&request, &options) => up,
        end = &mut gone => {
            end?;
            return take_down(&request).await;
        }
    };
    match outcome {
        Ok(()) => publish(&request.dir, "ready", "")?,
        Err(error) => publish(&request.dir, "failed", &format!("{error:#}"))?,
    }
    gone.await?;
    take_down(&request).await
}

/// Starts the cluster. Ports are looked for, and then taken: another cluster of the same moment may be faster.
async fn up(request: &Request, options: &Options) -> anyhow::Result<()> {
    for _ in 0..PORT_RACES_MAX {
        match local::up(options, Progress::Lines).await {
            Err(error) if format!("{error:#}").contains("in use by another process") => {
                local::purge(&request.cluster_dir(), Progress::Lines).await?;
            }
            outcome => return outcome.map(drop),
        }
    }
    local::up(options, Progress::Lines).await.map(drop)
}

/// Appears with its whole content.
fn publish(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let draft = dir.join(format!("{name}.draft"));
    std::fs::write(&draft, text)?;
    std::fs::rename(draft, dir.join(name))
}

/// Waits until the runner is gone, or somebody says that the cluster is not needed any more.
async fn gone(runner: Runner) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut ticks = tokio::time::interval(WATCH_INTERVAL);
    while runner.is_alive() {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = ticks.tick() => {}
        }
    }
    Ok(())
}

async fn take_down(request: &Request) -> anyhow::Result<()> {
    let dir = request.cluster_dir();
    if dir.exists() {
        local::purge(&dir, Progress::Lines).await?;
    }
    std::fs::remove_dir_all(&request.dir)?;
    // the run's folder, once the last keeper leaves it
    if let Some(parent) = request.dir.parent() {
        let _ = std::fs::remove_dir(parent);
    }
    Ok(())
}

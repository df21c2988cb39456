//! Stock programs as processes: the clients of both families, and sysbench.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use infra::local::engine::Server;
use infra::local::{Engine, EngineChoice};
use tokio::process::Command;

use crate::door::Door;

const RUN_WAIT_MAX: Duration = Duration::from_secs(120);

/// The client of a family: `mariadb`, or MySQL's own `mysql`.
#[derive(Debug, Clone)]
pub struct StockClient {
    family: Engine,
    program: PathBuf,
}

/// How a stock client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// TCP without TLS.
    Plain,
    /// TCP with TLS.
    Tls,
    /// The Unix socket.
    Socket,
}

impl StockClient {
    /// The client of that family.
    ///
    /// # Errors
    /// When it is not on this machine.
    pub async fn of(family: Engine) -> anyhow::Result<StockClient> {
        let program = match family {
            Engine::Mariadb => on_path("mariadb").context("no program `mariadb`: run scripts/setup test")?,
            Engine::Mysql => {
                let server = Server::find(EngineChoice::Mysql, None).await?;
                let found = server.sibling(&["mysql"]);
                let found = found.context("no program `mysql` of MySQL: run scripts/fetch-mysql")?;
                let version = Command::new(&found).arg("--version").output().await?;
                let version = String::from_utf8_lossy(&version.stdout).into_owned();
                ensure!(
                    !version.contains("MariaDB"),
                    "{} is MariaDB's: {version}",
                    found.display()
                );
                found
            }
        };
        Ok(StockClient { family, program })
    }

    /// Where the family's programs stand.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.program.parent()
    }

    /// A command line that says nothing of where to.
    #[must_use]
    pub fn bare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--no-defaults");
        command
    }

    /// A command line that logs in as `user`.
    ///
    /// # Errors
    /// When there is no such user, or no socket.
    pub fn command(&self, door: &Door, user: &str, entry: Entry) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .arg("--no-defaults")
            .args(["-u", user, "--batch", "--skip-column-names"]);
        // MYSQL_PWD is no more in MySQL 9; this password opens nothing that outlives the run
        command.arg(format!("--password={}", door.password(user)?));
        match entry {
            Entry::Socket => {
                let socket = door.socket.as_ref().context("the gatekeeper has no socket")?;
                command
                    .arg(format!("--socket={}", socket.display()))
                    .arg("--protocol=socket");
            }
            Entry::Plain | Entry::Tls => {
                command
                    .args(["-h", "127.0.0.1", "--protocol=tcp"])
                    .arg(format!("--port={}", door.port));
            }
        }
        command.args(match (self.family, entry) {
            (Engine::Mariadb, Entry::Tls) => &["--ssl", "--skip-ssl-verify-server-cert"][..],
            (Engine::Mariadb, Entry::Plain) => &["--skip-ssl"],
            (Engine::Mysql, Entry::Tls) => &["--ssl-mode=REQUIRED"],
            // caching_sha2_password in full, without TLS, wants the server's key
            (Engine::Mysql, Entry::Plain) => &["--ssl-mode=DISABLED", "--get-server-public-key"],
            (_, Entry::Socket) => &[],
        });
        Ok(command)
    }

    /// Runs one text and returns what it printed.
    ///
    /// # Errors
    /// What the client complained about.
    pub async fn run(&self, door: &Door, user: &str, entry: Entry, text: &str) -> anyhow::Result<String> {
        let mut command = self.command(door, user, entry)?;
        run(command.arg("-e").arg(text)).await
    }
}

/// Runs a program to its end.
///
/// # Errors
/// What it complained about, if it failed; and when it takes too long.
pub async fn run(command: &mut Command) -> anyhow::Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = output(command).await?;
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if !status.success() {
        bail!("{} failed ({status})\n{out}{err}", name(command));
    }
    Ok(out.into_owned())
}

/// Runs a program to its end, whether it fails or not.
///
/// # Errors
/// When it does not start or takes too long.
pub async fn output(command: &mut Command) -> anyhow::Result<Output> {
    let child = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(RUN_WAIT_MAX, child)
        .await
        .with_context(|| format!("{} took longer than {RUN_WAIT_MAX:?}", name(command)))?
        .with_context(|| format!("cannot start {}", name(command)))
}

fn name(command: &Command) -> String {
    command.as_std().get_program().to_string_lossy().into_owned()
}

/// A program on PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

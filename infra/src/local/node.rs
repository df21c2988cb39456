//! One database server of the cluster: its data directory, its option file, its process.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use nix::unistd::geteuid;
use tokio::process::Command;

use super::certificate;
use super::cluster::NodeEntry;
use super::engine::{Engine, Server};
use super::options::Section;
use super::process::{Process, Stop, run_to_end};
use super::record::Record;
use super::secret::write_private;
use crate::render::my_cnf::{Certificate, MyCnf, Role};

const HOST: &str = "127.0.0.1";
const ROOT: &str = "root";
/// A first start makes certificates and undo logs on a disk that others use too.
const START_WAIT_MAX: Duration = Duration::from_secs(90);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
const BUFFER_POOL_MIB: u32 = 128;

/// A node as the record describes it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) port: u16,
    server: Server,
    server_id: u32,
    dir: PathBuf,
    socket: PathBuf,
    root_password: String,
    overrides: Vec<(String, String)>,
}

impl Node {
    pub(crate) fn new(record: &Record, name: String, role: Role, server_id: u32, port: u16) -> Node {
        let overrides = record
            .settings()
            .into_iter()
            .filter(|setting| setting.section == Section::Mysqld)
            .map(|setting| (setting.key, setting.value))
            .collect();
        Node {
            dir: record.dir.join("nodes").join(&name),
            socket: record.sockets.join(format!("{name}.sock")),
            server: record.server.clone(),
            root_password: record.passwords.root.clone(),
            name,
            role,
            port,
            server_id,
            overrides,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn engine(&self) -> Engine {
        self.server.engine
    }

    pub(crate) fn process(&self) -> Process {
        Process {
            name: self.name.clone(),
            config: self.dir.join("my.cnf"),
            pid_file: self.dir.join("pid"),
            log: self.dir.join("log"),
        }
    }

    pub(crate) fn entry(&self) -> NodeEntry {
        NodeEntry {
            name: self.name.clone(),
            role: self.role,
            host: HOST.to_owned(),
            port: self.port,
            pid: self.process().pid().unwrap_or(0),
            root_user: ROOT.to_owned(),
            root_password: self.root_password.clone(),
        }
    }

    /// The option file that the node should run with.
    fn my_cnf(&self) -> String {
        let (certificate, key) = (
            self.dir.join(certificate::FILE),
            self.dir.join(certificate::KEY_FILE),
        );
        MyCnf {
            server: &self.server,
            role: self.role,
            server_id: self.server_id,
            bind_address: HOST,
            port: self.port,
            data_dir: &self.dir.join("data"),
            socket: &self.socket,
            pid_file: &self.dir.join("mysqld.pid"),
            tmp_dir: &self.dir.join("tmp"),
            run_as: geteuid().is_root().then_some(ROOT),
            buffer_pool_mib: BUFFER_POOL_MIB,
            // MySQL makes its own at its first start
            certificate: (self.engine() == Engine::Mariadb).then_some(Certificate {
                certificate: &certificate,
                key: &key,
            }),
            overrides: &self.overrides,
        }
        .render()
    }

    /// True when it runs with the option file that it should have.
    pub(crate) fn is_current(&self) -> bool {
        let process = self.process();
        process.pid().is_some()
            && std::fs::read_to_string(&process.config).is_ok_and(|written| written == self.my_cnf())
    }

    pub(crate) async fn stop(&self, how: Stop) -> anyhow::Result<()> {
        // what is not complete will be made anew, and a server in its first start is slow to listen
        let how = if self.prepared().exists() {
            how
        } else {
            Stop::AtOnce
        };
        self.process().stop(how).await
    }

    /// Makes the node run: data directory, option file, process. Returns once it answers as root.
    pub(crate) async fn bring_up(&self) -> anyhow::Result<()> {
        if self.is_current() {
            self.connect()
                .await
                .with_context(|| format!("{} runs but does not answer", self.name))?;
            return Ok(());
        }
        self.stop(Stop::Gracefully).await?;
        for folder in [self.dir.clone(), self.dir.join("tmp")] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        if self.engine() == Engine::Mariadb {
            certificate::ensure(&self.dir)?;
        }
        write_private(&self.process().config, &self.my_cnf())?;
        if !self.prepared().exists() {
            self.initialise().await?;
        }
        self.start().await
    }

    /// Exists once the data directory is complete; without it the directory is made anew.
    fn prepared(&self) -> PathBuf {
        self.dir.join("prepared")
    }

    fn first_statements(&self) -> PathBuf {
        self.dir.join("first.sql")
    }

    /// Fills the data directory and sets the root password. Nothing of this enters the binary log: GTIDs begin
    /// with the first statement of the cluster.
    async fn initialise(&self) -> anyhow::Result<()> {
        let data = self.dir.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        write_private(
            &self.first_statements(),
            &root_accounts(self.engine(), &self.root_password),
        )?;
        let defaults = format!("--defaults-file={}", self.process().config.display());
        let mut command = match self.engine() {
            Engine::Mysql => {
                let mut command = Command::new(&self.server.program);
                command.arg(defaults).arg("--initialize-insecure");
                command.arg(format!("--init-file={}", self.first_statements().display()));
                command
            }
            Engine::Mariadb => {
                let install = self
                    .server
                    .sibling(&["mariadb-install-db", "mysql_install_db"])
                    .context("mariadb-install-db is missing beside the server")?;
                let mut command = Command::new(install);
                command
                    .arg(defaults)
                    .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                if let Some(base) = self.own_base() {
                    command.arg(format!("--basedir={}", base.display()));
                }
                command
            }
        };
        let output = run_to_end(&mut command)
            .await
            .with_context(|| format!("{}: cannot start the initialisation", self.name))?;
        if !output.status.success() {
            // mariadb-install-db fills stdout with general advice
            let told = if output.stderr.is_empty() {
                output.stdout
            } else {
                output.stderr
            };
            let text = String::from_utf8_lossy(&told);
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines
                .get(lines.len().saturating_sub(25)..)
                .unwrap_or_default()
                .join("\n    ");
            bail!(
                "{}: initialising the data directory failed ({}):\n    {tail}",
                self.name,
                output.status
            );
        }
        Ok(())
    }

    /// The root of an installation outside the system's folders.
    fn own_base(&self) -> Option<PathBuf> {
        let base = self.server.program.parent()?.parent()?;
        (base != Path::new("/usr") && base != Path::new("/")).then(|| base.to_owned())
    }

    /// Starts the process of a prepared (or just initialised) node.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        super::port::require_free(self.port, &self.name).await?;
        let process = self.process();
        let mut arguments = vec![format!("--defaults-file={}", process.config.display())];
        let first = !self.prepared().exists();
        if first && self.engine() == Engine::Mariadb {
            arguments.push(format!("--init-file={}", self.first_statements().display()));
        }
        let running = process.start(&self.server.program, &arguments)?;
        running
            .ready(START_WAIT_MAX, || async {
                self.connect().await?.disconnect().await.map_err(Into::into)
            })
            .await?;
        if first {
            std::fs::remove_file(self.first_statements())?;
            std::fs::write(self.prepared(), "")?;
        }
        Ok(())
    }

    /// A connection as root, past gatekeeper and proxy.
    pub(crate) async fn connect(&self) -> anyhow::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname(HOST)
            .tcp_port(self.port)
            .user(Some(ROOT))
            .pass(Some(&self.root_password))
            .prefer_socket(false);
        let conn = tokio::time::timeout(CONNECT_WAIT_MAX, Conn::new(options))
            .await
            .with_context(|| format!("{}: no answer on port {} in time", self.name, self.port))?
            .with_context(|| format!("{}: cannot log in on port {}", self.name, self.port))?;
        Ok(conn)
    }

    /// Runs statements in one session as root.
    pub(crate) async fn run(&self, statements: &[String]) -> anyhow::Result<()> {
        let mut conn = self.connect().await?;
        for statement in statements {
            // the statement itself may hold a password
            conn.query_drop(statement).await.with_context(|| {
                let verb: Vec<&str> = statement.split_whitespace().take(2).collect();
                format!("{}: {} … failed", self.name, verb.join(" "))
            })?;
        }
        conn.disconnect().await?;
        Ok(())
    }
}

fn root_accounts(engine: Engine, password: &str) -> String {
    let (create, plugin) = match engine {
        Engine::Mariadb => ("CREATE OR REPLACE USER", "IDENTIFIED BY"),
        Engine::Mysql => ("CREATE USER", "IDENTIFIED WITH caching_sha2_password BY"),
    };
    // mariadb-install-db also makes root accounts without a password for ::1 and the host's name
    let clean = match engine {
        Engine::Mariadb => {
            "DELETE FROM mysql.global_priv WHERE User IN ('root', '') AND Host <> 'localhost';\nFLUSH PRIVILEGES;\n"
        }
        Engine::Mysql => "",
    };
    format!(
        "SET SESSION sql_log_bin = 0;\n{clean}\
         ALTER USER 'root'@'localhost' {plugin} '{password}';\n\
         {create} 'root'@'127.0.0.1' {plugin} '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

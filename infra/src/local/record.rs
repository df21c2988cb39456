//! What a cluster's directory remembers between commands: ports, passwords, the server program, settings.
//! Private to `infra`; tools read `cluster.json` instead.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::engine::{EngineChoice, Server};
use super::node::Node;
use super::options::{Options, Setting};
use super::port::Ports;
use super::secret::{password, write_private};
use crate::render::my_cnf::Role;

const FILE_NAME: &str = "record.json";
const DEFAULT_WORKERS: u16 = 2;
/// `sun_path` holds 108 bytes, the last of them NUL; the longest name we put behind the folder is short.
const SOCKET_FOLDER_BYTES_MAX: usize = 108 - 1 - "/gatekeeper.sock".len();
/// 71 bits.
const SHORT_NAME_CHARS: usize = 12;

/// A gatekeeper user: name and policy. The database account has the same name and a password of its own.
pub(crate) const USERS: [(&str, &str); 3] = [("app", "strict"), ("guarded", "strict"), ("dba", "off")];

/// The two passwords behind one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserPasswords {
    /// What the client types.
    pub(crate) gatekeeper: String,
    /// What the proxy sends to the servers.
    pub(crate) database: String,
}

/// Every secret of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passwords {
    pub(crate) root: String,
    pub(crate) replication: String,
    pub(crate) monitor: String,
    pub(crate) admin: String,
    /// Proves the gatekeeper to the proxy.
    pub(crate) hop: String,
    pub(crate) users: BTreeMap<String, UserPasswords>,
}

impl Passwords {
    fn new() -> Self {
        let both = || UserPasswords {
            gatekeeper: password(),
            database: password(),
        };
        Passwords {
            root: password(),
            replication: password(),
            monitor: password(),
            admin: password(),
            hop: password() + &password(),
            users: USERS
                .iter()
                .map(|(name, _)| ((*name).to_owned(), both()))
                .collect(),
        }
    }
}

/// A cluster as it was decided, whether it runs or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(skip)]
    pub(crate) dir: PathBuf,
    pub(crate) server: Server,
    pub(crate) port_base: u16,
    pub(crate) ports: Ports,
    pub(crate) workers: u16,
    pub(crate) sockets: PathBuf,
    pub(crate) passwords: Passwords,
    pub(crate) settings: Vec<String>,
    pub(crate) nodes_only: bool,
}

impl Record {
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(FILE_NAME).exists()
    }

    /// Reads the record of an existing cluster.
    pub(crate) fn load(dir: &Path) -> anyhow::Result<Record> {
        let dir = std::path::absolute(dir)?;
        let file = dir.join(FILE_NAME);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("no cluster in {}: cannot read {}", dir.display(), file.display()))?;
        let mut record: Record =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?;
        record.dir = dir;
        Ok(record)
    }

    pub(crate) fn save(&self) -> anyhow::Result<()> {
        write_private(
            &self.dir.join(FILE_NAME),
            &(serde_json::to_string_pretty(self)? + "\n"),
        )
    }

    /// The record that `options` ask for: a new one, or the directory's with what the options change.
    pub(crate) async fn decide(options: &Options) -> anyhow::Result<Record> {
        if Record::exists(&options.dir) {
            return Record::load(&options.dir)?.changed(options).await;
        }
        let server = Server::find(options.engine, options.mysqld.as_deref()).await?;
        let workers = options.workers.unwrap_or(DEFAULT_WORKERS);
        let port_base = options.port_base.unwrap_or(0);
        let ports = Ports::allot(port_base, nodes(workers)?)?;
        let dir = std::path::absolute(&options.dir)?;
        Ok(Record {
            server,
            port_base,
            ports,
            workers,
            sockets: socket_folder(&dir)?,
            passwords: Passwords::new(),
            settings: merged(&[], &options.settings),
            nodes_only: options.nodes_only,
            dir,
        })
    }

    async fn changed(mut self, options: &Options) -> anyhow::Result<Record> {
        let present = self.server.engine;
        let other = |wanted: &str| {
            anyhow!(
                "{} holds a cluster of {present}, not of {wanted}: choose another --dir, or remove it by `infra local down --purge`",
                self.dir.display()
            )
        };
        if !options.engine.allows(present) {
            return Err(other("the engine asked for"));
        }
        // asked again even when it is the same: the program may have been upgraded, and its options with it
        let program = options.mysqld.as_deref().unwrap_or(&self.server.program);
        let server = Server::find(EngineChoice::Auto, Some(program)).await?;
        if server.engine != present {
            return Err(other(&server.engine.to_string()));
        }
        self.server = server;
        let workers = options.workers.unwrap_or(self.workers);
        let base = options.port_base.unwrap_or(self.port_base);
        let moved = base != 0 && base != self.port_base;
        self.ports = if moved {
            Ports::allot(base, nodes(workers)?)?
        } else {
            self.ports.resized(self.port_base, nodes(workers)?)?
        };
        if moved {
            self.port_base = base;
        }
        self.workers = workers;
        self.nodes_only = options.nodes_only;
        self.settings = merged(&self.settings, &options.settings);
        Ok(self)
    }

    /// Makes the directory and the folder for sockets, for their owner only.
    pub(crate) fn make_folders(&self) -> anyhow::Result<()> {
        for folder in [&self.dir, &self.sockets] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::set_permissions(&self.dir, std::fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// The nodes, the manager first.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut server_id = 0;
        self.ports
            .nodes
            .iter()
            .enumerate()
            .map(|(index, port)| {
                server_id += 1;
                let (name, role) = match index {
                    0 => ("manager".to_owned(), Role::Manager),
                    _ => (format!("worker{index}"), Role::Worker),
                };
                Node::new(self, name, role, server_id, *port)
            })
            .collect()
    }

    /// Workers of an earlier, larger cluster.
    pub(crate) fn surplus_nodes(&self) -> Vec<Node> {
        let present = usize::from(self.workers);
        (present + 1..)
            .map(|index| Node::new(self, format!("worker{index}"), Role::Worker, 0, 0))
            .take_while(|node| node.dir().exists())
            .collect()
    }

    pub(crate) fn settings(&self) -> Vec<Setting> {
        self.settings
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }
}

fn nodes(workers: u16) -> anyhow::Result<u16> {
    workers.checked_add(1).context("too many workers")
}

/// `new` over `old`, one value per key.
fn merged(old: &[String], new: &[Setting]) -> Vec<String> {
    let mut settings: Vec<Setting> = old.iter().filter_map(|text| text.parse().ok()).collect();
    for setting in new {
        settings.retain(|kept| (kept.section, &kept.key) != (setting.section, &setting.key));
        settings.push(setting.clone());
    }
    settings.iter().map(Setting::to_string).collect()
}

/// `DIR/run`, or a short folder of our own in the system's temporary directory where that path is too long for a
/// socket.
fn socket_folder(dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = dir.join("run");
    if folder.as_os_str().as_bytes().len() <= SOCKET_FOLDER_BYTES_MAX {
        return Ok(folder);
    }
    // made later, and by nobody else: the name cannot be guessed
    let name: String = password().chars().take(SHORT_NAME_CHARS).collect();
    let short = std::env::temp_dir().join(format!("cluster-{name}"));
    if short.as_os_str().as_bytes().len() > SOCKET_FOLDER_BYTES_MAX {
        bail!(
            "{} and {} are both too long for a socket's path: use a shorter --dir",
            folder.display(),
            short.display()
        );
    }
    Ok(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_setting_replaces_the_remembered_one_of_the_same_key() {
        let old = [
            "proxy.routing.strategy=direct".to_owned(),
            "mysqld.max_connections=5".to_owned(),
        ];
        let new = ["proxy.routing.strategy=ping".parse().unwrap()];
        assert_eq!(
            merged(&old, &new),
            ["mysqld.max_connections=5", "proxy.routing.strategy=ping"]
        );
    }

    #[test]
    fn a_long_directory_gets_its_sockets_elsewhere() {
        let near = socket_folder(Path::new("/srv/cluster")).unwrap();
        assert_eq!(near, Path::new("/srv/cluster/run"));
        let far = socket_folder(&PathBuf::from("/").join("x".repeat(120))).unwrap();
        assert!(
            far.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX,
            "{}",
            far.display()
        );
    }
}

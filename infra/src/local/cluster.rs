//! `cluster.json`: what tools and tests may know about a running cluster. A contract: fields are added, never
//! renamed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::secret::write_private;
use crate::render::my_cnf::Role;

/// The file's name inside the cluster's directory.
pub const FILE_NAME: &str = "cluster.json";

/// A cluster as its users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Which database runs.
    pub engine: Engine,
    /// The servers' release, `10.11.19`.
    pub version: String,
    /// The public endpoint; `None` when only nodes were asked for.
    pub gatekeeper: Option<GatekeeperEntry>,
    /// The trusted host; `None` when only nodes were asked for.
    pub proxy: Option<ProxyEntry>,
    /// The database servers, the manager first.
    pub nodes: Vec<NodeEntry>,
    /// Who may log in at the gatekeeper.
    pub users: Vec<UserEntry>,
    /// The account of the admin console.
    pub admin: AdminEntry,
}

/// Where the gatekeeper listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatekeeperEntry {
    /// Loopback.
    pub host: String,
    /// The MySQL port.
    pub port: u16,
    /// The MySQL Unix socket.
    pub socket: Option<PathBuf>,
    /// Base of `/metrics`, `/live`, `/ready`.
    pub http: String,
    /// 0 while it is stopped.
    pub pid: u32,
    /// Its configuration file.
    pub config: PathBuf,
}

/// Where the proxy listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyEntry {
    /// Loopback.
    pub host: String,
    /// The port for gatekeepers.
    pub port: u16,
    /// The Unix socket for gatekeepers.
    pub socket: Option<PathBuf>,
    /// Base of `/metrics`, `/live`, `/ready`.
    pub http: String,
    /// The admin console's port; 0 where there is none.
    pub admin_port: u16,
    /// 0 while it is stopped.
    pub pid: u32,
    /// Its configuration file.
    pub config: PathBuf,
}

/// One database server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// `manager`, `worker1`, ….
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Loopback.
    pub host: String,
    /// The MySQL port.
    pub port: u16,
    /// 0 while it is stopped.
    pub pid: u32,
    /// The administrator, who reaches the server itself and passes no gatekeeper.
    pub root_user: String,
    /// The administrator's password.
    pub root_password: String,
}

/// One user of the gatekeeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The name to log in with.
    pub name: String,
    /// The gatekeeper's password, not the database account's.
    pub password: String,
    /// `strict` or `off`.
    pub policy: String,
}

/// The account of the admin console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminEntry {
    /// The name to log in with.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl Cluster {
    /// Reads the cluster that `up` left in `dir`.
    ///
    /// # Errors
    /// When there is none, or it is not ours.
    pub fn load(dir: &Path) -> anyhow::Result<Cluster> {
        let file = dir.join(FILE_NAME);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("no cluster in {}: cannot read {}", dir.display(), file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    pub(crate) fn save(&self, dir: &Path) -> anyhow::Result<()> {
        write_private(
            &dir.join(FILE_NAME),
            &(serde_json::to_string_pretty(self)? + "\n"),
        )
    }

    /// The primary.
    #[must_use]
    pub fn manager(&self) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.role == Role::Manager)
    }

    /// The replicas.
    pub fn workers(&self) -> impl Iterator<Item = &NodeEntry> {
        self.nodes.iter().filter(|node| node.role == Role::Worker)
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.name == name)
    }
}

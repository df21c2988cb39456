//! The configuration of gatekeeper and proxy, made from the types that the services themselves read.

use std::path::Path;

use gatekeeper::config::raw::PolicyName;
use gatekeeper::users::Verifiers;
use gatekeeper::users::raw::{User, Users};
use serde::Serialize;
use toml::Table;
use wire::auth::Plugin;

use super::setting;
use crate::local::options::{Section, Setting};

/// Whoever takes a sandbox down waits for it.
const DRAIN_TIMEOUT_MS: u64 = 5_000;

/// A service's file with the operator's settings applied.
///
/// # Errors
/// When a setting's path cannot exist.
pub fn with_settings<C: Serialize>(
    config: &C,
    section: Section,
    settings: &[Setting],
) -> anyhow::Result<String> {
    let mut table = Table::try_from(config)?;
    for setting in settings.iter().filter(|setting| setting.section == section) {
        setting::apply(&mut table, &setting.key, &setting.value)?;
    }
    Ok(format!(
        "# Rendered by infra: edits are lost at the next `up`; use --set.\n{}",
        toml::to_string_pretty(&table)?
    ))
}

/// A gatekeeper on loopback, in front of a proxy on the same machine.
#[must_use]
pub fn gatekeeper(places: &GatekeeperPlaces<'_>) -> gatekeeper::config::raw::Config {
    use gatekeeper::config::raw::{Config, Http, Limits, Listen, Proxy};
    let proxy = Proxy {
        socket: Some(places.proxy_socket.to_owned()),
        secret_file: Some(places.secret_file.to_owned()),
        ..Proxy::default()
    };
    Config {
        listen: Listen {
            tcp: Some(loopback(places.port)),
            socket: Some(places.socket.to_owned()),
            proxy_protocol_networks: Vec::new(),
        },
        http: Http {
            address: loopback(places.http_port),
        },
        limits: Limits {
            drain_timeout_ms: DRAIN_TIMEOUT_MS,
            ..Limits::default()
        },
        ..Config::new(places.state_dir, places.users_file, proxy)
    }
}

/// Where a gatekeeper finds and keeps things.
#[derive(Debug, Clone, Copy)]
pub struct GatekeeperPlaces<'a> {
    /// MySQL port.
    pub port: u16,
    /// MySQL Unix socket.
    pub socket: &'a Path,
    /// Port of `/metrics`.
    pub http_port: u16,
    /// Its certificate and what it last knew.
    pub state_dir: &'a Path,
    /// users.toml
    pub users_file: &'a Path,
    /// The proxy's Unix socket.
    pub proxy_socket: &'a Path,
    /// The secret it shares with the proxy.
    pub secret_file: &'a Path,
}

/// users.toml for these names, passwords and policies. Takes some milliseconds per user, on purpose of the verifiers.
///
/// # Errors
/// When it cannot be written as TOML.
pub fn users<'a>(users: impl Iterator<Item = (&'a str, &'a str, PolicyName)>) -> anyhow::Result<String> {
    let entry = |(name, password, policy): (&str, &str, PolicyName)| {
        let verifiers = Verifiers::make(
            password.as_bytes(),
            &[Plugin::NativePassword, Plugin::CachingSha2],
        );
        User::new(name, Some(policy), &verifiers)
    };
    let users = Users {
        users: users.map(entry).collect(),
    };
    Ok(toml::to_string_pretty(&users)?)
}

/// A proxy on loopback, for a gatekeeper on the same machine.
#[must_use]
pub fn proxy(places: &ProxyPlaces<'_>) -> proxy::config::raw::Config {
    use crate::render::my_cnf::Role as Ours;
    use proxy::config::raw::{
        Account, Admin, Config, Gatekeeper, Http, Limits, Listen, Monitor, Node, NodeCompression, NodeTls,
        Pool, Role, Routing,
    };
    let node = |place: &NodePlace| {
        let role = match place.role {
            Ours::Manager => Role::Manager,
            Ours::Worker => Role::Worker,
        };
        Node {
            // what a client asks the server about its encryption and compression is then true
            tls: NodeTls::AsClient,
            compression: NodeCompression::AsClient,
            ..Node::new(&place.name, role, "127.0.0.1", place.port)
        }
    };
    let account = |(user, password_file): &(String, std::path::PathBuf)| Account {
        user: user.clone(),
        name: user.clone(),
        password_file: Some(password_file.clone()),
        consistency: None,
    };
    Config {
        shards: None,
        listen: Listen {
            tcp: Some(loopback(places.port)),
            socket: Some(places.socket.to_owned()),
        },
        gatekeeper: Gatekeeper {
            secret_file: Some(places.secret_file.to_owned()),
            tls: None,
        },
        http: Http {
            address: loopback(places.http_port),
        },
        admin: Some(Admin {
            address: loopback(places.admin_port),
            user: places.admin.to_owned(),
            ..Admin::new(places.admin_password_file)
        }),
        routing: Routing {
            strategy: "random".to_owned(),
            ..Routing::default()
        },
        monitor: Monitor::new(places.monitor, places.monitor_password_file),
        pool: Pool::default(),
        limits: Limits {
            drain_timeout_ms: DRAIN_TIMEOUT_MS,
            ..Limits::default()
        },
        nodes: places.nodes.iter().map(node).collect(),
        accounts: places.accounts.iter().map(account).collect(),
    }
}

/// Where a proxy finds and keeps things.
#[derive(Debug, Clone, Copy)]
pub struct ProxyPlaces<'a> {
    /// Port for gatekeepers.
    pub port: u16,
    /// Unix socket for gatekeepers.
    pub socket: &'a Path,
    /// Port of `/metrics`.
    pub http_port: u16,
    /// Port of the admin console.
    pub admin_port: u16,
    /// Who logs in there.
    pub admin: &'a str,
    /// The file with that password.
    pub admin_password_file: &'a Path,
    /// The secret it shares with the gatekeeper.
    pub secret_file: &'a Path,
    /// The monitor's account on every node.
    pub monitor: &'a str,
    /// The file with the monitor's password.
    pub monitor_password_file: &'a Path,
    /// The cluster.
    pub nodes: &'a [NodePlace],
    /// Gatekeeper users and the files with their accounts' passwords.
    pub accounts: &'a [(String, std::path::PathBuf)],
}

/// A database server as the proxy reaches it.
#[derive(Debug, Clone)]
pub struct NodePlace {
    /// The name that users see.
    pub name: String,
    /// Manager or worker.
    pub role: crate::render::my_cnf::Role,
    /// Its MySQL port on loopback.
    pub port: u16,
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

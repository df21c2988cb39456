//! From what is written to what can be run. Collects problems, never stops at the first.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::config_file::{Problems, Secret, secret_file};

use super::{
    Admin, Config, EchoChoice, GatekeeperProof, GatekeeperTls, LatencyProbing, Limits, Listen, Monitor, raw,
};
use crate::accounts::{Account, Accounts};
use crate::cluster::{Address, NODES_MAX, Node, Tls};
use crate::consistency::{Consistency, UnknownConsistency};
use crate::pool::PoolLimits;
use crate::strategy::{Strategy, UnknownStrategy};

/// Longest name of a node or user, in bytes: it travels in packets, labels and logs.
const NAME_BYTES_MAX: usize = 64;

/// Shortest secret shared with the gatekeeper, in bytes: 128 bits.
const SHARED_SECRET_BYTES_MIN: usize = 16;

/// Replication reports its lag in whole seconds; a finer limit would be a wish.
const LAG_MAX_MS_MIN: u64 = 1_000;

/// A day: no wait of this program is longer, and no sum of waits overflows.
const WAIT_MS_MAX: u64 = 86_400_000;

pub(super) fn check(raw: raw::Config, directory: &Path) -> Result<Config, Problems> {
    let mut check = Check {
        directory,
        problems: Problems::new(),
    };
    let written = toml::Table::try_from(&raw).unwrap_or_default();
    let listen = check.listen(&raw.listen);
    let gatekeeper = check.gatekeeper(&raw.gatekeeper, listen.tcp);
    let http = check.socket_address("http.address", &raw.http.address);
    let admin = raw.admin.as_ref().and_then(|admin| check.admin(admin));
    let strategy = check.parsed("routing.strategy", &raw.routing.strategy);
    let consistency = check.consistency("routing.consistency", &raw.routing.consistency);
    let consistency_wait = check.wait("routing.consistency-wait-ms", raw.routing.consistency_wait_ms, 1);
    let manager_wait = check.wait("routing.manager-wait-ms", raw.routing.manager_wait_ms, 0);
    let monitor = check.monitor(&raw.monitor, &raw.routing);
    let pool = check.pool(&raw.pool);
    let limits = check.limits(&raw.limits);
    let shards = raw.shards.map(|shards| {
        check.range("shards", u64::from(shards), 1, 1_024);
        usize::from(shards)
    });
    let nodes = check.nodes(raw.nodes);
    let accounts = check.accounts(raw.accounts);

    match (http, strategy, consistency, monitor) {
        (Some(http), Some(strategy), Some(consistency), Some(monitor)) if check.problems.is_empty() => {
            Ok(Config {
                shards,
                listen,
                gatekeeper,
                http,
                admin,
                strategy,
                consistency,
                consistency_wait,
                manager_wait,
                monitor,
                nodes,
                accounts: Arc::new(accounts),
                pool,
                limits,
                written,
            })
        }
        _ => Err(check.problems),
    }
}

struct Check<'a> {
    directory: &'a Path,
    problems: Problems,
}

impl Check<'_> {
    fn listen(&mut self, raw: &raw::Listen) -> Listen {
        if raw.tcp.is_none() && raw.socket.is_none() {
            self.problem("listen", "needs `tcp`, `socket` or both");
        }
        Listen {
            tcp: raw
                .tcp
                .as_ref()
                .and_then(|tcp| self.socket_address("listen.tcp", tcp)),
            socket: raw.socket.as_ref().map(|path| self.path(path)),
        }
    }

    fn gatekeeper(&mut self, raw: &raw::Gatekeeper, tcp: Option<SocketAddr>) -> GatekeeperProof {
        if raw.secret_file.is_none() && raw.tls.is_none() {
            self.problem("gatekeeper", "needs `secret-file`, `[gatekeeper.tls]` or both");
        }
        if let Some(tcp) = tcp
            && !tcp.ip().is_loopback()
            && raw.tls.is_none()
        {
            self.problem(
                "gatekeeper.tls",
                format!("is missing: {tcp} is not loopback, so it demands mutual TLS"),
            );
        }
        let secret = raw.secret_file.as_ref().and_then(|path| {
            let secret = self.secret("gatekeeper.secret-file", path)?;
            if secret.expose().len() < SHARED_SECRET_BYTES_MIN {
                self.problem(
                    "gatekeeper.secret-file",
                    format!("the secret has less than {SHARED_SECRET_BYTES_MIN} bytes"),
                );
            }
            Some(Arc::new(secret))
        });
        let tls = raw.tls.as_ref().map(|tls| GatekeeperTls {
            certificate: self.existing("gatekeeper.tls.certificate", &tls.certificate),
            key: self.existing("gatekeeper.tls.key", &tls.key),
            client_ca: self.existing("gatekeeper.tls.client-ca", &tls.client_ca),
        });
        GatekeeperProof { secret, tls }
    }

    fn admin(&mut self, raw: &raw::Admin) -> Option<Admin> {
        self.name("admin.user", &raw.user);
        let address = self.socket_address("admin.address", &raw.address);
        let tls = raw.tls.as_ref().map(|tls| {
            let certificate = self.existing("admin.tls.certificate", &tls.certificate);
            (certificate, self.existing("admin.tls.key", &tls.key))
        });
        if let Some(address) = address
            && !address.ip().is_loopback()
            && tls.is_none()
        {
            self.problem(
                "admin.tls",
                format!("is missing: {address} is not loopback, so it demands TLS"),
            );
        }
        let password = self.secret("admin.password-file", &raw.password_file)?;
        if password.expose().trim_ascii().is_empty() {
            self.problem("admin.password-file", "the password is empty");
        }
        Some(Admin {
            address: address?,
            user: raw.user.clone(),
            password: Arc::new(password),
            tls,
        })
    }

    fn monitor(&mut self, raw: &raw::Monitor, routing: &raw::Routing) -> Option<Monitor> {
        if raw.user.is_empty() {
            self.problem("monitor.user", "is empty");
        }
        self.range("monitor.recover-checks", u64::from(raw.recover_checks), 1, 1_000);
        self.range("monitor.latency-window", u64::from(raw.latency_window), 1, 100);
        let interval = self.wait("monitor.interval-ms", raw.interval_ms, 50);
        let timeout = self.wait("monitor.timeout-ms", raw.timeout_ms, 50);
        let lag_max = self.wait("routing.lag-max-ms", routing.lag_max_ms, LAG_MAX_MS_MIN);
        let latency_interval = self.wait("monitor.latency-interval-ms", raw.latency_interval_ms, 50);
        let latency_timeout = self.wait("monitor.latency-timeout-ms", raw.latency_timeout_ms, 1);
        let password = self.secret("monitor.password-file", &raw.password_file);
        let echo = match raw.latency_probe.as_str() {
            "auto" => EchoChoice::Auto,
            "icmp" => EchoChoice::Icmp,
            "tcp" => EchoChoice::Tcp,
            other => {
                self.problem(
                    "monitor.latency-probe",
                    format!("`{other}` is none of auto, icmp, tcp"),
                );
                return None;
            }
        };
        Some(Monitor {
            user: raw.user.clone(),
            password: Arc::new(password?),
            interval,
            timeout,
            recover_checks: raw.recover_checks,
            lag_max,
            latency: LatencyProbing {
                interval: latency_interval,
                timeout: latency_timeout,
                window: raw.latency_window as usize,
                echo,
            },
        })
    }

    fn pool(&mut self, raw: &raw::Pool) -> PoolLimits {
        let most = u64::from(raw.connections_max);
        self.range("pool.connections-max", most, 1, 100_000);
        self.range("pool.shared-above", u64::from(raw.shared_above), 0, 100_000);
        PoolLimits {
            connections_max: raw.connections_max as usize,
            shared_above: raw.shared_above as usize,
            rest_min: self.wait("pool.rest-ms", raw.rest_ms, 0),
            wait_max: self.wait("pool.wait-ms", raw.wait_ms, 1),
            idle_max: self.wait("pool.idle-ms", raw.idle_ms, 1_000),
            age_max: self.wait("pool.age-ms", raw.age_ms, 1_000),
        }
    }

    fn limits(&mut self, raw: &raw::Limits) -> Limits {
        self.range(
            "limits.connections-max",
            u64::from(raw.connections_max),
            1,
            1_000_000,
        );
        self.range(
            "limits.statement-bytes-max",
            raw.statement_bytes_max,
            1_024,
            1 << 30,
        );
        self.range(
            "limits.statement-memory-bytes-max",
            raw.statement_memory_bytes_max,
            0,
            1 << 40,
        );
        self.range(
            "limits.prepared-statements-max",
            u64::from(raw.prepared_statements_max),
            1,
            1_048_576,
        );
        self.range(
            "limits.log-lines-per-second-max",
            u64::from(raw.log_lines_per_second_max),
            1,
            1_000_000,
        );
        Limits {
            log_lines_per_second_max: raw.log_lines_per_second_max,
            connections_max: raw.connections_max as usize,
            handshake_timeout: self.wait("limits.handshake-timeout-ms", raw.handshake_timeout_ms, 100),
            connect_timeout: self.wait("limits.connect-timeout-ms", raw.connect_timeout_ms, 10),
            statement_bytes_max: usize::try_from(raw.statement_bytes_max).unwrap_or(usize::MAX),
            statement_memory_bytes_max: usize::try_from(raw.statement_memory_bytes_max).unwrap_or(usize::MAX),
            prepared_statements_max: raw.prepared_statements_max as usize,
            drain_timeout: self.wait("limits.drain-timeout-ms", raw.drain_timeout_ms, 0),
        }
    }

    fn nodes(&mut self, raw: Vec<raw::Node>) -> Vec<Arc<Node>> {
        let managers = raw.iter().filter(|node| node.role == raw::Role::Manager).count();
        if managers != 1 {
            self.problem(
                "node",
                format!("exactly one has the role `manager`, here are {managers}"),
            );
        }
        if raw.len() > NODES_MAX {
            self.problem("node", format!("here are {}, more than {NODES_MAX}", raw.len()));
        }
        let mut names = HashSet::new();
        raw.into_iter()
            .enumerate()
            .map(|(number, node)| {
                let place = format!("node[{number}]");
                self.name(&format!("{place}.name"), &node.name);
                if !names.insert(node.name.to_ascii_lowercase()) {
                    self.problem(
                        format!("{place}.name"),
                        format!("`{}` is the name of two nodes", node.name),
                    );
                }
                Arc::new(self.node(&place, node))
            })
            .collect()
    }

    fn node(&mut self, place: &str, raw: raw::Node) -> Node {
        let address = match (raw.host, raw.socket) {
            (_, Some(socket)) => Address::Unix(self.path(&socket)),
            (Some(host), None) => Address::Tcp { host, port: raw.port },
            (None, None) => {
                self.problem(place, "needs `host` or `socket`");
                Address::Tcp {
                    host: String::new(),
                    port: raw.port,
                }
            }
        };
        if let Address::Tcp { host, port } = &address {
            if host.trim() != host || (host.is_empty() && !self.has_problem(place)) {
                self.problem(format!("{place}.host"), "is no host name or IP address");
            }
            if *port == 0 {
                self.problem(format!("{place}.port"), "is 0");
            }
        }
        if raw.tls == raw::NodeTls::Verify && raw.ca.is_none() {
            self.problem(format!("{place}.ca"), "is missing: `tls = \"verify\"` demands it");
        }
        if raw.tls != raw::NodeTls::Verify && raw.ca.is_some() {
            self.problem(format!("{place}.ca"), "has no effect without `tls = \"verify\"`");
        }
        self.range(&format!("{place}.weight"), u64::from(raw.weight), 1, 1_000);
        let host = match &address {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => "localhost",
        };
        let ca = raw.ca.map(|ca| self.path(&ca));
        let tls = match (raw.tls, &ca) {
            // said already
            (raw::NodeTls::Verify, None) => None,
            _ => self.problems.take(
                &format!("{place}.tls"),
                Tls::new(raw.tls, ca, raw.server_name, host),
            ),
        };
        let tls = tls.unwrap_or_default();
        Node {
            name: raw.name.into(),
            role: raw.role,
            address,
            tls,
            compression: raw.compression,
            weight: raw.weight,
        }
    }

    fn accounts(&mut self, raw: Vec<raw::Account>) -> Accounts {
        let mut accounts = Accounts::default();
        for (number, account) in raw.into_iter().enumerate() {
            let place = format!("account[{number}]");
            if account.user.is_empty() {
                self.problem(format!("{place}.user"), "is empty");
            }
            if account.name.is_empty() {
                self.problem(format!("{place}.name"), "is empty");
            }
            let password = match &account.password_file {
                None => Some(Secret::new("")),
                Some(path) => self.secret(&format!("{place}.password-file"), path),
            };
            let consistency = account
                .consistency
                .as_ref()
                .and_then(|text| self.consistency(&format!("{place}.consistency"), text));
            let Some(password) = password else { continue };
            if accounts
                .insert(
                    account.user.clone(),
                    Account {
                        name: account.name,
                        password,
                        consistency,
                    },
                )
                .is_some()
            {
                self.problem(
                    format!("{place}.user"),
                    format!("`{}` has two accounts", account.user),
                );
            }
        }
        accounts
    }

    fn name(&mut self, place: &str, name: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
            self.problem(
                place,
                format!("`{name}` is not made of 1 to {NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`"),
            );
        }
    }

    fn socket_address(&mut self, place: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.problem(place, format!("`{text}` is not IP:PORT"));
        }
        address
    }

    fn consistency(&mut self, place: &str, text: &str) -> Option<Consistency> {
        self.problems.take(
            place,
            text.parse()
                .map_err(|error: UnknownConsistency| format!("`{text}`: {error}")),
        )
    }

    fn parsed(&mut self, place: &str, text: &str) -> Option<Strategy> {
        self.problems.take(
            place,
            text.parse()
                .map_err(|error: UnknownStrategy| format!("`{text}`: {error}")),
        )
    }

    fn range(&mut self, place: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            self.problem(place, format!("{value} is not from {min} to {max}"));
        }
    }

    fn wait(&mut self, place: &str, ms: u64, min_ms: u64) -> Duration {
        self.range(place, ms, min_ms, WAIT_MS_MAX);
        Duration::from_millis(ms)
    }

    fn secret(&mut self, place: &str, path: &Path) -> Option<Secret> {
        let secret = secret_file(&self.path(path));
        self.problems.take(place, secret)
    }

    fn existing(&mut self, place: &str, path: &Path) -> PathBuf {
        let path = self.path(path);
        if let Err(error) = path.metadata() {
            self.problem(place, format!("{}: {error}", path.display()));
        }
        path
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.add(place, what);
    }

    fn has_problem(&self, place: &str) -> bool {
        self.problems.iter().any(|problem| problem.place == place)
    }
}

//! The two services of a local cluster: their files, their processes, whether they answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use gatekeeper::config::raw::PolicyName;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::account::MONITOR;
use super::cluster::{GatekeeperEntry, ProxyEntry};
use super::options::Section;
use super::process::{Process, Stop};
use super::record::{Record, USERS};
use super::secret::write_private;
use crate::render::service::{self as render, GatekeeperPlaces, NodePlace, ProxyPlaces};

/// Who logs in to the admin console; also the name of the file with the password.
pub(crate) const ADMIN: &str = "admin";

const HOST: &str = "127.0.0.1";
const READY_WAIT_MAX: Duration = Duration::from_secs(30);
const HTTP_WAIT_MAX: Duration = Duration::from_secs(2);
const QUERY_WAIT_MAX: Duration = Duration::from_secs(15);
const HTTP_ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The public endpoint.
    Gatekeeper,
    /// The trusted host.
    Proxy,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Service::Gatekeeper => "gatekeeper",
            Service::Proxy => "proxy",
        })
    }
}

impl Service {
    fn http_port(self, record: &Record) -> u16 {
        match self {
            Service::Gatekeeper => record.ports.gatekeeper_http,
            Service::Proxy => record.ports.proxy_http,
        }
    }
}

pub(crate) fn process(record: &Record, service: Service) -> Process {
    Process {
        name: service.to_string(),
        config: record.dir.join(format!("{service}.toml")),
        pid_file: record.dir.join(format!("{service}.pid")),
        log: record.dir.join(format!("{service}.log")),
    }
}

fn socket(record: &Record, service: Service) -> PathBuf {
    record.sockets.join(format!("{service}.sock"))
}

pub(crate) fn gatekeeper_entry(record: &Record) -> GatekeeperEntry {
    let process = process(record, Service::Gatekeeper);
    GatekeeperEntry {
        host: HOST.to_owned(),
        port: record.ports.gatekeeper,
        socket: Some(socket(record, Service::Gatekeeper)),
        http: format!("http://{HOST}:{}", record.ports.gatekeeper_http),
        pid: process.pid().unwrap_or(0),
        config: process.config,
    }
}

pub(crate) fn proxy_entry(record: &Record) -> ProxyEntry {
    let process = process(record, Service::Proxy);
    ProxyEntry {
        host: HOST.to_owned(),
        port: record.ports.proxy,
        socket: Some(socket(record, Service::Proxy)),
        http: format!("http://{HOST}:{}", record.ports.proxy_http),
        admin_port: record.ports.proxy_admin,
        pid: process.pid().unwrap_or(0),
        config: process.config,
    }
}

fn secret_file(record: &Record, name: &str) -> PathBuf {
    record.dir.join("secrets").join(name)
}

fn users_file(record: &Record) -> PathBuf {
    record.dir.join("users.toml")
}

/// The configuration that the service should run with.
fn config_text(record: &Record, service: Service) -> anyhow::Result<String> {
    let settings = record.settings();
    let secret_file = secret_file(record, "hop");
    let (own_socket, proxy_socket) = (socket(record, service), socket(record, Service::Proxy));
    match service {
        Service::Gatekeeper => {
            let config = render::gatekeeper(&GatekeeperPlaces {
                port: record.ports.gatekeeper,
                socket: &own_socket,
                http_port: record.ports.gatekeeper_http,
                state_dir: &record.dir.join("gatekeeper"),
                users_file: &users_file(record),
                proxy_socket: &proxy_socket,
                secret_file: &secret_file,
            });
            render::with_settings(&config, Section::Gatekeeper, &settings)
        }
        Service::Proxy => {
            let nodes: Vec<NodePlace> = record
                .nodes()
                .into_iter()
                .map(|node| NodePlace {
                    name: node.name,
                    role: node.role,
                    port: node.port,
                })
                .collect();
            let accounts: Vec<(String, PathBuf)> = record
                .passwords
                .users
                .keys()
                .map(|name| (name.clone(), self::secret_file(record, name)))
                .collect();
            let config = render::proxy(&ProxyPlaces {
                port: record.ports.proxy,
                socket: &own_socket,
                http_port: record.ports.proxy_http,
                admin_port: record.ports.proxy_admin,
                admin: ADMIN,
                admin_password_file: &self::secret_file(record, ADMIN),
                secret_file: &secret_file,
                monitor: MONITOR,
                monitor_password_file: &self::secret_file(record, MONITOR),
                nodes: &nodes,
                accounts: &accounts,
            });
            render::with_settings(&config, Section::Proxy, &settings)
        }
    }
}

/// Fails with the service's own words when a setting names a key that it does not know or a value that it cannot
/// read.
pub(crate) fn check_settings(record: &Record) -> anyhow::Result<()> {
    let gatekeeper = config_text(record, Service::Gatekeeper)?;
    toml::from_str::<gatekeeper::config::raw::Config>(&gatekeeper)
        .context("gatekeeper.toml with these --set")?;
    let proxy = config_text(record, Service::Proxy)?;
    toml::from_str::<proxy::config::raw::Config>(&proxy).context("proxy.toml with these --set")?;
    Ok(())
}

/// Writes the secrets and the user list. The services' own files are written when they start.
pub(crate) fn write_files(record: &Record) -> anyhow::Result<()> {
    for folder in ["secrets", "gatekeeper"] {
        std::fs::create_dir_all(record.dir.join(folder))?;
    }
    write_private(&secret_file(record, "hop"), &record.passwords.hop)?;
    write_private(&secret_file(record, MONITOR), &record.passwords.monitor)?;
    write_private(&secret_file(record, ADMIN), &record.passwords.admin)?;
    for (name, passwords) in &record.passwords.users {
        write_private(&secret_file(record, name), &passwords.database)?;
    }
    let users = users_file(record);
    // the operator may have changed it since
    if !users.exists() {
        let entries = USERS.iter().filter_map(|(name, policy)| {
            let policy = if *policy == "off" {
                PolicyName::Off
            } else {
                PolicyName::Strict
            };
            Some((
                *name,
                record.passwords.users.get(*name)?.gatekeeper.as_str(),
                policy,
            ))
        });
        write_private(&users, &render::users(entries)?)?;
    }
    Ok(())
}

/// Makes the service run with its present configuration and program.
pub(crate) async fn bring_up(
    record: &Record,
    service: Service,
    programs: Option<&Path>,
) -> anyhow::Result<()> {
    let process = process(record, service);
    let text = config_text(record, service)?;
    let current = process.runs(&program(service, programs)?)
        && std::fs::read_to_string(&process.config).is_ok_and(|written| written == text);
    if !current {
        process.stop(Stop::Gracefully).await?;
        write_private(&process.config, &text)?;
    }
    start(record, service, programs).await
}

/// Starts the service if it does not run; returns once it is ready.
pub(crate) async fn start(record: &Record, service: Service, programs: Option<&Path>) -> anyhow::Result<()> {
    let process = process(record, service);
    if process.pid().is_some() {
        return is_ready(record, service)
            .await
            .with_context(|| format!("{service}: {}", process.log_tail(0)));
    }
    let program = program(service, programs)?;
    let arguments = [
        "serve".to_owned(),
        "--config".to_owned(),
        process.config.display().to_string(),
    ];
    process
        .start(&program, &arguments)?
        .ready(READY_WAIT_MAX, || is_ready(record, service))
        .await
}

/// The service's program, beside this one unless a folder is given. A test's own program is one folder deeper.
fn program(service: Service, programs: Option<&Path>) -> anyhow::Result<PathBuf> {
    let name = service.to_string();
    if let Some(folder) = programs {
        let program = folder.join(&name);
        return program
            .is_file()
            .then_some(program)
            .with_context(|| format!("{} has no {name}", folder.display()));
    }
    let own = std::env::current_exe().context("cannot find the folder of this program")?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(&name))
        .find(|program| program.is_file())
        .with_context(|| {
            format!(
                "there is no {name} program beside {}: build it first (make build)",
                own.display()
            )
        })
}

/// GET /ready answers 200.
pub(crate) async fn is_ready(record: &Record, service: Service) -> anyhow::Result<()> {
    let port = service.http_port(record);
    let ask = async {
        let mut stream = TcpStream::connect((HOST, port)).await?;
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream
            .take(HTTP_ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(HTTP_WAIT_MAX, ask)
        .await
        .with_context(|| format!("no answer from http://{HOST}:{port}/ready in time"))?
        .with_context(|| format!("no answer from http://{HOST}:{port}/ready"))?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("{}", answer.split("\r\n\r\n").nth(1).unwrap_or(&answer).trim());
    }
    Ok(())
}

/// One real query as an application would send it.
pub(crate) async fn first_query(record: &Record) -> anyhow::Result<()> {
    let user = record
        .passwords
        .users
        .get("app")
        .context("the cluster has no user app")?;
    let options = OptsBuilder::default()
        .ip_or_hostname(HOST)
        .tcp_port(record.ports.gatekeeper)
        .user(Some("app"))
        .pass(Some(&user.gatekeeper))
        .prefer_socket(false);
    let query = async {
        let mut conn = Conn::new(options).await?;
        let actors: Option<u64> = conn.query_first("SELECT COUNT(*) FROM sakila.actor").await?;
        conn.disconnect().await?;
        Ok::<_, mysql_async::Error>(actors)
    };
    let answer = tokio::time::timeout(QUERY_WAIT_MAX, query).await;
    let tails = || {
        [Service::Gatekeeper, Service::Proxy]
            .map(|service| format!("{service}: {}", process(record, service).log_tail(0)))
            .join("\n")
    };
    let actors = answer
        .map_err(|_| anyhow::anyhow!("no answer within {} s", QUERY_WAIT_MAX.as_secs()))
        .and_then(|result| result.map_err(Into::into))
        .with_context(|| format!("a query through the gatekeeper failed; {}", tails()))?;
    match actors {
        Some(1..) => Ok(()),
        _ => bail!("sakila.actor looks empty through the gatekeeper; {}", tails()),
    }
}

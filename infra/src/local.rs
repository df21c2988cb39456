//! The whole system on this machine, as real processes that outlive the command.
//!
//! ```text
//! up:  decide ▶ folders, ports ▶ nodes ▶ accounts ▶ replication ▶ sample data ▶ caught up ▶ proxy, gatekeeper ▶ a query
//! ```
//!
//! Every step looks first and does only what is missing, so `up` may be repeated: on a healthy cluster it checks and
//! returns. When a step fails everything is stopped again. The directory is the only state.

use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

use anyhow::Context;

mod account;
mod certificate;
pub mod cluster;
pub mod engine;
mod lock;
mod node;
pub mod options;
mod port;
mod process;
mod progress;
mod record;
mod replication;
mod sample;
mod secret;
mod service;
pub mod status;

pub use self::cluster::Cluster;
pub use self::engine::{Engine, EngineChoice};
use self::lock::Lock;
use self::node::Node;
pub use self::options::{Options, Setting};
pub use self::process::Stop;
pub use self::progress::Progress;
use self::record::{Record, USERS};
pub use self::service::Service;

/// Makes the cluster of `options.dir` run and writes its `cluster.json`. Returns once a query through the
/// gatekeeper works.
///
/// # Errors
/// Names the server that failed, with the tail of its log; then nothing of the cluster is left running. A request
/// that cannot be meant (a port in use, a setting that no service knows) fails before anything is touched.
pub async fn up(options: &Options, progress: Progress) -> anyhow::Result<Cluster> {
    let remembered = Record::exists(&options.dir);
    let record = Record::decide(options).await?;
    service::check_settings(&record)?;
    require_ports(&record).await?;
    record.make_folders()?;
    let _lock = Lock::take(&record.dir)?;
    if !remembered {
        record.save()?;
    }
    match raise(&record, options, progress).await {
        Ok(cluster) => {
            record.save()?;
            cluster.save(&record.dir)?;
            Ok(cluster)
        }
        Err(error) => {
            let step = progress.step("stopping everything again");
            let stopped = stop_all(&record, Stop::Gracefully).await;
            step.done();
            match stopped {
                Ok(()) => Err(error),
                Err(second) => Err(error.context(format!("and stopping failed too: {second:#}"))),
            }
        }
    }
}

async fn raise(record: &Record, options: &Options, progress: Progress) -> anyhow::Result<Cluster> {
    let nodes = record.nodes();
    let (manager, workers) = nodes.split_first().context("a cluster has at least a manager")?;
    let server = &record.server;

    let step = progress.step(format!(
        "{} {}: {} node(s)",
        server.engine,
        server.version,
        nodes.len()
    ));
    for surplus in record.surplus_nodes() {
        surplus.stop(Stop::AtOnce).await?;
        std::fs::remove_dir_all(surplus.dir())?;
    }
    each(&nodes, Node::bring_up).await?;
    step.done();

    let step = progress.step("accounts and replication");
    manager
        .run(&account::statements(server.engine, &record.passwords))
        .await?;
    for worker in workers {
        replication::follow(worker, manager, server, &record.passwords.replication).await?;
    }
    step.done();

    let step = progress.step("sample data (sakila)");
    sample::load(manager, server, options.sakila.as_deref()).await?;
    step.done();

    if !workers.is_empty() {
        let step = progress.step("workers level with the manager");
        let position = replication::manager_position(manager).await?;
        each(workers, |worker| replication::caught_up(worker, &position)).await?;
        step.done();
    }

    if !record.nodes_only {
        service::write_files(record)?;
        for service in [Service::Proxy, Service::Gatekeeper] {
            let step = progress.step(format!("{service}"));
            service::bring_up(record, service, options.programs.as_deref()).await?;
            step.done();
        }
        let step = progress.step("a query through the gatekeeper");
        service::first_query(record).await?;
        step.done();
    }
    Ok(describe(record))
}

/// Runs one task per node at the same time. Every one ends before this does, and none goes on when this is dropped, so
/// that nothing is started behind the back of whoever cleans up.
async fn each<'a, F, Fut>(nodes: &'a [Node], task: F) -> anyhow::Result<()>
where
    F: Fn(&'a Node) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut running: Vec<Pin<Box<Fut>>> = nodes.iter().map(|node| Box::pin(task(node))).collect();
    let mut outcome = Ok(());
    std::future::poll_fn(|context| {
        running.retain_mut(|task| match task.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                if outcome.is_ok() {
                    outcome = result;
                }
                false
            }
        });
        if running.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outcome
}

/// Every port that a stopped process will need is free.
async fn require_ports(record: &Record) -> anyhow::Result<()> {
    for node in record.nodes() {
        if node.process().pid().is_none() {
            port::require_free(node.port, &node.name).await?;
        }
    }
    if record.nodes_only {
        return Ok(());
    }
    let ports = &record.ports;
    let wanted = [
        (Service::Gatekeeper, ports.gatekeeper, "the gatekeeper"),
        (
            Service::Gatekeeper,
            ports.gatekeeper_http,
            "the gatekeeper's http",
        ),
        (Service::Proxy, ports.proxy, "the proxy"),
        (Service::Proxy, ports.proxy_http, "the proxy's http"),
        (Service::Proxy, ports.proxy_admin, "the proxy's admin console"),
    ];
    for (service, port, name) in wanted {
        if service::process(record, service).pid().is_none() {
            port::require_free(port, name).await?;
        }
    }
    Ok(())
}

/// Stops every process of the cluster; its data stays. Fine when nothing runs.
///
/// # Errors
/// When there is no cluster in `dir`, or a process cannot be stopped.
pub async fn down(dir: &Path, progress: Progress) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    let _lock = Lock::take(&record.dir)?;
    let step = progress.step(format!("stopping the cluster in {}", record.dir.display()));
    stop_all(&record, Stop::Gracefully).await?;
    refresh(&record)?;
    step.done();
    Ok(())
}

/// Stops every process and removes the directory with all data.
///
/// # Errors
/// As [`down`], and when a file cannot be removed.
pub async fn purge(dir: &Path, progress: Progress) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    let _lock = Lock::take(&record.dir)?;
    let step = progress.step(format!("removing the cluster in {}", record.dir.display()));
    // what nobody will read needs no farewell
    stop_all(&record, Stop::AtOnce).await?;
    std::fs::remove_dir_all(&record.sockets).or_else(absent)?;
    std::fs::remove_dir_all(&record.dir)
        .with_context(|| format!("cannot remove {}", record.dir.display()))?;
    step.done();
    Ok(())
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

async fn stop_all(record: &Record, how: Stop) -> anyhow::Result<()> {
    // front to back, so that nobody logs the loss of the one behind
    let mut outcome = Ok(());
    for service in [Service::Gatekeeper, Service::Proxy] {
        outcome = outcome.and(service::process(record, service).stop(how).await);
    }
    let mut nodes = record.nodes();
    nodes.extend(record.surplus_nodes());
    outcome.and(each(&nodes, |node| node.stop(how)).await)
}

/// Stops one node, as a test that breaks nodes does. `up` or [`start_node`] brings it back.
///
/// # Errors
/// When there is no such node, or it cannot be stopped.
pub async fn stop_node(dir: &Path, name: &str, how: Stop) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    node(&record, name)?.stop(how).await?;
    refresh(&record)
}

/// Starts one node again and returns once it answers; a worker may still be catching up.
///
/// # Errors
/// When there is no such node, or it does not start.
pub async fn start_node(dir: &Path, name: &str) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    node(&record, name)?.bring_up().await?;
    refresh(&record)
}

/// Stops one of the services.
///
/// # Errors
/// When it cannot be stopped.
pub async fn stop_service(dir: &Path, service: Service, how: Stop) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    service::process(&record, service).stop(how).await?;
    refresh(&record)
}

/// Starts one of the services again and returns once it is live. `programs` is as in [`Options::programs`].
///
/// # Errors
/// When it does not start.
pub async fn start_service(dir: &Path, service: Service, programs: Option<&Path>) -> anyhow::Result<()> {
    let record = Record::load(dir)?;
    service::start(&record, service, programs).await?;
    refresh(&record)
}

fn node(record: &Record, name: &str) -> anyhow::Result<Node> {
    record
        .nodes()
        .into_iter()
        .find(|node| node.name == name)
        .with_context(|| format!("the cluster in {} has no node {name}", record.dir.display()))
}

/// Writes the pids of now into `cluster.json`, if a cluster ever came up here.
fn refresh(record: &Record) -> anyhow::Result<()> {
    if record.dir.join(cluster::FILE_NAME).exists() {
        describe(record).save(&record.dir)
    } else {
        Ok(())
    }
}

fn describe(record: &Record) -> Cluster {
    let users = USERS.iter().filter_map(|(name, policy)| {
        let passwords = record.passwords.users.get(*name)?;
        Some(cluster::UserEntry {
            name: (*name).to_owned(),
            password: passwords.gatekeeper.clone(),
            policy: (*policy).to_owned(),
        })
    });
    Cluster {
        engine: record.server.engine,
        version: record.server.version.to_string(),
        gatekeeper: (!record.nodes_only).then(|| service::gatekeeper_entry(record)),
        proxy: (!record.nodes_only).then(|| service::proxy_entry(record)),
        nodes: record.nodes().iter().map(Node::entry).collect(),
        users: users.collect(),
        admin: cluster::AdminEntry {
            name: service::ADMIN.to_owned(),
            password: record.passwords.admin.clone(),
        },
    }
}

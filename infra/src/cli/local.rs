//! `infra local up | down | status`

#![allow(
    clippy::print_stdout,
    reason = "the answer of a command belongs on its stdout"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::local::engine::Server;
use crate::local::{self, Cluster, EngineChoice, Options, Progress, Setting};

const UP_EXAMPLES: &str = "Examples:
  infra local up --dir cluster
      a manager and two workers, proxy and gatekeeper, on free ports
  infra local up --dir cluster --port-base 3400 --engine mysql --workers 3
      gatekeeper on 3400, proxy on 3401, nodes from 3410 on
  infra local up --dir cluster --set proxy.routing.strategy=direct
      change one key of proxy.toml; what changed is restarted, the rest runs on
  infra local up --dir cluster --set mysqld.secure_file_priv= --set mysqld.local_infile=1
      options of the database servers

Keys of --set: any of gatekeeper.toml (gatekeeper.limits.connections-max=10), of proxy.toml
(proxy.node[1].port=3999; an empty value removes a key) or any server option (mysqld.max_connections=50).
Settings are remembered by the cluster's directory.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Start the cluster, or what is missing of it; may be repeated
    Up(Up),
    /// Stop every process; the data stays unless --purge is given
    Down(Down),
    /// Say what runs; exit code 1 when something is missing
    Status(Status),
}

#[derive(Debug, Args)]
#[command(after_help = UP_EXAMPLES)]
pub(super) struct Up {
    /// Where everything of the cluster lives
    #[arg(long)]
    dir: PathBuf,
    /// The gatekeeper's port; the others follow. 0 finds free ports [default: 0, or as before]
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
    /// The database
    #[arg(long, value_enum, default_value_t)]
    engine: EngineChoice,
    /// Replicas behind the manager; 0 is a manager alone [default: 2, or as before]
    #[arg(long, value_name = "N")]
    workers: Option<u16>,
    /// The server program to use
    #[arg(long, value_name = "PATH")]
    mysqld: Option<PathBuf>,
    /// Change one value; may be given more than once
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<Setting>,
    /// Load sakila-schema.sql and sakila-data.sql of this folder instead of generated data
    #[arg(long, value_name = "DIR")]
    sakila: Option<PathBuf>,
    /// Only the database servers
    #[arg(long)]
    nodes_only: bool,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    /// The cluster's directory
    #[arg(long)]
    dir: PathBuf,
    /// Remove the directory and all data too
    #[arg(long)]
    purge: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The cluster's directory
    #[arg(long)]
    dir: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Up(arguments) => up(arguments).await,
        Verb::Down(arguments) => down(&arguments).await,
        Verb::Status(arguments) => status(&arguments).await,
    }
}

async fn up(arguments: Up) -> anyhow::Result<ExitCode> {
    let progress = Progress::detect();
    let options = Options {
        dir: arguments.dir,
        port_base: arguments.port_base,
        engine: arguments.engine,
        workers: arguments.workers,
        mysqld: arguments.mysqld,
        settings: arguments.settings,
        sakila: arguments.sakila,
        programs: None,
        nodes_only: arguments.nodes_only,
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cluster = tokio::select! {
        cluster = local::up(&options, progress) => cluster?,
        _ = interrupt.recv() => return interrupted(&options.dir, progress).await,
        _ = terminate.recv() => return interrupted(&options.dir, progress).await,
    };
    present(&cluster, &options.dir);
    Ok(ExitCode::SUCCESS)
}

/// The servers have process groups of their own, so ^C reached only us.
async fn interrupted(dir: &Path, progress: Progress) -> anyhow::Result<ExitCode> {
    eprintln!("interrupted");
    if dir.exists() {
        local::down(dir, progress).await?;
    }
    Ok(ExitCode::from(130))
}

async fn down(arguments: &Down) -> anyhow::Result<ExitCode> {
    if !arguments.dir.exists() {
        eprintln!("there is no {}", arguments.dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    let progress = Progress::detect();
    if arguments.purge {
        local::purge(&arguments.dir, progress).await?;
    } else {
        local::down(&arguments.dir, progress).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(arguments: &Status) -> anyhow::Result<ExitCode> {
    let status = local::status::status(&arguments.dir).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        for process in &status.processes {
            let pid = process.pid.map_or("-".to_owned(), |pid| pid.to_string());
            println!(
                "{:<12} port {:<6} pid {pid:<8} {}",
                process.name, process.port, process.detail
            );
        }
    }
    Ok(if status.healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn present(cluster: &Cluster, dir: &Path) {
    println!();
    match (&cluster.gatekeeper, &cluster.proxy) {
        (Some(gatekeeper), Some(proxy)) => {
            println!("{} {} is up. Try:", cluster.engine, cluster.version);
            println!();
            for user in cluster.users.iter().filter(|user| user.name != "guarded") {
                let note = if user.policy == "off" {
                    "no policy"
                } else {
                    "the default policy"
                };
                println!(
                    "  {} -h {} -P {} -u {} -p{} sakila    # {note}",
                    Server::client_name(),
                    gatekeeper.host,
                    gatekeeper.port,
                    user.name,
                    user.password
                );
            }
            println!();
            println!(
                "  gatekeeper  {}/metrics  {}/ready",
                gatekeeper.http, gatekeeper.http
            );
            println!("  proxy       {}/metrics  {}/ready", proxy.http, proxy.http);
            println!(
                "  console     {} -h {} -P {} -u {} -p{}    # SHOW NODES",
                Server::client_name(),
                proxy.host,
                proxy.admin_port,
                cluster.admin.name,
                cluster.admin.password
            );
        }
        _ => println!("{} {} is up, nodes only:", cluster.engine, cluster.version),
    }
    for node in &cluster.nodes {
        println!("  {:<11} {}:{}", node.name, node.host, node.port);
    }
    println!("  everything  {}", dir.join(local::cluster::FILE_NAME).display());
}

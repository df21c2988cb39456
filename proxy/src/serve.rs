//! The process: from a checked configuration to the exit code.
//!
//! ```text
//! main thread   accept, watch the nodes, answer HTTP, wait for signals
//! shards        sessions
//! ```

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::drain::{Drain, Drained};
use daemon::exit::{Code, Failure};
use daemon::http::{HttpServer, Pages};
use daemon::listener::{ConnectionLimit, Endpoint, Listener, SocketMode};
use daemon::process;
use daemon::shards::Shards;
use daemon::signal::{Signals, StopNow};
use daemon::telemetry::{self, LogOptions, Logs};
use peer::tls::Acceptor;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::console::Console;
use crate::host::Host;
use crate::metrics::{Metrics, NodeMetrics};
use crate::session;
use crate::strategy::SharedStrategy;

/// How long the threads of the shards get to end, once their sessions have been told to.
const SHARDS_STOP_MAX: Duration = Duration::from_secs(2);

/// How often connections that have rested for too long are looked for.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until told to stop.
pub fn run(config: Config) -> Result<(), Failure> {
    let _logs = Logs::start(&LogOptions {
        level: "info".to_owned(),
        lines_per_second_max: config.limits.log_lines_per_second_max,
    })
    .map_err(|error| Failure::new(Code::Config, error.to_string()))?;
    let open_files = process::raise_open_files().map_err(system("raise the limit of open files"))?;
    // a session is one connection to the gatekeeper and up to one to each node
    let descriptors_each = 1 + config.nodes.len() as u64;
    open_files.check_connections(config.limits.connections_max as u64, descriptors_each);
    let numbers =
        telemetry::Metrics::install().map_err(|error| Failure::new(Code::Software, error.to_string()))?;
    let count = config
        .shards
        .and_then(NonZero::new)
        .unwrap_or_else(Shards::count_default);
    let shards = Arc::new(Shards::start(count, "shard").map_err(system("start the shards"))?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let ended = runtime.block_on(serve(config, numbers, Arc::clone(&shards)));
    let running = shards.shutdown(SHARDS_STOP_MAX);
    if running > 0 {
        tracing::warn!(shards = running, "shards did not stop in time");
    }
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config, numbers: telemetry::Metrics, shards: Arc<Shards>) -> Result<(), Failure> {
    let signals = Signals::install().map_err(system("take over the signals"))?;
    let tls = match &config.gatekeeper.tls {
        None => None,
        Some(tls) => Some(
            Acceptor::mutual(&tls.certificate, &tls.key, &tls.client_ca)
                .map_err(|error| Failure::new(Code::Config, format!("[gatekeeper.tls]: {error}")))?,
        ),
    };
    let listeners = bind(&config)?;
    let http = HttpServer::bind(config.http)?;
    let console = config.admin.as_ref().map(Console::bind).transpose()?;
    tracing::info!(
        http = %http.address(),
        shards = shards.count(),
        nodes = config.nodes.len(),
        accounts = config.accounts.len(),
        strategy = %config.strategy,
        "starting"
    );
    if config.accounts.is_empty() {
        tracing::warn!("no account is configured: nobody can log in");
    }

    let drain = Drain::new();
    let cluster = Cluster::new(&config.nodes, NodeMetrics::of_all(&config.nodes));
    let watchers = cluster.start(&config.monitor);
    let limit = ConnectionLimit::new(config.limits.connections_max);
    let drain_timeout = config.limits.drain_timeout;
    let host = Arc::new(Host {
        statement_memory: peer::budget::Budget::new(config.limits.statement_memory_bytes_max),
        metrics: Metrics::new(&config.nodes),
        strategy: SharedStrategy::new(config.strategy),
        keeps_digests: config.admin.is_some(),
        cluster: Arc::clone(&cluster),
        sessions: Arc::default(),
        pool: crate::pool::Pool::new(config.nodes.len(), config.pool.clone()),
        drain: drain.clone(),
        tls,
        config,
    });

    let mut background = JoinSet::new();
    background.spawn(numbers.clone().upkeep());
    let pages = pages(numbers, cluster, drain.clone());
    background.spawn(async move {
        http.serve(pages).await;
    });
    let sharing = Arc::clone(&host);
    background.spawn(async move {
        loop {
            tokio::time::sleep(REAP_INTERVAL).await;
            sharing.pool.reap(Instant::now());
            for (id, _) in sharing.cluster.view().nodes() {
                if sharing.cluster.is_drained(id) {
                    sharing.pool.empty(id);
                }
                sharing.metrics.resting_connections(id, sharing.pool.resting(id));
            }
        }
    });
    if let Some(console) = console {
        let (host, shards) = (Arc::clone(&host), Arc::clone(&shards));
        background.spawn(console.serve(host, shards));
    }
    let (reload, _) = watch::channel(0);
    let stop_now = tokio::spawn(signals.run(drain.clone(), reload));

    accept(listeners, &shards, &limit, &host).await?;
    let ended = tokio::select! {
        drained = drain.finish(drain_timeout) => {
            if let Drained::Left(sessions) = drained {
                tracing::warn!(sessions, "the deadline of the drain has come: closing what is left");
            }
            Ok(())
        }
        Ok(StopNow) = stop_now => Err(Failure::new(Code::Interrupted, "stopped by a second signal")),
    };
    watchers.stop().await;
    tracing::info!("stopped");
    ended
}

fn bind(config: &Config) -> Result<Vec<Listener>, Failure> {
    let tcp = config.listen.tcp.map(Endpoint::Tcp);
    let socket = config.listen.socket.clone().map(Endpoint::Unix);
    tcp.into_iter()
        .chain(socket)
        .map(|endpoint| Ok(Listener::bind(&endpoint, SocketMode::GROUP)?))
        .collect()
}

/// Accepts on all listeners until the drain starts.
async fn accept(
    listeners: Vec<Listener>,
    shards: &Arc<Shards>,
    limit: &ConnectionLimit,
    host: &Arc<Host>,
) -> Result<(), Failure> {
    let mut accepting = JoinSet::new();
    for listener in listeners {
        tracing::info!(endpoint = %listener.endpoint(), "listening for the gatekeeper");
        let (shards, limit, host) = (Arc::clone(shards), limit.clone(), Arc::clone(host));
        let drain = host.drain.clone();
        accepting.spawn(async move {
            let handler = move |accepted| session::run(accepted, Arc::clone(&host));
            listener.serve(shards, limit, drain, handler).await
        });
    }
    while let Some(ended) = accepting.join_next().await {
        match ended {
            Ok(result) => result.map_err(system("accept connections"))?,
            Err(error) => {
                return Err(Failure::new(
                    Code::Software,
                    format!("a listener failed: {error}"),
                ));
            }
        }
    }
    Ok(())
}

fn pages(numbers: telemetry::Metrics, cluster: Arc<Cluster>, drain: Drain) -> Pages {
    let ready = move || {
        if drain.is_draining() {
            return Err("stopping".to_owned());
        }
        cluster
            .not_ready_because()
            .map_or(Ok(()), |reason| Err(reason.to_owned()))
    };
    Pages::new(move || numbers.render(), ready)
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::new(Code::System, format!("cannot {what}: {error}"))
}

//! From a checked config to an exit code: build, bind, run, drain with a deadline.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use daemon::drain::{Drain, Drained};
use daemon::exit::{Code, Failure};
use daemon::http::{HttpServer, Pages};
use daemon::listener::{Accepted, ConnectionLimit, Listener, SocketMode};
use daemon::process;
use daemon::shards::Shards;
use daemon::signal::{Signals, StopNow};
use daemon::telemetry::{self, Logs};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::facts;
use crate::gate::Gate;
use crate::users::UserDirectory;

/// Threads of the main runtime: accepting, HTTP, greeting, signals. A scrape must not hold an accept up.
const MAIN_THREADS: usize = 2;
/// Descriptors of one session: the client and the proxy.
const DESCRIPTORS_PER_SESSION: u64 = 2;
/// What sessions that outlived the drain get to notice that they are dropped.
const SHARDS_STOP_WAIT: Duration = Duration::from_secs(1);
/// Between two looks at how many log lines were left out.
const LOGS_LOOK: Duration = Duration::from_secs(1);

/// Serves until the operator says stop. `session` takes a connection over, on a shard.
pub fn serve<S, F>(config: Config, session: S) -> Result<(), Failure>
where
    S: Fn(Accepted, Arc<Gate>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let system = |error: io::Error| Failure::new(Code::System, error.to_string());
    let logs = Logs::start(&config.log).map_err(|error| Failure::new(Code::Config, error.to_string()))?;
    let logs = Arc::new(logs);
    let open_files = process::raise_open_files().map_err(system)?;
    open_files.check_connections(config.limits.connections_max as u64, DESCRIPTORS_PER_SESSION);
    let numbers =
        telemetry::Metrics::install().map_err(|error| Failure::new(Code::Software, error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(MAIN_THREADS)
        .thread_name("main")
        .enable_all()
        .build()
        .map_err(system)?;
    let drain = Drain::new();
    let result = runtime.block_on(async {
        let signals = Signals::install().map_err(system)?;
        let (reload, reloads) = watch::channel(0);
        let signals = signals.run(drain.clone(), reload);
        let gate = Arc::new(Gate::open(config, drain.clone())?);
        run(gate, session, numbers, Arc::downgrade(&logs), signals, reloads).await
    });
    // what still answers HTTP is not waited for
    runtime.shutdown_background();
    result
}

async fn run<S, F>(
    gate: Arc<Gate>,
    session: S,
    numbers: telemetry::Metrics,
    logs: Weak<Logs>,
    signals: impl Future<Output = StopNow>,
    reloads: watch::Receiver<u64>,
) -> Result<(), Failure>
where
    S: Fn(Accepted, Arc<Gate>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let shards = Shards::start(gate.config.shards, "shard")
        .map(Arc::new)
        .map_err(|error| Failure::new(Code::System, format!("cannot start a shard: {error}")))?;
    let http = HttpServer::bind(gate.config.http)?;
    let listeners: Vec<Listener> = gate
        .config
        .listen
        .iter()
        .map(|endpoint| Listener::bind(endpoint, SocketMode::EVERYBODY))
        .collect::<Result<_, _>>()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %listeners.iter().map(|listener| listener.endpoint().to_string()).collect::<Vec<_>>().join(", "),
        http = %http.address(),
        shards = shards.count(),
        users = gate.users.current().count(),
        policy_mode = ?gate.config.policy.mode,
        "serving"
    );

    let mut background = JoinSet::new();
    background.spawn(numbers.clone().upkeep());
    background.spawn(learn_greeting(Arc::clone(&gate)));
    background.spawn(reload_users(Arc::clone(&gate), reloads));
    background.spawn(count_lines_left_out(Arc::clone(&gate), logs));
    background.spawn(answer_http(http, numbers, Arc::clone(&gate)));

    let limit = ConnectionLimit::new(gate.config.limits.connections_max);
    let mut doors = JoinSet::new();
    for listener in listeners {
        let (gate, session) = (Arc::clone(&gate), session.clone());
        let drain = gate.drain.clone();
        let handler = move |accepted| {
            let gate = Arc::clone(&gate);
            // boxed first: a future that is captured and then awaited would be kept twice
            let session = Box::pin(session(accepted, Arc::clone(&gate)));
            async move {
                facts::prepare_shard(gate.config.limits.facts_cache_bytes_max, &gate.metrics);
                drop(gate);
                session.await;
            }
        };
        doors.spawn(listener.serve(Arc::clone(&shards), limit.clone(), drain, handler));
    }
    let end = tokio::select! {
        StopNow = signals => Err(Failure::new(Code::Interrupted, "stopped by a second signal")),
        end = stop(&gate, &mut doors) => end,
    };
    let stuck = shards.shutdown(SHARDS_STOP_WAIT);
    if stuck > 0 {
        tracing::warn!(shards = stuck, "shards did not stop in time");
    }
    end
}

/// Waits for the wish to stop, or for a door that has fallen in; then for the sessions, until the deadline.
async fn stop(gate: &Gate, doors: &mut JoinSet<io::Result<()>>) -> Result<(), Failure> {
    let mut result = Ok(());
    while let Some(door) = doors.join_next().await {
        let fallen_in = match door {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => Failure::new(Code::System, format!("cannot accept connections: {error}")),
            Err(error) => Failure::new(
                Code::Software,
                format!("accepting connections has ended: {error}"),
            ),
        };
        result = Err(fallen_in);
        gate.drain.start();
    }
    let deadline = gate.config.limits.drain_timeout;
    match gate.drain.finish(deadline).await {
        Drained::Empty => tracing::info!("stopped: all sessions have ended"),
        Drained::Left(sessions) => tracing::warn!(sessions, "stopped: the drain's deadline has passed"),
    }
    result
}

async fn learn_greeting(gate: Arc<Gate>) {
    gate.greetings.watch(&gate.hop, &gate.metrics).await;
}

async fn reload_users(gate: Arc<Gate>, mut reloads: watch::Receiver<u64>) {
    while reloads.changed().await.is_ok() {
        // reads a file: not on a thread that accepts
        let users = gate.users.clone();
        let reloaded = tokio::task::spawn_blocking(move || UserDirectory::reload(&users)).await;
        match reloaded {
            Ok(Ok(users)) => {
                gate.metrics.users_reloaded(true);
                tracing::info!(users, "the users file has been read again");
            }
            Ok(Err(error)) => {
                gate.metrics.users_reloaded(false);
                tracing::error!(%error, "the users file cannot be used; the users stay as they are");
            }
            Err(_) => gate.metrics.users_reloaded(false),
        }
    }
}

async fn count_lines_left_out(gate: Arc<Gate>, logs: Weak<Logs>) {
    let mut ticks = tokio::time::interval(LOGS_LOOK);
    loop {
        ticks.tick().await;
        if let Some(logs) = logs.upgrade() {
            gate.metrics.log_lines_left_out(logs.left_out());
        }
    }
}

async fn answer_http(http: HttpServer, numbers: telemetry::Metrics, gate: Arc<Gate>) {
    let ready = move || {
        if gate.drain.is_draining() {
            Err("stopping".to_owned())
        } else {
            gate.greetings.ready()
        }
    };
    match http.serve(Pages::new(move || numbers.render(), ready)).await {}
}

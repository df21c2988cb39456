//! The scenario `delayed-worker`: one of two workers answers late, and each strategy shows whether it notices.
//!
//! ```text
//!   sysbench ─▶ gatekeeper ─▶ proxy ─┬─▶ relay ─▶ worker1      replies 20 ms late, pings not
//!                                    └─▶ relay ─▶ worker2
//! ```
//!
//! Every strategy runs with both workers well, and at once again with one of them late: the one that it has just read from
//! most. For `ping` that is its only one; latency on the wire says nothing about a server's load, so it has no reason to
//! leave, and whether it happens to sit on the other one is luck. `adaptive` is first: what it knows it has learned itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use proxy::strategy::Strategy;
use serde::Serialize;

mod counts;
mod picture;
mod relay;
mod verdict;

use self::{
    counts::Page,
    relay::DelayingRelay,
    verdict::{Finding, Row, Run},
};
use super::{
    BenchArgs, ask, binaries,
    cluster::{Cluster, OwnCluster, Wanted},
    course::{file_name, say},
    interrupt::Interrupt,
    machine::{self, Machine},
    plan, profile,
    profile::Profile,
    results, sbtest,
    sysbench::{self, Bench, PreparedStatements, Target},
};

/// How late the one worker's replies are.
const DELAY: Duration = Duration::from_millis(20);
/// Two: enough to choose from, and cheap.
const WORKERS: u32 = 2;
/// Connections of sysbench.
const THREADS: u32 = 8;
/// One run, where nothing else is asked for.
const SECONDS: u32 = 4;
/// The database's account whose replies are never late (`infra local up` makes it).
const MONITOR: &str = "monitor";
/// What sysbench does.
const PROFILE: &str = "point-select";
/// Goes behind the start's time in the names of the result files.
const NAME: &str = "delayed-worker";

/// In the order in which they run.
const STRATEGIES: [Strategy; 5] = [
    Strategy::Adaptive,
    Strategy::LeastConnections,
    Strategy::RoundRobin,
    Strategy::Random,
    Strategy::Ping,
];

/// What would be run, for people.
pub(super) fn listing(args: &BenchArgs) -> String {
    let seconds = u64::from(seconds(args)) + 1;
    format!(
        "delayed worker: {} strategies, with {WORKERS} workers that are well and with one whose replies are {} ms late, \
         {THREADS} threads: about {}\n",
        STRATEGIES.len(),
        DELAY.as_millis(),
        plan::duration_text(Duration::from_secs(2 * STRATEGIES.len() as u64 * seconds + 30))
    )
}

fn seconds(args: &BenchArgs) -> u32 {
    args.seconds.unwrap_or(SECONDS)
}

/// Runs the scenario on a cluster of its own.
pub(super) async fn run(args: &BenchArgs, binaries: &Path, interrupt: &mut Interrupt) -> anyhow::Result<()> {
    let wanted = Wanted {
        engine: args.engine.clone(),
        workers: WORKERS,
        port_base: args.port_base,
        shards: args.hop_threads,
    };
    let own = OwnCluster::up(&binaries.join("infra"), &wanted, interrupt).await?;
    let measured = tokio::select! {
        measured = Box::pin(measure(args, &own)) => measured,
        () = interrupt.seen() => Err(anyhow::anyhow!("interrupted")),
    };
    let stopped = own.down().await;
    let (facts, runs) = measured?;
    stopped?;
    finish(args, &facts, &runs)
}

/// What the figures depend on.
#[derive(Serialize)]
struct Facts {
    started: String,
    machine: Machine,
    engine: String,
    server_version: String,
    sysbench_version: String,
    infra_version: &'static str,
    /// The build profile of gatekeeper and proxy.
    pair_build: Option<String>,
    profile: Profile,
    prepared_statements: PreparedStatements,
    workers: u32,
    threads: u32,
    seconds: u32,
    delay_ms: u64,
}

async fn measure(args: &BenchArgs, own: &OwnCluster) -> anyhow::Result<(Facts, Vec<Run>)> {
    let cluster = Cluster::read(own.dir())?;
    let scratch = tempfile::Builder::new()
        .prefix("infra-bench-")
        .tempdir()
        .context("failed to make a folder")?;
    let profile = profile::load(PROFILE)?;
    let bench = Bench {
        settings: &profile.settings,
        prepared: args.db_ps_mode,
        schema: sbtest::SCHEMA,
        scratch: scratch.path(),
    };
    let server_version = sbtest::ensure(bench, &cluster.manager()?).await?.version;
    let workers = cluster.worker_nodes();
    let mut relays = Vec::new();
    let mut settings = Vec::new();
    for (place, name, worker) in &workers {
        sbtest::arrived(&profile.settings, worker).await?;
        let relay = DelayingRelay::start((worker.host.clone(), worker.port), MONITOR).await?;
        settings.push(format!("proxy.node[{place}].port={}", relay.port()));
        relays.push((name.as_str(), relay));
    }
    own.set(&settings).await?;
    // the services have started anew
    let cluster = Cluster::read(own.dir())?;
    let names: Vec<&str> = relays.iter().map(|(name, _)| *name).collect();
    let course = Course {
        bench,
        entrance: cluster.pair(&args.user)?.entrance,
        console: cluster.console()?,
        http: cluster.proxy_http()?.to_owned(),
        seconds: seconds(args),
    };
    counts::served(&course.http, &names).await?;

    let started = machine::now_utc();
    let mut runs = Vec::new();
    for strategy in STRATEGIES {
        let healthy = course.turn(strategy, None).await?;
        let (worker, relay) = relays
            .iter()
            .max_by(|(one, _), (other, _)| {
                let share = |name| verdict::share(&healthy.reads, name);
                share(one).total_cmp(&share(other))
            })
            .context("the cluster has no workers")?;
        relay.set_delay(DELAY);
        let delayed = course.turn(strategy, Some(worker)).await?;
        relay.set_delay(Duration::ZERO);
        runs.extend([healthy, delayed]);
    }
    let facts = Facts {
        started,
        machine: Machine::observe(),
        engine: cluster.engine.clone(),
        server_version,
        sysbench_version: sysbench::version().await?,
        infra_version: env!("CARGO_PKG_VERSION"),
        pair_build: binaries::folder_of_process(cluster.pair(&args.user)?.gatekeeper_pid)
            .as_deref()
            .and_then(binaries::build_name),
        prepared_statements: args.db_ps_mode,
        workers: WORKERS,
        threads: THREADS,
        seconds: course.seconds,
        delay_ms: u64::try_from(DELAY.as_millis())?,
        profile: profile.clone(),
    };
    Ok((facts, runs))
}

/// What all runs share.
struct Course<'a> {
    bench: Bench<'a>,
    entrance: Target,
    console: Target,
    http: String,
    seconds: u32,
}

impl Course<'_> {
    /// One run of one strategy.
    async fn turn(&self, strategy: Strategy, delayed: Option<&str>) -> anyhow::Result<Run> {
        ask::once(&self.console, format!("SET strategy = '{strategy}'")).await?;
        let load_before = machine::load();
        let before = Page::fetch(&self.http).await?.statements();
        let report = self.bench.run(&self.entrance, THREADS, self.seconds).await?;
        let after = Page::fetch(&self.http).await?.statements();
        let run = Run {
            strategy: strategy.to_string(),
            delayed: delayed.map(str::to_owned),
            sysbench: report,
            reads: counts::between(&before, &after),
            load_before,
        };
        let shares: Vec<String> = run
            .reads
            .keys()
            .map(|node| format!("{node} {:.1} %", verdict::share(&run.reads, node) * 100.0))
            .collect();
        eprintln!(
            "{:<17} {:<15} {}  p95 {:.2} ms",
            run.strategy,
            delayed.map_or_else(|| "all well,".to_owned(), |node| format!("{node} late,")),
            shares.join("  "),
            run.sysbench.p95_ms
        );
        Ok(run)
    }
}

#[derive(Serialize)]
struct File<'a> {
    format: u32,
    scenario: &'static str,
    #[serde(flatten)]
    facts: &'a Facts,
    summary: &'a [Row],
    findings: &'a [Finding],
    runs: &'a [Run],
}

fn finish(args: &BenchArgs, facts: &Facts, runs: &[Run]) -> anyhow::Result<()> {
    let rows = verdict::rows(runs);
    let findings = verdict::findings(&rows, DELAY);
    let json = path_of(args, &facts.started);
    let (table_file, svg) = (json.with_extension("md"), json.with_extension("svg"));
    let file = File {
        format: results::FORMAT,
        scenario: NAME,
        facts,
        summary: &rows,
        findings: &findings,
        runs,
    };
    results::write(&json, &file)?;
    let subtitle = subtitle(facts);
    let legend = format!("one {} ms late", facts.delay_ms);
    results::replace(&svg, &picture::draw(&rows, &subtitle, &legend)?)?;
    let mut text = format!("{subtitle}\n\n{}\n", verdict::table(&rows));
    for finding in &findings {
        text.push_str(&format!("- {}\n", finding.sentence));
    }
    results::replace(&table_file, &text)?;
    text.push_str(&format!(
        "\nkept: {}\ntable: {}\npicture: {}\n",
        json.display(),
        table_file.display(),
        svg.display()
    ));
    say(&text)?;
    if findings.iter().any(|finding| finding.required && !finding.holds) {
        bail!("what was required of `adaptive` does not hold");
    }
    Ok(())
}

/// Beside the other scenario's when both have the same name.
fn path_of(args: &BenchArgs, started: &str) -> PathBuf {
    let path = match &args.json {
        Some(path) => path.clone(),
        None => args.results.join(file_name(started)),
    };
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    path.with_file_name(format!("{stem}-{NAME}.json"))
}

fn subtitle(facts: &Facts) -> String {
    format!(
        "{} · {} cores, kernel {} · {} {} · {}, {} threads, {} s a run; replies of one worker {} ms late, pings not",
        facts.started,
        facts.machine.cores,
        facts.machine.kernel,
        facts.engine,
        facts.server_version,
        facts.profile.name,
        facts.threads,
        facts.seconds,
        facts.delay_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_takes_less_than_two_minutes_and_has_every_strategy_that_uses_workers() {
        let run = Duration::from_secs(u64::from(SECONDS) + 1);
        assert!(run * 2 * u32::try_from(STRATEGIES.len()).unwrap() < Duration::from_secs(90));
        for strategy in Strategy::ALL {
            assert_eq!(STRATEGIES.contains(&strategy), strategy != Strategy::Direct);
        }
    }
}

//! The course of a benchmark on a cluster that is up: hops, tables, runs, table, files.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::{
    BenchArgs, binaries,
    cluster::Cluster,
    haproxy,
    hop::{Hops, Setting},
    interrupt::Interrupt,
    machine::{self, Machine},
    measure::{self, Run},
    path::HopPath,
    picture,
    plan::{self, Plan, Step},
    results::{self, Facts},
    sbtest, summary,
    sysbench::{self, Bench},
    table,
};

/// One benchmark. What it started and measured so far stays here when it is interrupted.
pub(super) struct Course<'a> {
    args: &'a BenchArgs,
    plan: &'a Plan,
    binaries: &'a Path,
    hops: Vec<Hops>,
    runs: Vec<Run>,
    server_version: String,
}

/// A shared machine is noisy; above this share of others' work a run's qps says little.
const OTHERS_SHARE_MAX: f64 = 0.15;

impl<'a> Course<'a> {
    pub(super) fn new(args: &'a BenchArgs, plan: &'a Plan, binaries: &'a Path) -> Self {
        Self {
            args,
            plan,
            binaries,
            hops: Vec::new(),
            runs: Vec::new(),
            server_version: String::new(),
        }
    }

    /// Runs the plan on the cluster in `dir`, stops what was started and shows and keeps what was measured.
    pub(super) async fn run(mut self, dir: &Path, interrupt: &mut Interrupt) -> anyhow::Result<()> {
        let cluster = Cluster::read(dir)?;
        let scratch = tempfile::Builder::new()
            .prefix("infra-bench-")
            .tempdir()
            .context("failed to make a folder")?;
        let pair_folder = match HopPath::measured(&self.plan.paths).contains(&HopPath::Pair) {
            true => binaries::folder_of_process(cluster.pair(&self.args.user)?.gatekeeper_pid),
            false => None,
        };
        // the yardstick is built like what it measures
        let relays = pair_folder.clone().filter(|folder| folder.join("relay").exists());
        let relays = relays.unwrap_or_else(|| self.binaries.to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.args.hop_threads.unwrap_or(u16::try_from(cores).unwrap_or(1));
        let setting = Setting {
            cluster: &cluster,
            user: &self.args.user,
            scratch: scratch.path(),
            binaries: &relays,
            threads,
        };
        let mut facts = Facts {
            started: machine::now_utc(),
            machine: Machine::observe(),
            engine: cluster.engine.clone(),
            server_version: cluster.version.clone(),
            sysbench_version: sysbench::version().await?,
            haproxy_version: haproxy::version().await,
            infra_version: env!("CARGO_PKG_VERSION"),
            pair_build: pair_folder.as_deref().and_then(binaries::build_name),
            relay_build: binaries::build_name(&relays),
            workers: cluster.workers(),
            strategy: cluster.strategy(),
            inner_hop: cluster.inner_hop(),
            hop_threads: threads,
            prepared_statements: self.args.db_ps_mode,
        };
        self.warn(&facts);

        let measured = tokio::select! {
            measured = self.measure(&setting) => measured,
            () = interrupt.seen() => Err(anyhow::anyhow!("interrupted; what was measured until then is kept")),
        };
        for hops in self.hops.drain(..) {
            hops.stop().await;
        }
        if self.runs.is_empty() {
            return measured;
        }
        facts.server_version = self.server_version.clone();
        let finished = self.finish(&facts);
        measured.and(finished)
    }

    /// What would make the comparison unfair or the figures doubtful.
    fn warn(&self, facts: &Facts) {
        if facts.pair_build.is_none() {
            return;
        }
        if facts.workers > 0 && facts.strategy.as_deref() != Some("direct") {
            let strategy = facts.strategy.as_deref().unwrap_or("unknown");
            eprintln!(
                "note: the proxy's strategy is {strategy}: reads of `pair` go to workers, those of the other paths \
                 to the manager. CPU of the hops can be compared, qps cannot."
            );
        }
        if facts.inner_hop == Some("tcp") {
            eprintln!(
                "note: gatekeeper and proxy are joined by TCP; the required figures are for a Unix socket."
            );
        }
        if facts.pair_build != facts.relay_build {
            let name = |build: &Option<String>| build.clone().unwrap_or_else(|| "unknown".to_owned());
            eprintln!(
                "note: the pair is of build {}, the relays of {}: not alike.",
                name(&facts.pair_build),
                name(&facts.relay_build)
            );
        }
    }

    async fn measure(&mut self, setting: &Setting<'_>) -> anyhow::Result<()> {
        let (args, plan) = (self.args, self.plan);
        for path in HopPath::measured(&plan.paths) {
            let hops = Hops::start(path, setting).await;
            self.hops
                .push(hops.with_context(|| format!("failed to set up path `{}`", path.name()))?);
        }
        let (manager, manager_pid) = (setting.cluster.manager()?, setting.cluster.manager_pid()?);
        let steps = plan.steps();
        let mut profile_before = None;
        for (index, step) in steps.iter().enumerate() {
            let bench = Bench {
                settings: &step.profile.settings,
                prepared: args.db_ps_mode,
                schema: sbtest::SCHEMA,
                scratch: setting.scratch,
            };
            if profile_before != Some(step.profile) {
                profile_before = Some(step.profile);
                let prepared = sbtest::ensure(bench, &manager).await?;
                let what = if prepared.made { "made" } else { "kept" };
                eprintln!("tables of {}: {what}", step.profile.name);
                self.server_version = prepared.version;
            }
            let Some(hops) = self.hops.iter().find(|hops| hops.path == step.path) else {
                bail!("path `{}` was not set up", step.path.name());
            };
            let run = measure::run(step, bench, hops, manager_pid).await;
            let left = steps.get(index + 1..).map(plan::duration_of).unwrap_or_default();
            eprintln!(
                "[{:>3}/{}] {} · {} left",
                index + 1,
                steps.len(),
                progress(step, &run, plan.rounds),
                plan::duration_text(left)
            );
            if step.round > 0 {
                self.runs.push(run);
            } else if let Some(error) = run.error {
                // what does not even warm up would fail for an hour
                bail!("path `{}` does not work: {error}", step.path.name());
            }
        }
        Ok(())
    }

    /// Table, files, and what was required.
    fn finish(&self, facts: &Facts) -> anyhow::Result<()> {
        let rows = summary::rows(&self.runs);
        let mut text = table::render(&rows);
        text.push('\n');
        let json = self
            .args
            .json
            .clone()
            .unwrap_or_else(|| self.args.results.join(file_name(&facts.started)));
        let svg = json.with_extension("svg");
        results::write(&json, &results::of(facts, self.plan, &rows, &self.runs))?;
        results::replace(&svg, &picture::draw(&rows, &subtitle(facts, self.plan))?)?;
        text.push_str(&format!("kept: {}\npicture: {}\n", json.display(), svg.display()));
        let noisy = rows.iter().filter_map(|row| row.others_share).fold(0.0, f64::max);
        if noisy > OTHERS_SHARE_MAX {
            text.push_str(&format!(
                "note: others used up to {:.0} % of the processors meanwhile; trust ratios, not qps.\n",
                noisy * 100.0
            ));
        }
        let all = summary::series(&self.runs);
        let findings: Vec<_> = self
            .args
            .require
            .iter()
            .flat_map(|required| required.find(&all))
            .collect();
        for finding in &findings {
            text.push_str(&finding.sentence);
            text.push('\n');
        }
        say(&text)?;
        let failed = self.runs.iter().filter(|run| run.error.is_some()).count();
        if failed > 0 {
            let first = self
                .runs
                .iter()
                .find_map(|run| run.error.as_deref())
                .unwrap_or_default();
            bail!(
                "{failed} of {} runs failed, the first with: {first}",
                self.runs.len()
            );
        }
        if findings.iter().any(|finding| !finding.holds) {
            bail!("what was required does not hold");
        }
        Ok(())
    }
}

fn progress(step: &Step<'_>, run: &Run, rounds: u32) -> String {
    let round = match step.round {
        0 => "warm-up".to_owned(),
        round => format!("round {round}/{rounds}"),
    };
    let outcome = match (&run.figures, &run.error) {
        (Some(figures), _) => format!(
            "{:>7} qps  p95 {:>6.2} ms  {}",
            table::thousands(figures.sysbench.qps),
            figures.sysbench.p95_ms,
            figures
                .hops_cpu_us_per_query()
                .map(|us| format!("{us:>5.1} µs/query"))
                .unwrap_or_default()
        ),
        (None, error) => format!("FAILED: {}", error.as_deref().unwrap_or("unknown")),
    };
    format!(
        "{} {:>2} threads, {round}, {:<14} {outcome}",
        step.profile.name,
        step.threads,
        step.path.name()
    )
}

/// `2026-01-31T12:00:05Z` as a file name that every system takes.
pub(super) fn file_name(started: &str) -> PathBuf {
    PathBuf::from(started.replace(':', "") + ".json")
}

fn subtitle(facts: &Facts, plan: &Plan) -> String {
    format!(
        "{} · {} cores, kernel {} · {} {} · medians of {} rounds",
        facts.started,
        facts.machine.cores,
        facts.machine.kernel,
        facts.engine,
        facts.server_version,
        plan.rounds
    )
}

/// The result itself goes to standard output, progress and notes to standard error.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("failed to write to standard output")
}

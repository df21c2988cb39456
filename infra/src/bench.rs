//! `infra bench`: what the hops cost, beside HAProxy and beside relays that understand nothing.
//!
//! ```text
//!   sysbench ──▶ nothing │ HAProxy │ HAProxy twice │ raw relays │ gatekeeper + proxy ──▶ manager
//!                └──────────── in turn, round after round, CPU time read before and after ──┘
//! ```
//!
//! The figure that counts is CPU time per query of the hops' processes, and its ratio to other paths within one
//! round: queries per second swing by a third on a shared machine, CPU per query hardly does.
//!
//! A second scenario shows what each strategy does about a worker that answers late (`delayed_worker`).

use std::path::{Path, PathBuf};

mod ask;
mod binaries;
mod cluster;
mod course;
mod cpu;
mod delayed_worker;
mod haproxy;
mod hop;
mod interrupt;
mod limits;
mod machine;
mod measure;
mod path;
mod picture;
mod plan;
mod profile;
pub mod relay;
mod require;
mod results;
mod sbtest;
mod summary;
mod sysbench;
mod table;

use self::{
    cluster::{OwnCluster, Wanted},
    course::Course,
    interrupt::Interrupt,
    plan::Plan,
};
pub use self::{path::HopPath, require::Requirement, sysbench::PreparedStatements};

const EXAMPLES: &str = "Examples:
  infra bench --own-cluster
      start a cluster for the benchmark alone, run everything, take the cluster down
  infra bench --own-cluster --profile point-select --threads 8 --repeat 3 --seconds 5
      the required figures in three minutes
  infra bench --dir cluster --paths direct,haproxy2,relay2-unix,pair --threads 8,32
      a cluster that runs already
  infra bench --own-cluster --list
      what would be run, and how long that takes
  infra bench --own-cluster --profile point-select --require pair/haproxy2=1.2
      end with an error when the pair costs more than 1.2 times two HAProxy
  infra bench --own-cluster --scenario delayed-worker
      one worker's replies come 20 ms late, its pings do not: what each strategy does about it (a minute and a half);
      ends with an error when `adaptive` sends it 15 % of the reads or more, or lets the delay be seen in its p95

How to read the table: sysbench/README.md and docs/benchmarks.md.";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// What the hops cost, beside HAProxy and raw relays.
    Cost,
    /// Where reads go, and how long they take, when one worker answers late; on a cluster of its own.
    DelayedWorker,
}

/// Profiles of the scenario `cost`, where none is named.
const PROFILES: [&str; 3] = ["point-select", "read-only", "read-write"];

/// Compare gatekeeper and proxy with HAProxy and with raw relays, and the strategies with one another, by sysbench.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// The folder of a running cluster (its cluster.json).
    #[arg(long, value_name = "DIR", required_unless_present_any = ["own_cluster", "list"], conflicts_with = "own_cluster")]
    pub dir: Option<PathBuf>,

    /// Start a cluster for the benchmark alone (strategy direct), and take it down afterwards.
    #[arg(long)]
    pub own_cluster: bool,

    /// The own cluster's server: mariadb, mysql or auto.
    #[arg(long, default_value = "auto", conflicts_with = "dir")]
    pub engine: String,

    /// The own cluster's workers; under strategy direct they only replicate.
    #[arg(long, default_value_t = 0, conflicts_with = "dir")]
    pub workers: u32,

    /// The own cluster's first port; 0 takes whatever ports are free.
    #[arg(long, default_value_t = 0, conflicts_with = "dir")]
    pub port_base: u16,

    /// What is measured [default: both with --own-cluster; cost alone where --profile chooses a part of it, and with --dir].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scenario: Vec<Scenario>,

    /// What sysbench does: point-select, read-only, read-write, or a path to a .toml file [default: these three].
    #[arg(long, value_delimiter = ',')]
    pub profile: Vec<String>,

    /// Connections of sysbench, each number a series of its own.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub threads: Vec<u32>,

    /// Rounds: how often each path has its turn; the table shows medians.
    #[arg(long, default_value_t = 5)]
    pub repeat: u32,

    /// How long each run lasts (default: what the profile says).
    #[arg(long)]
    pub seconds: Option<u32>,

    /// The paths to compare.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "direct,haproxy,haproxy2,relay2-unix,proxy,pair"
    )]
    pub paths: Vec<HopPath>,

    /// Threads of HAProxy and of each relay, and shards of the own cluster's gatekeeper and proxy (default: the cores).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub hop_threads: Option<u16>,

    /// sysbench's use of prepared statements.
    #[arg(long, value_enum, default_value = "auto")]
    pub db_ps_mode: PreparedStatements,

    /// The gatekeeper's user that sysbench is on the path `pair`.
    #[arg(long, default_value = "app")]
    pub user: String,

    /// A bound on the ratio of CPU per query, such as pair/haproxy2=1.2 (point-select, 8 threads and more).
    #[arg(long, value_name = "A/B=RATIO")]
    pub require: Vec<Requirement>,

    /// Where results go: one JSON file and one SVG per benchmark, named after its start.
    #[arg(long, value_name = "DIR", default_value = "sysbench/results")]
    pub results: PathBuf,

    /// The JSON file's own name; the picture is put beside it.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Take gatekeeper, proxy and relay from this folder (default: target/bench-lto when it is up to date).
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,

    /// Say what would be run and how long it would take, and run nothing.
    #[arg(long)]
    pub list: bool,
}

/// Runs the benchmark that was asked for.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let scenarios = scenarios_of(&args)?;
    let plan = plan_of(&args)?;
    let listing: String = scenarios
        .iter()
        .map(|scenario| match scenario {
            Scenario::Cost => plan.listing(),
            Scenario::DelayedWorker => delayed_worker::listing(&args),
        })
        .collect();
    if args.list {
        return course::say(&listing);
    }
    let binaries = binaries::folder(args.binaries.as_deref())?;
    let mut interrupt = Interrupt::watch()?;
    eprint!("{listing}");
    let mut outcome = Ok(());
    for scenario in scenarios {
        // one that found something does not keep the other from being measured
        let ended = match scenario {
            Scenario::Cost => cost(&args, &plan, &binaries, &mut interrupt).await,
            Scenario::DelayedWorker => delayed_worker::run(&args, &binaries, &mut interrupt).await,
        };
        if let Err(error) = ended {
            if interrupt.was_seen() {
                return Err(error);
            }
            if outcome.is_err() {
                eprintln!("infra: {error:#}");
            } else {
                outcome = Err(error);
            }
        }
    }
    outcome
}

async fn cost(
    args: &BenchArgs,
    plan: &Plan,
    binaries: &Path,
    interrupt: &mut Interrupt,
) -> anyhow::Result<()> {
    let Some(dir) = &args.dir else {
        let wanted = Wanted {
            engine: args.engine.clone(),
            workers: args.workers,
            port_base: args.port_base,
            shards: args.hop_threads,
        };
        let own = OwnCluster::up(&binaries.join("infra"), &wanted, interrupt).await?;
        let measured = Box::pin(Course::new(args, plan, binaries).run(own.dir(), interrupt)).await;
        let stopped = own.down().await;
        return measured.and(stopped);
    };
    Box::pin(Course::new(args, plan, binaries).run(dir, interrupt)).await
}

fn scenarios_of(args: &BenchArgs) -> anyhow::Result<Vec<Scenario>> {
    let delayed = args.scenario.contains(&Scenario::DelayedWorker);
    if delayed && args.dir.is_some() {
        anyhow::bail!(
            "the scenario delayed-worker puts relays in front of its workers: it needs --own-cluster"
        );
    }
    Ok(match args.scenario.as_slice() {
        [] if args.dir.is_some() || !args.profile.is_empty() => vec![Scenario::Cost],
        [] => vec![Scenario::Cost, Scenario::DelayedWorker],
        some => some.to_vec(),
    })
}

fn plan_of(args: &BenchArgs) -> anyhow::Result<Plan> {
    let named = args.profile.iter().map(String::as_str);
    let all = PROFILES.into_iter().filter(|_| args.profile.is_empty());
    let mut profiles = named
        .chain(all)
        .map(profile::load)
        .collect::<anyhow::Result<Vec<_>>>()?;
    for profile in &mut profiles {
        profile.settings.seconds = args.seconds.unwrap_or(profile.settings.seconds);
    }
    let plan = Plan {
        profiles,
        threads: args.threads.clone(),
        rounds: args.repeat,
        paths: args.paths.clone(),
    };
    plan.check()?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, String> {
        Cli::try_parse_from(line.split_whitespace())
            .map(|cli| cli.bench)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_further_words_everything_that_is_required_is_compared() {
        let args = parse("bench --own-cluster").unwrap();
        let plan = plan_of(&args).unwrap();
        assert_eq!(
            (plan.profiles.len(), plan.threads.as_slice(), plan.rounds),
            (3, [1, 8, 32].as_slice(), 5)
        );
        assert_eq!(HopPath::measured(&plan.paths).last(), Some(&HopPath::Pair));
        assert!(plan.paths.contains(&HopPath::Relay2Unix) && plan.paths.contains(&HopPath::Haproxy2));
    }

    #[test]
    fn a_cluster_is_given_or_started_but_not_both_and_not_neither() {
        assert!(parse("bench --dir x --profile point-select --threads 8,32 --repeat 3 --seconds 5").is_ok());
        assert!(parse("bench").unwrap_err().contains("--dir"));
        assert!(parse("bench --dir x --own-cluster").is_err());
        assert!(parse("bench --dir x --workers 2").is_err());
        assert!(parse("bench --list").is_ok());
    }

    #[test]
    fn the_delayed_worker_is_part_of_everything_and_of_no_part_of_the_cost() {
        let scenarios = |line: &str| scenarios_of(&parse(line).unwrap());
        let both = [Scenario::Cost, Scenario::DelayedWorker];
        assert_eq!(scenarios("bench --own-cluster").unwrap(), both);
        assert_eq!(
            scenarios("bench --own-cluster --profile point-select").unwrap(),
            [Scenario::Cost]
        );
        assert_eq!(scenarios("bench --dir x").unwrap(), [Scenario::Cost]);
        assert_eq!(
            scenarios("bench --own-cluster --scenario delayed-worker").unwrap(),
            [Scenario::DelayedWorker]
        );
        assert!(scenarios("bench --dir x --scenario delayed-worker").is_err());
    }

    #[test]
    fn seconds_given_by_hand_outweigh_the_profiles() {
        let plan = plan_of(&parse("bench --list --seconds 3").unwrap()).unwrap();
        assert!(plan.profiles.iter().all(|profile| profile.settings.seconds == 3));
        assert!(plan_of(&parse("bench --list --seconds 601").unwrap()).is_err());
        assert!(plan_of(&parse("bench --list --threads 0").unwrap()).is_err());
    }
}

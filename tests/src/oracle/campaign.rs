//! Many programs: a number of them, or as many as a time allows.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::grammar;
use super::program::Fault;
use super::run::{Sides, Stand};
use super::{behind, shrink};
use crate::cluster::Cluster;
use crate::conformance::suite::Site;

/// What to run.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Seeds of programs, each is run.
    pub seeds: Vec<u64>,
    /// Seeds from here on, until the time is over.
    pub then_from: u64,
    /// How long, at most.
    pub time_max: Duration,
    /// What is done to the side that goes through.
    pub fault: Fault,
    /// It ends once so many programs differ.
    pub differences_max: usize,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Programs that were had.
    pub programs: usize,
    /// Lines of all of them.
    pub lines: usize,
    /// Those that differed, made as short as they still differ.
    pub differences: Vec<Found>,
    /// Where the proxy ran statements, as it counted them.
    pub routes: Routes,
}

/// A program that differed.
#[derive(Debug)]
pub struct Found {
    /// How many lines are left of it.
    pub lines: usize,
    /// The program and both replies.
    pub text: String,
}

impl Outcome {
    /// All that differed.
    #[must_use]
    pub fn told(&self) -> String {
        let texts: Vec<&str> = self.differences.iter().map(|found| found.text.as_str()).collect();
        texts.join("\n\n")
    }
}

/// Statements by where they ran.
#[derive(Debug, Default, Clone, Copy)]
pub struct Routes {
    /// On a worker.
    pub on_workers: f64,
    /// Reads that no rule keeps on the manager, and that ran there because no worker had come far enough, or in vain.
    pub stayed: f64,
    /// On any node.
    pub everywhere: f64,
}

impl Routes {
    /// Of the reads that no rule keeps on the manager, those that ran on workers.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.on_workers / (self.on_workers + self.stayed).max(1.0)
    }

    fn since(&self, before: &Routes) -> Routes {
        Routes {
            on_workers: self.on_workers - before.on_workers,
            stayed: self.stayed - before.stayed,
            everywhere: self.everywhere - before.everywhere,
        }
    }
}

/// Reasons for which a read that could run on a worker runs on the manager.
const STAYED: [&str; 5] = [
    "not-caught-up",
    "position-unknown",
    "retried-on-manager",
    "no-healthy-worker",
    "stays-for-consistency",
];

/// Runs programs: with `single`, and through `cluster`.
///
/// # Errors
/// When a server or the harness fails; a difference is an outcome.
pub async fn run(single: &Cluster, cluster: &Cluster, campaign: &Campaign) -> anyhow::Result<Outcome> {
    let sides = Sides {
        direct: Site::of(single)?,
        through: Site::of(cluster)?,
    };
    let before = routes(cluster).await?;
    let began = Instant::now();
    let outcome = RefCell::new(Outcome::default());
    let next = Cell::new(0usize);
    let lane = async |number: usize| {
        let mut stand = Stand::open(&sides, format!("oracle_{number}"), campaign.fault).await?;
        loop {
            let index = next.replace(next.get() + 1);
            let over = campaign.seeds.len() as u64;
            let seed = match campaign.seeds.get(index) {
                Some(seed) => *seed,
                None if campaign.then_from == 0 => break,
                None => campaign.then_from.wrapping_add(index as u64 - over),
            };
            if began.elapsed() >= campaign.time_max
                || outcome.borrow().differences.len() >= campaign.differences_max
            {
                break;
            }
            let program = grammar::program(seed, cluster.engine());
            let name = program.name(cluster.engine());
            let found = Box::pin(stand.run(&program))
                .await
                .with_context(|| name.clone())?;
            {
                let mut outcome = outcome.borrow_mut();
                outcome.programs += 1;
                outcome.lines += program.lines.len();
            }
            let Some(found) = found else {
                continue;
            };
            if campaign.fault == Fault::None {
                told(&format!("{name} differs; it is made shorter\n{found}"));
            }
            let (program, found) = Box::pin(shrink::shrink(&mut stand, &program, found)).await?;
            outcome.borrow_mut().differences.push(Found {
                lines: program.lines.len(),
                text: format!("{name}\n{program}{found}"),
            });
        }
        stand.clear().await
    };
    let pauses = behind::pauses(cluster, campaign.then_from);
    // programs at one time: a program waits for servers most of its time
    let lanes = async {
        tokio::try_join!(
            lane(0),
            lane(1),
            lane(2),
            lane(3),
            lane(4),
            lane(5),
            lane(6),
            lane(7)
        )
    };
    tokio::select! {
        ended = lanes => drop(ended?),
        failed = pauses => failed.context("the workers' pauses")?,
    }
    behind::resume(cluster).await?;
    cluster.settle().await.context("after the programs")?;
    if std::env::var_os("ORACLE_ROUTES").is_some() {
        for sample in &cluster.door()?.scrape_proxy().await?.samples {
            if sample.value != 0.0 && sample.name == "proxy_statements_total" {
                told(&format!("{:?} {}", sample.labels, sample.value));
            }
        }
    }
    let mut outcome = outcome.into_inner();
    outcome.routes = routes(cluster).await?.since(&before);
    ensure!(outcome.programs > 0, "no program was had");
    Ok(outcome)
}

/// Past the test harness, which keeps what a test prints to itself.
pub fn told(text: &str) {
    let _ = writeln!(std::io::stderr(), "oracle: {text}");
}

async fn routes(cluster: &Cluster) -> anyhow::Result<Routes> {
    let mut routes = Routes::default();
    for sample in &cluster.door()?.scrape_proxy().await?.samples {
        if sample.name != "proxy_statements_total" {
            continue;
        }
        routes.everywhere += sample.value;
        if sample.label("node").is_some_and(|node| node != "manager") {
            routes.on_workers += sample.value;
        } else if sample
            .label("reason")
            .is_some_and(|reason| STAYED.contains(&reason))
        {
            routes.stayed += sample.value;
        }
    }
    Ok(routes)
}

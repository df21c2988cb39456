//! One measured run: sysbench between two looks at everybody's CPU time.

use serde::{Deserialize, Serialize};

use super::{
    cpu,
    hop::Hops,
    machine,
    path::HopPath,
    plan::Step,
    sysbench::{Bench, Report},
};

/// One run and what it cost, as kept in the results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) profile: String,
    pub(super) threads: u32,
    pub(super) round: u32,
    pub(super) path: HopPath,
    /// Missing when the run failed.
    pub(super) figures: Option<Figures>,
    pub(super) error: Option<String>,
    /// The machine's one-minute load before the run: above zero in the first runs means that others were busy.
    pub(super) load_before: f64,
}

/// What a run that succeeded measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) sysbench: Report,
    /// User and system time of each hop's process per query.
    pub(super) hops: Vec<HopCost>,
    /// The same of the database server.
    pub(super) server_cpu_us_per_query: f64,
    /// The part of the machine's processor time that went to none of sysbench, the hops and the server:
    /// the rest of the world. A high share makes qps doubtful.
    pub(super) others_share: f64,
}

/// One hop's CPU time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HopCost {
    pub(super) name: String,
    pub(super) cpu_us: u64,
    pub(super) cpu_us_per_query: f64,
}

impl Figures {
    /// All hops together; nothing where there is no hop.
    pub(super) fn hops_cpu_us_per_query(&self) -> Option<f64> {
        self.hops
            .iter()
            .map(|hop| hop.cpu_us_per_query)
            .reduce(|sum, cost| sum + cost)
    }

    /// One hop by name.
    pub(super) fn hop_cpu_us_per_query(&self, name: &str) -> Option<f64> {
        self.hops
            .iter()
            .find(|hop| hop.name == name)
            .map(|hop| hop.cpu_us_per_query)
    }
}

/// Runs one step. A failure is a result too: the other paths go on.
pub(super) async fn run(step: &Step<'_>, bench: Bench<'_>, hops: &Hops, server_pid: u32) -> Run {
    let load_before = machine::load();
    let outcome = figures(step, bench, hops, server_pid).await;
    let (figures, error) = match outcome {
        Ok(figures) => (Some(figures), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    Run {
        profile: step.profile.name.clone(),
        threads: step.threads,
        round: step.round,
        path: step.path,
        figures,
        error,
        load_before,
    }
}

async fn figures(step: &Step<'_>, bench: Bench<'_>, hops: &Hops, server_pid: u32) -> anyhow::Result<Figures> {
    let before = Clocks::read(hops, server_pid)?;
    let report = bench.run(&hops.entrance, step.threads, step.seconds).await?;
    let after = Clocks::read(hops, server_pid)?;
    Ok(cost(&before, &after, report, hops))
}

/// CPU time so far, in microseconds.
struct Clocks {
    hops: Vec<u64>,
    server: u64,
    sysbench: u64,
    machine: u64,
    at: std::time::Instant,
}

impl Clocks {
    fn read(hops: &Hops, server_pid: u32) -> anyhow::Result<Self> {
        Ok(Self {
            hops: hops
                .processes
                .iter()
                .map(|(_, pid)| cpu::of_process(*pid))
                .collect::<anyhow::Result<_>>()?,
            server: cpu::of_process(server_pid)?,
            sysbench: cpu::of_ended_children()?,
            machine: cpu::of_machine()?,
            at: std::time::Instant::now(),
        })
    }
}

fn cost(before: &Clocks, after: &Clocks, report: Report, hops: &Hops) -> Figures {
    let queries = report.queries as f64;
    let hop_times: Vec<u64> = before
        .hops
        .iter()
        .zip(&after.hops)
        .map(|(b, a)| a.saturating_sub(*b))
        .collect();
    let server = after.server.saturating_sub(before.server);
    let ours = hop_times.iter().sum::<u64>() + server + after.sysbench.saturating_sub(before.sysbench);
    let others = after.machine.saturating_sub(before.machine).saturating_sub(ours);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let available = (after.at - before.at).as_micros() as f64 * cores as f64;
    Figures {
        hops: hops
            .processes
            .iter()
            .zip(hop_times)
            .map(|((name, _), cpu_us)| HopCost {
                name: (*name).to_owned(),
                cpu_us,
                cpu_us_per_query: cpu_us as f64 / queries,
            })
            .collect(),
        server_cpu_us_per_query: server as f64 / queries,
        others_share: (others as f64 / available).clamp(0.0, 1.0),
        sysbench: report,
    }
}

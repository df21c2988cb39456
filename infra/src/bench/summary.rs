//! Many runs become one line per path: medians, and ratios within rounds. Pure.
//!
//! A ratio is taken within each round first, where both paths ran within seconds of one another, and its median then:
//! what drifts over minutes on a shared machine falls out.

use serde::{Deserialize, Serialize};

use super::{measure::Run, path::HopPath};

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) profile: String,
    pub(super) threads: u32,
    /// A path, or one process of the pair.
    pub(super) name: String,
    /// Runs that succeeded and that failed.
    pub(super) runs: usize,
    pub(super) failed: usize,
    pub(super) qps: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) cpu_us_per_query: Option<f64>,
    pub(super) qps_to_direct: Option<f64>,
    pub(super) cpu_to_haproxy: Option<f64>,
    pub(super) cpu_to_haproxy2: Option<f64>,
    pub(super) cpu_to_relay2_unix: Option<f64>,
    /// Errors that sysbench ignored (deadlocks), over all runs.
    pub(super) ignored_errors: u64,
    /// The rest of the world's share of the processors.
    pub(super) others_share: Option<f64>,
}

/// What a ratio compares: a path with all its hops, or one process of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Path(HopPath),
    /// A process of `pair`, by its name.
    Part(&'static str),
}

impl Subject {
    /// `proxy` alone is a part of the pair; so is the gatekeeper.
    pub(super) fn named(name: &str) -> Option<Self> {
        use clap::ValueEnum;
        match name {
            "proxy" => Some(Self::Part("proxy")),
            "gatekeeper" => Some(Self::Part("gatekeeper")),
            _ => HopPath::from_str(name, false).ok().map(Self::Path),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Path(path) => path.name(),
            Self::Part(name) => name,
        }
    }

    fn path(self) -> HopPath {
        match self {
            Self::Path(path) => path,
            Self::Part(_) => HopPath::Pair,
        }
    }

    fn cpu(self, run: &Run) -> Option<f64> {
        let figures = run.figures.as_ref()?;
        match self {
            Self::Path(_) => figures.hops_cpu_us_per_query(),
            Self::Part(name) => figures.hop_cpu_us_per_query(name),
        }
    }
}

/// The runs of one profile with one number of threads.
#[derive(Clone, Copy)]
pub(super) struct Series<'a> {
    pub(super) profile: &'a str,
    pub(super) threads: u32,
    runs: &'a [Run],
}

/// All series in the order in which they were run.
pub(super) fn series(runs: &[Run]) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    for run in runs {
        if !all
            .iter()
            .any(|series| series.profile == run.profile && series.threads == run.threads)
        {
            all.push(Series {
                profile: &run.profile,
                threads: run.threads,
                runs,
            });
        }
    }
    all
}

/// Every line of the table.
pub(super) fn rows(runs: &[Run]) -> Vec<Row> {
    series(runs).iter().flat_map(|series| series.rows()).collect()
}

impl<'a> Series<'a> {
    fn of(self, path: HopPath) -> impl Iterator<Item = &'a Run> {
        self.runs
            .iter()
            .filter(move |run| run.profile == self.profile && run.threads == self.threads && run.path == path)
    }

    fn rows(self) -> Vec<Row> {
        let mut subjects: Vec<Subject> = Vec::new();
        for run in self
            .runs
            .iter()
            .filter(|run| run.profile == self.profile && run.threads == self.threads)
        {
            let subject = Subject::Path(run.path);
            if !subjects.contains(&subject) {
                subjects.push(subject);
                if run.path == HopPath::Pair {
                    subjects.extend([Subject::Part("gatekeeper"), Subject::Part("proxy")]);
                }
            }
        }
        subjects.into_iter().map(|subject| self.row(subject)).collect()
    }

    fn row(self, subject: Subject) -> Row {
        let whole = matches!(subject, Subject::Path(_));
        let runs: Vec<&Run> = self.of(subject.path()).collect();
        let figures: Vec<_> = runs.iter().filter_map(|run| run.figures.as_ref()).collect();
        // a part of the pair has no qps of its own
        let of_whole = |value: &dyn Fn(&&super::measure::Figures) -> f64| {
            whole
                .then(|| median(figures.iter().map(value).collect()))
                .flatten()
        };
        let cpu_to = |base| self.cpu_ratio(subject, Subject::Path(base));
        Row {
            profile: self.profile.to_owned(),
            threads: self.threads,
            name: subject.name().to_owned(),
            runs: figures.len(),
            failed: runs.len() - figures.len(),
            qps: of_whole(&|figures| figures.sysbench.qps),
            p95_ms: of_whole(&|figures| figures.sysbench.p95_ms),
            cpu_us_per_query: median(runs.iter().filter_map(|run| subject.cpu(run)).collect()),
            qps_to_direct: whole
                .then(|| self.qps_ratio(subject.path(), HopPath::Direct))
                .flatten(),
            cpu_to_haproxy: cpu_to(HopPath::Haproxy),
            cpu_to_haproxy2: cpu_to(HopPath::Haproxy2),
            cpu_to_relay2_unix: cpu_to(HopPath::Relay2Unix),
            ignored_errors: figures
                .iter()
                .map(|figures| figures.sysbench.ignored_errors)
                .sum(),
            others_share: of_whole(&|figures| figures.others_share),
        }
    }

    /// CPU per query of one to that of another: the median over the rounds in which both succeeded.
    pub(super) fn cpu_ratio(self, subject: Subject, base: Subject) -> Option<f64> {
        self.ratio(
            subject.path(),
            base.path(),
            |run| subject.cpu(run),
            |run| base.cpu(run),
        )
    }

    fn qps_ratio(self, path: HopPath, base: HopPath) -> Option<f64> {
        let qps = |run: &Run| run.figures.as_ref().map(|figures| figures.sysbench.qps);
        self.ratio(path, base, qps, qps)
    }

    fn ratio(
        self,
        path: HopPath,
        base: HopPath,
        value: impl Fn(&Run) -> Option<f64>,
        base_value: impl Fn(&Run) -> Option<f64>,
    ) -> Option<f64> {
        let ratios = self.of(path).filter_map(|run| {
            let other = self.of(base).find(|other| other.round == run.round)?;
            let below = base_value(other).filter(|below| *below > 0.0)?;
            Some(value(run)? / below)
        });
        median(ratios.collect())
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get((values.len() / 2).checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::{
        measure::{Figures, HopCost},
        sysbench::Report,
    };

    /// A run with the given qps and CPU per query of its hops.
    pub(crate) fn run(path: HopPath, round: u32, qps: f64, hops: &[(&str, f64)]) -> Run {
        let report = Report {
            queries: 1000,
            qps,
            transactions: 1000,
            p50_ms: None,
            p95_ms: 0.5,
            average_ms: 0.3,
            max_ms: 9.0,
            seconds: 10.0,
            ignored_errors: 1,
            reconnects: 0,
        };
        let cost = |(name, cpu): &(&str, f64)| HopCost {
            name: (*name).to_owned(),
            cpu_us: 1,
            cpu_us_per_query: *cpu,
        };
        Run {
            profile: "point-select".to_owned(),
            threads: 8,
            round,
            path,
            figures: Some(Figures {
                sysbench: report,
                hops: hops.iter().map(cost).collect(),
                server_cpu_us_per_query: 20.0,
                others_share: 0.1,
            }),
            error: None,
            load_before: 0.5,
        }
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_there() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_within_rounds_so_that_a_slow_minute_falls_out() {
        // in round 2 the machine was half as fast for everybody
        let mut runs = Vec::new();
        for (round, speed) in [(1, 1.0), (2, 0.5), (3, 1.0)] {
            runs.push(run(HopPath::Direct, round, 60_000.0 * speed, &[]));
            runs.push(run(
                HopPath::Haproxy2,
                round,
                30_000.0 * speed,
                &[("haproxy", 30.0 / speed)],
            ));
            let pair = [("gatekeeper", 15.0 / speed), ("proxy", 12.0 / speed)];
            runs.push(run(HopPath::Pair, round, 30_000.0 * speed, &pair));
        }
        let rows = rows(&runs);
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["direct", "haproxy2", "pair", "gatekeeper", "proxy"]);
        let pair = &rows[2];
        assert_eq!((pair.qps, pair.cpu_us_per_query), (Some(30_000.0), Some(27.0)));
        assert_eq!((pair.qps_to_direct, pair.cpu_to_haproxy2), (Some(0.5), Some(0.9)));
        assert_eq!((pair.ignored_errors, pair.cpu_to_relay2_unix), (3, None));
        let proxy = &rows[4];
        assert_eq!((proxy.qps, proxy.cpu_us_per_query), (None, Some(12.0)));
        assert_eq!(proxy.cpu_to_haproxy2, Some(0.4));
    }

    #[test]
    fn a_failed_run_is_counted_and_its_round_left_out_of_ratios() {
        let mut runs = vec![
            run(HopPath::Haproxy2, 1, 1.0, &[("haproxy", 30.0)]),
            run(
                HopPath::Relay2Unix,
                1,
                1.0,
                &[("outer relay", 10.0), ("inner relay", 11.0)],
            ),
            run(HopPath::Haproxy2, 2, 1.0, &[("haproxy", 99.0)]),
            run(HopPath::Relay2Unix, 2, 1.0, &[]),
        ];
        runs[3].figures = None;
        runs[3].error = Some("refused".to_owned());
        let rows = rows(&runs);
        assert_eq!((rows[1].runs, rows[1].failed), (1, 1));
        assert_eq!(rows[1].cpu_to_haproxy2, Some(0.7));
    }
}

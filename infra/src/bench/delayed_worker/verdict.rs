//! From runs to the lines of the table, and what is required of them. Pure.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};

use super::{super::sysbench::Report, counts::Reads};

/// Of all reads, the share that `adaptive` may send to the delayed worker.
pub(super) const SHARE_MAX: f64 = 0.15;
/// How much of the delay may be seen in the p95 of `adaptive`, beyond that of the healthy case.
pub(super) const P95_OF_DELAY_MAX: f64 = 0.1;

/// One run, as kept in the results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) strategy: String,
    /// The worker that was late meanwhile.
    pub(super) delayed: Option<String>,
    pub(super) sysbench: Report,
    /// Statements by node, as the proxy counted them.
    pub(super) reads: Reads,
    /// The machine's one-minute load before the run.
    pub(super) load_before: f64,
}

/// One strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) strategy: String,
    /// The worker that is late in the second case.
    pub(super) worker: String,
    pub(super) healthy: Case,
    pub(super) delayed: Case,
}

/// One strategy's figures in one of the two cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    /// Of all statements, those on the worker that is delayed (or will be).
    pub(super) share: f64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) qps: f64,
}

impl Case {
    fn of(run: &Run, worker: &str) -> Self {
        Self {
            share: share(&run.reads, worker),
            p50_ms: run.sysbench.p50_ms.unwrap_or(f64::NAN),
            p95_ms: run.sysbench.p95_ms,
            qps: run.sysbench.qps,
        }
    }
}

/// A sentence about one strategy, and whether it keeps what is required of `adaptive`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    pub(super) strategy: String,
    /// Whether this strategy has to.
    pub(super) required: bool,
    pub(super) holds: bool,
    pub(super) sentence: String,
}

/// Of all that was counted, one node's share.
pub(super) fn share(reads: &Reads, node: &str) -> f64 {
    let all: u64 = reads.values().sum();
    reads.get(node).copied().unwrap_or(0) as f64 / all.max(1) as f64
}

/// A line for each strategy that ran in both cases.
pub(super) fn rows(runs: &[Run]) -> Vec<Row> {
    let healthy = runs.iter().filter(|run| run.delayed.is_none());
    healthy
        .filter_map(|healthy| {
            let (delayed, worker) = runs.iter().find_map(|run| {
                let worker = run.delayed.as_deref()?;
                (run.strategy == healthy.strategy).then_some((run, worker))
            })?;
            Some(Row {
                strategy: healthy.strategy.clone(),
                worker: worker.to_owned(),
                healthy: Case::of(healthy, worker),
                delayed: Case::of(delayed, worker),
            })
        })
        .collect()
}

/// What each strategy makes of the delayed worker.
pub(super) fn findings(rows: &[Row], delay: Duration) -> Vec<Finding> {
    let p95_beyond_max = delay.as_secs_f64() * 1000.0 * P95_OF_DELAY_MAX;
    rows.iter()
        .map(|row| {
            let beyond = row.delayed.p95_ms - row.healthy.p95_ms;
            let holds = row.delayed.share < SHARE_MAX && beyond <= p95_beyond_max;
            let required = row.strategy == "adaptive";
            let verdict = match (required, holds) {
                (true, true) => "holds",
                (true, false) => "DOES NOT HOLD",
                (false, true) => "not required, keeps it here",
                (false, false) => "not required, does not keep it",
            };
            let sentence = format!(
                "{}: {:.1} % of the reads on the delayed worker (bound {:.0} %), p95 {:.2} ms after {:.2} ms \
                 (bound {:+.1} ms): {verdict}",
                row.strategy,
                row.delayed.share * 100.0,
                SHARE_MAX * 100.0,
                row.delayed.p95_ms,
                row.healthy.p95_ms,
                p95_beyond_max,
            );
            Finding {
                strategy: row.strategy.clone(),
                required,
                holds,
                sentence,
            }
        })
        .collect()
}

/// A table that is read as it stands and as Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| strategy          | late    | share, healthy | share, delayed | p50 ms, healthy | delayed | p95 ms, healthy | delayed \
         | qps, healthy | delayed |\n\
         |-------------------|---------|---------------:|---------------:|----------------:|--------:|----------------:|--------:\
         |-------------:|--------:|\n",
    );
    for row in rows {
        let (healthy, delayed) = (&row.healthy, &row.delayed);
        let _ = writeln!(
            text,
            "| {:<17} | {:<7} | {:>12.1} % | {:>12.1} % | {:>15.2} | {:>7.2} | {:>15.2} | {:>7.2} | {:>12.0} | {:>7.0} |",
            row.strategy,
            row.worker,
            healthy.share * 100.0,
            delayed.share * 100.0,
            healthy.p50_ms,
            delayed.p50_ms,
            healthy.p95_ms,
            delayed.p95_ms,
            healthy.qps,
            delayed.qps,
        );
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn run(strategy: &str, delayed: bool, on_worker: u64, p95_ms: f64) -> Run {
        Run {
            strategy: strategy.to_owned(),
            delayed: delayed.then(|| "worker1".to_owned()),
            sysbench: Report {
                queries: 1000,
                qps: 10_000.0,
                transactions: 1000,
                p50_ms: Some(0.5),
                p95_ms,
                average_ms: 0.6,
                max_ms: 30.0,
                seconds: 4.0,
                ignored_errors: 0,
                reconnects: 0,
            },
            reads: [
                ("worker1".to_owned(), on_worker),
                ("worker2".to_owned(), 1000 - on_worker),
            ]
            .into(),
            load_before: 0.0,
        }
    }

    #[test]
    fn only_adaptive_must_leave_the_delayed_worker_alone() {
        let runs = [
            run("adaptive", false, 480, 1.0),
            run("random", false, 500, 1.0),
            run("adaptive", true, 12, 1.6),
            run("random", true, 500, 21.0),
        ];
        let rows = rows(&runs);
        assert_eq!((rows[0].delayed.share, rows[1].healthy.share), (0.012, 0.5));
        let delay = Duration::from_millis(20);
        let held: Vec<_> = findings(&rows, delay)
            .iter()
            .map(|finding| (finding.required, finding.holds))
            .collect();
        assert_eq!(held, [(true, true), (false, false)]);
        assert!(
            table(&rows)
                .lines()
                .nth(3)
                .unwrap()
                .starts_with("| random            | worker1 |         50.0 % |         50.0 % |")
        );
    }

    #[test]
    fn a_share_or_a_p95_beyond_its_bound_is_seen() {
        let delay = Duration::from_millis(20);
        for (share, p95) in [(150, 1.0), (10, 3.1)] {
            let runs = [
                run("adaptive", false, 480, 1.0),
                run("adaptive", true, share, p95),
            ];
            let findings = findings(&rows(&runs), delay);
            assert!(!findings[0].holds && findings[0].sentence.contains("DOES NOT HOLD"));
        }
        assert_eq!(share(&Reads::new(), "worker1"), 0.0);
    }
}

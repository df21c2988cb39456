//! The process's numbers in Prometheus's text format.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;

/// Upper bounds of the histograms' buckets, in seconds: from a point select to a report.
pub const DURATION_BUCKETS_SECONDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    60.0,
];

/// Samples of histograms wait for the next scrape; this often they are counted without one, so that
/// they take bounded memory when nobody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Numbers cannot be recorded.
#[derive(Debug, Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

/// The recorder of the whole process. Handles (`metrics::counter!` …) that are resolved after it was
/// installed count here. Clones are the same.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder; once per process, before the first handle is resolved.
    pub fn install() -> Result<Self, MetricsError> {
        let builder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS_SECONDS)?;
        Ok(Self(builder.install_recorder()?))
    }

    /// A recorder of its own that no handle counts in: for tests of what is around it.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// All numbers, as `/metrics` shows them.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps the histograms small, for ever.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_buckets_from_100_microseconds() {
        let metrics = Metrics::install().unwrap();
        metrics::histogram!("test_duration_seconds").record(0.0002);
        metrics::counter!("test_total").increment(3);
        let text = metrics.render();
        assert!(
            text.contains("test_duration_seconds_bucket{le=\"0.0001\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("test_duration_seconds_bucket{le=\"0.00025\"} 1"),
            "{text}"
        );
        assert!(text.contains("test_total 3"), "{text}");
        assert!(Metrics::install().is_err());
    }
}

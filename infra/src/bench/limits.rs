//! Every bound of a benchmark.

use std::time::Duration;

/// Threads of one sysbench run: each is a connection on every hop.
pub(super) const THREADS_MAX: u32 = 1024;
/// Rounds of one series.
pub(super) const REPEAT_MAX: u32 = 50;
/// One run's length.
pub(super) const SECONDS_MAX: u32 = 600;
/// Tables that a profile may ask for.
pub(super) const TABLES_MAX: u32 = 64;
/// Rows per table that a profile may ask for.
pub(super) const ROWS_MAX: u32 = 10_000_000;
/// A whole benchmark: what takes longer than a working day was a slip of the keyboard.
pub(super) const TOTAL_MAX: Duration = Duration::from_secs(12 * 3600);
/// What a run may take beyond its length: connects at the start, a slow last statement at the end.
pub(super) const RUN_GRACE: Duration = Duration::from_secs(30);
/// Creating and filling the tables.
pub(super) const PREPARE_TIMEOUT: Duration = Duration::from_secs(600);
/// A hop that we start must accept connections within this time.
pub(super) const HOP_READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A hop that we stop gets this long before it is killed.
pub(super) const HOP_STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// A statement of our own on the manager.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// `infra local up`, first initialisation of the servers included.
pub(super) const CLUSTER_UP_TIMEOUT: Duration = Duration::from_secs(600);
/// `infra local down`.
pub(super) const CLUSTER_DOWN_TIMEOUT: Duration = Duration::from_secs(120);
/// Of sysbench's output, this much of its end is kept in an error.
pub(super) const ERROR_BYTES_MAX: usize = 600;
/// What starting sysbench, connecting and reading the counters adds to one run, for the estimate.
pub(super) const RUN_OVERHEAD: Duration = Duration::from_millis(400);
/// One look at the proxy's metrics.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// The page of metrics is some 100 KiB.
pub(super) const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The monitor's first checks of nodes that it does not know yet.
pub(super) const NODES_UP_TIMEOUT: Duration = Duration::from_secs(30);
/// The tables on their way to the workers.
pub(super) const REPLICATION_TIMEOUT: Duration = Duration::from_secs(60);

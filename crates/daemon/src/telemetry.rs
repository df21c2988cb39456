//! What the process says about itself: JSON lines on stderr ([`Logs`]) and numbers ([`Metrics`]).

mod budget;
mod logs;
mod numbers;

pub use logs::{AUDIT_TARGET, LogOptions, Logs, LogsError};
pub use numbers::{DURATION_BUCKETS_SECONDS, Metrics, MetricsError};

//! How a process lives. Knows no MySQL.
//!
//! ```text
//! config_file  TOML in, every problem out at once     exit       codes, `error: …` and the next step
//! process      descriptors                            telemetry  JSON lines, Prometheus numbers
//! shards       threads that carry sessions            http       /metrics /live /ready
//! listener     accepts, hands to the calmest shard    signal     SIGTERM, SIGINT, SIGHUP
//! drain        let what runs finish, with a deadline
//! ```

pub mod config_file;
pub mod drain;
pub mod exit;
pub mod http;
pub mod listener;
pub mod process;
pub mod shards;
pub mod signal;
pub mod telemetry;

//! Make it exist: the cluster on this machine, its verification and its benchmarks.

pub mod bench;

//! Make it exist: the whole cluster on this machine, its configuration files and sample data, and its benchmarks.
//!
//! `infra local` is the command; [`local`] is the same as a library, which the tests' harness uses.

pub mod bench;
pub mod cli;
pub mod local;
pub mod render;
pub mod sakila;

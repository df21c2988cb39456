//! The trusted host: routes statements to the manager and its workers.

pub mod config;

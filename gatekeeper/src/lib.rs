//! The public MySQL endpoint: authenticates, judges every statement, forwards the rest.

pub mod audit;
pub mod cli;
pub mod config;
pub mod facts;
pub mod gate;
pub mod greet;
pub mod hop;
pub mod metrics;
pub mod policy;
pub mod serve;
pub mod session;
pub mod users;

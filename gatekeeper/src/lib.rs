//! The public MySQL endpoint: authenticates, judges every statement, forwards the rest.

pub mod audit;
pub mod config;
pub mod gate;
pub mod greet;
pub mod hop;
pub mod metrics;
pub mod policy;
pub mod users;
pub mod facts;
pub mod session;

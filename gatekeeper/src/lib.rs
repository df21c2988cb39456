//! The public MySQL endpoint: authenticates, judges every statement, forwards the rest.

pub mod config;
pub mod policy;
pub mod users;

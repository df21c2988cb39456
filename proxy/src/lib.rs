//! The trusted host: routes statements to the manager and its workers.
//!
//! ```text
//! config          what the operator wrote, checked as a whole
//! session         one client's conversation, relayed        (asks route, obeys it)
//! route           where a statement runs, and why           pure
//! strategy        direct, random, ping                      pure
//! position        a place in the manager's history          pure
//! consistency     how old a read may be                     pure
//! transaction     is one open?                              pure
//! session_variables  what a worker must be told             pure
//! pool            connections to workers, shared
//! cluster         the nodes, watched in the background
//! accounts        gatekeeper user → database account
//! console         a MySQL server of our own, for the operator
//! metrics         what is counted
//! digests         what statements of one shape did
//! serve           the process: from the config to the exit code
//! ```

pub mod accounts;
pub mod cluster;
pub mod config;
pub mod consistency;
pub mod console;
pub mod digests;
pub mod facts;
pub mod host;
pub mod metrics;
pub mod pool;
pub mod position;
pub mod route;
pub mod serve;
pub mod session;
pub mod session_registry;
pub mod session_variables;
pub mod strategy;
pub mod transaction;

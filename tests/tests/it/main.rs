//! The tests that need real servers, in one program: they share a cluster per engine.

#![allow(
    clippy::large_futures,
    reason = "a test's future is not what an idle session costs"
)]

mod compression;
mod conformance;
mod consistency;
mod console;
mod drivers;
mod failover;
mod faults;
mod health;
mod hop;
mod hostile;
mod http;
mod kill;
mod large;
mod load_balancer;
mod login;
mod memory;
mod negotiation;
mod oracle;
mod ping;
mod policy;
mod pooling;
mod prepared;
mod protocol;
mod replication;
mod routing;
mod rules;
mod server_error;
mod statements;
mod stock_load;
mod strategies;
mod tls;
mod tracking;

//! The harness of the tests that need real servers.
//!
//! ```text
//! cluster   one per engine and run, shared by every test; `cluster::own` for tests that break nodes
//! keeper    the process that starts a cluster, and takes it down when its users are gone, however they went
//! pair      a gatekeeper and a proxy of one test, in front of the shared nodes
//! console   where the proxy's operator comes in
//! door      where clients come in, and who they are
//! program   stock clients and sysbench, as processes
//! raw_client, relay   bytes, faults and delays that real programs do not produce at will
//! mutation, corrupting_relay   what clients and servers never say
//! node_log  what the nodes themselves wrote down
//! conformance   the same conversation directly and through, packet by packet
//! oracle    random programs with a single server and through, while the workers are behind
//! scrape    /metrics, /live, /ready
//! eventually   waiting without sleeping
//! ```

pub mod cluster;
pub mod conformance;
pub mod console;
pub mod corrupting_relay;
pub mod door;
pub mod each_engine;
pub mod eventually;
pub mod keeper;
pub mod mutation;
pub mod node_log;
pub mod oracle;
pub mod pair;
pub mod program;
pub mod raw_client;
pub mod relay;
pub mod runner;
pub mod scrape;

pub use cluster::{Cluster, is_required};
pub use console::Console;
pub use door::Door;
pub use eventually::{SOON, eventually};
pub use infra::local::Engine;
pub use pair::Pair;

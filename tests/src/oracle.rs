//! The oracle: random programs of one or two sessions, had with a single server and, at the same time, through gatekeeper and
//! proxy while the workers are behind; every reply is compared, packet by packet.
//!
//! ```text
//! dice ──▶ grammar ──▶ program ──▶ run: direct, through ──▶ conformance's comparison
//!            │ schema      ▲                                   │ differs
//!            ▼             └───────────── shrink ◀─────────────┘
//!          tables, routines                │
//! behind: workers that lag and pause       ▼
//! campaign: so many programs, or so long   the minimal program and both replies
//! ```
//!
//! docs/testing.md tells how to read a failure and how to have it again.

pub mod behind;
pub mod campaign;
mod dice;
mod grammar;
pub mod program;
mod run;
mod schema;
mod shrink;

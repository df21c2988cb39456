//! The conformance suite: the same conversation with the manager itself and through gatekeeper and proxy, compared
//! packet by packet.
//!
//! ```text
//! script        tests/conformance/*.cases: conversations as text ──▶ conversation::Case
//! personality   what kind of client speaks: its capability flags
//! play          one case, one side: logs in, takes each step, records every packet
//!   packets  login  request  value  reply      a small client of its own, so that no mistake of ours hides in it
//! compare       both records; what may differ is masked, what differs is told in words
//! exceptions    docs/compatibility.md: the differences that are known, each with its reason
//! suite         all cases of a subject on one engine
//! ```
//!
//! docs/testing.md tells how to add a case and how to read a failure.

pub mod compare;
pub mod conversation;
pub mod exceptions;
pub(crate) mod login;
mod packets;
pub mod personality;
pub(crate) mod play;
pub(crate) mod reply;
mod request;
pub mod script;
pub mod suite;
mod template;
mod value;

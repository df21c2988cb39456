//! The tests that need real servers, in one program: they share a cluster per engine.

mod login;
mod routing;

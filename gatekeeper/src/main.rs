//! gatekeeper
fn main() {}

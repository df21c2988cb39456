//! infra
fn main() {}

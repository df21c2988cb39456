//! The gatekeeper's process.

use std::process::ExitCode;

use gatekeeper::{cli, serve, session};

fn main() -> ExitCode {
    cli::main(|config| serve::serve(config, session::run))
}

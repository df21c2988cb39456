//! The command line.

use clap::{Parser, Subcommand};

mod local;

/// Make it exist: a whole cluster on this machine.
#[derive(Debug, Parser)]
#[command(name = "infra", version, about)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// A cluster of real servers on this machine, with proxy and gatekeeper in front
    #[command(subcommand)]
    Local(local::Verb),
    /// Compare the cost of the hops
    Bench(crate::bench::BenchArgs),
}

/// Does what was asked.
///
/// # Errors
/// When it cannot be done; the message is meant for the operator.
pub async fn run(cli: Cli) -> anyhow::Result<std::process::ExitCode> {
    match cli.verb {
        Verb::Local(verb) => Box::pin(local::run(verb)).await,
        Verb::Bench(args) => crate::bench::run(args)
            .await
            .map(|()| std::process::ExitCode::SUCCESS),
    }
}

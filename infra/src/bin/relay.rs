//! The raw relay of `infra bench`: bytes from one address to another, nothing understood.
//!
//! What a hop costs when it does nothing at all on this machine: the kernel's share and the
//! runtime's. Two of them joined by a Unix socket are the yardstick of gatekeeper and proxy.

use clap::Parser;
use infra::bench::relay::{self, Endpoint};

/// Relay bytes from one address to another and understand nothing (the yardstick of `infra bench`).
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  relay --listen 127.0.0.1:7001 --to 127.0.0.1:3306\n  \
                  relay --listen unix:/tmp/middle.sock --to 127.0.0.1:3306"
)]
struct Args {
    /// Where to listen: HOST:PORT or unix:PATH.
    #[arg(long)]
    listen: Endpoint,
    /// Where the bytes go: HOST:PORT or unix:PATH.
    #[arg(long)]
    to: Endpoint,
    /// Threads, each with a runtime of its own (default: one for each core).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    relay::run(
        &args.listen,
        &args.to,
        args.shards.map_or_else(cores, usize::from),
    )
}

//! The raw relay of `infra bench`: bytes from one address to another, nothing understood.
//!
//! What a hop costs when it does nothing at all on this machine: the kernel's share and the
//! runtime's. Two of them joined by a Unix socket are the yardstick of gatekeeper and proxy.

use anyhow::Context;
use clap::Parser;
use infra::bench::relay::{Endpoint, Listener};

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
    /// Threads of the runtime (default: one for each core).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_io();
    if let Some(threads) = args.threads {
        runtime.worker_threads(usize::from(threads));
    }
    runtime
        .build()
        .context("failed to start the runtime")?
        .block_on(async {
            let listener = Listener::bind(&args.listen).await?;
            listener.serve(args.to).await
        })
}

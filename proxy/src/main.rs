//! The command line of the proxy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use daemon::exit::{self, Code, Failure};
use proxy::cluster::Role;
use proxy::config::Config;
use proxy::serve;

/// Routes statements to the manager and its workers. Accepts the gatekeeper alone.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second one stops without waiting for open transactions
    Serve {
        /// Configuration, TOML
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration with all files that it names, and report every problem at once
    CheckConfig {
        /// Configuration, TOML
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  proxy check-config --config /etc/gatekeeper/proxy.toml
  proxy serve --config /etc/gatekeeper/proxy.toml
  curl http://127.0.0.1:9102/ready

Logs are JSON lines on stderr. Exit codes are those of sysexits.h: 0 stopped as told, 64 wrong command
line, 66 a file is missing, 69 an address is taken, 78 wrong configuration, 130 stopped by a second signal.";

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // help and version are no errors
            let code = if message.use_stderr() {
                Code::Usage as u8
            } else {
                0
            };
            let _ = message.print();
            return ExitCode::from(code);
        }
    };
    exit::report(match cli.command {
        Command::Serve { config } => Config::load(&config).map_err(Failure::from).and_then(serve::run),
        Command::CheckConfig { config } => Config::load(&config)
            .map_err(Failure::from)
            .map(|config| tell(&config)),
    })
}

/// What has been understood.
#[expect(clippy::print_stdout, reason = "the answer of a command is for the terminal")]
fn tell(config: &Config) {
    let workers = config
        .nodes
        .iter()
        .filter(|node| node.role == Role::Worker)
        .count();
    println!(
        "ok: 1 manager, {workers} workers, {} accounts, strategy {}",
        config.accounts.len(),
        config.strategy
    );
}

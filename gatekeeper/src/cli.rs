//! The command line.

mod user;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use daemon::exit::Failure;
use wire::auth::Plugin;

use crate::config::{Config, PolicyName};
use crate::users::Users;

/// The public MySQL endpoint: authenticates, judges every statement, forwards the rest.
#[derive(Debug, Parser)]
#[command(
    name = "gatekeeper",
    version,
    after_help = "Examples:
  gatekeeper check-config --config gatekeeper.toml
  gatekeeper user add --file users.toml app
  gatekeeper serve --config gatekeeper.toml

Exit codes: 0 well, 64 wrong command line, 66 a file is missing, 69 an address is taken, 78 wrong config."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients until SIGTERM; a second signal stops at once, SIGHUP reads the users again.
    Serve(ConfigFile),
    /// Say everything that is wrong with a config file and its users file, and exit.
    CheckConfig(ConfigFile),
    /// Change who may log in. A running gatekeeper reads the file again on SIGHUP.
    #[command(
        subcommand,
        after_help = "Examples:
  gatekeeper user add --file users.toml app
  gatekeeper user add --file users.toml --policy off dba
  printf %s \"$PASSWORD\" | gatekeeper user add --file users.toml --password-stdin app
  gatekeeper user list --file users.toml"
    )]
    User(UserCommand),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The gatekeeper.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user; asks for the password.
    Add {
        #[command(flatten)]
        target: Target,
        /// What happens to the user's statements; the config's default when left out.
        #[arg(long, value_enum)]
        policy: Option<Policy>,
        /// Never without TLS, except on the Unix socket.
        #[arg(long)]
        require_tls: bool,
        /// May read the binary log, as replicas and mysqlbinlog do.
        #[arg(long)]
        replication: bool,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Replace a user's password; asks for the new one.
    Password {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Remove a user.
    Remove {
        #[command(flatten)]
        target: Target,
    },
    /// Show names, policies and plugins.
    List {
        /// The users.toml.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Target {
    /// The users.toml; made when it does not exist.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The user.
    name: String,
}

#[derive(Debug, Args)]
struct NewPassword {
    /// How clients can prove the password.
    #[arg(long, value_enum, default_value_t = PluginChoice::Both)]
    plugin: PluginChoice,
    /// Read the password from standard input, up to the end of the first line. There is no option for the
    /// password itself: command lines are seen by everybody on the machine.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    Strict,
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PluginChoice {
    /// caching_sha2_password and mysql_native_password.
    Both,
    Native,
    CachingSha2,
    /// MariaDB's client_ed25519.
    Ed25519,
    /// All three.
    All,
}

impl From<Policy> for PolicyName {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Strict => Self::Strict,
            Policy::Off => Self::Off,
        }
    }
}

impl PluginChoice {
    fn plugins(self) -> &'static [Plugin] {
        match self {
            Self::Both => &[Plugin::CachingSha2, Plugin::NativePassword],
            Self::Native => &[Plugin::NativePassword],
            Self::CachingSha2 => &[Plugin::CachingSha2],
            Self::Ed25519 => &[Plugin::Ed25519],
            Self::All => &[Plugin::CachingSha2, Plugin::NativePassword, Plugin::Ed25519],
        }
    }
}

/// Reads the command line and does what it says; `serve` runs the server of a checked config.
pub fn main(serve: impl FnOnce(Config) -> Result<(), Failure>) -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => daemon::exit::report(cli.run(serve)),
        Err(error) => {
            // --help and --version come here as well, and are no error
            let code = if error.use_stderr() {
                daemon::exit::Code::Usage
            } else {
                daemon::exit::Code::Success
            };
            // nothing can be done about a closed terminal
            let _ = error.print();
            ExitCode::from(code as u8)
        }
    }
}

impl Cli {
    fn run(self, serve: impl FnOnce(Config) -> Result<(), Failure>) -> Result<(), Failure> {
        match self.command {
            Command::Serve(ConfigFile { config }) => serve(Config::load(&config)?),
            Command::CheckConfig(ConfigFile { config }) => check_config(&config),
            Command::User(command) => user::run(command),
        }
    }
}

#[allow(clippy::print_stdout)] // the answer of the command
fn check_config(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let users = Users::load(&config.users_file, config.policy.default)?;
    println!("{}: fine, {} users", path.display(), users.count());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn there_is_no_way_to_give_a_password_on_the_command_line() {
        let add = |extra: &[&str]| {
            let words = ["gatekeeper", "user", "add", "--file", "u", "app"];
            Cli::try_parse_from(words.iter().chain(extra))
        };
        assert!(add(&["--password-stdin", "--policy", "off", "--plugin", "caching-sha2"]).is_ok());
        assert!(add(&["--password", "secret"]).is_err());
        assert!(add(&["secret"]).is_err());
    }
}

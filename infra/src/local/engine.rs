//! Which database server runs: MariaDB or MySQL, found on this machine and asked for its version.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// The two families of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MariaDB 10.6 or later.
    Mariadb,
    /// MySQL 8.0 or later.
    Mysql,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Engine::Mariadb => "mariadb",
            Engine::Mysql => "mysql",
        })
    }
}

/// What the operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum EngineChoice {
    /// The first `mariadbd` found.
    Mariadb,
    /// The first `mysqld` of MySQL found.
    Mysql,
    /// What the cluster was made with; for a new one MariaDB if it is there, else MySQL.
    #[default]
    Auto,
}

impl EngineChoice {
    /// Whether this engine is what was asked for.
    pub(crate) fn allows(self, engine: Engine) -> bool {
        match self {
            EngineChoice::Auto => true,
            EngineChoice::Mariadb => engine == Engine::Mariadb,
            EngineChoice::Mysql => engine == Engine::Mysql,
        }
    }
}

/// A release, comparable with `(major, minor, patch)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(u16, u16, u16);

impl From<(u16, u16, u16)> for Version {
    fn from((major, minor, patch): (u16, u16, u16)) -> Self {
        Version(major, minor, patch)
    }
}

impl PartialEq<(u16, u16, u16)> for Version {
    fn eq(&self, other: &(u16, u16, u16)) -> bool {
        *self == Version::from(*other)
    }
}

impl PartialOrd<(u16, u16, u16)> for Version {
    fn partial_cmp(&self, other: &(u16, u16, u16)) -> Option<std::cmp::Ordering> {
        self.partial_cmp(&Version::from(*other))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A server program and what it said about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The family.
    pub engine: Engine,
    /// The release.
    pub version: Version,
    /// The program to start.
    pub program: PathBuf,
}

impl Server {
    /// Finds the server to use: the given program, else the first that fits on this machine.
    pub async fn find(choice: EngineChoice, program: Option<&Path>) -> anyhow::Result<Server> {
        if let Some(program) = program {
            let server = Server::ask(program)
                .await
                .with_context(|| format!("--mysqld {}", program.display()))?;
            if !choice.allows(server.engine) {
                bail!(
                    "--mysqld {} is {} and not the engine asked for",
                    program.display(),
                    server.engine
                );
            }
            return Ok(server);
        }
        for candidate in candidates(choice) {
            let Ok(server) = Server::ask(&candidate).await else {
                continue;
            };
            if choice.allows(server.engine) {
                return Ok(server);
            }
        }
        match choice {
            EngineChoice::Mysql => bail!(
                "no MySQL server (8.0 or later) on this machine: run scripts/fetch-mysql, or name one by --mysqld PATH"
            ),
            EngineChoice::Mariadb => {
                bail!("no MariaDB server on this machine: run scripts/setup, or name one by --mysqld PATH")
            }
            EngineChoice::Auto => {
                bail!(
                    "no MariaDB or MySQL server on this machine: run scripts/setup, or name one by --mysqld PATH"
                )
            }
        }
    }

    async fn ask(program: &Path) -> anyhow::Result<Server> {
        let output = Command::new(program)
            .args(["--no-defaults", "--version"])
            .output()
            .await
            .with_context(|| format!("{} does not start", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (engine, version) = parse_version(&text)
            .with_context(|| format!("{} does not look like a server: {text:?}", program.display()))?;
        let oldest = match engine {
            Engine::Mariadb => (10, 5, 2),
            Engine::Mysql => (8, 0, 0),
        };
        if version < oldest {
            bail!(
                "{} is {engine} {version}, too old for this cluster",
                program.display()
            );
        }
        let program = std::path::absolute(program)?;
        Ok(Server {
            engine,
            version,
            program,
        })
    }

    /// `REPLICA` and `SOURCE` where the server knows the words as options (MySQL 8.0.26).
    #[must_use]
    pub fn says_replica(&self) -> bool {
        self.engine == Engine::Mysql && self.version >= (8, 0, 26)
    }

    /// The name of the stock client on this machine, for a line that can be typed.
    #[must_use]
    pub fn client_name() -> &'static str {
        let present = |name: &str| path_folders().any(|folder| folder.join(name).is_file());
        if !present("mysql") && present("mariadb") {
            "mariadb"
        } else {
            "mysql"
        }
    }

    /// A program of the same installation, else the first of that name on PATH.
    #[must_use]
    pub fn sibling(&self, names: &[&str]) -> Option<PathBuf> {
        let folder = self.program.parent().unwrap_or(Path::new("/"));
        let nearby = [
            folder.to_owned(),
            folder.join("../bin"),
            folder.join("../scripts"),
        ];
        nearby
            .into_iter()
            .chain(path_folders())
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|program| program.is_file())
    }
}

/// `mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))`, `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for …`
fn parse_version(text: &str) -> Option<(Engine, Version)> {
    let word = text.split_once("Ver ")?.1.split_whitespace().next()?;
    let engine = if text.contains("MariaDB") {
        Engine::Mariadb
    } else {
        Engine::Mysql
    };
    let mut numbers = word.split(['.', '-']).map_while(|part| part.parse::<u16>().ok());
    Some((
        engine,
        Version(numbers.next()?, numbers.next()?, numbers.next().unwrap_or(0)),
    ))
}

fn candidates(choice: EngineChoice) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(named) = std::env::var_os("MYSQLD").filter(|value| !value.is_empty()) {
        found.push(PathBuf::from(named));
    }
    let system = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from);
    let folders: Vec<PathBuf> = path_folders().chain(system).collect();
    if choice != EngineChoice::Mysql {
        found.extend(folders.iter().map(|folder| folder.join("mariadbd")));
    }
    found.extend(folders.iter().map(|folder| folder.join("mysqld")));
    if choice != EngineChoice::Mariadb {
        found.extend(["/usr/local/mysql/bin/mysqld", "/opt/mysql/bin/mysqld"].map(PathBuf::from));
        found.extend(fetched_mysqld());
    }
    found.retain(|program| program.is_file());
    found
}

/// What scripts/fetch-mysql left: in $MYSQL_CACHE, or in `.cache/mysql` of the checkout that this program was
/// built in or is run from.
fn fetched_mysqld() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for start in [std::env::current_dir().ok(), std::env::current_exe().ok()]
        .into_iter()
        .flatten()
    {
        roots.extend(start.ancestors().map(|folder| folder.join(".cache/mysql")));
    }
    std::env::var_os("MYSQL_CACHE")
        .map(PathBuf::from)
        .into_iter()
        .chain(roots)
        .map(|root| root.join("bin/mysqld"))
        .collect()
}

fn path_folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_printed_by_real_servers() {
        let seen = [
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                Engine::Mariadb,
                (10, 11, 19),
            ),
            (
                "/opt/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))",
                Engine::Mysql,
                (9, 7, 4),
            ),
            (
                "/usr/sbin/mysqld  Ver 8.0.43-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))",
                Engine::Mysql,
                (8, 0, 43),
            ),
        ];
        for (text, engine, version) in seen {
            assert_eq!(parse_version(text), Some((engine, version.into())), "{text}");
        }
        assert_eq!(parse_version("bash, version 5.2"), None);
    }

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        assert!(Version(10, 5, 2) < (10, 11, 0) && Version(8, 0, 34) > (8, 0, 4));
    }
}

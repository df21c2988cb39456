//! What the operator may ask of a local cluster.

use std::path::PathBuf;
use std::str::FromStr;

use super::engine::EngineChoice;

/// The request for a cluster. What is `None` keeps what the cluster in the directory was made with; a new one
/// gets the default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Everything of the cluster lives here: data, configuration, logs, sockets, secrets.
    pub dir: PathBuf,
    /// The gatekeeper's port; the others follow from it. 0 finds free ports. Default: 0.
    pub port_base: Option<u16>,
    /// Which database.
    pub engine: EngineChoice,
    /// How many replicas; 0 is a manager alone. Default: 2.
    pub workers: Option<u16>,
    /// The server program, where the one found by itself is not wanted.
    pub mysqld: Option<PathBuf>,
    /// `--set` values: later ones win, and win over those the cluster remembers.
    pub settings: Vec<Setting>,
    /// A folder with sakila-schema.sql and sakila-data.sql to load instead of the generated data.
    pub sakila: Option<PathBuf>,
    /// The folder of the `gatekeeper` and `proxy` programs. Default: where this program is.
    pub programs: Option<PathBuf>,
    /// Only the database servers, without gatekeeper and proxy.
    pub nodes_only: bool,
}

impl Options {
    /// A request with defaults for the cluster in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            ..Options::default()
        }
    }

    /// Chooses the database.
    #[must_use]
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.engine = engine;
        self
    }

    /// Chooses the number of replicas.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Adds one `SECTION.KEY=VALUE`.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn set(mut self, setting: &str) -> Result<Self, SettingError> {
        self.settings.push(setting.parse()?);
        Ok(self)
    }
}

/// Whose configuration a setting changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// A TOML key of gatekeeper.toml.
    Gatekeeper,
    /// A TOML key of proxy.toml.
    Proxy,
    /// A server option of every node.
    Mysqld,
}

/// `SECTION.KEY=VALUE`: one value that replaces the one `infra` would have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which file.
    pub section: Section,
    /// The dotted path of the key.
    pub key: String,
    /// The value as typed.
    pub value: String,
}

/// A `--set` that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not SECTION.KEY=VALUE with SECTION one of gatekeeper, proxy, mysqld")]
pub struct SettingError(String);

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let refuse = || SettingError(text.to_owned());
        let (path, value) = text.split_once('=').ok_or_else(refuse)?;
        let (section, key) = path.trim().split_once('.').ok_or_else(refuse)?;
        let section = match section {
            "gatekeeper" => Section::Gatekeeper,
            "proxy" => Section::Proxy,
            "mysqld" => Section::Mysqld,
            _ => return Err(refuse()),
        };
        let readable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']');
        if key.is_empty() || !key.chars().all(readable) || value.contains(['\n', '\r', '\0']) {
            return Err(refuse());
        }
        Ok(Setting {
            section,
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let section = match self.section {
            Section::Gatekeeper => "gatekeeper",
            Section::Proxy => "proxy",
            Section::Mysqld => "mysqld",
        };
        write!(f, "{section}.{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_and_printed_alike() {
        for text in [
            "mysqld.secure_file_priv=",
            "proxy.routing.strategy=direct",
            "gatekeeper.limits.connections-max=10",
        ] {
            assert_eq!(text.parse::<Setting>().unwrap().to_string(), text);
        }
        assert_eq!(
            "mysqld.init_connect=SET @a=1".parse::<Setting>().unwrap().value,
            "SET @a=1"
        );
    }

    #[test]
    fn what_is_not_a_setting_is_refused() {
        for text in [
            "",
            "mysqld",
            "mysqld.x",
            "mysqld.=1",
            "server.x=1",
            "mysqld.a b=1",
            "mysqld.a=1\nuser=root",
        ] {
            assert_eq!(text.parse::<Setting>(), Err(SettingError(text.to_owned())));
        }
    }
}

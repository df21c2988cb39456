//! Config files: TOML into a raw type, secrets by reference, every problem shown at once.

mod problems;
mod secret;

pub use problems::{Problem, Problems};
pub use secret::{SECRET_FILE_BYTES_MAX, Secret, SecretFileError, secret_file};

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Largest config file that is read, in bytes: room for thousands of users, not for a wrong path.
pub const CONFIG_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A config file could not be turned into its raw type.
#[derive(Debug, Error)]
pub enum ConfigFileError {
    /// It is not there, or may not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than any config.
    #[error("{path} has more than {CONFIG_FILE_BYTES_MAX} bytes; is it a config file?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML, or not the TOML that is expected.
    #[error("{place}: {message}")]
    Content {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong there; never the line itself, which may hold a secret.
        message: String,
    },
}

/// Reads a TOML file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigFileError> {
    parse(path, &read_text(path)?)
}

/// Reads a file's text, up to [`CONFIG_FILE_BYTES_MAX`].
pub fn read_text(path: &Path) -> Result<String, ConfigFileError> {
    let failed = |source| ConfigFileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > CONFIG_FILE_BYTES_MAX {
        return Err(ConfigFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Parses the text of a file; `path` is for messages.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigFileError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        ConfigFileError::Content {
            place: format!("{}:{line}:{column}", path.display()),
            message: error.message().trim_end().to_owned(),
        }
    })
}

/// Line and column, both from 1, of a byte.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Raw {
        #[allow(dead_code)]
        size_max: u32,
    }

    fn error(text: &str) -> String {
        parse::<Raw>(Path::new("some.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let message = error("size-max = 1\n\n  sise-max = 2\n");
        assert!(
            message.starts_with("some.toml:3:3: unknown field `sise-max`"),
            "{message}"
        );
        assert!(message.contains("size-max"), "{message}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let message = error("size-max = \"many\"");
        assert!(message.starts_with("some.toml:1:12: invalid type"), "{message}");
    }

    #[test]
    fn broken_toml_does_not_show_the_line() {
        let message = error("size-max = 1\npassword = \"hunter2");
        assert!(message.starts_with("some.toml:2:"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read::<Raw>(Path::new("/nowhere/some.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("cannot read /nowhere/some.toml: "),
            "{message}"
        );
    }
}

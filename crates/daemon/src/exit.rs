//! How the process ends: one place that prints the error and the next step, and a code that says why.

use std::fmt;
use std::process;

use crate::config_file::{ConfigFileError, Problems, SecretFileError};
use crate::listener::BindError;

/// Why the process ends; the numbers are those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// All is well.
    Success = 0,
    /// It did not work, for no reason below.
    Failure = 1,
    /// The command line is wrong.
    Usage = 64,
    /// A file's content is wrong, other than a config's.
    Data = 65,
    /// A file that is named is missing or unreadable.
    MissingInput = 66,
    /// Something that we need does not answer, an address is taken.
    Unavailable = 69,
    /// A mistake of ours.
    Software = 70,
    /// The operating system refused.
    System = 71,
    /// A file could not be written.
    Write = 74,
    /// The config is wrong.
    Config = 78,
    /// Stopped by a second signal.
    Interrupted = 130,
}

/// An error that ends the process.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub next_step: Option<String>,
}

impl Failure {
    /// A failure with nothing to advise.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            next_step: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn next_step(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.next_step {
            Some(next_step) => write!(f, "\nnext:  {next_step}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// The end of `main`: prints the failure, if it is one, to stderr.
pub fn report(result: Result<(), Failure>) -> process::ExitCode {
    match result {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            process::ExitCode::from(failure.code as u8)
        }
    }
}

impl From<ConfigFileError> for Failure {
    fn from(error: ConfigFileError) -> Self {
        let code = match error {
            ConfigFileError::Read { .. } => Code::MissingInput,
            ConfigFileError::TooLarge { .. } | ConfigFileError::Content { .. } => Code::Config,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(Code::Config, problems.to_string())
    }
}

impl From<SecretFileError> for Failure {
    fn from(error: SecretFileError) -> Self {
        let code = match error {
            SecretFileError::Read { .. } => Code::MissingInput,
            _ => Code::Config,
        };
        Self::new(code, error.to_string())
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let BindError {
            endpoint,
            source,
            next_step,
        } = error;
        Self::new(
            Code::Unavailable,
            format!("cannot listen on {endpoint}: {source}"),
        )
        .next_step(next_step)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::listener::{Endpoint, Listener, SocketMode};

    #[test]
    fn a_failure_shows_the_next_step() {
        let endpoint = Endpoint::Unix("/nowhere/s".into());
        let failure = Failure::from(Listener::bind(&endpoint, SocketMode::GROUP).unwrap_err());
        assert_eq!(failure.code as u8, 69);
        assert_eq!(
            failure.to_string(),
            "error: cannot listen on /nowhere/s: No such file or directory (os error 2)\nnext:  create the folder first"
        );
    }

    #[test]
    fn a_missing_config_is_66_and_a_wrong_one_78() {
        let missing = crate::config_file::read::<toml::Table>(Path::new("/nowhere")).unwrap_err();
        assert_eq!(Failure::from(missing).code, Code::MissingInput);
        let wrong = crate::config_file::parse::<toml::Table>(Path::new("a"), "=").unwrap_err();
        assert_eq!(Failure::from(wrong).code as u8, 78);
    }
}

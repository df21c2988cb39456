//! Changing a users file in place: other entries and comments stay as they are, the new file replaces the
//! old one in one step, and only its owner reads it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use daemon::config_file::{self, ConfigFileError};
use thiserror::Error;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Users, Verifiers};
use crate::config::PolicyName;

/// A users file that is being changed.
#[derive(Debug)]
pub struct UsersFile {
    path: PathBuf,
    document: DocumentMut,
}

/// The file cannot be changed so.
#[derive(Debug, Error)]
pub enum EditError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigFileError),
    /// It cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such user.
    #[error("there is no user {0:?}")]
    Missing(String),
    /// There is one already.
    #[error("there is a user {0:?} already")]
    Exists(String),
    /// The change would make the file useless.
    #[error("the file would be refused: {0}")]
    Refused(String),
}

impl UsersFile {
    /// Opens a file; one that does not exist is empty.
    pub fn open(path: &Path) -> Result<Self, EditError> {
        let text = match config_file::read_text(path) {
            Err(ConfigFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                String::new()
            }
            text => text?,
        };
        // says what is wrong, with its place
        config_file::parse::<super::raw::Users>(path, &text)?;
        let document = text
            .parse::<DocumentMut>()
            .map_err(|error| EditError::Refused(error.message().to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            document,
        })
    }

    /// Names and policies, in the file's order.
    pub fn users(&self) -> Result<Vec<super::raw::User>, EditError> {
        let users: super::raw::Users = config_file::parse(&self.path, &self.document.to_string())?;
        Ok(users.users)
    }

    /// Adds a user at the end.
    pub fn add(
        &mut self,
        name: &str,
        policy: Option<PolicyName>,
        require_tls: bool,
        verifiers: &Verifiers,
    ) -> Result<(), EditError> {
        if self.entry(name).is_ok() {
            return Err(EditError::Exists(name.to_owned()));
        }
        let mut entry = Table::new();
        entry.insert("name", value(name));
        match policy {
            Some(PolicyName::Strict) => drop(entry.insert("policy", value("strict"))),
            Some(PolicyName::Off) => drop(entry.insert("policy", value("off"))),
            None => {}
        }
        if require_tls {
            entry.insert("require-tls", value(true));
        }
        write_verifiers(&mut entry, verifiers);
        self.entries()?.push(entry);
        Ok(())
    }

    /// Lets a user read the binary log.
    pub fn allow_replication(&mut self, name: &str) -> Result<(), EditError> {
        let index = self.entry(name)?;
        let missing = || EditError::Missing(name.to_owned());
        let entry = self.entries()?.get_mut(index).ok_or_else(missing)?;
        entry.insert("replication", value(true));
        Ok(())
    }

    /// Replaces what verifies a user's password.
    pub fn set_verifiers(&mut self, name: &str, verifiers: &Verifiers) -> Result<(), EditError> {
        let index = self.entry(name)?;
        let missing = || EditError::Missing(name.to_owned());
        let entry = self.entries()?.get_mut(index).ok_or_else(missing)?;
        write_verifiers(entry, verifiers);
        Ok(())
    }

    /// Removes a user.
    pub fn remove(&mut self, name: &str) -> Result<(), EditError> {
        let index = self.entry(name)?;
        self.entries()?.remove(index);
        Ok(())
    }

    /// Writes the file, when the gatekeeper would accept it.
    pub fn save(&self) -> Result<(), EditError> {
        let text = self.document.to_string();
        let raw = config_file::parse(&self.path, &text)?;
        Users::check(raw, PolicyName::Strict).map_err(|problems| EditError::Refused(problems.to_string()))?;
        write_atomically(&self.path, text.as_bytes()).map_err(|source| EditError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn entry(&self, name: &str) -> Result<usize, EditError> {
        let users = self.users()?;
        users
            .iter()
            .position(|user| user.name == name)
            .ok_or_else(|| EditError::Missing(name.to_owned()))
    }

    fn entries(&mut self) -> Result<&mut ArrayOfTables, EditError> {
        self.document
            .entry("user")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| EditError::Refused("users are not written as [[user]] tables".to_owned()))
    }
}

fn write_verifiers(entry: &mut Table, verifiers: &Verifiers) {
    let mut write = |key: &str, text: Option<String>| match text {
        Some(text) => drop(entry.insert(key, value(text))),
        None => drop(entry.remove(key)),
    };
    write("native", verifiers.native.as_ref().map(ToString::to_string));
    write(
        "caching-sha2",
        verifiers.caching_sha2.as_ref().map(ToString::to_string),
    );
    write("ed25519", verifiers.ed25519.as_ref().map(ToString::to_string));
}

/// Replaces a file in one step: a reader sees the old one or the new one. Mode 0600, and the old owner where
/// we may.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = (|| {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        if let Ok(old) = fs::metadata(path) {
            // the gatekeeper's own user must go on reading it when root changes it
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

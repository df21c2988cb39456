//! A secret lives in a file of its own and never in a message.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Largest file that is read as a secret, in bytes: a password or a key, never a disk by mistake.
pub const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// Permission bits of "everybody else".
const MODE_OTHERS: u32 = 0o007;

/// Bytes that print as `[redacted]`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes over the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one place that proves their knowledge.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A file is no secret.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It is not there, or may not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{path} is not a regular file", path = path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the machine knows it.
    #[error("{path} is open to every user of this machine (mode {mode:04o}); run: chmod 600 {path}", path = path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is larger than any secret.
    #[error("{path} has more than {SECRET_FILE_BYTES_MAX} bytes; is it a secret?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Nothing would be proven by knowing it.
    #[error("{path} is empty", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a secret: the file's bytes without the one end of line that editors and `echo` leave behind.
pub fn secret_file(path: &Path) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // of the open file, not of the path: nobody can swap it in between
    let facts = file.metadata().map_err(failed)?;
    let mode = facts.mode() & 0o7777;
    if !facts.is_file() {
        return Err(SecretFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    if mode & MODE_OTHERS != 0 {
        return Err(SecretFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(SECRET_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(SecretFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(SecretFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret_of(content: &[u8], mode: u32) -> Result<Vec<u8>, SecretFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        secret_file(&path).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn a_secret_prints_as_redacted() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "[redacted] [redacted]");
    }

    #[test]
    fn one_end_of_line_is_not_part_of_it() {
        for (content, secret) in [
            (&b"word"[..], &b"word"[..]),
            (b"word\n", b"word"),
            (b"word\r\n", b"word"),
            (b"word\n\n", b"word\n"),
            (b" word \n", b" word "),
        ] {
            assert_eq!(secret_of(content, 0o600).unwrap(), secret);
        }
    }

    #[test]
    fn a_file_open_to_everybody_is_refused_with_the_way_out() {
        let message = secret_of(b"word", 0o604).unwrap_err().to_string();
        assert!(message.contains("(mode 0604); run: chmod 600 "), "{message}");
        assert_eq!(secret_of(b"word", 0o640).unwrap(), b"word");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert!(matches!(
            secret_of(b"\n", 0o600),
            Err(SecretFileError::Empty { .. })
        ));
        assert!(matches!(
            secret_of(&[b'x'; 4097], 0o600),
            Err(SecretFileError::TooLarge { .. })
        ));
        assert_eq!(secret_of(&[b'x'; 4096], 0o600).unwrap().len(), 4096);
        assert!(matches!(
            secret_file(Path::new("/dev/null")),
            Err(SecretFileError::NotAFile { .. })
        ));
        assert!(matches!(
            secret_file(Path::new("/nowhere")),
            Err(SecretFileError::Read { .. })
        ));
    }
}

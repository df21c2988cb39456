//! The shared secret.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key};
use thiserror::Error;
use zeroize::Zeroizing;

/// Shorter secrets are refused: this one must not be guessed from a recorded proof.
pub const SECRET_BYTES_MIN: usize = 16;

/// What gatekeeper and proxy both know.
#[derive(Clone)]
pub struct Secret(Key);

/// A secret cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("failed to read the secret: {0}")]
    Io(#[from] std::io::Error),
    /// It is too short.
    #[error("the secret has less than {SECRET_BYTES_MIN} bytes")]
    TooShort,
}

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretError::TooShort);
        }
        Ok(Self(Key::new(HMAC_SHA256, bytes)))
    }

    /// The secret in a file, without white space around it.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(std::fs::read(path)?);
        Self::new(bytes.trim_ascii())
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

//! Slow digests, beside the shard's event loop and only so many at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wire::auth::Password;

use super::{Credential, LoginError};

/// A place to wait for a core. Logins queue here, within their deadline, rather than take all cores.
#[derive(Debug)]
pub(super) struct Hashing(Semaphore);

impl Default for Hashing {
    fn default() -> Self {
        Self(Semaphore::new(
            std::thread::available_parallelism().map_or(1, usize::from),
        ))
    }
}

impl Hashing {
    /// Whether this is the account's password.
    pub(super) async fn verify(
        &self,
        credential: &Arc<Credential>,
        password: Password,
    ) -> Result<bool, LoginError> {
        let _permit = self
            .0
            .acquire()
            .await
            .map_err(|error| LoginError::internal(error.to_string()))?;
        let credential = Arc::clone(credential);
        tokio::task::spawn_blocking(move || credential.verify_password(&password))
            .await
            .map_err(|error| LoginError::internal(error.to_string()))
    }
}

//! One command at a time per cluster directory.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held until dropped, or until the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "the lock is what is held")] Flock<File>);

impl Lock {
    /// Fails at once when another command works on the directory.
    pub(crate) fn take(dir: &Path) -> anyhow::Result<Lock> {
        let file = dir.join("lock");
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .with_context(|| format!("cannot open {}", file.display()))?;
        match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock(held)),
            Err((_, Errno::EWOULDBLOCK)) => bail!("another `infra local` works on {}", dir.display()),
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_for_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        assert!(Lock::take(dir.path()).is_err());
        drop(held);
        Lock::take(dir.path()).unwrap();
    }
}

//! What the operating system grants this process.

use std::io;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Descriptors beside those of connections: logs, listeners, the HTTP server, files read again.
const DESCRIPTORS_RESERVED: u64 = 64 + 128;

/// How many descriptors this process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit now.
    pub limit: u64,
}

/// Raises the soft limit of descriptors to the hard one: the soft one is 1,024 on many systems, for the
/// sake of programs that use `select`.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let limit: rlim_t = getrlimit(Resource::RLIMIT_NOFILE)?.0;
    Ok(OpenFiles { limit })
}

impl OpenFiles {
    /// How many connections fit, when each takes `descriptors_each`.
    pub fn connections_max(self, descriptors_each: u64) -> u64 {
        self.limit.saturating_sub(DESCRIPTORS_RESERVED) / descriptors_each.max(1)
    }

    /// Writes a warning when the configured number of connections does not fit; says whether it does.
    pub fn check_connections(self, connections_max: u64, descriptors_each: u64) -> bool {
        let fit = self.connections_max(descriptors_each);
        if fit < connections_max {
            tracing::warn!(
                connections_max,
                connections_that_fit = fit,
                open_files_limit = self.limit,
                open_files_needed = connections_max * descriptors_each + DESCRIPTORS_RESERVED,
                "connections-max does not fit the limit of open files: raise LimitNOFILE (systemd) or ulimit -Hn"
            );
        }
        fit >= connections_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_reaches_the_hard_one() {
        let open_files = raise_open_files().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, open_files.limit), (hard, hard));
    }

    #[test]
    fn connections_that_do_not_fit_are_noticed() {
        let open_files = OpenFiles { limit: 1024 };
        assert_eq!(open_files.connections_max(2), (1024 - 192) / 2);
        assert!(open_files.check_connections(416, 2));
        assert!(!open_files.check_connections(417, 2));
    }
}

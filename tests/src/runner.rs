//! Which run this is. A run is one `cargo test` or `cargo nextest`, however many processes it starts; its clusters
//! live as long as it does.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runner {
    pid: u32,
    /// Start time in the kernel's ticks since boot.
    born: u64,
}

impl Runner {
    /// The test runner that started this process; this process itself when it was started by hand.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn current() -> anyhow::Result<Runner> {
        let parent = nix::unistd::getppid().as_raw();
        let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        if name.starts_with("cargo") {
            Runner::of(u32::try_from(parent)?)
        } else {
            Runner::this_process()
        }
    }

    /// This process.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn this_process() -> anyhow::Result<Runner> {
        Runner::of(std::process::id())
    }

    fn of(pid: u32) -> anyhow::Result<Runner> {
        let born = born(pid).with_context(|| format!("cannot read /proc/{pid}/stat"))?;
        Ok(Runner { pid, born })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        born(self.pid) == Some(self.born)
    }

    /// A folder that belongs to this run alone.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        std::env::temp_dir().join(format!("gatekeeper-tests-{self}"))
    }
}

/// Field 22 of `/proc/PID/stat`, counted behind the name, which may hold blanks and parentheses. A zombie is dead.
fn born(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl std::fmt::Display for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.pid, self.born)
    }
}

impl FromStr for Runner {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Runner> {
        let (pid, born) = text.split_once('-').context("a runner is PID-TICKS")?;
        Ok(Runner {
            pid: pid.parse()?,
            born: born.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_with_its_number_is_not() {
        let this = Runner::this_process().unwrap();
        assert!(this.is_alive());
        let other = Runner {
            born: this.born + 1,
            ..this
        };
        assert!(!other.is_alive());
        assert_eq!(this.to_string().parse::<Runner>().unwrap(), this);
    }
}

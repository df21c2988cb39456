//! Which builds are measured: the `bench-lto` profile where it was built, else the one that `infra` itself is of.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The cargo profile made for measuring and for packages.
const BENCH_PROFILE: &str = "bench-lto";

/// The folder of the binaries: the one asked for, `bench-lto` beside our own when it is complete and not older
/// than ours, or our own.
pub(super) fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(asked) = asked {
        if !asked.join("relay").exists() {
            bail!(
                "there is no `relay` in {}: `cargo build --release -p infra --bins` makes it",
                asked.display()
            );
        }
        return Ok(asked.to_owned());
    }
    let own = std::env::current_exe().context("failed to find our own binary")?;
    let own = own.parent().context("our own binary has no folder")?;
    Ok(measured_beside(own).unwrap_or_else(|| own.to_owned()))
}

fn measured_beside(own: &Path) -> Option<PathBuf> {
    let other = own.parent()?.join(BENCH_PROFILE);
    let modified = |path: PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    for name in ["infra", "relay", "gatekeeper", "proxy"] {
        let theirs = modified(other.join(name))?;
        // one that was built before the last change to the code would measure yesterday's
        if modified(own.join(name)).is_some_and(|ours| ours > theirs) {
            return None;
        }
    }
    Some(other)
}

/// The folder in which a running process's binary lies.
pub(super) fn folder_of_process(pid: u32) -> Option<PathBuf> {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(program.parent()?.to_owned())
}

/// The build profile a folder is named after: nothing of the path before it, results are published.
pub(super) fn build_name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn bench_lto_is_taken_when_complete_and_not_older() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("release");
        let lto = dir.path().join(BENCH_PROFILE);
        for folder in [&own, &lto] {
            std::fs::create_dir(folder).unwrap();
            for name in ["infra", "relay", "gatekeeper"] {
                std::fs::write(folder.join(name), "").unwrap();
            }
        }
        assert_eq!(measured_beside(&own), None, "no proxy there");
        let proxy = std::fs::File::create(lto.join("proxy")).unwrap();
        assert_eq!(measured_beside(&own), Some(lto.clone()));
        std::fs::write(own.join("proxy"), "").unwrap();
        proxy
            .set_modified(SystemTime::now() - Duration::from_secs(60))
            .unwrap();
        assert_eq!(measured_beside(&own), None, "the proxy changed since");
    }

    #[test]
    fn a_folder_without_a_relay_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            folder(Some(dir.path()))
                .unwrap_err()
                .to_string()
                .contains("cargo build")
        );
        assert_eq!(
            build_name(Path::new("/x/target/bench-lto")).as_deref(),
            Some("bench-lto")
        );
        assert_eq!(
            folder_of_process(std::process::id()),
            std::env::current_exe().unwrap().parent().map(Into::into)
        );
    }
}

//! Passwords and the files that hold them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use rand::Rng;
use rand::distr::Alphanumeric;

/// 24 letters and digits are 142 bits.
const PASSWORD_CHARS: usize = 24;

/// A new random password of letters and digits, so that no shell and no option file needs quotes for it.
pub(crate) fn password() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(PASSWORD_CHARS)
        .map(char::from)
        .collect()
}

/// Writes a file that only its owner can read, in one step: readers see the old text or the new.
pub(crate) fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    write_at_once(file, text, 0o600).with_context(|| format!("cannot write {}", file.display()))
}

fn write_at_once(file: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let unfinished = Path::new(&name);
    let _ = std::fs::remove_file(unfinished);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(unfinished)?;
    out.write_all(text.as_bytes())?;
    drop(out);
    std::fs::rename(unfinished, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_stays_private_when_it_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        for text in ["one", "two"] {
            write_private(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn passwords_differ_and_need_no_quotes() {
        let (one, two) = (password(), password());
        assert_ne!(one, two);
        assert!(one.len() == PASSWORD_CHARS && one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

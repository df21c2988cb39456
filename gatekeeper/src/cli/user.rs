//! `gatekeeper user …`

use std::io::{self, BufRead, IsTerminal, Write};

use daemon::exit::{Code, Failure};
use wire::auth::{PASSWORD_BYTES_MAX, Password};

use super::{NewPassword, Target, UserCommand};
use crate::config::PolicyName;
use crate::users::{EditError, UsersFile, Verifiers, check_password};

const RELOAD_HINT: &str = "a running gatekeeper takes it up on SIGHUP";

pub(super) fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add {
            target,
            policy,
            require_tls,
            replication,
            password,
        } => {
            let mut file = UsersFile::open(&target.file)?;
            if file.users()?.iter().any(|user| user.name == target.name) {
                return Err(EditError::Exists(target.name).into());
            }
            let verifiers = verifiers(&target, &password)?;
            file.add(&target.name, policy.map(Into::into), require_tls, &verifiers)?;
            if replication {
                file.allow_replication(&target.name)?;
            }
            save(&file, &target, "added")
        }
        UserCommand::Password { target, password } => {
            let mut file = UsersFile::open(&target.file)?;
            if !file.users()?.iter().any(|user| user.name == target.name) {
                return Err(EditError::Missing(target.name).into());
            }
            let verifiers = verifiers(&target, &password)?;
            file.set_verifiers(&target.name, &verifiers)?;
            save(&file, &target, "has a new password")
        }
        UserCommand::Remove { target } => {
            let mut file = UsersFile::open(&target.file)?;
            file.remove(&target.name)?;
            save(&file, &target, "removed")
        }
        UserCommand::List { file } => {
            let users = UsersFile::open(&file)?.users()?;
            list(&users, &mut io::stdout().lock())
                .map_err(|error| Failure::new(Code::Write, format!("cannot write the list: {error}")))
        }
    }
}

fn save(file: &UsersFile, target: &Target, what: &str) -> Result<(), Failure> {
    file.save()?;
    eprintln!(
        "{:?} {what} in {}; {RELOAD_HINT}",
        target.name,
        target.file.display()
    );
    Ok(())
}

fn list(users: &[crate::users::raw::User], out: &mut impl Write) -> io::Result<()> {
    for user in users {
        let policy = match user.policy {
            Some(PolicyName::Strict) => "strict",
            Some(PolicyName::Off) => "off",
            None => "default",
        };
        let plugins = match (&user.caching_sha2, &user.native, &user.ed25519) {
            (Some(_), Some(_), Some(_)) => "all",
            (Some(_), Some(_), None) => "both",
            (Some(_), None, Some(_)) => "caching-sha2, ed25519",
            (Some(_), None, None) => "caching-sha2",
            (None, Some(_), Some(_)) => "native, ed25519",
            (None, Some(_), None) => "native",
            (None, None, Some(_)) => "ed25519",
            (None, None, None) => "none",
        };
        let tls = if user.require_tls { "\ttls" } else { "" };
        let replication = if user.replication { "\treplication" } else { "" };
        writeln!(
            out,
            "{}\tpolicy {policy}\tplugin {plugins}{tls}{replication}",
            user.name
        )?;
    }
    Ok(())
}

fn verifiers(target: &Target, new: &NewPassword) -> Result<Verifiers, Failure> {
    let password = if new.password_stdin {
        first_line(io::stdin().lock()).map_err(|error| unreadable(&error))?
    } else if io::stdin().is_terminal() {
        ask(&target.name).map_err(|error| unreadable(&error))?
    } else {
        return Err(
            Failure::new(Code::Usage, "there is no terminal to ask for the password at")
                .next_step("give it on standard input with --password-stdin"),
        );
    };
    check_password(&password).map_err(|complaint| Failure::new(Code::Data, complaint))?;
    Ok(Verifiers::make(&password, new.plugin.plugins()))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Code::Data, format!("cannot read the password: {error}"))
}

/// Twice, without showing it.
fn ask(name: &str) -> io::Result<Password> {
    let first = Password::new(rpassword::prompt_password(format!("password for {name:?}: "))?.into_bytes());
    let second = Password::new(rpassword::prompt_password("once more: ")?.into_bytes());
    if first != second {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the two are not the same",
        ));
    }
    Ok(first)
}

/// Bytes up to the end of the first line; enough of a longer one to see that it is too long.
fn first_line(input: impl BufRead) -> io::Result<Password> {
    let mut password = Password::default();
    input
        .take(PASSWORD_BYTES_MAX as u64 + 2)
        .read_until(b'\n', &mut password)?;
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    Ok(password)
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Read(error) => error.into(),
            EditError::Write { .. } => Self::new(Code::Write, error.to_string()),
            EditError::Missing(_) => Self::new(Code::Data, error.to_string())
                .next_step("gatekeeper user list --file FILE shows those there are"),
            EditError::Exists(_) => Self::new(Code::Data, error.to_string())
                .next_step("gatekeeper user password --file FILE NAME changes the password"),
            EditError::Refused(_) => Self::new(Code::Data, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::auth::Plugin;

    use super::*;
    use crate::users::raw;

    #[test]
    fn a_password_is_the_first_line_of_the_input() {
        for (input, password) in [
            (&b"word"[..], &b"word"[..]),
            (b"word\n", b"word"),
            (b"word\r\n", b"word"),
            (b" two words \nmore\n", b" two words "),
            (b"", b""),
        ] {
            assert_eq!(*first_line(input).unwrap(), password);
        }
        assert!(check_password(&first_line(&[b'x'; 1000][..]).unwrap()).is_err());
    }

    #[test]
    fn the_list_shows_no_verifier() {
        let verifiers = Verifiers::make(b"secret", &[Plugin::NativePassword]);
        let mut users = vec![
            raw::User::new("app", None, &verifiers),
            raw::User::new("dba", Some(PolicyName::Off), &verifiers),
        ];
        users[1].require_tls = true;
        users[1].replication = true;
        let mut out = Vec::new();
        list(&users, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(
            shown,
            "app\tpolicy default\tplugin native\ndba\tpolicy off\tplugin native\ttls\treplication\n"
        );
    }
}

//! Who may log in: the users file, and the users that sessions ask for.
//!
//! ```text
//! users.toml ──raw──▶ Users::load ──▶ UserDirectory (swapped as a whole on SIGHUP) ──▶ session
//! ```
//!
//! Passwords are not kept, only what verifies them. A file with a mistake never replaces a good one.

mod edit;
pub mod raw;
#[cfg(test)]
mod tests;
mod user;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use daemon::config_file::{self, ConfigFileError, Problems};
use daemon::exit::{Code, Failure};
use peer::accept::{Accounts, Credential, Shape};
use rand::Rng;
use thiserror::Error;
use wire::auth::{PASSWORD_BYTES_MAX, Plugin, caching_sha2, ed25519, native_password};
use wire::limits::USER_NAME_BYTES_MAX;

use crate::config::PolicyName;

pub(crate) use edit::write_atomically;
pub use edit::{EditError, UsersFile};
pub use user::User;

/// Most users in one file: all are held in memory.
pub const USERS_MAX: usize = 100_000;

/// Permission bits of "everybody else".
const MODE_OTHERS: u32 = 0o007;

/// What proves one password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verifiers {
    /// For `mysql_native_password`.
    pub native: Option<native_password::Verifier>,
    /// For `caching_sha2_password`.
    pub caching_sha2: Option<caching_sha2::Verifier>,
    /// For MariaDB's `client_ed25519`.
    pub ed25519: Option<ed25519::Verifier>,
}

impl Verifiers {
    /// The verifiers of a password for these plugins; slow, on purpose.
    pub fn make(password: &[u8], plugins: &[Plugin]) -> Self {
        let wanted = |plugin| plugins.contains(&plugin);
        Self {
            native: wanted(Plugin::NativePassword).then(|| native_password::Verifier::make(password)),
            caching_sha2: wanted(Plugin::CachingSha2)
                .then(|| caching_sha2::Verifier::make(password, rand::rng().random())),
            ed25519: wanted(Plugin::Ed25519).then(|| ed25519::Verifier::make(password)),
        }
    }
}

/// Everybody who may log in, at one moment.
#[derive(Debug)]
pub struct Users {
    by_name: HashMap<Box<[u8]>, Arc<User>>,
    /// Against what somebody else proves a password: of the shape that most users have.
    decoy: Arc<Credential>,
}

/// The users file is of no use.
#[derive(Debug, Error)]
pub enum UsersError {
    /// It cannot be read, or is not TOML.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// Its entries are wrong.
    #[error("{path}: {problems}", path = path.display())]
    Entries {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Problems,
    },
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::File(error) => error.into(),
            UsersError::Entries { .. } => Failure::new(Code::Config, error.to_string()),
        }
    }
}

impl Users {
    /// Reads and checks a file; entries without a policy get `default`.
    pub fn load(path: &Path, default: PolicyName) -> Result<Self, UsersError> {
        if let Ok(facts) = fs::metadata(path)
            && facts.permissions().mode() & MODE_OTHERS != 0
        {
            tracing::warn!(path = %path.display(), "every user of this machine can read the users file: chmod 600 it");
        }
        let raw = config_file::read(path)?;
        Self::check(raw, default).map_err(|problems| UsersError::Entries {
            path: path.to_owned(),
            problems,
        })
    }

    /// Checks what a file said.
    pub fn check(raw: raw::Users, default: PolicyName) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if raw.users.len() > USERS_MAX {
            problems.add("users", format!("{} are more than {USERS_MAX}", raw.users.len()));
        }
        let mut by_name = HashMap::with_capacity(raw.users.len());
        for (index, entry) in raw.users.into_iter().enumerate() {
            let place = format!("user {} {:?}", index + 1, entry.name);
            if let Some(user) = check_entry(entry, default, &place, &mut problems) {
                let name = user.name().as_bytes().into();
                if by_name.insert(name, Arc::new(user)).is_some() {
                    problems.suggest(place, "has the name of an earlier one", "keep one of them");
                }
            }
        }
        problems.finish()?;
        let decoy = Arc::new(Credential::decoy(usual_shape(by_name.values())));
        Ok(Self { by_name, decoy })
    }

    /// The user of that name, as the client sent it.
    pub fn find(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }
}

/// The shape that most users have, so that a stranger's name is answered as theirs are, and as slowly.
fn usual_shape<'a>(users: impl Iterator<Item = &'a Arc<User>>) -> Shape {
    let mut counts: HashMap<Shape, usize> = HashMap::new();
    for user in users {
        *counts.entry(user.credential().shape()).or_default() += 1;
    }
    // of several the same one after each reading: the slowest
    let rank =
        |(shape, count): &(Shape, usize)| (*count, shape.caching_sha2_rounds, shape.native, shape.ed25519);
    let usual = counts.into_iter().max_by_key(rank);
    usual.map_or_else(Shape::default, |(shape, _)| shape)
}

fn check_entry(entry: raw::User, default: PolicyName, place: &str, problems: &mut Problems) -> Option<User> {
    let name_bytes = entry.name.len();
    if name_bytes == 0 || name_bytes > USER_NAME_BYTES_MAX || entry.name.contains(char::is_control) {
        let sentence = format!("a name has 1 to {USER_NAME_BYTES_MAX} bytes and no control characters");
        problems.add(place, sentence);
        return None;
    }
    let native = entry.native.as_deref().map(|text| {
        problems.take(
            &format!("{place} native"),
            text.parse::<native_password::Verifier>(),
        )
    });
    let caching_sha2 = entry.caching_sha2.as_deref().map(|text| {
        problems.take(
            &format!("{place} caching-sha2"),
            caching_sha2::Verifier::parse(text.as_bytes()),
        )
    });
    let ed25519 = entry
        .ed25519
        .as_deref()
        .map(|text| problems.take(&format!("{place} ed25519"), text.parse::<ed25519::Verifier>()));
    if native.is_none() && caching_sha2.is_none() && ed25519.is_none() {
        let way_out = "run: gatekeeper user password --file FILE NAME";
        problems.suggest(
            place,
            "has no native, caching-sha2 or ed25519: nobody can log in",
            way_out,
        );
        return None;
    }
    let verifiers = Verifiers {
        native: native.flatten(),
        caching_sha2: caching_sha2.flatten(),
        ed25519: ed25519.flatten(),
    };
    let policy = entry.policy.unwrap_or(default);
    Some(User::new(entry.name, policy, entry.require_tls, verifiers).with_replication(entry.replication))
}

/// The users of this moment, for many sessions; swapped as a whole. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct UserDirectory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    default: PolicyName,
    current: ArcSwap<Users>,
}

impl UserDirectory {
    /// Reads the file for the first time.
    pub fn open(path: &Path, default: PolicyName) -> Result<Self, UsersError> {
        let current = ArcSwap::from_pointee(Users::load(path, default)?);
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            default,
            current,
        })))
    }

    /// The users of this moment; hold it for one login, not for a session.
    pub fn current(&self) -> Arc<Users> {
        self.0.current.load_full()
    }

    /// The user of that name, as it is now.
    pub fn user(&self, name: &[u8]) -> Option<Arc<User>> {
        self.0.current.load().find(name).map(Arc::clone)
    }

    /// Reads the file again and returns how many users there are now. With an error everything stays.
    /// A password that has been proved once stays so, unless it has changed.
    pub fn reload(&self) -> Result<usize, UsersError> {
        let mut new = Users::load(&self.0.path, self.0.default)?;
        let old = self.current();
        for (name, user) in &mut new.by_name {
            if let (Some(user), Some(before)) = (Arc::get_mut(user), old.find(name)) {
                user.keep_credential(before);
            }
        }
        if new.decoy.shape() == old.decoy.shape() {
            new.decoy = Arc::clone(&old.decoy);
        }
        let count = new.count();
        self.0.current.store(Arc::new(new));
        Ok(count)
    }
}

/// Logins look accounts up here.
impl Accounts for UserDirectory {
    fn find(&self, user: &[u8]) -> Option<Arc<Credential>> {
        self.user(user).map(|user| Arc::clone(user.credential()))
    }

    fn decoy(&self) -> Arc<Credential> {
        Arc::clone(&self.0.current.load().decoy)
    }
}

/// Says what is wrong with a new password, if something is.
pub fn check_password(password: &[u8]) -> Result<(), &'static str> {
    if password.is_empty() {
        return Err("an empty password lets everybody in who knows the name");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err("a password has at most 256 bytes");
    }
    if password.contains(&0) {
        return Err("a password cannot contain a zero byte: clients send it up to there");
    }
    Ok(())
}

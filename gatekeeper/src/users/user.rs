//! One user, as a session needs it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rand::Rng;
use wire::auth::caching_sha2::{self, FastVerifier};
use wire::auth::{Plugin, native_password};

use super::Verifiers;
use crate::config::PolicyName;

/// Somebody who may log in.
pub struct User {
    name: Arc<str>,
    policy: PolicyName,
    require_tls: bool,
    verifiers: Verifiers,
    /// Made from the password once somebody has proved it in full; memory only.
    fast: ArcSwapOption<FastVerifier>,
}

impl User {
    pub(super) fn new(name: String, policy: PolicyName, require_tls: bool, verifiers: Verifiers) -> Self {
        Self {
            name: name.into(),
            policy,
            require_tls,
            verifiers,
            fast: ArcSwapOption::empty(),
        }
    }

    /// A user with random verifiers, which no password fits.
    pub(super) fn decoy() -> Self {
        let mut random = rand::rng();
        let native = native_password::Verifier(random.random());
        let password: [u8; 32] = random.random();
        let caching_sha2 = caching_sha2::Verifier::make(&password, random.random());
        let verifiers = Verifiers {
            native: Some(native),
            caching_sha2: Some(caching_sha2),
        };
        Self::new(String::new(), PolicyName::Strict, false, verifiers)
    }

    /// The name, as the client must send it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What happens to this user's statements.
    pub fn policy(&self) -> PolicyName {
        self.policy
    }

    /// Never without TLS, except on the Unix socket.
    pub fn require_tls(&self) -> bool {
        self.require_tls
    }

    /// Plugins that can prove this user's password, the better one first.
    pub fn plugins(&self) -> &'static [Plugin] {
        match (&self.verifiers.caching_sha2, &self.verifiers.native) {
            (Some(_), Some(_)) => &[Plugin::CachingSha2, Plugin::NativePassword],
            (Some(_), None) => &[Plugin::CachingSha2],
            (None, Some(_)) => &[Plugin::NativePassword],
            (None, None) => &[],
        }
    }

    /// For `mysql_native_password`.
    pub fn native(&self) -> Option<&native_password::Verifier> {
        self.verifiers.native.as_ref()
    }

    /// For the full exchange of `caching_sha2_password`; slow.
    pub fn caching_sha2(&self) -> Option<&caching_sha2::Verifier> {
        self.verifiers.caching_sha2.as_ref()
    }

    /// For the fast exchange of `caching_sha2_password`, once the full one has succeeded.
    pub fn fast(&self) -> Option<Arc<FastVerifier>> {
        self.fast.load_full()
    }

    /// The full exchange has succeeded with this password.
    pub fn remember(&self, password: &[u8]) {
        self.fast.store(Some(Arc::new(FastVerifier::make(password))));
    }

    /// Takes over what an earlier reading of the file has proved, when the password is still the same.
    pub(super) fn remember_from(&self, before: &User) {
        if self.verifiers.caching_sha2 == before.verifiers.caching_sha2 {
            self.fast.store(before.fast.load_full());
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("require_tls", &self.require_tls)
            .field("plugins", &self.plugins())
            .finish_non_exhaustive()
    }
}

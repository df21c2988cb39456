//! One user, as a session needs it.

use std::sync::Arc;

use peer::accept::Credential;

use super::Verifiers;
use crate::config::PolicyName;

/// Somebody who may log in.
#[derive(Debug)]
pub struct User {
    name: Arc<str>,
    policy: PolicyName,
    replication: bool,
    credential: Arc<Credential>,
}

impl User {
    pub(super) fn new(name: String, policy: PolicyName, require_tls: bool, verifiers: Verifiers) -> Self {
        let Verifiers {
            native,
            caching_sha2,
            ed25519,
        } = verifiers;
        let credential = Credential::new(native, caching_sha2, ed25519, require_tls);
        Self {
            name: name.into(),
            policy,
            replication: false,
            credential: Arc::new(credential),
        }
    }

    /// The name, as the client must send it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What happens to this user's statements.
    pub fn policy(&self) -> PolicyName {
        self.policy
    }

    /// Lets the user read the binary log.
    #[must_use]
    pub(super) fn with_replication(mut self, replication: bool) -> Self {
        self.replication = replication;
        self
    }

    /// Whether the user may read the binary log, as replicas do.
    pub fn replication(&self) -> bool {
        self.replication
    }

    /// What a login proves its password against.
    pub fn credential(&self) -> &Arc<Credential> {
        &self.credential
    }

    /// Takes over an earlier reading's credential, when it says the same: a password that was proved once
    /// need not be proved in full again.
    pub(super) fn keep_credential(&mut self, before: &User) {
        let (new, old) = (&self.credential, &before.credential);
        let same = new.native == old.native
            && new.caching_sha2 == old.caching_sha2
            && new.ed25519 == old.ed25519
            && new.require_tls == old.require_tls;
        if same {
            self.credential = Arc::clone(old);
        }
    }
}

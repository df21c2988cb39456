//! What is kept of an account.

use std::sync::{Arc, OnceLock};

use wire::auth::caching_sha2::{self, FastVerifier};
use wire::auth::{Plugin, native_password};
use wire::handshake::{FastProof, Nonce};

/// Where accounts are looked up.
pub trait Accounts {
    /// What is kept of this user.
    fn find(&self, user: &[u8]) -> Option<Arc<Credential>>;
}

/// What a password is checked against. At least one of the two verifiers is there.
#[derive(Debug, Default)]
pub struct Credential {
    /// For `mysql_native_password`.
    pub native: Option<native_password::Verifier>,
    /// For `caching_sha2_password`.
    pub caching_sha2: Option<caching_sha2::Verifier>,
    /// Whether this account may use a secure connection only.
    pub require_tls: bool,
    /// Made of the password when it was proved for the first time. A changed password is another `Credential`.
    fast: OnceLock<FastVerifier>,
}

impl Credential {
    /// With these verifiers.
    pub fn new(
        native: Option<native_password::Verifier>,
        caching_sha2: Option<caching_sha2::Verifier>,
        require_tls: bool,
    ) -> Self {
        Self {
            native,
            caching_sha2,
            require_tls,
            fast: OnceLock::new(),
        }
    }

    /// One that no password fits, and that takes as long to find out as any other.
    pub(super) fn decoy() -> Self {
        let (salt, first, rest): ([u8; 20], [u8; 32], [u8; 11]) = rand::random();
        let mut digest = [0; 43];
        for (digest, byte) in digest.iter_mut().zip(first.iter().chain(&rest)) {
            // no character of a digest
            *digest = byte | 0x80;
        }
        let slow = caching_sha2::Verifier {
            salt,
            rounds: caching_sha2::ROUNDS_DEFAULT,
            digest,
        };
        Self::new(Some(native_password::Verifier(rand::random())), Some(slow), false)
    }

    /// The plugins that this account can be proved by.
    pub fn plugins(&self) -> Vec<Plugin> {
        let native = self.native.as_ref().map(|_| Plugin::NativePassword);
        let caching = self.caching_sha2.as_ref().map(|_| Plugin::CachingSha2);
        caching.into_iter().chain(native).collect()
    }

    /// Whether a fast proof can be checked.
    pub fn remembers_password(&self) -> bool {
        self.fast.get().is_some()
    }

    /// Whether a native proof is right.
    pub(super) fn verify_native(&self, nonce: Nonce, response: &[u8]) -> bool {
        self.native
            .as_ref()
            .is_some_and(|verifier| verifier.verify(nonce, response))
    }

    /// Whether a fast proof is right; false as well when the password was not proved before.
    pub(super) fn verify_fast(&self, proof: &FastProof) -> bool {
        self.fast
            .get()
            .is_some_and(|fast| fast.verify(proof.nonce(), proof.response()))
    }

    /// Whether this is the password. Slow; a right one is remembered for fast proofs.
    pub(super) fn verify_password(&self, password: &[u8]) -> bool {
        let right = self
            .caching_sha2
            .as_ref()
            .is_some_and(|verifier| verifier.verify(password));
        if right {
            self.fast.get_or_init(|| FastVerifier::make(password));
        }
        right
    }
}

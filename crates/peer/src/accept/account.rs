//! What is kept of an account.

use std::sync::{Arc, OnceLock};

use wire::auth::caching_sha2::{self, FastVerifier};
use wire::auth::certificate_proof::{self, Fingerprint};
use wire::auth::ed25519::Challenge;
use wire::auth::{Plugin, ed25519, native_password};
use wire::handshake::{FastProof, Nonce};

/// Where accounts are looked up.
pub trait Accounts {
    /// What is kept of this user.
    fn find(&self, user: &[u8]) -> Option<Arc<Credential>>;

    /// Against what somebody without an account proves a password: a [`Credential::decoy`] that costs what the
    /// accounts cost.
    fn decoy(&self) -> Arc<Credential>;
}

/// What a stranger can see of a credential: how it is proved, and how long that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Whether `mysql_native_password` proves it.
    pub native: bool,
    /// Rounds of its `caching_sha2_password` verifier.
    pub caching_sha2_rounds: Option<u32>,
    /// Whether `client_ed25519` proves it.
    pub ed25519: bool,
}

impl Default for Shape {
    /// Of an account that was made with all defaults.
    fn default() -> Self {
        Self {
            native: true,
            caching_sha2_rounds: Some(caching_sha2::ROUNDS_DEFAULT),
            ed25519: false,
        }
    }
}

/// What a password is checked against. At least one of the verifiers is there.
#[derive(Debug, Default)]
pub struct Credential {
    /// For `mysql_native_password`.
    pub native: Option<native_password::Verifier>,
    /// For `caching_sha2_password`.
    pub caching_sha2: Option<caching_sha2::Verifier>,
    /// For `client_ed25519`.
    pub ed25519: Option<ed25519::Verifier>,
    /// Whether this account may use a secure connection only.
    pub require_tls: bool,
    /// Made of the password when it was proved for the first time. A changed password is another `Credential`.
    fast: OnceLock<FastVerifier>,
    /// The password itself was known: a fast proof decides, nobody is asked for the password in full.
    fast_decides: bool,
}

impl Credential {
    /// With these verifiers.
    pub fn new(
        native: Option<native_password::Verifier>,
        caching_sha2: Option<caching_sha2::Verifier>,
        ed25519: Option<ed25519::Verifier>,
        require_tls: bool,
    ) -> Self {
        Self {
            native,
            caching_sha2,
            ed25519,
            require_tls,
            fast: OnceLock::new(),
            fast_decides: false,
        }
    }

    /// Of a password that we have ourselves. No client needs TLS or our key to prove it.
    pub fn of_password(password: &[u8]) -> Self {
        let slow = caching_sha2::Verifier::make(password, rand::random());
        Self {
            fast: FastVerifier::make(password).into(),
            fast_decides: true,
            ..Self::new(
                Some(native_password::Verifier::make(password)),
                Some(slow),
                None,
                false,
            )
        }
    }

    /// Whether a fast proof that is wrong is the wrong password.
    pub(super) fn fast_decides(&self) -> bool {
        self.fast_decides
    }

    /// One that no password fits, and that takes as long to find out as one of that shape.
    pub fn decoy(shape: Shape) -> Self {
        let (salt, first, rest): ([u8; 20], [u8; 32], [u8; 11]) = rand::random();
        let mut digest = [0; 43];
        for (digest, byte) in digest.iter_mut().zip(first.iter().chain(&rest)) {
            // no character of a digest
            *digest = byte | 0x80;
        }
        let slow = shape
            .caching_sha2_rounds
            .map(|rounds| caching_sha2::Verifier { salt, rounds, digest });
        let native = shape.native.then(|| native_password::Verifier(rand::random()));
        // a key whose password nobody knows
        let secret: [u8; 32] = rand::random();
        let ed25519 = shape.ed25519.then(|| ed25519::Verifier::make(&secret));
        Self::new(native, slow, ed25519, false)
    }

    /// What a stranger can see of it.
    pub fn shape(&self) -> Shape {
        Shape {
            native: self.native.is_some(),
            caching_sha2_rounds: self.caching_sha2.as_ref().map(|verifier| verifier.rounds),
            ed25519: self.ed25519.is_some(),
        }
    }

    /// The plugins that this account can be proved by.
    pub fn plugins(&self) -> Vec<Plugin> {
        let native = self.native.as_ref().map(|_| Plugin::NativePassword);
        let caching = self.caching_sha2.as_ref().map(|_| Plugin::CachingSha2);
        let ed25519 = self.ed25519.as_ref().map(|_| Plugin::Ed25519);
        caching.into_iter().chain(native).chain(ed25519).collect()
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

    /// Whether a signature is right.
    pub(super) fn verify_ed25519(&self, challenge: Challenge, response: &[u8]) -> bool {
        self.ed25519
            .as_ref()
            .is_some_and(|verifier| verifier.verify(challenge, response))
    }

    /// What tells a client that proved its password by that plugin whose certificate it has seen. The plugins that
    /// send a password itself have nothing to tell: who listens could have it.
    pub(super) fn certificate_proof(
        &self,
        by: Plugin,
        nonce: Nonce,
        certificate: Fingerprint,
    ) -> Option<Vec<u8>> {
        match by {
            Plugin::NativePassword => {
                let verifier = self.native.as_ref()?;
                Some(certificate_proof::by_native(verifier, nonce, certificate))
            }
            Plugin::Ed25519 => {
                let verifier = self.ed25519.as_ref()?;
                Some(certificate_proof::by_ed25519(verifier, nonce, certificate))
            }
            Plugin::CachingSha2 | Plugin::Sha256Password => None,
        }
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

//! [client_ed25519](https://mariadb.com/kb/en/authentication-plugin-ed25519/), MariaDB's:
//! an ed25519 signature ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032#section-5.1)) of 32 random bytes.
//!
//! The one thing that is not in the RFC: the secret is the password itself, of any length, where the RFC has 32
//! random bytes. So the public key is as good as a weak password to who steals it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA512};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use curve25519_dalek::scalar::clamp_integer;
use curve25519_dalek::{EdwardsPoint, Scalar};
use thiserror::Error;
use zeroize::Zeroizing;

/// Length of a challenge, in bytes.
pub const CHALLENGE_BYTES: usize = 32;

/// Length of a proof, in bytes.
pub const RESPONSE_BYTES: usize = 64;

const HALF: usize = 32;

/// Random bytes that a proof is bound to; the plugin has its own, longer than the greeting's nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge(pub [u8; CHALLENGE_BYTES]);

/// What a server keeps of a password: its public key. Not enough to log in with, but enough to find out the
/// password when it is weak: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(pub [u8; HALF]);

/// Text that is no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected 43 characters of base64, as in authentication_string of mysql.user")]
pub struct NotAVerifier;

impl Verifier {
    /// The verifier of a password.
    pub fn make(password: &[u8]) -> Self {
        Self(Secret::of(password).public_key)
    }

    /// Whether `response` was made with the password for this challenge.
    pub fn verify(&self, challenge: Challenge, response: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        response.len() == RESPONSE_BYTES && key.verify(&challenge.0, response).is_ok()
    }
}

impl FromStr for Verifier {
    type Err = NotAVerifier;

    fn from_str(text: &str) -> Result<Self, NotAVerifier> {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| NotAVerifier)?;
        bytes.try_into().map(Self).map_err(|_| NotAVerifier)
    }
}

/// As in `authentication_string`: base64 without its padding.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

/// The client's proof for this challenge. Some microseconds of arithmetic; of a length that does not depend on
/// whether there is a password.
pub fn sign(challenge: Challenge, password: &[u8]) -> Vec<u8> {
    let secret = Secret::of(password);
    let nonce = scalar_of(&[&*secret.prefix, &challenge.0]);
    let commitment = EdwardsPoint::mul_base(&nonce).compress();
    let factor = scalar_of(&[commitment.as_bytes(), &secret.public_key, &challenge.0]);
    let sum = *nonce + *factor * *secret.scalar;
    let mut signature = commitment.as_bytes().to_vec();
    signature.extend_from_slice(sum.as_bytes());
    signature
}

/// What RFC 8032 makes of a secret.
struct Secret {
    scalar: Zeroizing<Scalar>,
    prefix: Zeroizing<[u8; HALF]>,
    public_key: [u8; HALF],
}

impl Secret {
    fn of(password: &[u8]) -> Self {
        let digest = sha512(&[password]);
        let (mut low, mut prefix) = (Zeroizing::new([0; HALF]), Zeroizing::new([0; HALF]));
        let (front, back) = digest.split_at(HALF);
        low.copy_from_slice(front);
        prefix.copy_from_slice(back);
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(clamp_integer(*low)));
        let public_key = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
        Self {
            scalar,
            prefix,
            public_key,
        }
    }
}

fn scalar_of(parts: &[&[u8]]) -> Zeroizing<Scalar> {
    Zeroizing::new(Scalar::from_bytes_mod_order_wide(&sha512(parts)))
}

fn sha512(parts: &[&[u8]]) -> Zeroizing<[u8; 2 * HALF]> {
    let mut context = Context::new(&SHA512);
    for part in parts {
        context.update(part);
    }
    let mut out = Zeroizing::new([0; 2 * HALF]);
    for (out, byte) in out.iter_mut().zip(context.finish().as_ref()) {
        *out = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CREATE USER ed IDENTIFIED VIA ed25519 USING PASSWORD('secret')`, then `authentication_string`.
    const AS_KEPT: &str = "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY";

    #[test]
    fn verifier_as_kept_by_mariadb_10_11() {
        assert_eq!(Verifier::make(b"secret").to_string(), AS_KEPT);
        assert_eq!(AS_KEPT.parse(), Ok(Verifier::make(b"secret")));
    }

    #[test]
    fn the_proof_of_this_password_and_challenge_only() {
        for password in [
            &b"secret"[..],
            b"",
            b"a password that is longer than the thirty-two bytes of a seed",
        ] {
            let (challenge, verifier) = (Challenge([7; 32]), Verifier::make(password));
            let proof = sign(challenge, password);
            assert_eq!(proof.len(), RESPONSE_BYTES);
            assert!(verifier.verify(challenge, &proof));
            assert!(!verifier.verify(Challenge([8; 32]), &proof));
            assert!(!verifier.verify(challenge, &sign(challenge, b"Secret")));
            assert!(!verifier.verify(challenge, &proof[..63]));
            assert!(!verifier.verify(challenge, b""));
            let mut longer = proof.clone();
            longer.push(0);
            assert!(!verifier.verify(challenge, &longer));
        }
    }

    #[test]
    fn text_that_is_no_verifier() {
        for text in [
            "",
            "secret",
            &AS_KEPT[1..],
            "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7",
        ] {
            assert_eq!(text.parse::<Verifier>(), Err(NotAVerifier), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_no_point_verifies_nothing() {
        let challenge = Challenge([1; 32]);
        for key in [[0xff; 32], [0; 32], [2; 32]] {
            assert!(!Verifier(key).verify(challenge, &sign(challenge, b"secret")));
        }
    }
}

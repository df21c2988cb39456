//! [mysql_native_password](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html):
//! `SHA1(password) XOR SHA1(nonce ‖ SHA1(SHA1(password)))`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use thiserror::Error;
use zeroize::Zeroizing;

use super::same;
use crate::handshake::Nonce;

/// Length of a proof, in bytes.
pub const RESPONSE_BYTES: usize = 20;

/// What a server keeps of a password: `SHA1(SHA1(password))`. Not enough to log in with, but enough to
/// find out the password when it is weak: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(pub [u8; 20]);

/// Text that is no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a star and forty hexadecimal digits, as in mysql.user")]
pub struct NotAVerifier;

impl Verifier {
    /// The verifier of a password.
    pub fn make(password: &[u8]) -> Self {
        Self(sha1(&*Zeroizing::new(sha1(password))))
    }

    /// Whether `response` was made with the password for this nonce.
    pub fn verify(&self, nonce: Nonce, response: &[u8]) -> bool {
        let Ok(response) = <[u8; RESPONSE_BYTES]>::try_from(response) else {
            return false;
        };
        let mut mask = [0; Nonce::BYTES + 20];
        let (front, back) = mask.split_at_mut(Nonce::BYTES);
        front.copy_from_slice(&nonce.0);
        back.copy_from_slice(&self.0);
        let mask = sha1(&mask);
        // what is left when the mask is taken off must be SHA1(password)
        let once: [u8; 20] = std::array::from_fn(|at| response[at] ^ mask[at]);
        same(&sha1(&*Zeroizing::new(once)), &self.0)
    }
}

/// The client's proof for this nonce; an empty password has an empty proof.
pub fn scramble(nonce: Nonce, password: &[u8]) -> Vec<u8> {
    scramble_native(&nonce.0, password)
        .map(Vec::from)
        .unwrap_or_default()
}

impl FromStr for Verifier {
    type Err = NotAVerifier;

    fn from_str(text: &str) -> Result<Self, NotAVerifier> {
        let digits = text.strip_prefix('*').ok_or(NotAVerifier)?.as_bytes();
        let digits: &[u8; 40] = digits.try_into().map_err(|_| NotAVerifier)?;
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(NotAVerifier);
            };
            *byte = u8::try_from(high << 4 | low).map_err(|_| NotAVerifier)?;
        }
        Ok(Self(bytes))
    }
}

/// As in `mysql.user`: a star and forty digits.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    for (out, byte) in out
        .iter_mut()
        .zip(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
    {
        *out = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7";

    #[test]
    fn verifier_as_kept_by_mariadb_10_11() {
        assert_eq!(Verifier::make(b"secret").to_string(), SECRET);
        assert_eq!(SECRET.parse(), Ok(Verifier::make(b"secret")));
        assert_eq!(SECRET.to_lowercase().parse(), Ok(Verifier::make(b"secret")));
    }

    #[test]
    fn response_as_sent_by_the_client_of_mariadb_10_11() {
        let nonce = Nonce(*b"i5j9{$;>bS\\QavM\\hw;a");
        let response = hex::decode("442f75edbf996f67edfc56b72776c3831a568961").unwrap();
        assert_eq!(scramble(nonce, b"secret"), response);
        assert!(Verifier::make(b"secret").verify(nonce, &response));
    }

    #[test]
    fn nothing_else_is_accepted() {
        let (nonce, verifier) = (Nonce([5; 20]), Verifier::make(b"secret"));
        assert!(!verifier.verify(nonce, &scramble(nonce, b"Secret")));
        assert!(!verifier.verify(nonce, &scramble(Nonce([6; 20]), b"secret")));
        assert!(!verifier.verify(nonce, b""));
        assert!(!verifier.verify(nonce, &verifier.0));
    }

    #[test]
    fn text_that_is_no_verifier() {
        for text in [
            "",
            "*",
            "14E6",
            &SECRET[1..],
            &SECRET[..40],
            "*G4E65567ABDB5135D0CFD9A70B3032C179A49EE7",
        ] {
            assert_eq!(text.parse::<Verifier>(), Err(NotAVerifier), "{text}");
        }
    }
}

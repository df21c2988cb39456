//! [caching_sha2_password](https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html).
//!
//! Kept for long: an expensive [`Verifier`] of the password itself. Kept in memory once a password has been
//! proved: a [`FastVerifier`], against which `SHA256(p) XOR SHA256(SHA256(SHA256(p)) ‖ nonce)` is proved.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::crypt::{ENCODED_BYTES, sha256_crypt};
use super::{PASSWORD_BYTES_MAX, same};
use crate::handshake::Nonce;

/// Length of a fast proof, in bytes.
pub const RESPONSE_BYTES: usize = 32;

/// Rounds of a verifier that names none other: the servers' default.
pub const ROUNDS_DEFAULT: u32 = 5000;

/// The servers' own limit of `caching_sha2_password_digest_rounds`.
const ROUNDS_MAX: u32 = 0xfff * ROUNDS_UNIT;
const ROUNDS_UNIT: u32 = 1000;
const SALT_BYTES: usize = 20;

/// What a server keeps of a password, as in `mysql.user`:
/// `$A$` rounds in thousands, three hexadecimal digits, `$` salt of 20 bytes, digest of 43 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Random bytes.
    pub salt: [u8; SALT_BYTES],
    /// How often the digest is taken.
    pub rounds: u32,
    /// The encoded digest.
    pub digest: [u8; ENCODED_BYTES],
}

/// Bytes that are no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected $A$005$, a salt of 20 bytes and a digest of 43 characters, as in mysql.user")]
pub struct NotAVerifier;

impl Verifier {
    /// The verifier of a password. Slow: thousands of digests. The salt is made fit for text: printable.
    pub fn make(password: &[u8], random: [u8; SALT_BYTES]) -> Self {
        let salt = random.map(printable);
        let digest = sha256_crypt(password, &salt, ROUNDS_DEFAULT);
        Self {
            salt,
            rounds: ROUNDS_DEFAULT,
            digest,
        }
    }

    /// Reads what `mysql.user` holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAVerifier> {
        let rest = bytes.strip_prefix(b"$A$").ok_or(NotAVerifier)?;
        let (digits, rest) = rest.split_first_chunk::<3>().ok_or(NotAVerifier)?;
        let rest = rest.strip_prefix(b"$").ok_or(NotAVerifier)?;
        let (salt, digest) = rest.split_first_chunk().ok_or(NotAVerifier)?;
        let digest = digest.try_into().map_err(|_| NotAVerifier)?;
        let digits = digits.map(|digit| char::from(digit).to_digit(16));
        let [Some(a), Some(b), Some(c)] = digits else {
            return Err(NotAVerifier);
        };
        let rounds = (a << 8 | b << 4 | c) * ROUNDS_UNIT;
        if rounds == 0 {
            return Err(NotAVerifier);
        }
        Ok(Self {
            salt: *salt,
            rounds,
            digest,
        })
    }

    /// The bytes that `mysql.user` holds; a salt made by a server may hold what is no text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let thousands = self.rounds.min(ROUNDS_MAX) / ROUNDS_UNIT;
        let mut bytes = format!("$A${thousands:03X}$").into_bytes();
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.digest);
        bytes
    }

    /// Whether this is the password. Slow: call it where blocking is allowed.
    pub fn verify(&self, password: &[u8]) -> bool {
        password.len() <= PASSWORD_BYTES_MAX
            && same(&sha256_crypt(password, &self.salt, self.rounds), &self.digest)
    }
}

/// Any byte as a printable character that needs no escape in a configuration file.
fn printable(byte: u8) -> u8 {
    const CHARACTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    CHARACTERS[usize::from(byte & 0x3f)]
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

/// `SHA256(SHA256(password))`: cheap to check, and as good as a weak password to who steals it. Memory only.
#[derive(Clone)]
pub struct FastVerifier(Zeroizing<[u8; 32]>);

impl FastVerifier {
    /// The fast verifier of a password.
    pub fn make(password: &[u8]) -> Self {
        Self(sha256(&*sha256(password)))
    }

    /// Whether `response` was made with the password for this nonce.
    pub fn verify(&self, nonce: Nonce, response: &[u8]) -> bool {
        let Ok(response) = <[u8; RESPONSE_BYTES]>::try_from(response) else {
            return false;
        };
        let mut mask = Zeroizing::new([0; 32 + Nonce::BYTES]);
        let (front, back) = mask.split_at_mut(32);
        front.copy_from_slice(&*self.0);
        back.copy_from_slice(&nonce.0);
        let mask = sha256(&*mask);
        // what is left when the mask is taken off must be SHA256(password)
        let once: Zeroizing<[u8; 32]> = Zeroizing::new(std::array::from_fn(|at| response[at] ^ mask[at]));
        same(&*sha256(&*once), &*self.0)
    }
}

impl fmt::Debug for FastVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastVerifier([redacted])")
    }
}

/// The client's fast proof for this nonce; an empty password has an empty proof.
pub fn scramble(nonce: Nonce, password: &[u8]) -> Vec<u8> {
    scramble_sha256(&nonce.0, password)
        .map(Vec::from)
        .unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    for (out, byte) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *out = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// hashcat's published example of its mode 7401, "MySQL $A$ (sha256crypt)".
    fn published() -> Vec<u8> {
        let mut bytes = b"$A$005$".to_vec();
        bytes.extend(hex::decode("F9CC98CE08892924F50A213B6BC571A2C11778C5").unwrap());
        bytes.extend(
            hex::decode(
                "625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F",
            )
            .unwrap(),
        );
        bytes
    }

    #[test]
    fn verifier_as_kept_by_mysql_8() {
        let verifier = Verifier::parse(&published()).unwrap();
        assert_eq!(verifier.rounds, 5000);
        assert!(verifier.verify(b"hashcat"));
        assert!(!verifier.verify(b"Hashcat"));
        assert_eq!(verifier.to_bytes(), published());
    }

    #[test]
    fn verifier_as_kept_by_mysql_9_7() {
        // ten thousand rounds, the default since 9
        let kept = "24412430304124676D543C59662E0D70410257342652363A2830495956634F6A624E58424F6C55434D554C6561696F4265\
                    596D556F71656E4C564C366671747944346E7A6835";
        let verifier = Verifier::parse(&hex::decode(kept).unwrap()).unwrap();
        assert_eq!(verifier.rounds, 10_000);
        assert!(verifier.verify(b"secret"));
        assert!(!verifier.verify(b"secre"));
    }

    #[test]
    fn a_made_verifier_is_text() {
        let made = Verifier::make(b"secret", std::array::from_fn(|at| at as u8 * 13));
        let text = made.to_string();
        assert_eq!(text.len(), 70);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        let read = Verifier::parse(text.as_bytes()).unwrap();
        assert_eq!(read, made);
        assert!(read.verify(b"secret"));
        assert!(!read.verify(b""));
    }

    #[test]
    fn bytes_that_are_no_verifier() {
        let good = published();
        for bad in [
            &b""[..],
            &good[1..],
            &good[..69],
            b"$A$00",
            b"$A$000$",
            b"$5$saltstring$5B8v",
        ] {
            assert_eq!(Verifier::parse(bad), Err(NotAVerifier));
        }
        let mut none = good.clone();
        none[5] = b'0';
        assert_eq!(Verifier::parse(&none), Err(NotAVerifier), "no rounds");
    }

    #[test]
    fn a_password_beyond_the_limit_costs_nothing() {
        let verifier = Verifier::parse(&published()).unwrap();
        assert!(!verifier.verify(&[b'x'; PASSWORD_BYTES_MAX + 1]));
    }

    #[test]
    fn the_fast_proof_of_this_password_and_nonce_only() {
        let (nonce, fast) = (Nonce([5; 20]), FastVerifier::make(b"secret"));
        assert!(fast.verify(nonce, &scramble(nonce, b"secret")));
        assert!(!fast.verify(nonce, &scramble(nonce, b"Secret")));
        assert!(!fast.verify(nonce, &scramble(Nonce([6; 20]), b"secret")));
        assert!(!fast.verify(nonce, b""));
    }
}

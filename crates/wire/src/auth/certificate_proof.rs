//! How a MariaDB client of 11.4 or later finds out that a certificate nobody vouches for is the server's own: only
//! who knows what the server keeps of the password can say this about the certificate
//! ([zero-configuration TLS](https://mariadb.org/mission-impossible-zero-configuration-ssl/), MDEV-31855).
//!
//! It travels as the info of the login's OK packet:
//! `0x01`, then in capital hexadecimal digits `SHA256(password's hash ‖ nonce ‖ SHA256(certificate))`.

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::{ed25519, native_password};
use crate::handshake::Nonce;

/// Says that the digest is a SHA-256; there is no other.
const MARKER: u8 = 0x01;

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// SHA-256 of a certificate, as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of these DER bytes.
    pub fn of(certificate: &[u8]) -> Self {
        let mut out = [0; 32];
        for (out, byte) in out.iter_mut().zip(digest(&SHA256, certificate).as_ref()) {
            *out = *byte;
        }
        Self(out)
    }
}

/// For a client that proved its password by `mysql_native_password`. `nonce` is the greeting's.
pub fn by_native(verifier: &native_password::Verifier, nonce: Nonce, certificate: Fingerprint) -> Vec<u8> {
    proof(&verifier.0, nonce, certificate)
}

/// For a client that proved its password by `client_ed25519`. `nonce` is the greeting's, not the challenge.
pub fn by_ed25519(verifier: &ed25519::Verifier, nonce: Nonce, certificate: Fingerprint) -> Vec<u8> {
    proof(&verifier.0, nonce, certificate)
}

fn proof(password_hash: &[u8], nonce: Nonce, certificate: Fingerprint) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in [password_hash, &nonce.0, &certificate.0] {
        context.update(part);
    }
    let mut out = vec![MARKER];
    for byte in context.finish().as_ref() {
        for half in [byte >> 4, byte & 0x0f] {
            out.push(DIGITS[usize::from(half)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_says_which_password_connection_and_certificate() {
        let (nonce, certificate) = (Nonce([5; 20]), Fingerprint::of(b"a certificate"));
        let native = native_password::Verifier::make(b"secret");
        let said = by_native(&native, nonce, certificate);
        assert_eq!((said.len(), said[0]), (65, MARKER));
        // sha256(unhex("14E65567ABDB5135D0CFD9A70B3032C179A49EE7") ‖ 20 × 05 ‖ sha256("a certificate")), by another program
        let expected = "B06192F4CFDD1A794AB15BDBDB8F50C5FBC40C26E96E1F7EC0DEECB08CFA95CC";
        assert_eq!(&said[1..], expected.as_bytes());
        let ed25519 = ed25519::Verifier::make(b"secret");
        for other in [
            by_native(&native, Nonce([6; 20]), certificate),
            by_native(&native, nonce, Fingerprint::of(b"another one")),
            by_native(&native_password::Verifier::make(b"Secret"), nonce, certificate),
            by_ed25519(&ed25519, nonce, certificate),
        ] {
            assert_ne!(said, other);
        }
    }
}

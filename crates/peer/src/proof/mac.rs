//! The two proofs.

use aws_lc_rs::hmac::{Context, Tag};
use wire::auth::Password;
use wire::handshake::{HandshakeResponse, Nonce};

use super::Secret;

/// Length of a proof, in bytes.
pub(super) const PROOF_BYTES: usize = 32;

/// The gatekeeper's proof. What it covers is the response as it is on the wire, with zeros for the proof.
pub(super) fn of_gatekeeper(
    secret: &Secret,
    proxy: Nonce,
    gatekeeper: Nonce,
    response: &HandshakeResponse,
) -> Tag {
    let blank = HandshakeResponse {
        auth_response: Password::new(vec![0; PROOF_BYTES]),
        ..response.clone()
    };
    let mut bytes = Vec::new();
    blank.encode(&mut bytes);
    tag(secret, &[b"gatekeeper", &proxy.0, &gatekeeper.0, &bytes])
}

/// The proxy's proof, in hexadecimal digits.
pub(super) fn of_proxy(secret: &Secret, gatekeeper: Nonce, proxy: Nonce) -> String {
    hexadecimal(tag(secret, &[b"proxy", &gatekeeper.0, &proxy.0]).as_ref())
}

fn tag(secret: &Secret, parts: &[&[u8]]) -> Tag {
    let mut context = Context::with_key(secret.key());
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Whether two proofs are the same, in a time that tells nothing.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A nonce out of forty hexadecimal digits.
pub(super) fn nonce_from_hexadecimal(digits: &[u8]) -> Option<Nonce> {
    let digits: &[u8; 2 * Nonce::BYTES] = digits.try_into().ok()?;
    let mut nonce = [0; Nonce::BYTES];
    for (byte, pair) in nonce.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Nonce(nonce))
}

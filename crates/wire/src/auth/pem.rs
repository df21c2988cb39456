//! A public key as text, as `caching_sha2_password` sends it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// Lines of 64 characters between the markers, each line ended.
pub(super) fn encode_public_key(der: &[u8]) -> String {
    let mut pem = format!("{BEGIN}\n");
    let body = STANDARD.encode(der);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(END);
    pem.push('\n');
    pem
}

/// The bytes between the markers.
pub(super) fn decode_public_key(pem: &[u8]) -> Option<Vec<u8>> {
    let pem = std::str::from_utf8(pem).ok()?;
    let (_, rest) = pem.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_text() {
        let der: Vec<u8> = (0..=255).collect();
        let pem = encode_public_key(&der);
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(decode_public_key(pem.as_bytes()), Some(der));
        assert_eq!(decode_public_key(b"-----BEGIN PUBLIC KEY-----\nAAAA"), None);
    }
}

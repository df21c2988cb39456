//! [SHA-crypt](https://www.akkadia.org/drepper/SHA-crypt.txt) with SHA-256, as the servers use it: with
//! a salt of twenty bytes, which the original would cut at sixteen.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use zeroize::Zeroizing;

/// Length of the encoded digest, in characters.
pub(super) const ENCODED_BYTES: usize = 43;

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

type Digest = [u8; SHA256_OUTPUT_LEN];

/// The encoded digest of a password. Its cost is in `rounds`, and grows with the password's length.
pub(super) fn sha256_crypt(password: &[u8], salt: &[u8], rounds: u32) -> [u8; ENCODED_BYTES] {
    let mut buffer = Zeroizing::new(Vec::with_capacity(4 * (password.len() + salt.len()) + 64));

    // B = password ‖ salt ‖ password
    buffer.extend_from_slice(password);
    buffer.extend_from_slice(salt);
    buffer.extend_from_slice(password);
    let b = sha256(&buffer);

    // A = password ‖ salt ‖ as many bytes of B as the password has ‖ by each bit of that length B or password
    buffer.clear();
    buffer.extend_from_slice(password);
    buffer.extend_from_slice(salt);
    buffer.extend(b.iter().cycle().take(password.len()));
    let mut bits = password.len();
    while bits > 0 {
        buffer.extend_from_slice(if bits & 1 == 1 { &b[..] } else { password });
        bits >>= 1;
    }
    let mut a = sha256(&buffer);

    // P: the password, each byte of it mixed; S: the salt likewise
    let dp = sha256(&Zeroizing::new(password.repeat(password.len())));
    let p: Zeroizing<Vec<u8>> = Zeroizing::new(dp.iter().cycle().take(password.len()).copied().collect());
    let ds = sha256(&Zeroizing::new(salt.repeat(16 + usize::from(a[0]))));
    let s: Zeroizing<Vec<u8>> = Zeroizing::new(ds.iter().cycle().take(salt.len()).copied().collect());

    for round in 0..rounds {
        let odd = round % 2 == 1;
        buffer.clear();
        buffer.extend_from_slice(if odd { &p } else { &a[..] });
        if round % 3 != 0 {
            buffer.extend_from_slice(&s);
        }
        if round % 7 != 0 {
            buffer.extend_from_slice(&p);
        }
        buffer.extend_from_slice(if odd { &a[..] } else { &p });
        a = sha256(&buffer);
    }
    encode(&a)
}

fn sha256(bytes: &[u8]) -> Zeroizing<Digest> {
    let mut out = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
    for (out, byte) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *out = *byte;
    }
    out
}

/// Three bytes in an order of their own give four characters, lowest bits first.
fn encode(digest: &Digest) -> [u8; ENCODED_BYTES] {
    let mut encoded = [0; ENCODED_BYTES];
    let mut characters = encoded.iter_mut();
    let mut put = |bits: [u8; 3], count: usize| {
        let [high, middle, low] = bits.map(u32::from);
        let mut bits = high << 16 | middle << 8 | low;
        for character in characters.by_ref().take(count) {
            *character = ALPHABET[(bits & 0x3f) as usize];
            bits >>= 6;
        }
    };
    let (mut i, mut j, mut k) = (0, 10, 20);
    for _ in 0..10 {
        put([digest[i], digest[j], digest[k]], 4);
        (i, j, k) = (k + 1, i + 1, j + 1);
    }
    put([0, digest[31], digest[30]], 3);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crypt(password: &str, salt: &str, rounds: u32) -> String {
        String::from_utf8(sha256_crypt(password.as_bytes(), salt.as_bytes(), rounds).to_vec()).unwrap()
    }

    #[test]
    fn digests_as_made_by_the_crypt_of_glibc() {
        assert_eq!(
            crypt("Hello world!", "saltstring", 5000),
            "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
        );
        assert_eq!(
            crypt("Hello world!", "saltstringsaltst", 10_000),
            "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"
        );
        assert_eq!(
            crypt(
                "a very much longer text to encrypt.  This one even stretches over morethan one line.",
                "anotherlongsalts",
                1400
            ),
            "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"
        );
    }
}

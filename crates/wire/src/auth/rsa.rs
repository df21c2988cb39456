//! How `caching_sha2_password` sends a password without TLS: with a zero byte, XOR the nonce, in one
//! RSA-OAEP block (SHA-1). Both ends.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Password, pem};
use crate::handshake::Nonce;

/// A key could not be made, read, or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the RSA key cannot be used")]
pub struct KeyError;

/// The server's key pair.
pub struct ServerKey {
    pkcs8: Zeroizing<Vec<u8>>,
    key: OaepPrivateDecryptingKey,
    public_pem: Vec<u8>,
}

impl ServerKey {
    /// A new key of 2048 bits, the size of the servers' own. Takes about a tenth of a second.
    pub fn generate() -> Result<Self, KeyError> {
        Self::from_key(PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| KeyError)?)
    }

    /// The key of these PKCS#8 bytes.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_key(PrivateDecryptingKey::from_pkcs8(der).map_err(|_| KeyError)?)
    }

    fn from_key(key: PrivateDecryptingKey) -> Result<Self, KeyError> {
        let public = key.public_key().as_der().map_err(|_| KeyError)?;
        let private: Pkcs8V1Der<'_> = key.as_der().map_err(|_| KeyError)?;
        Ok(Self {
            pkcs8: Zeroizing::new(private.as_ref().to_vec()),
            public_pem: pem::encode_public_key(public.as_ref()).into_bytes(),
            key: OaepPrivateDecryptingKey::new(key).map_err(|_| KeyError)?,
        })
    }

    /// The private key as PKCS#8 bytes, to be kept where only the owner reads.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key as clients ask for it.
    pub fn public_pem(&self) -> &[u8] {
        &self.public_pem
    }

    /// The password that a client encrypted for this nonce. Costs about a millisecond.
    pub fn decrypt_password(&self, nonce: Nonce, block: &[u8]) -> Result<Password, KeyError> {
        if block.len() != self.key.key_size_bytes() {
            return Err(KeyError);
        }
        let mut plain = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let plain = self
            .key
            .decrypt(&OAEP_SHA1_MGF1SHA1, block, &mut plain, None)
            .map_err(|_| KeyError)?;
        let mut password = xor(plain, nonce);
        match password.pop() {
            Some(0) => Ok(password),
            _ => Err(KeyError),
        }
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey([redacted])")
    }
}

/// The client's side: the password for this nonce, encrypted with the server's key.
pub fn encrypt_password(public_pem: &[u8], nonce: Nonce, password: &[u8]) -> Result<Vec<u8>, KeyError> {
    let der = pem::decode_public_key(public_pem).ok_or(KeyError)?;
    let key = PublicEncryptingKey::from_der(&der).map_err(|_| KeyError)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| KeyError)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    plain.extend_from_slice(password);
    plain.push(0);
    let plain = xor(&plain, nonce);
    let mut block = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA1_MGF1SHA1, &plain, &mut block, None)
        .map_err(|_| KeyError)?
        .len();
    block.truncate(length);
    Ok(block)
}

fn xor(bytes: &[u8], nonce: Nonce) -> Password {
    Zeroizing::new(
        bytes
            .iter()
            .zip(nonce.0.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_reads_the_password() {
        let key = ServerKey::generate().unwrap();
        let nonce = Nonce([0x41; 20]);
        for password in [&b"secret"[..], b"", b"a password that is longer than its nonce"] {
            let block = encrypt_password(key.public_pem(), nonce, password).unwrap();
            assert_eq!(block.len(), 256);
            assert_eq!(
                key.decrypt_password(nonce, &block).as_deref().map(Vec::as_slice),
                Ok(password)
            );
            assert_ne!(
                key.decrypt_password(Nonce([0x42; 20]), &block)
                    .as_deref()
                    .map(Vec::as_slice),
                Ok(password)
            );
        }
        assert_eq!(key.decrypt_password(nonce, &[0; 256]), Err(KeyError));
        assert_eq!(key.decrypt_password(nonce, b"\x02"), Err(KeyError));
    }

    #[test]
    fn a_kept_key_is_the_same_key() {
        let key = ServerKey::generate().unwrap();
        let again = ServerKey::from_pkcs8(key.pkcs8()).unwrap();
        assert_eq!(key.public_pem(), again.public_pem());
        assert!(ServerKey::from_pkcs8(b"no key").is_err());
    }

    #[test]
    fn a_password_that_does_not_fit_is_an_error() {
        let key = ServerKey::generate().unwrap();
        assert_eq!(
            encrypt_password(key.public_pem(), Nonce([1; 20]), &[b'x'; 250]),
            Err(KeyError)
        );
        assert_eq!(encrypt_password(b"no key", Nonce([1; 20]), b"x"), Err(KeyError));
    }
}

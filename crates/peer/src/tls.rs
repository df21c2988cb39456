//! TLS 1.2 and 1.3 in both roles, by rustls on aws-lc.
//!
//! Sessions are resumed: a server gives tickets out, under keys that change by themselves, and remembers session ids
//! for older clients; a client keeps what a server gives. Every shard has the same [`Acceptor`], so it does not matter
//! where a client comes in. What is resumed is TLS and nothing else: a password is asked for as ever. No ALPN is spoken:
//! MySQL's TLS starts inside its own protocol.

mod acceptor;
mod connector;
mod encrypt_only;
mod self_signed;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

pub use acceptor::Acceptor;
pub use connector::Connector;
pub use encrypt_only::EncryptOnly;

/// TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("failed to use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificate or key that can be used.
    #[error("failed to use {}: {detail}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A server name that is none.
    #[error("{0:?} is no server name")]
    ServerName(String),
    /// Certificate and key do not fit together, or are not accepted.
    #[error("failed to set TLS up: {0}")]
    Rustls(#[from] rustls::Error),
    /// The verifier of certificates cannot be made.
    #[error("failed to set the check of certificates up: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// A certificate cannot be made.
    #[error("failed to make a certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads a chain of certificates and its key.
fn load_identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = load_certificates(certificate)?;
    let bytes = read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| TlsError::Pem {
        path: key.into(),
        detail: error.to_string(),
    })?;
    Ok((chain, key))
}

fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| TlsError::Pem {
        path: path.into(),
        detail: error.to_string(),
    })?;
    if chain.is_empty() {
        return Err(TlsError::Pem {
            path: path.into(),
            detail: "no certificate in it".to_owned(),
        });
    }
    Ok(chain)
}

fn load_roots(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in load_certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(Arc::new(roots))
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, TlsError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(zeroize::Zeroizing::new(bytes)),
        Err(source) => Err(TlsError::File {
            path: path.into(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::TestAuthority;

//! The server's end.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use tokio_rustls::{TlsAcceptor, TlsStream};
use wire::auth::certificate_proof::Fingerprint;

use super::{TlsError, load_identity, load_roots, provider, self_signed};
use crate::stream::Stream;

/// Sessions that are remembered for clients of TLS 1.2 without tickets: some hundred bytes each.
const SESSION_IDS_MAX: usize = 1024;

/// Takes TLS up as a server.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    mutual: bool,
    fingerprint: Fingerprint,
}

impl Acceptor {
    /// With this certificate chain and key (PEM files).
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::build(certificate, key, None)
    }

    /// With this certificate chain and key, for clients whose certificate `client_ca` signed.
    pub fn mutual(certificate: &Path, key: &Path, client_ca: &Path) -> Result<Self, TlsError> {
        let roots = load_roots(client_ca)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?;
        Self::build(certificate, key, Some(verifier))
    }

    /// With a certificate of our own making, kept in `state_dir` and made anew when it is missing, cannot
    /// be read, or runs out.
    pub fn self_signed(state_dir: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = self_signed::ensure(state_dir)?;
        Self::from_files(&certificate, &key)
    }

    fn build(
        certificate: &Path,
        key: &Path,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Self, TlsError> {
        let (chain, key) = load_identity(certificate, key)?;
        let mutual = clients.is_some();
        // a chain is never empty: its loading says so
        let fingerprint = Fingerprint::of(chain.first().map_or(&[], |certificate| certificate));
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        // one key for twelve hours, and the one before it: a ticket that was stolen opens nothing for long
        config.ticketer = Ticketer::new()?;
        config.session_storage = ServerSessionMemoryCache::new(SESSION_IDS_MAX);
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            mutual,
            fingerprint,
        })
    }

    /// Of the certificate that clients see.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether clients must show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.mutual
    }

    /// Takes TLS up.
    pub async fn accept(&self, stream: Stream) -> io::Result<Stream> {
        let stream = self.acceptor.accept(stream.into_plain()?).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("mutual", &self.mutual)
            .finish_non_exhaustive()
    }
}

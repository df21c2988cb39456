//! The client's end.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

use super::{EncryptOnly, TlsError, load_identity, load_roots, provider};
use crate::stream::Stream;

/// Takes TLS up as a client, with one server.
#[derive(Clone)]
pub struct Connector {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl Connector {
    /// Encrypts without looking at the server's certificate: who can redirect packets can pose as the server.
    pub fn encrypt_only() -> Result<Self, TlsError> {
        Self::encrypt_by(rustls::DEFAULT_VERSIONS)
    }

    /// The same by TLS 1.2, as a client came that would not or could not do better.
    pub fn encrypt_only_by_1_2() -> Result<Self, TlsError> {
        Self::encrypt_by(&[&rustls::version::TLS12])
    }

    fn encrypt_by(versions: &[&'static rustls::SupportedProtocolVersion]) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(EncryptOnly::new(provider())))
            .with_no_client_auth();
        Self::build(config, "localhost")
    }

    /// Demands a certificate that `ca` signed for `server_name`.
    pub fn verifying(ca: &Path, server_name: &str) -> Result<Self, TlsError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(load_roots(ca)?, provider()).build()?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        Self::build(config, server_name)
    }

    /// Demands a certificate that `ca` signed for `server_name`, and shows one of its own.
    pub fn mutual(ca: &Path, certificate: &Path, key: &Path, server_name: &str) -> Result<Self, TlsError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(load_roots(ca)?, provider()).build()?;
        let (chain, key) = load_identity(certificate, key)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(chain, key)?;
        Self::build(config, server_name)
    }

    pub(super) fn build(config: ClientConfig, server_name: &str) -> Result<Self, TlsError> {
        let server_name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsError::ServerName(server_name.to_owned()))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
        })
    }

    /// Takes TLS up.
    pub async fn connect(&self, stream: Stream) -> io::Result<Stream> {
        let stream = self
            .connector
            .connect(self.server_name.clone(), stream.into_plain()?)
            .await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

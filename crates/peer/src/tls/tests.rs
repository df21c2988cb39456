use std::os::unix::fs::PermissionsExt;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::stream::Stream;

/// An authority of a test's own, with a directory for what it signs.
pub(crate) struct TestAuthority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.sign(name);
        self.directory.path().join(format!("{name}.pem"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.sign(name);
        self.directory.path().join(format!("{name}.key"))
    }

    fn sign(&self, name: &str) {
        let path = self.directory.path().join(format!("{name}.pem"));
        if path.exists() {
            return;
        }
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        std::fs::write(&path, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(path.with_extension("key"), key.serialize_pem()).unwrap();
    }
}

async fn handshake(acceptor: &Acceptor, connector: &Connector) -> io::Result<(Stream, Stream)> {
    let (server, client) = UnixStream::pair()?;
    tokio::try_join!(
        acceptor.accept(Stream::Unix(server)),
        connector.connect(Stream::Unix(client))
    )
}

#[tokio::test]
async fn a_certificate_of_our_own_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    Acceptor::self_signed(&state).unwrap();
    let read = |name: &str| std::fs::read(state.join(name)).unwrap();
    let (certificate, key) = (read("certificate.pem"), read("key.pem"));
    let mode = |name: &str| std::fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("key.pem"), mode("certificate.pem"), mode("")),
        (0o600, 0o644, 0o700)
    );
    let acceptor = Acceptor::self_signed(&state).unwrap();
    assert_eq!((read("certificate.pem"), read("key.pem")), (certificate, key));
    // it can be told to clients as their authority, under each of its names
    for name in ["localhost", "127.0.0.1", "::1"] {
        let connector = Connector::verifying(&state.join("certificate.pem"), name).unwrap();
        handshake(&acceptor, &connector).await.unwrap();
    }
    let connector = Connector::verifying(&state.join("certificate.pem"), "example.com").unwrap();
    handshake(&acceptor, &connector).await.unwrap_err();
}

#[test]
fn a_certificate_that_cannot_be_used_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let authority = TestAuthority::new();
    let other_key = std::fs::read(authority.key("localhost")).unwrap();
    Acceptor::self_signed(state).unwrap();
    for (file, content) in [("certificate.pem", &b"nothing"[..]), ("key.pem", &other_key)] {
        std::fs::write(state.join(file), content).unwrap();
        Acceptor::self_signed(state).unwrap();
        assert_ne!(std::fs::read(state.join(file)).unwrap(), content);
    }
}

#[test]
fn a_certificate_that_runs_out_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(86_400)).into();
    let key = KeyPair::generate().unwrap();
    let old = params.self_signed(&key).unwrap().pem();
    std::fs::write(state.join("certificate.pem"), &old).unwrap();
    std::fs::write(state.join("key.pem"), key.serialize_pem()).unwrap();
    Acceptor::self_signed(state).unwrap();
    assert_ne!(
        std::fs::read_to_string(state.join("certificate.pem")).unwrap(),
        old
    );
}

#[tokio::test]
async fn bytes_and_facts_of_a_stream_in_tls() {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = Acceptor::self_signed(directory.path()).unwrap();
    let connector = Connector::encrypt_only().unwrap();
    let (mut server, mut client) = handshake(&acceptor, &connector).await.unwrap();
    assert!(server.is_secure());
    assert_eq!(server.tls_facts().unwrap().version, "TLSv1.3");
    assert_eq!(server.tls_facts(), client.tls_facts());
    client.write_all(b"ab").await.unwrap();
    client.flush().await.unwrap();
    let mut byte = [0];
    server.readable().await.unwrap();
    server.read_exact(&mut byte).await.unwrap();
    // the second byte is decrypted already: the socket knows nothing of it
    server.readable().await.unwrap();
    server.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"b");
    drop(client);
    server.readable().await.unwrap();
}

/// A client of these versions, which keeps sessions as `resumption` says.
fn client_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
    resumption: rustls::client::Resumption,
) -> Connector {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(EncryptOnly::new(provider())))
        .with_no_client_auth();
    config.resumption = resumption;
    Connector::build(config, "localhost").unwrap()
}

/// Whether the two ends resume, and by which version; a byte goes to the client, and with it its tickets.
async fn meet(acceptor: &Acceptor, connector: &Connector) -> (&'static str, bool) {
    let (mut server, mut client) = handshake(acceptor, connector).await.unwrap();
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
    let facts = server.tls_facts().unwrap();
    assert_eq!(client.tls_facts().unwrap(), facts);
    (facts.version, facts.resumed)
}

#[tokio::test]
async fn a_second_connection_resumes_by_ticket_and_by_session_id() {
    use rustls::client::{Resumption, Tls12Resumption};
    use rustls::version::{TLS12, TLS13};
    let directory = tempfile::tempdir().unwrap();
    let acceptor = Acceptor::self_signed(directory.path()).unwrap();
    let kept = || Resumption::in_memory_sessions(8);
    for (version, name, resumption) in [
        (&TLS13, "TLSv1.3", kept()),
        (&TLS12, "TLSv1.2", kept()),
        (
            &TLS12,
            "TLSv1.2",
            kept().tls12_resumption(Tls12Resumption::SessionIdOnly),
        ),
    ] {
        let connector = client_of(&[version], resumption);
        assert_eq!(meet(&acceptor, &connector).await, (name, false));
        // another shard has a clone
        let elsewhere = acceptor.clone();
        assert_eq!(meet(&elsewhere, &connector).await, (name, true));
    }
    let forgetful = client_of(&[&TLS13], Resumption::disabled());
    for _ in 0..2 {
        assert_eq!(meet(&acceptor, &forgetful).await, ("TLSv1.3", false));
    }
}

#[tokio::test]
async fn the_ways_to_a_node_resume() {
    let authority = TestAuthority::new();
    let (certificate, key) = (authority.certificate("node"), authority.key("node"));
    let acceptor = Acceptor::from_files(&certificate, &key).unwrap();
    for connector in [
        Connector::encrypt_only().unwrap(),
        Connector::verifying(&authority.ca(), "node").unwrap(),
    ] {
        assert_eq!(meet(&acceptor, &connector).await, ("TLSv1.3", false));
        assert_eq!(meet(&acceptor, &connector).await, ("TLSv1.3", true));
    }
    let mutual = Acceptor::mutual(&certificate, &key, &authority.ca()).unwrap();
    let (certificate, key) = (authority.certificate("gatekeeper"), authority.key("gatekeeper"));
    let connector = Connector::mutual(&authority.ca(), &certificate, &key, "node").unwrap();
    assert!(!meet(&mutual, &connector).await.1);
    assert!(meet(&mutual, &connector).await.1);
}

#[test]
fn files_that_hold_nothing_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (missing, empty) = (
        directory.path().join("missing.pem"),
        directory.path().join("empty.pem"),
    );
    std::fs::write(&empty, "").unwrap();
    let error = Acceptor::from_files(&missing, &empty).unwrap_err();
    assert!(error.to_string().contains("missing.pem"), "{error}");
    let error = Acceptor::from_files(&empty, &empty).unwrap_err();
    assert!(
        error.to_string().contains("empty.pem: no certificate in it"),
        "{error}"
    );
}

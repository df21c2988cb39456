//! A certificate of our own making, for a gatekeeper that was given none: clients can encrypt from the
//! first start, as with the servers' own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{ServerName, UnixTime};

use super::{TlsError, load_identity, load_roots, provider};

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// How long a certificate is good for; as long as the servers' own automatic ones.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * DAY_SECONDS);

/// A certificate with less time left is made anew at the next start.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * DAY_SECONDS);

const DAY_SECONDS: u64 = 86_400;

/// The paths of certificate and key in `state_dir`, which hold what can be used now.
pub(super) fn ensure(state_dir: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (state_dir.join(CERTIFICATE_FILE), state_dir.join(KEY_FILE));
    if !is_good(&certificate, &key) {
        let made = make()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(|source| TlsError::File {
                path: state_dir.into(),
                source,
            })?;
        write(&key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
        write(&certificate, made.cert.pem().as_bytes(), 0o644)?;
    }
    Ok((certificate, key))
}

/// Whether the pair can be read, fits together, and lasts for a while.
fn is_good(certificate: &Path, key: &Path) -> bool {
    let Ok((chain, key)) = load_identity(certificate, key) else {
        return false;
    };
    let Some(leaf) = chain.first() else { return false };
    let Ok(roots) = load_roots(certificate) else {
        return false;
    };
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(roots, provider()).build() else {
        return false;
    };
    let Ok(name) = ServerName::try_from("localhost") else {
        return false;
    };
    let Ok(then) = (SystemTime::now() + RENEW_BEFORE).duration_since(SystemTime::UNIX_EPOCH) else {
        return false;
    };
    let lasts = verifier
        .verify_server_cert(leaf, &[], &name, &[], UnixTime::since_unix_epoch(then))
        .is_ok();
    let fits = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .is_ok();
    lasts && fits
}

fn make() -> Result<rcgen::CertifiedKey<KeyPair>, TlsError> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(host_name().filter(|name| name != "localhost"));
    let mut params = CertificateParams::new(names)?;
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "gatekeeper (self-signed)");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    // clocks differ a little
    params.not_before = (now - Duration::from_secs(DAY_SECONDS)).into();
    params.not_after = (now + VALIDITY).into();
    let signing_key = KeyPair::generate()?;
    let cert = params.self_signed(&signing_key)?;
    Ok(rcgen::CertifiedKey { cert, signing_key })
}

/// The machine's name, where it can be part of a certificate.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let usable = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    usable.then(|| name.to_owned())
}

/// Writes beside the file and renames, so that no half a key is ever found.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let result = (|| -> io::Result<()> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    result.map_err(|source| TlsError::File {
        path: path.into(),
        source,
    })
}

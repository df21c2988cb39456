//! A TLS certificate for a server that does not make one by itself.
//!
//! MySQL makes a certificate at its first start, MariaDB from 11.4 on; older MariaDB serves no TLS without files
//! of the operator's. With one, accounts that require TLS and clients that insist on it can be tried on this machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Context;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};

use super::secret::write_private;

/// The certificate's file in the node's folder, PEM.
pub(crate) const FILE: &str = "server-cert.pem";
/// Its private key's file, PEM.
pub(crate) const KEY_FILE: &str = "server-key.pem";

/// Makes both files unless they are there. The certificate is signed by its own key and does not expire within the
/// life of a cluster on this machine.
pub(crate) fn ensure(dir: &Path) -> anyhow::Result<()> {
    let (certificate, key) = (dir.join(FILE), dir.join(KEY_FILE));
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    let made = make().context("cannot make a certificate for the server")?;
    write_private(&key, &made.signing_key.serialize_pem())?;
    write_private(&certificate, &made.cert.pem())
}

fn make() -> Result<rcgen::CertifiedKey<KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params
        .distinguished_name
        .push(DnType::CommonName, "local node (self-signed)");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let signing_key = KeyPair::generate()?;
    let cert = params.self_signed(&signing_key)?;
    Ok(rcgen::CertifiedKey { cert, signing_key })
}

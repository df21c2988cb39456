//! TLS as stock clients ask for it: by an authority, by a name, by none, and not at all.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use harness::door::Door;
use harness::program::{Entry, StockClient, output};
use harness::{Cluster, Engine, Pair, on_each_engine};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

on_each_engine!(
    stock_clients_verify_a_certificate_by_its_authority_and_its_name,
    stock_clients_choose_tls_or_do_without,
);

const CIPHER: &str = "SELECT 'in'";

/// An authority of a test's own, and a certificate that it signed for `name`.
struct Certified {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn certify(folder: &Path, name: &str) -> anyhow::Result<Certified> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "authority of a test");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    // clients show it when they complain
    params.distinguished_name.push(DnType::CommonName, name);
    let leaf = params.signed_by(&key, &issuer)?;
    let files = Certified {
        ca: folder.join("ca.pem"),
        certificate: folder.join("certificate.pem"),
        key: folder.join("certificate.key"),
    };
    std::fs::write(&files.ca, issuer.pem())?;
    // the chain, as it is bought
    std::fs::write(&files.certificate, format!("{}{}", leaf.pem(), issuer.pem()))?;
    std::fs::write(&files.key, key.serialize_pem())?;
    std::fs::set_permissions(&files.key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(files)
}

async fn pair_certified_for(
    cluster: &Cluster,
    name: &str,
) -> anyhow::Result<(Pair, Certified, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let files = certify(folder.path(), name)?;
    let plan = Pair::plan(cluster)?.gatekeeper(|config| {
        config.tls.certificate = Some(files.certificate.clone());
        config.tls.key = Some(files.key.clone());
    });
    Ok((plan.start().await?, files, folder))
}

/// Whether the client gets in with these options, and what it complains about.
async fn gets_in(
    client: &StockClient,
    door: &Door,
    options: &[String],
) -> anyhow::Result<Result<(), String>> {
    // options behind those of `Entry::Tls` win
    let mut command = client.command(door, "app", Entry::Tls)?;
    let ended = output(command.args(options).arg("-e").arg(CIPHER)).await?;
    if ended.status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(String::from_utf8_lossy(&ended.stderr).into_owned()))
}

async fn stock_clients_verify_a_certificate_by_its_authority_and_its_name(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let (named, files, _folder) = pair_certified_for(cluster, "localhost").await?;
    let (elsewhere, other_files, _other_folder) = pair_certified_for(cluster, "elsewhere.example").await?;
    let words = |words: &[&str], ca: &Path| {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend([
            format!("--ssl-ca={}", ca.display()),
            "--host=localhost".to_owned(),
        ]);
        all
    };
    let by_name: [(Engine, &[&str], &[&str]); 2] = [
        (
            Engine::Mysql,
            &["--ssl-mode=VERIFY_CA"],
            &["--ssl-mode=VERIFY_IDENTITY"],
        ),
        // MariaDB's client before 11.4 verifies both or nothing
        (Engine::Mariadb, &[], &["--ssl-verify-server-cert"]),
    ];
    for (family, by_authority, by_name) in by_name {
        let client = StockClient::of(family).await?;
        let tried = gets_in(&client, &named.door, &words(by_name, &files.ca)).await?;
        ensure!(tried.is_ok(), "{family}, right name: {tried:?}");
        for version in ["TLSv1.2", "TLSv1.3"] {
            let mut options = words(by_name, &files.ca);
            options.push(format!("--tls-version={version}"));
            let tried = gets_in(&client, &named.door, &options).await?;
            ensure!(tried.is_ok(), "{family}, {version}: {tried:?}");
        }
        let tried = gets_in(&client, &elsewhere.door, &words(by_name, &other_files.ca)).await?;
        let complaint = tried
            .err()
            .with_context(|| format!("{family} takes a wrong name"))?;
        ensure!(complaint.contains("2026"), "{family}: {complaint}");
        let tried = gets_in(&client, &named.door, &words(by_name, &other_files.ca)).await?;
        let complaint = tried
            .err()
            .with_context(|| format!("{family} takes another authority"))?;
        ensure!(complaint.contains("2026"), "{family}: {complaint}");
        if family == Engine::Mysql {
            let tried = gets_in(&client, &elsewhere.door, &words(by_authority, &other_files.ca)).await?;
            ensure!(tried.is_ok(), "{family}, any name of the authority: {tried:?}");
            let tried = gets_in(&client, &elsewhere.door, &words(by_authority, &files.ca)).await?;
            ensure!(tried.is_err(), "{family} takes another authority");
        }
    }
    Ok(())
}

async fn stock_clients_choose_tls_or_do_without(cluster: &Cluster) -> anyhow::Result<()> {
    use gatekeeper::config::raw::TlsMode;
    let with =
        |mode| -> anyhow::Result<_> { Ok(Pair::plan(cluster)?.gatekeeper(|config| config.tls.mode = mode)) };
    let optional = with(TlsMode::Optional)?.start().await?;
    let required = with(TlsMode::Required)?.start().await?;
    let off = with(TlsMode::Off)?.start().await?;
    let mysql = StockClient::of(Engine::Mysql).await?;
    let key = "--get-server-public-key".to_owned();
    for (mode, in_optional, in_required, in_off) in [
        ("DISABLED", true, false, true),
        ("PREFERRED", true, true, true),
        ("REQUIRED", true, true, false),
    ] {
        let options = [format!("--ssl-mode={mode}"), key.clone()];
        for (pair, expected) in [(&optional, in_optional), (&required, in_required), (&off, in_off)] {
            let tried = gets_in(&mysql, &pair.door, &options).await?;
            assert_eq!(tried.is_ok(), expected, "{mode}: {tried:?}");
        }
    }
    let refused = gets_in(&mysql, &required.door, &["--ssl-mode=DISABLED".to_owned(), key]).await?;
    let complaint = refused.err().context("it was let in")?;
    ensure!(complaint.contains("3159"), "{complaint}");
    Ok(())
}

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cluster::{Address, Role};

const COMPLETE: &str = r#"
    shards = 2
    [listen]
    tcp = "127.0.0.1:6033"
    socket = "proxy.sock"
    [gatekeeper]
    secret-file = "secret"
    [monitor]
    user = "monitor"
    password-file = "password"
    [[node]]
    name = "manager"
    role = "manager"
    host = "127.0.0.1"
    port = 3307
    [[node]]
    name = "worker1"
    role = "worker"
    socket = "worker1.sock"
    [[account]]
    user = "app"
    name = "app"
    password-file = "password"
"#;

/// An authority without a purpose; its key was thrown away.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUbNAWOMh+BEZx4Etcqj/VcqGHmfcwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRZXhhbXBsZSBhdXRob3JpdHkwIBcNMjYxMTIxMTAxMzUxWhgP
MjEyNjEwMjgxMDEzNTFaMBwxGjAYBgNVBAMMEWV4YW1wbGUgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvjlcke00jf2yD5CIXua/aUiqnyxFTE8c
WJ9HFf0gtbxqMprXvlInV2Y1HfqCwGShhvBNBco5QomqO3R+n+2+XaNTMFEwHQYD
VR0OBBYEFBj94q2ltbgkPAINICIFofBY5vm0MB8GA1UdIwQYMBaAFBj94q2ltbgk
PAINICIFofBY5vm0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
MUPGC7JWGhFeeSBb68LgMPVqGVjTqrst5P4vOOQSflwCIGTXZSTdkhr88eqvzRc+
pI8A+iYU6Vic2N2GBZcO6UPw
-----END CERTIFICATE-----
";

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [("secret", "0123456789abcdef\n"), ("password", "monitors own\n")] {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    directory
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let directory = directory();
    let path = directory.path().join("proxy.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path)
}

fn places(text: &str) -> Vec<String> {
    match load(text) {
        Err(ConfigError::Problems { problems, .. }) => problems.iter().map(|p| p.place.clone()).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_short_file_gets_the_defaults() {
    let config = load(COMPLETE).unwrap();
    assert_eq!(config.strategy, Strategy::Random);
    assert_eq!(config.monitor.interval, Duration::from_millis(500));
    assert_eq!(config.monitor.lag_max, Duration::from_secs(10));
    assert_eq!(config.limits.statement_bytes_max, 1 << 30);
    assert_eq!(config.http.to_string(), "127.0.0.1:9102");
    assert_eq!(
        config.nodes[0].address,
        Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: 3307
        }
    );
    assert_eq!(config.nodes[1].role, Role::Worker);
    assert_eq!(config.monitor.password.expose(), b"monitors own");
    assert_eq!(config.accounts.of(b"app").unwrap().name, "app");
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let config = load(COMPLETE).unwrap();
    let socket = config.listen.socket.unwrap();
    assert!(socket.is_absolute() && socket.ends_with("proxy.sock"));
    assert!(matches!(&config.nodes[1].address, Address::Unix(path) if path.is_absolute()));
}

#[test]
fn what_is_rendered_is_read_back() {
    let raw: raw::Config = toml::from_str(COMPLETE).unwrap();
    let rendered = toml::to_string(&raw).unwrap();
    assert_eq!(toml::from_str::<raw::Config>(&rendered).unwrap(), raw);
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"
        shards = 0
        [gatekeeper]
        secret-file = "missing"
        [http]
        address = "localhost"
        [routing]
        strategy = "nearest"
        lag-max-ms = 10
        [monitor]
        user = ""
        password-file = "password"
        latency-probe = "guess"
        [limits]
        connections-max = 0
        [[node]]
        name = "one node"
        role = "worker"
        [[node]]
        name = "two"
        role = "worker"
        host = "h"
        port = 0
        tls = "verify"
        [[node]]
        name = "TWO"
        role = "worker"
        host = "h"
        [[account]]
        user = "app"
        name = ""
        [[account]]
        user = "app"
        name = "x"
    "#;
    assert_eq!(
        places(text),
        [
            "listen",
            "gatekeeper.secret-file",
            "http.address",
            "routing.strategy",
            "monitor.user",
            "routing.lag-max-ms",
            "monitor.latency-probe",
            "limits.connections-max",
            "shards",
            "node",
            "node[0].name",
            "node[0]",
            "node[1].port",
            "node[1].ca",
            "node[2].name",
            "account[0].name",
            "account[1].user",
        ]
    );
}

#[test]
fn unknown_names_are_refused_with_their_line() {
    for (good, bad) in [
        ("[monitor]", "[monitor]\npassword = \"x\""),
        ("[listen]", "[listen]\nhost = \"h\""),
        ("[[node]]", "[nodes]"),
    ] {
        let text = COMPLETE.replacen(good, bad, 1);
        assert!(
            matches!(
                load(&text),
                Err(ConfigError::File(ConfigFileError::Content { .. }))
            ),
            "{bad}"
        );
    }
}

#[test]
fn an_address_beyond_loopback_demands_mutual_tls() {
    let text = COMPLETE.replace("127.0.0.1:6033", "0.0.0.0:6033");
    assert_eq!(places(&text), ["gatekeeper.tls"]);
}

#[test]
fn two_managers_are_one_too_many() {
    let text = COMPLETE.replace("role = \"worker\"", "role = \"manager\"");
    assert_eq!(places(&text), ["node"]);
}

#[test]
fn a_short_shared_secret_is_refused() {
    let text = COMPLETE.replace("secret-file = \"secret\"", "secret-file = \"password\"");
    assert_eq!(places(&text), ["gatekeeper.secret-file"]);
}

#[test]
fn neither_secrets_nor_their_files_content_are_printed() {
    let config = load(COMPLETE).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("monitors own") && !printed.contains("0123456789abcdef"));
    assert!(printed.contains("[redacted]"));
}

/// An example in a folder with every file that it names.
fn example(name: &str) -> Config {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples");
    let directory = directory();
    for secret in [
        "gatekeeper.secret",
        "monitor.password",
        "app.password",
        "admin.password",
    ] {
        let path = directory.path().join(secret);
        fs::copy(directory.path().join("secret"), &path).unwrap();
    }
    for file in ["proxy.crt", "proxy.key", "gatekeeper-ca.crt"] {
        fs::write(directory.path().join(file), "").unwrap();
    }
    fs::write(directory.path().join("nodes-ca.crt"), CERTIFICATE).unwrap();
    let path = directory.path().join("proxy.toml");
    fs::copy(examples.join(name), &path).unwrap();
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_example_shows_the_defaults() {
    let config = example("proxy.toml");
    let defaults = load(COMPLETE).unwrap();
    assert_eq!(config.limits, defaults.limits);
    assert_eq!(config.monitor.latency, defaults.monitor.latency);
    assert_eq!(config.monitor.interval, defaults.monitor.interval);
    assert_eq!(config.monitor.timeout, defaults.monitor.timeout);
    assert_eq!(config.monitor.recover_checks, defaults.monitor.recover_checks);
    assert_eq!(config.monitor.lag_max, defaults.monitor.lag_max);
    assert_eq!((config.strategy, config.http), (defaults.strategy, defaults.http));
}

#[test]
fn the_remote_example_is_sound() {
    let config = example("proxy-remote.toml");
    assert!(config.gatekeeper.tls.is_some() && config.gatekeeper.secret.is_some());
    assert_eq!(config.strategy, Strategy::Ping);
    assert!(config.nodes.iter().all(|node| matches!(
        node.peer_tls(crate::cluster::ClientWay::default()),
        peer::connect::TlsPolicy::Required(_)
    )));
}

#[test]
fn a_ca_that_is_none_is_a_problem_of_its_node() {
    let text = COMPLETE.replacen("port = 3307", "port = 3307\ntls = \"verify\"\nca = \"secret\"", 1);
    assert_eq!(places(&text), ["node[0].tls"]);
    let without = COMPLETE.replacen("port = 3307", "port = 3307\ntls = \"verify\"", 1);
    assert_eq!(places(&without), ["node[0].ca"]);
}

#[test]
fn there_is_no_console_without_its_section() {
    assert!(load(COMPLETE).unwrap().admin.is_none());
    let text = format!("{COMPLETE}\n[admin]\npassword-file = \"password\"");
    let admin = load(&text).unwrap().admin.unwrap();
    assert_eq!(admin.address, "127.0.0.1:6032".parse().unwrap());
    assert_eq!(admin.user, "admin");
    assert!(admin.tls.is_none());
}

#[test]
fn a_console_beyond_loopback_demands_tls_and_every_console_a_password() {
    let admin = |keys: &str| format!("{COMPLETE}\n[admin]\n{keys}");
    let away = admin("password-file = \"password\"\naddress = \"0.0.0.0:6032\"");
    assert_eq!(places(&away), ["admin.tls"]);
    let secured = format!("{away}\n[admin.tls]\ncertificate = \"secret\"\nkey = \"secret\"");
    assert!(load(&secured).unwrap().admin.unwrap().tls.is_some());
    let nobody = admin("password-file = \"none\"\nuser = \"\"\naddress = \"6032\"");
    assert_eq!(
        places(&nobody),
        ["admin.user", "admin.address", "admin.password-file"]
    );
}

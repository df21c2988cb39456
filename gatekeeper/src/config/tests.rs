use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

const EXAMPLE: &str = include_str!("../../../docs/examples/gatekeeper.toml");

/// A folder with the files that the example names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["users.toml", "proxy.secret", "some.pem"] {
        let path = folder.path().join(name);
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn checked(text: &str) -> Result<Config, String> {
    let folder = folder();
    let raw = config_file::parse(Path::new("gatekeeper.toml"), text).map_err(|error| error.to_string())?;
    Config::check(raw, folder.path()).map_err(|problems| problems.to_string())
}

/// The shortest config that works, with `change` put in.
fn minimal(top: &str, rest: &str) -> String {
    format!("state-dir = \"state\"\nusers-file = \"users.toml\"\n{top}\n{rest}")
}

const LISTEN: &str = "[listen]\ntcp = \"127.0.0.1:0\"\n";
const PROXY: &str = "[proxy]\nsocket = \"p.sock\"\nsecret-file = \"proxy.secret\"\n";

fn problem(top: &str, rest: &str) -> String {
    checked(&minimal(top, rest)).unwrap_err()
}

#[test]
fn the_example_is_a_config() {
    let config = checked(EXAMPLE).unwrap();
    assert_eq!(config.listen, [Endpoint::Tcp("127.0.0.1:3306".parse().unwrap())]);
    assert_eq!(
        config.tls,
        Tls::On {
            required: false,
            identity: TlsIdentity::SelfSigned
        }
    );
    assert!(config.proxy.secret.is_some() && config.proxy.tls.is_none());
}

/// Every commented-out `key = value` of the example that says it is the default, is.
#[test]
fn the_example_shows_the_defaults() {
    let raw: raw::Config = config_file::parse(Path::new("gatekeeper.toml"), EXAMPLE).unwrap();
    let defaults = toml::Table::try_from(raw::Config::new("state", "users.toml", raw.proxy)).unwrap();
    let mut section = String::new();
    let mut seen = 0;
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        }
        let Some(assignment) = line.strip_prefix("# ").filter(|line| line.contains(" = ")) else {
            continue;
        };
        let Ok(table) = assignment.parse::<toml::Table>() else {
            continue;
        };
        let (key, value) = table.iter().next().unwrap();
        let place = match section.as_str() {
            "" => Some(&defaults),
            name => defaults.get(name).and_then(toml::Value::as_table),
        };
        if let Some(default) = place.and_then(|table| table.get(key)) {
            assert_eq!(value, default, "{key}");
            seen += 1;
        }
    }
    assert_eq!(seen, 21);
}

#[test]
fn the_memory_for_statements_holds_the_largest() {
    let limits = |limits: &str| {
        let proxy = raw::Proxy {
            socket: Some("p.sock".into()),
            ..raw::Proxy::default()
        };
        let mut raw = raw::Config::new("state", "users.toml", proxy);
        raw.limits = toml::from_str(limits).unwrap();
        check::config(raw, Path::new("")).map(|config| config.limits.statement_memory_bytes_max)
    };
    let problems = |limits: Result<usize, Problems>| limits.unwrap_err().to_string();
    let too_small = problems(limits(
        "statement-bytes-max = 5000\nstatement-memory-bytes-max = 4000",
    ));
    assert!(too_small.contains("statement-memory-bytes-max"), "{too_small}");
    let enough = limits("statement-bytes-max = 5000\nstatement-memory-bytes-max = 5000");
    let enough = enough.map_err(|problems| problems.to_string());
    assert!(!enough.is_err_and(|problems| problems.contains("statement-memory")));
}

#[test]
fn what_is_rendered_is_read_again() {
    let proxy = raw::Proxy {
        socket: Some("p.sock".into()),
        ..raw::Proxy::default()
    };
    let mut raw = raw::Config::new("state", "users.toml", proxy);
    raw.tls.mode = raw::TlsMode::Required;
    let text = toml::to_string(&raw).unwrap();
    assert_eq!(
        config_file::parse::<raw::Config>(Path::new("x"), &text).unwrap(),
        raw
    );
}

#[test]
fn all_problems_come_at_once_with_their_places() {
    let shown = checked(
        "state-dir = \"s\"\nusers-file = \"none.toml\"\nshards = 0\nnumber = 64\n[proxy]\n[tls]\nkey = \"some.pem\"\n\
         [http]\naddress = \"localhost\"\n[limits]\nhandshake-timeout-ms = 0\n[log]\nlevel = \"a=b\"\n",
    )
    .unwrap_err();
    for place in [
        "shards: 0 is not between 1 and 1024 threads; leave it out",
        "number: 64 is not between 0 and 63",
        "[listen]: neither tcp nor socket is given; write tcp",
        "[tls] certificate: is not given, its partner is",
        "[http] address: \"localhost\" is not an IP address with a port; write it like",
        "[proxy]: neither address nor socket is given",
        "[proxy]: nothing proves us to the proxy",
        "[limits] handshake-timeout-ms: 0 is not between 100 and 600000 milliseconds",
        "[log] level: \"a=b\" is no log level",
        "users-file: cannot read",
    ] {
        assert!(shown.contains(place), "{place} is not in\n{shown}");
    }
    assert!(shown.starts_with("10 problems\n"), "{shown}");
}

#[test]
fn a_proxy_on_another_machine_needs_tls() {
    let proxy = "[proxy]\naddress = \"192.0.2.1:6033\"\nsecret-file = \"proxy.secret\"\n";
    let shown = problem("", &format!("{LISTEN}{proxy}"));
    assert!(
        shown.contains("would travel in clear; add [proxy.tls]"),
        "{shown}"
    );
    let tls = "[proxy.tls]\nca = \"some.pem\"\ncertificate = \"some.pem\"\nkey = \"some.pem\"\n";
    let config = checked(&minimal("", &format!("{LISTEN}{proxy}{tls}"))).unwrap();
    assert_eq!(config.proxy.tls.unwrap().server_name, "192.0.2.1");
}

#[test]
fn a_proxy_on_this_machine_needs_a_proof() {
    let shown = problem("", &format!("{LISTEN}[proxy]\naddress = \"127.0.0.1:6033\"\n"));
    assert!(
        shown.contains("[proxy]: nothing proves us to the proxy; give secret-file"),
        "{shown}"
    );
}

#[test]
fn a_proxy_has_one_place() {
    let shown = problem("", &format!("{LISTEN}{PROXY}address = \"127.0.0.1:1\"\n"));
    assert!(shown.contains("both address and socket are given"), "{shown}");
    let tls = "[proxy.tls]\nca = \"some.pem\"\ncertificate = \"some.pem\"\nkey = \"some.pem\"\n";
    let shown = problem("", &format!("{LISTEN}{PROXY}{tls}"));
    assert!(shown.contains("a Unix socket carries no TLS"), "{shown}");
}

#[test]
fn an_open_secret_is_refused() {
    let folder = folder();
    let path = folder.path().join("proxy.secret");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let text = minimal("", &format!("{LISTEN}{PROXY}"));
    let raw = config_file::parse(Path::new("x"), &text).unwrap();
    let shown = Config::check(raw, folder.path()).unwrap_err().to_string();
    assert!(
        shown.contains("[proxy] secret-file: ") && shown.contains("chmod 600"),
        "{shown}"
    );
}

#[test]
fn a_short_secret_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("proxy.secret"), "too short\n").unwrap();
    let raw = config_file::parse(Path::new("x"), &minimal("", &format!("{LISTEN}{PROXY}"))).unwrap();
    let shown = Config::check(raw, folder.path()).unwrap_err().to_string();
    assert_eq!(shown, "[proxy] secret-file: the secret has less than 16 bytes");
}

#[test]
fn an_unknown_key_is_refused() {
    let shown = problem("shard = 2", &format!("{LISTEN}{PROXY}"));
    assert!(
        shown.contains("gatekeeper.toml:3:1: unknown field `shard`"),
        "{shown}"
    );
}

#[test]
fn a_printed_config_holds_no_secret() {
    let config = checked(EXAMPLE).unwrap();
    let shown = format!("{config:?}");
    assert!(
        shown.contains("[redacted]") && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
}

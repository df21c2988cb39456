//! The arrows of knowledge between the crates, read from their manifests and sources.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a manifest that cannot be read fails the test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything that each member may know of the others.
const ARROWS: [(&str, &str, &[&str]); 8] = [
    ("wire", "crates/wire", &[]),
    ("statement", "crates/statement", &[]),
    ("daemon", "crates/daemon", &[]),
    ("peer", "crates/peer", &["wire"]),
    (
        "gatekeeper",
        "gatekeeper",
        &["wire", "statement", "peer", "daemon"],
    ),
    ("proxy", "proxy", &["wire", "statement", "peer", "daemon"]),
    // infra renders configurations from the services' own types, and verifiers from wire's
    ("infra", "infra", &["gatekeeper", "proxy", "wire"]),
    (
        "tests",
        "tests",
        &[
            "wire",
            "statement",
            "daemon",
            "peer",
            "gatekeeper",
            "proxy",
            "infra",
        ],
    ),
];

/// Modules that say nothing of what they hold.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "shared"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a member is built from; `[dev-dependencies]` concern its tests only.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = manifest(folder);
    let sections = ["dependencies", "build-dependencies"];
    let tables = sections
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// The source's lines without comments: what is said about a word is no use of it.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn every_member_knows_only_what_lies_below_it() {
    for (name, folder, allowed) in ARROWS {
        let known: Vec<String> = dependencies(folder)
            .into_iter()
            .filter(|dependency| ARROWS.iter().any(|(member, ..)| member == dependency))
            .collect();
        for dependency in &known {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} depends on {dependency}"
            );
        }
    }
}

#[test]
fn every_member_of_the_workspace_has_its_arrows() {
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(_, folder, _)| *folder).collect();
    assert_eq!(members, drawn);
}

#[test]
fn the_pure_crates_do_no_input_and_no_output() {
    for folder in ["crates/wire", "crates/statement"] {
        for outside in [
            "tokio",
            "tokio-rustls",
            "rustls",
            "hyper",
            "mysql_async",
            "socket2",
        ] {
            assert!(
                !dependencies(folder).contains(outside),
                "{folder} depends on {outside}"
            );
        }
        for (path, text) in sources(folder) {
            for line in code_lines(&text) {
                for word in [
                    "std::net",
                    "std::fs",
                    "std::io::",
                    "std::process",
                    "std::time::Instant",
                    "SystemTime",
                    "async fn",
                ] {
                    assert!(!line.contains(word), "{}: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn wire_knows_no_sql_and_statement_no_packets() {
    assert!(!dependencies("crates/wire").contains("sqlparser"));
    assert!(!dependencies("crates/statement").contains("mysql_common"));
}

#[test]
fn the_process_crate_knows_no_mysql() {
    for outside in ["mysql_common", "mysql_async", "sqlparser"] {
        assert!(
            !dependencies("crates/daemon").contains(outside),
            "daemon depends on {outside}"
        );
    }
}

#[test]
fn the_parser_is_named_in_one_place() {
    for (_, folder, _) in ARROWS {
        for (path, text) in sources(folder) {
            let place = path.to_string_lossy().into_owned();
            let is_parse =
                place.ends_with("statement/src/parse.rs") || place.contains("statement/src/parse/");
            if !is_parse {
                let named = code_lines(&text).find(|line| line.contains("sqlparser"));
                assert_eq!(named, None, "{place} names the parser");
            }
        }
    }
}

#[test]
fn the_gatekeeper_knows_no_workers_and_the_proxy_no_rules() {
    for (path, text) in sources("gatekeeper") {
        let named = code_lines(&text)
            .filter(|line| !line.contains("worker_threads"))
            .find(|line| line.contains("Worker") || line.contains("worker_"));
        assert_eq!(named, None, "{} names workers", path.display());
    }
    for (path, text) in sources("proxy") {
        let named = code_lines(&text).find(|line| line.contains("Danger") || line.contains("dangers("));
        assert_eq!(named, None, "{} names dangers", path.display());
    }
}

#[test]
fn the_drivers_of_others_are_not_on_the_way_of_the_bytes() {
    for folder in ["crates/wire", "crates/peer", "gatekeeper"] {
        for outside in ["mysql_async", "opensrv-mysql"] {
            assert!(
                !dependencies(folder).contains(outside),
                "{folder} depends on {outside}"
            );
        }
    }
    for (path, text) in sources("proxy") {
        let named = code_lines(&text).find(|line| line.contains("mysql_async"));
        let is_control = path.to_string_lossy().contains("/cluster/");
        assert!(named.is_none() || is_control, "{}: {named:?}", path.display());
    }
}

#[test]
fn nothing_is_unsafe_and_every_member_takes_the_workspaces_lints() {
    let workspace = manifest(".");
    assert_eq!(
        workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(),
        Some("forbid")
    );
    for (name, folder, _) in ARROWS {
        let lints = manifest(folder);
        let taken = lints
            .get("lints")
            .and_then(|lints| lints.get("workspace")?.as_bool());
        assert_eq!(taken, Some(true), "{name} does not take the workspace's lints");
        for (path, text) in sources(folder) {
            let used = code_lines(&text).find(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
            assert_eq!(used, None, "{}", path.display());
        }
    }
}

#[test]
fn every_file_is_named_after_what_it_holds() {
    for (_, folder, _) in ARROWS {
        for (path, _) in sources(folder) {
            let inside = path.strip_prefix(root()).unwrap().with_extension("");
            let parts = inside
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned());
            for part in parts {
                assert!(!EMPTY_NAMES.contains(&part.as_str()), "{}", path.display());
            }
        }
    }
}

#[test]
fn a_manager_is_a_node_and_nothing_else() {
    for (_, folder, _) in ARROWS {
        for (path, text) in sources(folder) {
            for line in code_lines(&text) {
                let names = ["struct ", "enum ", "trait "]
                    .iter()
                    .filter_map(|word| line.split_once(word));
                for (_, rest) in names {
                    let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                    assert!(
                        !(name.len() > 7 && name.ends_with("Manager") && name != "OnManager"),
                        "{}: {name}",
                        path.display()
                    );
                }
            }
        }
    }
}

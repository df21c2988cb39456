//! The binary's command line: what operators type, what they read, what scripts test.

// the lint's exception for tests does not see the functions between them
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the gatekeeper in a folder with this standard input.
fn gatekeeper(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatekeeper"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // a command that reads no input may be gone already
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const ADD: [&str; 5] = ["user", "add", "--file", "users.toml", "--password-stdin"];

#[test]
fn users_are_added_shown_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &str| gatekeeper(folder.path(), arguments, input);
    let users_toml = || fs::read_to_string(folder.path().join("users.toml")).unwrap();

    let added = run(&[&ADD[..], &["app"]].concat(), "correct horse\n");
    assert_eq!(code(&added), 0, "{}", text(&added.stderr));
    assert!(!users_toml().contains("correct horse"));
    let mode = fs::metadata(folder.path().join("users.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let again = run(&[&ADD[..], &["app"]].concat(), "correct horse\n");
    assert_eq!(code(&again), 65);
    assert!(text(&again.stderr).contains("error: there is a user \"app\" already\nnext:  "));

    let dba = run(
        &[
            &ADD[..],
            &["--policy", "off", "--plugin", "native", "--replication", "dba"],
        ]
        .concat(),
        "battery staple",
    );
    assert_eq!(code(&dba), 0);
    assert!(users_toml().contains("replication = true\n"));
    let list = run(&["user", "list", "--file", "users.toml"], "");
    assert_eq!(
        text(&list.stdout),
        "app\tpolicy default\tplugin both\ndba\tpolicy off\tplugin native\treplication\n"
    );

    let before = users_toml();
    let changed = run(
        &[
            "user",
            "password",
            "--file",
            "users.toml",
            "--password-stdin",
            "app",
        ],
        "other\n",
    );
    assert_eq!(code(&changed), 0);
    assert_ne!(users_toml(), before);

    assert_eq!(
        code(&run(&["user", "remove", "--file", "users.toml", "app"], "")),
        0
    );
    assert_eq!(
        code(&run(&["user", "remove", "--file", "users.toml", "app"], "")),
        65
    );
    assert!(!users_toml().contains("app"));
}

#[test]
fn a_password_is_asked_for_at_a_terminal_only_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let no_terminal = gatekeeper(
        folder.path(),
        &["user", "add", "--file", "users.toml", "app"],
        "word\n",
    );
    assert_eq!(code(&no_terminal), 64);
    assert!(text(&no_terminal.stderr).contains("--password-stdin"));
    let empty = gatekeeper(folder.path(), &[&ADD[..], &["app"]].concat(), "\n");
    assert_eq!(code(&empty), 65);
    assert!(!folder.path().join("users.toml").exists());
}

#[test]
fn the_examples_pass_check_config() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("gatekeeper.toml"),
        include_str!("../../docs/examples/gatekeeper.toml"),
    )
    .unwrap();
    fs::write(
        folder.path().join("users.toml"),
        include_str!("../../docs/examples/users.toml"),
    )
    .unwrap();
    let check = || {
        gatekeeper(
            folder.path(),
            &["check-config", "--config", "gatekeeper.toml"],
            "",
        )
    };

    let without_secret = check();
    assert_eq!(code(&without_secret), 78);
    assert!(text(&without_secret.stderr).contains("[proxy] secret-file: cannot read proxy.secret"));

    let secret = folder.path().join("proxy.secret");
    fs::write(&secret, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let fine = check();
    assert_eq!(code(&fine), 0, "{}", text(&fine.stderr));
    assert_eq!(text(&fine.stdout), "gatekeeper.toml: fine, 2 users\n");

    fs::write(folder.path().join("users.toml"), "[[user]]\nname = \"app\"\n").unwrap();
    let no_verifier = check();
    assert_eq!(code(&no_verifier), 78);
    assert!(
        text(&no_verifier.stderr)
            .contains("users.toml: user 1 \"app\": has no native, caching-sha2 or ed25519")
    );
}

#[test]
fn exit_codes_say_what_was_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| gatekeeper(folder.path(), arguments, "");
    assert_eq!(code(&run(&["frobnicate"])), 64);
    assert_eq!(code(&run(&["serve", "--config", "missing.toml"])), 66);
    fs::write(folder.path().join("bad.toml"), "statedir = 1\n").unwrap();
    let bad = run(&["serve", "--config", "bad.toml"]);
    assert_eq!(code(&bad), 78);
    assert!(
        text(&bad.stderr).contains("bad.toml:1:1: unknown field `statedir`"),
        "{}",
        text(&bad.stderr)
    );
    let help = run(&["--help"]);
    assert_eq!(code(&help), 0);
    assert!(text(&help.stdout).contains("gatekeeper serve --config gatekeeper.toml"));
}

//! HAProxy in TCP mode, once or several times in a row: what a well-known relay costs.

use std::{fmt::Write as _, path::Path};

/// Debian puts it outside an ordinary user's PATH.
pub(super) fn program() -> &'static str {
    const SBIN: &str = "/usr/sbin/haproxy";
    if Path::new(SBIN).exists() { SBIN } else { "haproxy" }
}

/// A configuration with one frontend per port: the first leads to the second and so on, the last to `server`.
/// All run in one process.
pub(super) fn render(ports: &[u16], server: (&str, u16), threads: u16) -> String {
    let mut text = format!(
        "global\n    nbthread {}\n    maxconn 4096\n\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 10m\n    timeout server 10m\n",
        threads.max(1)
    );
    for (index, port) in ports.iter().enumerate() {
        let (host, to) = match ports.get(index + 1) {
            Some(next) => ("127.0.0.1", *next),
            None => server,
        };
        let _ = write!(
            text,
            "\nfrontend hop{index}\n    bind 127.0.0.1:{port}\n    default_backend to{index}\n\
             \nbackend to{index}\n    server next {host}:{to}\n"
        );
    }
    text
}

/// The version it names, for the results.
pub(super) async fn version() -> Option<String> {
    let output = tokio::process::Command::new(program())
        .arg("-v")
        .output()
        .await
        .ok()?;
    // "HAProxy version 2.6.12-1+deb12u1 2023/12/16 - https://haproxy.org/"
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .nth(2)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_frontends_are_chained_and_the_last_leads_to_the_server() {
        let text = render(&[7001, 7002], ("127.0.0.1", 3306), 2);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let after = |line: &str| {
            lines
                .iter()
                .position(|other| *other == line)
                .map(|at| &lines[at + 1..])
                .unwrap()
        };
        assert!(after("frontend hop0").starts_with(&["bind 127.0.0.1:7001", "default_backend to0"]));
        assert_eq!(after("backend to0")[0], "server next 127.0.0.1:7002");
        assert!(after("frontend hop1").starts_with(&["bind 127.0.0.1:7002", "default_backend to1"]));
        assert_eq!(after("backend to1")[0], "server next 127.0.0.1:3306");
        assert!(lines.contains(&"nbthread 2") && lines.contains(&"mode tcp"));
    }
}

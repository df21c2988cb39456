//! The paths from sysbench to the manager that are compared.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What stands between sysbench and the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopPath {
    /// Nothing.
    Direct,
    /// HAProxy in TCP mode.
    Haproxy,
    /// HAProxy in TCP mode, twice: two chained frontends of one process.
    Haproxy2,
    /// HAProxy in TCP mode, twice: two processes.
    Haproxy2Split,
    /// One raw tokio relay that understands nothing.
    Relay,
    /// Two raw relays joined by TCP.
    Relay2,
    /// Two raw relays joined by a Unix socket.
    Relay2Unix,
    /// The proxy's own share of `pair` (it accepts nobody but the gatekeeper).
    Proxy,
    /// Gatekeeper and proxy.
    Pair,
}

impl HopPath {
    /// The name on the command line, in tables and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy => "haproxy",
            Self::Haproxy2 => "haproxy2",
            Self::Haproxy2Split => "haproxy2-split",
            Self::Relay => "relay",
            Self::Relay2 => "relay2",
            Self::Relay2Unix => "relay2-unix",
            Self::Proxy => "proxy",
            Self::Pair => "pair",
        }
    }

    /// One line for the listing of what will be run.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Direct => "sysbench → manager",
            Self::Haproxy => "sysbench → HAProxy (TCP mode) → manager",
            Self::Haproxy2 => "sysbench → HAProxy → itself again → manager (one process)",
            Self::Haproxy2Split => "sysbench → HAProxy → another HAProxy → manager (two processes)",
            Self::Relay => "sysbench → raw relay → manager",
            Self::Relay2 => "sysbench → raw relay → TCP → raw relay → manager",
            Self::Relay2Unix => "sysbench → raw relay → Unix socket → raw relay → manager",
            Self::Proxy => "the proxy process alone, out of the runs of `pair`",
            Self::Pair => "sysbench → gatekeeper → proxy → manager",
        }
    }

    /// The paths that sysbench really runs on for what was asked, in the order asked for, each once:
    /// `proxy` is read out of the runs of `pair`.
    pub(super) fn measured(asked: &[Self]) -> Vec<Self> {
        let mut measured = Vec::new();
        for path in asked {
            let path = if *path == Self::Proxy { Self::Pair } else { *path };
            if !measured.contains(&path) {
                measured.push(path);
            }
        }
        measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_on_the_command_line_in_results_and_in_tables() {
        for path in HopPath::value_variants() {
            assert_eq!(path.to_possible_value().unwrap().get_name(), path.name());
            assert_eq!(serde_json::to_value(path).unwrap(), path.name());
        }
    }

    #[test]
    fn the_proxy_is_measured_by_running_the_pair_once() {
        let measured = HopPath::measured(&[HopPath::Direct, HopPath::Proxy, HopPath::Pair, HopPath::Direct]);
        assert_eq!(measured, [HopPath::Direct, HopPath::Pair]);
    }
}

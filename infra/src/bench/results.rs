//! What a benchmark leaves behind: every single run as JSON, beside its picture.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::{
    machine::Machine, measure::Run, plan::Plan, profile::Profile, summary::Row, sysbench::PreparedStatements,
};

/// The files' layout; a reader that knows another one must not guess.
pub(super) const FORMAT: u32 = 1;

/// Everything that the figures depend on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub(super) started: String,
    pub(super) machine: Machine,
    pub(super) engine: String,
    pub(super) server_version: String,
    pub(super) sysbench_version: String,
    pub(super) haproxy_version: Option<String>,
    pub(super) infra_version: &'static str,
    /// The build profile of gatekeeper and proxy, by the name of its folder.
    pub(super) pair_build: Option<String>,
    /// Of the relays.
    pub(super) relay_build: Option<String>,
    pub(super) workers: usize,
    pub(super) strategy: Option<String>,
    /// `unix` or `tcp`, between gatekeeper and proxy.
    pub(super) inner_hop: Option<&'static str>,
    /// Threads of HAProxy and of each relay.
    pub(super) hop_threads: u16,
    pub(super) prepared_statements: PreparedStatements,
}

/// All of a benchmark, as it is kept.
#[derive(Serialize)]
pub(super) struct File<'a> {
    format: u32,
    #[serde(flatten)]
    facts: &'a Facts,
    profiles: &'a [Profile],
    rounds: u32,
    summary: &'a [Row],
    runs: &'a [Run],
}

/// All of a benchmark together.
pub(super) fn of<'a>(facts: &'a Facts, plan: &'a Plan, rows: &'a [Row], runs: &'a [Run]) -> File<'a> {
    File {
        format: FORMAT,
        facts,
        profiles: &plan.profiles,
        rounds: plan.rounds,
        summary: rows,
        runs,
    }
}

/// Writes results, replacing an older file in one step.
pub(super) fn write(path: &Path, file: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(file).context("failed to write the results")?;
    text.push('\n');
    replace(path, &text)
}

/// A reader sees the old file or the new one, never half of it.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("failed to write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut half = path.as_os_str().to_owned();
    half.push(".part");
    std::fs::write(&half, text).with_context(failed)?;
    std::fs::rename(&half, path).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{path::HopPath, profile, summary};

    #[test]
    fn every_run_and_the_facts_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/results.json");
        let facts = Facts {
            started: "2026-01-31T12:00:00Z".to_owned(),
            machine: Machine::observe(),
            engine: "mariadb".to_owned(),
            server_version: "10.11".to_owned(),
            sysbench_version: "1.0.20".to_owned(),
            haproxy_version: None,
            infra_version: "0.1.0",
            pair_build: None,
            relay_build: Some("release".to_owned()),
            workers: 0,
            strategy: Some("direct".to_owned()),
            inner_hop: Some("unix"),
            hop_threads: 2,
            prepared_statements: PreparedStatements::Auto,
        };
        let plan = Plan {
            profiles: vec![profile::load("point-select").unwrap()],
            threads: vec![8],
            rounds: 2,
            paths: vec![HopPath::Direct],
        };
        let runs = [1, 2].map(|round| summary::tests::run(HopPath::Direct, round, 100.0, &[]));
        write(&path, &of(&facts, &plan, &summary::rows(&runs), &runs)).unwrap();
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(value["format"], 1);
        assert_eq!(value["strategy"], "direct");
        assert_eq!(value["profiles"][0]["script"], "oltp_point_select");
        assert_eq!(value["summary"][0]["qps"], 100.0);
        let kept: Vec<Run> = serde_json::from_value(value["runs"].clone()).unwrap();
        assert_eq!(kept, runs);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no half file stays behind"
        );
    }
}

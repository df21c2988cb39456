//! What the nodes themselves wrote down: their general logs, read from the files. Other tests use the same nodes at
//! the same time, so statements are told apart by a marker in their text.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::Context;
use mysql_async::prelude::Queryable;

use crate::cluster::Cluster;

/// The general logs of a cluster, from the moment of opening on.
#[derive(Debug)]
pub struct NodeLog {
    files: Vec<(String, PathBuf, u64)>,
}

/// A word that no other statement of the run holds.
#[must_use]
pub fn marker(what: &str) -> String {
    format!("{what}_{:016x}", rand::random::<u64>())
}

impl NodeLog {
    pub(crate) async fn open(cluster: &Cluster) -> anyhow::Result<NodeLog> {
        let mut files = Vec::new();
        for node in &cluster.facts().nodes {
            let mut root = cluster.root(&node.name).await?;
            let path: Option<(String, String)> =
                root.query_first("SELECT @@datadir, @@general_log_file").await?;
            root.disconnect().await?;
            let (folder, file) = path.context("no general log")?;
            let path = PathBuf::from(folder).join(file);
            let length = std::fs::metadata(&path)
                .with_context(|| format!("no general log at {}", path.display()))?
                .len();
            files.push((node.name.clone(), path, length));
        }
        Ok(NodeLog { files })
    }

    /// How many statements with the marker each node ran, as text or prepared. Nodes with none are there with 0.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn ran(&self, marker: &str) -> anyhow::Result<BTreeMap<String, usize>> {
        self.count(marker, &["Query", "Execute"])
    }

    /// How many statements with the marker each node prepared.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn prepared(&self, marker: &str) -> anyhow::Result<BTreeMap<String, usize>> {
        self.count(marker, &["Prepare"])
    }

    fn count(&self, marker: &str, commands: &[&str]) -> anyhow::Result<BTreeMap<String, usize>> {
        self.files
            .iter()
            .map(|(name, path, start)| {
                let text = read_from(path, *start)?;
                Ok((name.clone(), count(&text, marker, commands)))
            })
            .collect()
    }

    /// The lines of one node that hold the marker.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn lines(&self, node: &str, marker: &str) -> anyhow::Result<Vec<String>> {
        let (_, path, start) = self
            .files
            .iter()
            .find(|(name, ..)| name == node)
            .with_context(|| format!("no node {node}"))?;
        let text = read_from(path, *start)?;
        Ok(text
            .lines()
            .filter(|line| line.contains(marker))
            .map(str::to_owned)
            .collect())
    }
}

fn read_from(path: &PathBuf, start: u64) -> anyhow::Result<String> {
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `<time>\t<thread> Query\tSELECT …`, the time only where it changed (MariaDB).
fn count(text: &str, marker: &str, commands: &[&str]) -> usize {
    text.lines()
        .filter(|line| line.contains(marker))
        .filter(|line| {
            let head = line.trim_start().split(marker).next().unwrap_or_default();
            commands
                .iter()
                .any(|command| head.contains(&format!(" {command}\t")))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_engines_are_counted_by_command() {
        let text = "2026-11-21T10:10:10.123456Z\t   12 Query\tSELECT 'm_1'\n\
                    261121 10:10:10\t    12 Prepare\tSELECT 'm_1', ?\n\
                    \t\t    12 Execute\tSELECT 'm_1', 7\n\
                    \t\t    12 Query\tSELECT 'm_2'\n";
        assert_eq!(count(text, "m_1", &["Query", "Execute"]), 2);
        assert_eq!(count(text, "m_1", &["Prepare"]), 1);
        assert_eq!(count(text, "m_2", &["Prepare"]), 0);
    }
}

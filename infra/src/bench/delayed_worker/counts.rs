//! Where the proxy's reads went, by its own `/metrics`.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::super::limits;

/// Statements by the node that ran them.
pub(super) type Reads = BTreeMap<String, u64>;

/// What the page says now.
pub(super) struct Page(String);

impl Page {
    /// Fetches `http://HOST:PORT/metrics`.
    pub(super) async fn fetch(http: &str) -> anyhow::Result<Self> {
        let address = http.strip_prefix("http://").unwrap_or(http);
        tokio::time::timeout(limits::PAGE_TIMEOUT, get(address))
            .await
            .with_context(|| format!("{http}/metrics did not answer in time"))?
            .with_context(|| format!("failed to read {http}/metrics"))
    }

    /// Statements so far by node, over all reasons.
    pub(super) fn statements(&self) -> Reads {
        let mut reads = Reads::new();
        for (labels, value) in self.series("proxy_statements_total") {
            if let (Some(node), Ok(count)) = (label(labels, "node"), value.parse::<u64>()) {
                *reads.entry(node.to_owned()).or_default() += count;
            }
        }
        reads
    }

    /// Whether the proxy lets a node serve.
    pub(super) fn is_up(&self, node: &str) -> bool {
        self.series("proxy_node_up")
            .any(|(labels, value)| label(labels, "node") == Some(node) && value == "1")
    }

    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .lines()
            .filter_map(move |line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "))
    }
}

/// What was counted between two looks.
pub(super) fn between(before: &Reads, after: &Reads) -> Reads {
    after
        .iter()
        .map(|(node, count)| {
            let earlier = before.get(node).copied().unwrap_or(0);
            (node.clone(), count.saturating_sub(earlier))
        })
        .collect()
}

/// Waits until the proxy lets all these nodes serve.
pub(super) async fn served(http: &str, nodes: &[&str]) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + limits::NODES_UP_TIMEOUT;
    loop {
        let page = Page::fetch(http).await?;
        let Some(missing) = nodes.iter().find(|node| !page.is_up(node)) else {
            return Ok(());
        };
        if tokio::time::Instant::now() > deadline {
            bail!("the proxy does not take {missing} as fit to serve");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn get(address: &str) -> anyhow::Result<Page> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream
        .take(limits::PAGE_BYTES_MAX)
        .read_to_string(&mut answer)
        .await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{}", head.lines().next().unwrap_or_default());
    }
    Ok(Page(body.to_owned()))
}

/// The value of one label; those that are asked for have no quotes in them.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE proxy_statements_total counter
proxy_statements_total{node=\"manager\",reason=\"write\"} 7
proxy_statements_total{node=\"worker1\",reason=\"adaptive\"} 100
proxy_statements_total{node=\"worker1\",reason=\"follows\"} 1
proxy_node_up{node=\"manager\"} 1
proxy_node_up{node=\"worker1\"} 0
";

    #[test]
    fn statements_are_summed_over_reasons_and_told_apart_by_node() {
        let page = Page(PAGE.to_owned());
        let before = page.statements();
        assert_eq!((before["manager"], before["worker1"]), (7, 101));
        let after = Page(
            PAGE.replace("} 100", "} 350") + "proxy_statements_total{node=\"worker2\",reason=\"random\"} 9\n",
        );
        let ran = between(&before, &after.statements());
        assert_eq!((ran["manager"], ran["worker1"], ran["worker2"]), (0, 250, 9));
        assert!(page.is_up("manager") && !page.is_up("worker1") && !page.is_up("worker2"));
    }
}

//! The TCP ports of a cluster on this machine.
//!
//! ```text
//! P gatekeeper   P+1 proxy   P+2 gatekeeper's http   P+3 proxy's http   P+4 proxy's admin console
//! P+10 manager   P+11… workers
//! ```

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, bail};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

const MANAGER_OFFSET: u16 = 10;
/// Well-known servers live below.
const LOWEST_FREE: u16 = 12_000;
const FREE_RANGE_MIN: u16 = 4_000;
/// Linux's default.
const FIRST_OUTGOING: u16 = 32_768;
/// A server that somebody has just killed closes its sockets after its memory is given back.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const FREE_TRIES_MAX: u32 = 10_000;

/// One port per listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) gatekeeper: u16,
    pub(crate) proxy: u16,
    pub(crate) gatekeeper_http: u16,
    pub(crate) proxy_http: u16,
    /// 0 in the record of a cluster that is older than the console.
    #[serde(default)]
    pub(crate) proxy_admin: u16,
    /// The manager's, then each worker's.
    pub(crate) nodes: Vec<u16>,
}

impl Ports {
    /// The ports that follow from `base`; free ones wherever they are, if it is 0.
    pub(crate) fn allot(base: u16, nodes: u16) -> anyhow::Result<Ports> {
        if base == 0 {
            let mut found = free(5 + usize::from(nodes))?.into_iter();
            let mut next = || found.next().context("fewer ports than asked for");
            return Ok(Ports {
                gatekeeper: next()?,
                proxy: next()?,
                gatekeeper_http: next()?,
                proxy_http: next()?,
                proxy_admin: next()?,
                nodes: found.collect(),
            });
        }
        let at = |offset: u16| {
            base.checked_add(offset)
                .with_context(|| format!("--port-base {base} leaves no room for {nodes} nodes"))
        };
        Ok(Ports {
            gatekeeper: at(0)?,
            proxy: at(1)?,
            gatekeeper_http: at(2)?,
            proxy_http: at(3)?,
            proxy_admin: at(4)?,
            nodes: (0..nodes)
                .map(|node| at(MANAGER_OFFSET + node))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The same ports for another number of nodes; those that stay keep theirs.
    pub(crate) fn resized(mut self, base: u16, nodes: u16) -> anyhow::Result<Ports> {
        if self.proxy_admin == 0 {
            self.proxy_admin = Ports::allot(base, 0)?.proxy_admin;
        }
        let wanted = usize::from(nodes);
        self.nodes.truncate(wanted);
        let missing = wanted - self.nodes.len();
        if missing > 0 {
            let fresh = if base == 0 {
                free(missing)?
            } else {
                Ports::allot(base, nodes)?.nodes.split_off(self.nodes.len())
            };
            self.nodes.extend(fresh);
        }
        Ok(self)
    }
}

/// Finds `count` different ports on which nobody listens.
///
/// Not by asking the kernel, which answers from the range that outgoing connections take theirs from: a server that
/// is down for a moment could lose its port to a client of its neighbour.
fn free(count: usize) -> anyhow::Result<Vec<u16>> {
    let range = LOWEST_FREE..first_outgoing();
    let mut rng = rand::rng();
    // all are held until the last is known, or the same port could be found twice
    let mut held: Vec<TcpListener> = Vec::with_capacity(count);
    for _ in 0..FREE_TRIES_MAX {
        if held.len() == count {
            break;
        }
        held.extend(TcpListener::bind((
            Ipv4Addr::LOCALHOST,
            rng.random_range(range.clone()),
        )));
    }
    if held.len() < count {
        bail!(
            "cannot find {count} free ports between {} and {}",
            range.start,
            range.end
        );
    }
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// Where the kernel's range for outgoing connections begins.
fn first_outgoing() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|first| *first > LOWEST_FREE + FREE_RANGE_MIN)
        .unwrap_or(FIRST_OUTGOING)
}

/// Fails, naming the server that wants it, when somebody listens on the port and goes on doing so.
pub(crate) async fn require_free(port: u16, wanted_by: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + RELEASE_WAIT_MAX;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                return Err(error).with_context(|| format!("cannot listen on port {port} for {wanted_by}"));
            }
            Err(_) if Instant::now() > deadline => bail!(
                "port {port}, which {wanted_by} needs, is in use by another process: stop that, or choose another --port-base"
            ),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_from_the_base() {
        let ports = Ports::allot(7000, 3).unwrap();
        assert_eq!(
            (
                ports.gatekeeper,
                ports.proxy,
                ports.gatekeeper_http,
                ports.proxy_http
            ),
            (7000, 7001, 7002, 7003)
        );
        assert_eq!(ports.nodes, [7010, 7011, 7012]);
        assert!(Ports::allot(65530, 1).is_err());
    }

    #[test]
    fn free_ports_are_free_and_different() {
        let ports = Ports::allot(0, 2).unwrap();
        let mut all = ports.nodes.clone();
        all.extend([
            ports.gatekeeper,
            ports.proxy,
            ports.gatekeeper_http,
            ports.proxy_http,
        ]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        assert!(
            all.iter().all(|port| *port < first_outgoing()),
            "{all:?} could be lost to a client"
        );
    }

    #[test]
    fn nodes_that_stay_keep_their_port() {
        let ports = Ports::allot(7000, 2).unwrap();
        assert_eq!(
            ports.clone().resized(7000, 4).unwrap().nodes,
            [7010, 7011, 7012, 7013]
        );
        assert_eq!(ports.clone().resized(7000, 1).unwrap().nodes, [7010]);
        assert_eq!(ports.resized(0, 3).unwrap().nodes[..2], [7010, 7011]);
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_server_that_needs_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = require_free(port, "worker1").await.unwrap_err().to_string();
        assert!(
            text.contains(&port.to_string()) && text.contains("worker1"),
            "{text}"
        );
    }
}

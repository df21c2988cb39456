//! The TCP ports of a cluster on this machine.
//!
//! ```text
//! P gatekeeper   P+1 proxy   P+2 gatekeeper's http   P+3 proxy's http   P+10 manager   P+11… workers
//! ```

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

const MANAGER_OFFSET: u16 = 10;

/// One port per listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) gatekeeper: u16,
    pub(crate) proxy: u16,
    pub(crate) gatekeeper_http: u16,
    pub(crate) proxy_http: u16,
    /// The manager's, then each worker's.
    pub(crate) nodes: Vec<u16>,
}

impl Ports {
    /// The ports that follow from `base`; free ones wherever they are, if it is 0.
    pub(crate) fn allot(base: u16, nodes: u16) -> anyhow::Result<Ports> {
        if base == 0 {
            let mut found = free(4 + usize::from(nodes))?.into_iter();
            let mut next = || found.next().context("fewer ports than asked for");
            return Ok(Ports {
                gatekeeper: next()?,
                proxy: next()?,
                gatekeeper_http: next()?,
                proxy_http: next()?,
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
            nodes: (0..nodes)
                .map(|node| at(MANAGER_OFFSET + node))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The same ports for another number of nodes; those that stay keep theirs.
    pub(crate) fn resized(mut self, base: u16, nodes: u16) -> anyhow::Result<Ports> {
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

/// Asks the kernel for `count` different free ports.
fn free(count: usize) -> anyhow::Result<Vec<u16>> {
    // all are held until the last is known, or the same port could be found twice
    let held = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<Vec<_>, _>>()
        .context("cannot find a free port")?;
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// Fails, naming the server that wants it, when somebody listens on the port.
pub(crate) fn require_free(port: u16, wanted_by: &str) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {port}, which {wanted_by} needs, is in use by another process: stop that, or choose another --port-base"
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on port {port} for {wanted_by}")),
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

    #[test]
    fn a_port_in_use_is_named_with_the_server_that_needs_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = require_free(port, "worker1").unwrap_err().to_string();
        assert!(
            text.contains(&port.to_string()) && text.contains("worker1"),
            "{text}"
        );
    }
}

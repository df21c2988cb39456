//! The way to a host: ICMP echo where that is permitted, the time of a TCP connect elsewhere.
//!
//! ICMP uses Linux's unprivileged ICMP socket (`net.ipv4.ping_group_range`), a raw one when that is
//! not permitted but CAP_NET_RAW is there. Each node has its own socket, since two nodes may share an
//! address and echoes are told apart by socket and sequence number.
//!
//! A TCP connect is a whole visit with login ([`super::super::greeting`]): a server counts connections
//! that end before it, and blocks the host after `max_connect_errors` of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence, Pinger};

use super::super::greeting;
use super::super::node::{Address, Node};
use crate::config;
use crate::metrics::EchoKind;

/// Bytes that an echo carries, as those of `ping`.
const PAYLOAD: [u8; 56] = [0; 56];

/// Longer than any configured bound.
const NEVER: Duration = Duration::from_secs(7 * 86_400);

/// One node's echo.
pub(super) struct Echo {
    /// Whether the log knows by now how latency is measured.
    pub(super) announced: bool,
    way: Way,
}

enum Way {
    /// Where the pinger is built at the first measurement, and again after the address was lost.
    Icmp {
        host: String,
        pinger: Option<Box<IcmpSocket>>,
        kind: EchoKind,
        sequence: u16,
        trouble: Option<Trouble>,
    },
    Tcp {
        node: Arc<Node>,
        monitor: config::Monitor,
    },
}

/// The client owns the socket and must outlive its pinger.
struct IcmpSocket {
    _client: Client,
    pinger: Pinger,
}

enum Trouble {
    /// No socket: it will not get better by itself.
    Impossible(String),
    /// A name that does not resolve, a network that is gone.
    Passing(String),
}

impl Echo {
    /// ICMP to the node's host. For a node on a Unix socket there is no host; that is the caller's to know.
    pub(super) fn icmp(node: &Node) -> Self {
        let host = match &node.address {
            Address::Tcp { host, .. } => host.clone(),
            Address::Unix(_) => String::new(),
        };
        let way = Way::Icmp {
            host,
            pinger: None,
            kind: EchoKind::Icmp,
            sequence: 0,
            trouble: None,
        };
        Self {
            announced: false,
            way,
        }
    }

    /// The time of a TCP connect to the node.
    pub(super) fn tcp(node: &Arc<Node>, monitor: &config::Monitor) -> Self {
        let way = Way::Tcp {
            node: Arc::clone(node),
            monitor: monitor.clone(),
        };
        Self {
            announced: false,
            way,
        }
    }

    /// How this is measured, for log and metric label.
    pub(super) fn kind(&self) -> EchoKind {
        match &self.way {
            Way::Icmp { kind, .. } => *kind,
            Way::Tcp { .. } => EchoKind::TcpConnect,
        }
    }

    /// Whether it will never be answered.
    pub(super) fn is_impossible(&self) -> bool {
        matches!(
            &self.way,
            Way::Icmp {
                trouble: Some(Trouble::Impossible(_)),
                ..
            }
        )
    }

    /// What the last measurement failed of.
    pub(super) fn trouble(&self) -> Option<String> {
        match &self.way {
            Way::Icmp {
                trouble: Some(Trouble::Impossible(why) | Trouble::Passing(why)),
                ..
            } => Some(why.clone()),
            _ => None,
        }
    }

    /// One round trip. The caller bounds it; given up half-way it leaves nothing behind.
    pub(super) async fn measure(&mut self) -> Option<Duration> {
        match &mut self.way {
            Way::Tcp { node, monitor } => greeting::visit(node, monitor)
                .await
                .ok()
                .map(|visit| visit.connect_time),
            Way::Icmp {
                host,
                pinger,
                kind,
                sequence,
                trouble,
            } => {
                if pinger.is_none() {
                    match open(host).await {
                        Ok((opened, opened_kind)) => {
                            *pinger = Some(Box::new(opened));
                            *kind = opened_kind;
                            *trouble = None;
                        }
                        Err(why) => *trouble = Some(why),
                    }
                }
                *sequence = sequence.wrapping_add(1);
                match pinger
                    .as_mut()?
                    .pinger
                    .ping(PingSequence(*sequence), &PAYLOAD)
                    .await
                {
                    Ok((_, round_trip)) => Some(round_trip),
                    Err(error) => {
                        *trouble = Some(Trouble::Passing(error.to_string()));
                        // the address may be another one by now
                        *pinger = None;
                        None
                    }
                }
            }
        }
    }
}

async fn open(host: &str) -> Result<(IcmpSocket, EchoKind), Trouble> {
    let address = resolve(host)
        .await
        .map_err(|error| Trouble::Passing(error.to_string()))?;
    let family = if address.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
    let client = Client::new(&Config::builder().kind(family).build())
        .map_err(|error| Trouble::Impossible(error.to_string()))?;
    let raw = client.get_socket().get_type() == socket2::Type::RAW;
    let mut pinger = client.pinger(address, PingIdentifier(rand::random())).await;
    // the caller has a bound of its own, which is shorter
    pinger.timeout(NEVER);
    Ok((
        IcmpSocket {
            _client: client,
            pinger,
        },
        if raw { EchoKind::IcmpRaw } else { EchoKind::Icmp },
    ))
}

async fn resolve(host: &str) -> std::io::Result<IpAddr> {
    let mut found = tokio::net::lookup_host((host, 0)).await?;
    found
        .next()
        .map(|address| address.ip())
        .ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

//! How far away a node is, measured in the background for strategy `ping`.
//!
//! Two round trips are measured side by side, each bounded, each kept as the smallest of the last few
//! samples ([`window`]); [`super::Latency::effective`] takes the worse:
//!
//! - the way to the *host*: ICMP echo, or the time of a TCP connect where ICMP is not permitted ([`echo`]);
//! - the way to the *server*: COM_PING on a control connection of its own. Several nodes on one host, or a
//!   relay or tunnel in front of one port, look the same to ICMP and differ here.
//!
//! A probe that is not answered in time counts as the bound. It delays only the next probe of this node.

mod echo;
mod window;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as signal;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::control::{Control, ControlError, within};
use super::node::{Address, Node, NodeId};
use super::{Cluster, Exclusion, Latency};
use crate::config;
use crate::config::EchoChoice;
use crate::metrics::EchoKind;
use echo::Echo;
use window::Window;

/// Echoes in a row that stay unanswered while the server itself answers: then it is the echo that is
/// filtered, not the way that is slow.
const UNANSWERED_MAX: u32 = 3;

/// The task of one node.
pub(super) struct Latencies {
    cluster: Arc<Cluster>,
    id: NodeId,
    node: Arc<Node>,
    monitor: config::Monitor,
    control: Control,
    echo: Option<Echo>,
    echoes: Window,
    pings: Window,
    unanswered: u32,
}

impl Latencies {
    pub(super) fn new(cluster: Arc<Cluster>, id: NodeId, node: Arc<Node>, monitor: &config::Monitor) -> Self {
        Self {
            control: Control::new(&node, monitor),
            echo: None,
            echoes: Window::new(monitor.latency.window),
            pings: Window::new(monitor.latency.window),
            unanswered: 0,
            monitor: monitor.clone(),
            cluster,
            id,
            node,
        }
    }

    /// Measures until told to stop.
    pub(super) async fn run(mut self, mut stopped: signal::Receiver<bool>) {
        if matches!(self.node.address, Address::Tcp { .. }) {
            self.echo = match self.monitor.latency.echo {
                EchoChoice::Tcp => Some(self.tcp()),
                EchoChoice::Auto | EchoChoice::Icmp => Some(Echo::icmp(&self.node)),
            };
        }
        let mut ticks = tokio::time::interval(self.monitor.latency.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = self.probe() => {}
            }
        }
        self.control.close().await;
    }

    async fn probe(&mut self) {
        let limit = self.monitor.latency.timeout;
        let reachable = self.is_reachable();
        let echo = async {
            match &mut self.echo {
                Some(echo) if echo.kind() == EchoKind::TcpConnect && !reachable => Some(None),
                Some(echo) => Some(tokio::time::timeout(limit, echo.measure()).await.ok().flatten()),
                None => None,
            }
        };
        let (echo, ping) = tokio::join!(
            echo,
            ping(&mut self.control, reachable, self.monitor.timeout, limit)
        );
        let ping_sample = ping.unwrap_or(limit).min(limit);
        let ping_smallest = self.pings.push(ping_sample);
        let echo_smallest = echo.map(|echo| self.echoes.push(echo.unwrap_or(limit).min(limit)));
        if let Some(echo) = echo {
            self.consider_another_echo(echo.is_some(), ping.is_some());
        }
        let kind = self.echo.as_ref().map(Echo::kind);
        let latency = Latency {
            echo: if self.echoes.is_empty() {
                None
            } else {
                echo_smallest
            },
            ping: Some(ping_smallest),
        };
        self.cluster.update(self.id, |view| view.latency = latency);
        if let Some(metrics) = self.cluster.metrics.get(self.id.index()) {
            metrics.latency(kind, latency);
        }
    }

    /// Whether the monitor gets through. Where it does not, it alone tries, with its back-off: a server
    /// counts every connection that comes to nothing.
    fn is_reachable(&self) -> bool {
        let exclusion = self
            .cluster
            .view()
            .node(self.id)
            .and_then(|view| view.health.exclusion());
        !matches!(
            exclusion,
            Some(Exclusion::NotCheckedYet | Exclusion::Unreachable | Exclusion::AccessDenied)
        )
    }

    /// Leaves ICMP where it cannot be had, when the operator has left the choice to us.
    fn consider_another_echo(&mut self, answered: bool, server_answered: bool) {
        self.unanswered = match (answered, server_answered) {
            (true, _) => 0,
            (false, true) => self.unanswered + 1,
            (false, false) => self.unanswered,
        };
        let Some(echo) = &mut self.echo else { return };
        let node = &*self.node.name;
        if answered && !echo.announced {
            echo.announced = true;
            info!(node, probe = echo.kind().as_str(), "latency is measured");
        }
        let given_up = echo.is_impossible() || self.unanswered >= UNANSWERED_MAX;
        if !given_up || echo.kind() == EchoKind::TcpConnect {
            return;
        }
        let why = echo.trouble().unwrap_or_else(|| "no echo comes back".to_owned());
        if self.monitor.latency.echo == EchoChoice::Auto {
            warn!(
                node,
                why, "ICMP cannot be had, the time of a TCP connect takes its place"
            );
            self.echo = Some(self.tcp());
            self.echoes.clear();
        } else if !echo.announced {
            echo.announced = true;
            warn!(node, why, "ICMP cannot be had, as the configuration demands");
        }
        self.unanswered = 0;
    }

    fn tcp(&self) -> Echo {
        Echo::tcp(&self.node, &self.monitor)
    }
}

/// One COM_PING. Opening the connection, where need be, has the bound of a check and is not measured.
async fn ping(
    control: &mut Control,
    may_open: bool,
    open_limit: Duration,
    limit: Duration,
) -> Option<Duration> {
    if !may_open && !control.is_open() {
        return None;
    }
    let measured = async {
        within(open_limit, control.open()).await?;
        within(limit, control.ping()).await
    };
    let measured: Result<Duration, ControlError> = measured.await;
    if measured.is_err() {
        control.abandon();
    }
    measured.ok()
}

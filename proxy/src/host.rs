//! What all sessions share: made once at the start.

use std::sync::Arc;

use daemon::drain::Drain;
use peer::budget::Budget;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::session::Link;
use crate::session_registry::SessionRegistry;
use crate::strategy::SharedStrategy;

/// The shared bundle.
pub struct Host {
    /// What the operator wrote: accounts, limits, the gatekeeper's secret.
    pub config: Config,
    /// The strategy of sessions that have not chosen one.
    pub strategy: SharedStrategy,
    /// Whether anybody can look at digests.
    pub keeps_digests: bool,
    /// The nodes, watched in the background.
    pub cluster: Arc<Cluster>,
    /// The sessions that live now.
    pub sessions: Arc<SessionRegistry>,
    /// Connections to workers that no session uses now.
    pub(crate) pool: Pool<Box<Link>>,
    /// Memory for large statements, of all sessions.
    pub statement_memory: Budget,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the process is about to end.
    pub drain: Drain,
    /// Mutual TLS on the TCP listener, when the gatekeeper must show a certificate.
    pub tls: Option<peer::tls::Acceptor>,
}

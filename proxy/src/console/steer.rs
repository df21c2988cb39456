//! What an operator changes: each is logged.

use super::refusal::Refusal;
use crate::cluster::{self, NodeId};
use crate::host::Host;
use crate::session_registry::Listed;
use crate::strategy::Strategy;

/// Another strategy for all sessions that have not chosen one.
pub(super) fn set_strategy(host: &Host, strategy: Strategy) {
    host.strategy.set(strategy);
    tracing::warn!(%strategy, "an operator has set the strategy");
}

/// A worker out of service, or back.
pub(super) fn drain(host: &Host, name: &str, drained: bool) -> Result<(), Refusal> {
    let known = (0u8..)
        .map(NodeId)
        .zip(&host.config.nodes)
        .find(|(_, node)| node.name.eq_ignore_ascii_case(name));
    let Some((id, node)) = known else {
        let names: Vec<&str> = host.config.nodes.iter().map(|node| &*node.name).collect();
        return Err(Refusal::other(format!(
            "there is no node {name}; there is: {}",
            names.join(", ")
        )));
    };
    if !host.cluster.set_drained(id, drained) {
        return Err(Refusal::other(format!(
            "{} is the manager, which nobody can stand in for: only a worker can be drained",
            node.name
        )));
    }
    tracing::warn!(
        node = &*node.name,
        drained,
        "an operator has drained or resumed a node"
    );
    Ok(())
}

/// Ends a session: at once if it rests; what it runs is killed on its node, under the session's own account.
pub(super) async fn kill(host: &Host, id: u64) -> Result<(), Refusal> {
    let sessions = host.sessions.all();
    let mut called = sessions.iter().filter(|session| {
        let connection = session.connection();
        connection.is_some_and(|connection| u64::from(connection.id) == id)
    });
    let session = called.next().ok_or_else(|| Refusal::unknown_session(id))?;
    if called.next().is_some() {
        return Err(Refusal::other(format!(
            "two gatekeepers have a session {id}: give them numbers of their own ([gatekeeper] number)"
        )));
    }
    tracing::warn!(id, user = &*session.client().user, "an operator kills a session");
    // before its connections close, so that it knows why
    session.set_killed(true);
    session.ending().wish();
    let doing = session.activity().doing();
    if doing.running {
        kill_statement(host, session, doing.node).await;
    }
    Ok(())
}

/// Its other connections end with the session, or rest and are anybody's.
async fn kill_statement(host: &Host, session: &Listed, node: NodeId) {
    let (Some(config), Some(thread)) = (host.config.nodes.get(node.index()), session.thread_on(node)) else {
        return;
    };
    let limit = host.config.limits.connect_timeout;
    if let Err(error) = cluster::kill_thread(config, session.account(), thread, limit).await {
        tracing::warn!(node = &*config.name, %error, "failed to kill a session's statement");
    }
}

/// The digests of all shards anew.
pub(super) async fn reset_digests(shards: &daemon::shards::Shards) {
    shards.on_each(crate::digests::forget_on_this_thread).await;
}

//! `pools`: the connections to each node, by account. Those to workers are shared; one to the manager is its session's.

use std::collections::BTreeMap;

use super::super::table::Value;
use super::columns;
use crate::cluster::{NodeId, Role};
use crate::host::Host;

columns! {
    "node" Text,
    "account" Text,
    "connections_used" Integer,
    "connections_free" Integer,
    "running" Integer,
    "node_max" Integer,
    "node_waiting" Integer,
}

/// The connections to one node with one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Pool {
    pub(in crate::console) node: NodeId,
    account: String,
    /// Held by a session.
    pub(in crate::console) used: u64,
    /// Resting: any session of the account, the flags and the collation may take it.
    pub(in crate::console) free: u64,
    /// Sessions of the account that run a statement there.
    running: u64,
}

/// All connections of sessions at this moment.
pub(in crate::console) fn of(host: &Host) -> Vec<Pool> {
    let mut counts: BTreeMap<(NodeId, String), (u64, u64)> = BTreeMap::new();
    for (node, session) in host.sessions.connections() {
        let of_account = counts.entry((node, session.account().name.clone()));
        of_account.or_default().0 += 1;
    }
    for session in host.sessions.all() {
        let doing = session.activity().doing();
        let of_account = counts.get_mut(&(doing.node, session.account().name.clone()));
        if let Some((_, running)) = of_account.filter(|_| doing.running) {
            *running += 1;
        }
    }
    let pool = |((node, account), (all, running)): ((NodeId, String), (u64, u64))| {
        let shown = host.pool.shown(node);
        let free = shown.resting.get(&account).copied().unwrap_or_default().min(all);
        Pool {
            node,
            account,
            used: all - free,
            free,
            running,
        }
    };
    counts.into_iter().map(pool).collect()
}

/// The rows of this moment.
pub(in crate::console) fn rows(host: &Host) -> Vec<Vec<Value>> {
    let view = host.cluster.view();
    let row = |pool: Pool| {
        // the manager's connections have no bound of their own: there are as many as sessions
        let max = (view.role(pool.node) == Role::Worker).then(|| host.pool.connections_max() as u64);
        vec![
            super::node_name(host, pool.node),
            Value::Text(pool.account),
            Value::count(pool.used),
            Value::count(pool.free),
            Value::count(pool.running),
            Value::or_null(max.map(Value::count)),
            Value::count(host.pool.shown(pool.node).waiting),
        ]
    };
    of(host).into_iter().map(row).collect()
}

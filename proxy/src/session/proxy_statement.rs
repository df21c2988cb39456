//! Answers to `PROXY …`, which no server ever sees.

use std::sync::Arc;

use wire::reply::TextResultSet;

use crate::cluster::{Node, NodeId, Role};
use crate::position::Position;
use crate::route::{Reason, Route};
use crate::strategy::Strategy;

/// Where the previous statement ran, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastRoute {
    pub(super) node: NodeId,
    pub(super) role: Role,
    pub(super) strategy: Strategy,
    pub(super) reason: Reason,
    pub(super) microseconds: u64,
}

/// The answer to `PROXY SHOW ROUTE`.
pub(super) fn show_route(last: Option<LastRoute>, nodes: &[Arc<Node>]) -> TextResultSet {
    let set = TextResultSet::new(&["node", "role", "strategy", "reason", "microseconds"]);
    match last {
        Some(last) => set.row(vec![
            nodes.get(last.node.index()).map(|node| node.name.to_string()),
            Some(last.role.as_str().to_owned()),
            Some(last.strategy.as_str().to_owned()),
            Some(last.reason.as_str().to_owned()),
            Some(last.microseconds.to_string()),
        ]),
        None => set,
    }
}

/// The answer to `PROXY EXPLAIN …`.
pub(super) fn explain(node: &str, route: &Route) -> TextResultSet {
    TextResultSet::new(&["node", "role", "strategy", "reason"]).row(vec![
        Some(node.to_owned()),
        Some(route.role.as_str().to_owned()),
        Some(route.strategy.as_str().to_owned()),
        Some(route.reason.as_str().to_owned()),
    ])
}

/// The answer to `PROXY SHOW TOKEN`.
pub(super) fn show_token(token: &Position) -> TextResultSet {
    TextResultSet::new(&["token"]).row(vec![Some(token.to_string())])
}

/// What a client may say after `PROXY`.
pub(super) const USAGE: &str = "PROXY knows: PROXY SET strategy = 'direct' | 'random' | 'ping' | 'round-robin' | \
     'least-connections' | 'adaptive', \
     PROXY SET consistency = 'eventual' | 'session' | 'global', PROXY SHOW TOKEN, PROXY SET token = '<token>', \
     PROXY SHOW ROUTE, PROXY EXPLAIN <statement>";

//! `nodes`: the servers of the cluster.

use super::super::table::Value;
use super::columns;
use crate::cluster::{Address, Role};
use crate::host::Host;

columns! {
    "name" Text,
    "role" Text,
    "configured_role" Text,
    "address" Text,
    "state" Text,
    "lag_seconds" Real,
    "gtid" Text,
    "connections_used" Integer,
    "connections_free" Integer,
    "reads_in_flight" Integer,
    "response_ms" Real,
    "latency_ms" Real,
    "errors" Integer,
    "weight" Integer,
    "version" Text,
}

/// The rows of this moment.
pub(in crate::console) fn rows(host: &Host) -> Vec<Vec<Value>> {
    let view = host.cluster.view();
    let loads = host.cluster.loads();
    let pools = super::pools::of(host);
    let rows = view.nodes().map(|(id, node)| {
        let state = node.health.exclusion().map_or("up", |why| why.as_str());
        let connections = |count: fn(&super::pools::Pool) -> u64| {
            let of_node = pools.iter().filter(|pool| pool.node == id);
            Value::count(of_node.map(count).sum())
        };
        let gtid = host.cluster.positions(id).and_then(|positions| {
            let latest = positions.latest();
            latest.position.as_ref().map(ToString::to_string)
        });
        let lag = match node.role {
            Role::Manager => None,
            Role::Worker => node.lag,
        };
        vec![
            Value::text(&*node.node.name),
            Value::text(node.role.as_str()),
            Value::text(node.node.role.as_str()),
            Value::text(address(&node.node.address)),
            Value::text(state),
            Value::or_null(lag.map(Value::seconds)),
            Value::or_null(gtid.map(Value::Text)),
            connections(|pool| pool.used),
            connections(|pool| pool.free),
            Value::count(u64::from(loads.in_flight(id))),
            Value::or_null(loads.response_time(id).map(Value::milliseconds)),
            Value::or_null(node.latency.effective().map(Value::milliseconds)),
            Value::count(loads.failures(id)),
            Value::count(u64::from(node.node.weight)),
            Value::or_null(
                node.facts
                    .as_ref()
                    .map(|facts| Value::text(String::from_utf8_lossy(&facts.version))),
            ),
        ]
    });
    rows.collect()
}

fn address(address: &Address) -> String {
    match address {
        Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix(path) => path.display().to_string(),
    }
}

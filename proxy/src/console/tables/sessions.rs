//! `sessions`: the clients' sessions.

use super::super::table::Value;
use super::columns;
use crate::digests::Digests;
use crate::host::Host;
use crate::session_registry::Listed;

columns! {
    "id" Integer,
    "gatekeeper" Text,
    "user" Text,
    "client" Text,
    "account" Text,
    "state" Text,
    "seconds" Real,
    "pins" Text,
    "node" Text,
    "digest" Text,
    "statement" Text,
    "statements" Integer,
    "connections" Text,
}

/// The rows of this moment; the texts of statements are among those that the shards keep.
pub(in crate::console) fn rows(host: &Host, digests: &Digests) -> Vec<Vec<Value>> {
    let sessions = host.sessions.all();
    sessions
        .iter()
        .map(|session| row(host, digests, session))
        .collect()
}

fn row(host: &Host, digests: &Digests, session: &Listed) -> Vec<Value> {
    let doing = session.activity().doing();
    let connection = session.connection();
    let state = match (session.is_killed(), doing.running) {
        (true, _) => "killed",
        (false, true) => "running",
        (false, false) => "resting",
    };
    let text = digests.texts.get(&doing.shape);
    let threads: Vec<String> = session
        .threads()
        .into_iter()
        .map(|(node, thread)| format!("{}:{}", super::name_of(host, node), thread.0))
        .collect();
    vec![
        Value::or_null(connection.map(|connection| Value::count(u64::from(connection.id)))),
        Value::or_null(connection.map(|connection| Value::text(format!("{:016x}", connection.gatekeeper)))),
        Value::text(&*session.client().user),
        Value::text(&*session.client().address),
        Value::text(&session.account().name),
        Value::text(state),
        Value::seconds(doing.duration),
        Value::text(doing.holds.to_string()),
        match doing.shape {
            0 => Value::Null,
            _ => super::node_name(host, doing.node),
        },
        Value::or_null(text.map(|text| Value::Text(super::digests::digest(text)))),
        Value::or_null(text.map(|text| Value::text(String::from_utf8_lossy(text)))),
        Value::count(doing.statements),
        Value::Text(threads.join(" ")),
    ]
}

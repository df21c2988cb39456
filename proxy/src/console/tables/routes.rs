//! `routes`: how many statements ran where, and why.

use super::super::table::Value;
use super::columns;
use crate::digests::Digests;
use crate::host::Host;

columns! {
    "reason" Text,
    "node" Text,
    "statements" Integer,
}

/// The rows of this moment.
pub(in crate::console) fn rows(host: &Host, digests: &Digests) -> Vec<Vec<Value>> {
    let row = |((node, reason), count): (&(_, crate::route::Reason), &u64)| {
        vec![
            Value::text(reason.as_str()),
            super::node_name(host, *node),
            Value::count(*count),
        ]
    };
    digests.routes.iter().map(row).collect()
}

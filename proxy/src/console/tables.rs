//! The tables that the console shows: each a snapshot, made when somebody asks.

pub(super) mod config;
pub(super) mod digests;
pub(super) mod nodes;
pub(super) mod pools;
pub(super) mod routes;
pub(super) mod sessions;

use super::table::{ColumnOf, Value};

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Nodes,
    Sessions,
    Pools,
    Digests,
    Routes,
    Config,
}

impl Table {
    /// Every table there is.
    pub(super) const ALL: [Table; 6] = [
        Table::Nodes,
        Table::Sessions,
        Table::Pools,
        Table::Digests,
        Table::Routes,
        Table::Config,
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|table| name.eq_ignore_ascii_case(table.name()))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Table::Nodes => "nodes",
            Table::Sessions => "sessions",
            Table::Pools => "pools",
            Table::Digests => "digests",
            Table::Routes => "routes",
            Table::Config => "config",
        }
    }

    /// What one row is.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Table::Nodes => "a server of the cluster: its health, load and position",
            Table::Sessions => "a client's session: who, what it does, what keeps it on the manager",
            Table::Pools => "the connections to one node with one account",
            Table::Digests => "statements of one shape on one node for one reason",
            Table::Routes => "statements by node and reason since the start",
            Table::Config => "a key of the configuration",
        }
    }

    pub(super) const fn columns(self) -> &'static [ColumnOf] {
        match self {
            Table::Nodes => nodes::COLUMNS,
            Table::Sessions => sessions::COLUMNS,
            Table::Pools => pools::COLUMNS,
            Table::Digests => digests::COLUMNS,
            Table::Routes => routes::COLUMNS,
            Table::Config => config::COLUMNS,
        }
    }

    /// The order of SHOW.
    pub(super) const fn order(self) -> &'static str {
        match self {
            Table::Nodes => "role, name",
            Table::Sessions => "id",
            Table::Pools => "node, account",
            Table::Digests => "total_ms DESC",
            Table::Routes => "statements DESC",
            Table::Config => "name",
        }
    }
}

/// A table at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) table: Table,
    /// Each as long as the table's columns are many.
    pub(super) rows: Vec<Vec<Value>>,
}

macro_rules! columns {
    ($($name:literal $kind:ident,)*) => {
        /// What each row has, in this order.
        pub(in crate::console) const COLUMNS: &[$crate::console::table::ColumnOf] = &[
            $($crate::console::table::ColumnOf {
                name: $name,
                kind: $crate::console::table::Kind::$kind,
            },)*
        ];
    };
}
use columns;

fn name_of(host: &crate::host::Host, node: crate::cluster::NodeId) -> &str {
    host.config.nodes.get(node.index()).map_or("", |node| &*node.name)
}

fn node_name(host: &crate::host::Host, node: crate::cluster::NodeId) -> Value {
    Value::text(name_of(host, node))
}

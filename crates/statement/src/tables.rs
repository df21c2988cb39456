//! The tables that a statement names.

/// Most tables that are listed for one statement; of more, [`Tables::complete`] says so.
pub const TABLES_MAX: usize = 64;

/// A table as the statement names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema, where written: without it, the session's current one.
    pub schema: Option<Box<[u8]>>,
    /// The table's own name, without quotes.
    pub name: Box<[u8]>,
}

/// Tables named by a statement. Names of common table expressions are among them; aliases are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    names: Vec<TableName>,
    complete: bool,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            complete: true,
        }
    }
}

impl Tables {
    /// The names, each once.
    #[must_use]
    pub fn names(&self) -> &[TableName] {
        &self.names
    }

    /// Whether all are listed. False when there are too many, or when the statement can touch others.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn add(&mut self, table: TableName) {
        if self.names.contains(&table) {
            return;
        }
        if self.names.len() < TABLES_MAX {
            self.names.push(table);
        } else {
            self.complete = false;
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let name_bytes =
            |table: &TableName| table.name.len() + table.schema.as_deref().map_or(0, <[u8]>::len);
        self.names
            .iter()
            .map(|table| size_of::<TableName>() + name_bytes(table))
            .sum()
    }

    pub(crate) fn mark_incomplete(&mut self) {
        self.complete = false;
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.complete &= other.complete;
        for table in other.names {
            self.add(table);
        }
    }
}

/// Schemas whose content belongs to the node: never the same on two of them.
pub(crate) fn is_node_schema(name: &[u8]) -> bool {
    let known: [&[u8]; 4] = [b"information_schema", b"performance_schema", b"sys", b"mysql"];
    known.iter().any(|schema| schema.eq_ignore_ascii_case(name))
}

//! What a text asks of the console. Pure.

use statement::TokenKind;

use super::dialect::{Asker, Tokens, quoted};
use super::refusal::Refusal;
use super::tables::Table;
use super::{SCHEMA, help, table::Answer, variables};
use crate::strategy::{Strategy, UnknownStrategy};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// Nothing: OK.
    Nothing,
    /// What is known without looking.
    Tell(Answer),
    /// A SELECT in SQLite's words, and the tables that it reads.
    Select { sql: String, tables: Vec<Table> },
    /// Another strategy for all.
    SetStrategy(Strategy),
    /// A worker out of service, or back.
    Drain { node: String, drained: bool },
    /// A session's end, by the number that its client was greeted with.
    Kill(u64),
    /// The digests anew.
    ResetDigests,
    /// Another current schema.
    Use(String),
}

/// What a text asks for.
pub(super) fn of(text: &str, asker: &Asker) -> Result<Order, Refusal> {
    let tokens = Tokens::of(text)?;
    let words: Vec<String> = (0..3).map(|index| tokens.word(index)).collect();
    let [first, second, third] = [0, 1, 2].map(|index| words.get(index).map_or("", String::as_str));
    let is_bracket = tokens.kind(0) == Some(TokenKind::Open);
    match (first, second, third) {
        _ if tokens.len() == 0 => Ok(Order::Nothing),
        ("HELP", ..) if tokens.len() == 1 => Ok(Order::Tell(help::answer())),
        ("HELP", ..) => Ok(Order::Tell(help::topic())),
        ("SELECT" | "WITH" | "VALUES", ..) => select(&tokens, tokens.to_sqlite(0, asker)?),
        _ if is_bracket => select(&tokens, tokens.to_sqlite(0, asker)?),
        ("SHOW", ..) => show(&tokens, asker),
        ("DESCRIBE" | "DESC" | "EXPLAIN", _, "") if tokens.len() == 2 => {
            columns(&tokens.plain(1).unwrap_or_default(), false)
        }
        ("SET", ..) => set(&tokens),
        ("USE", ..) if tokens.len() == 2 => Ok(Order::Use(tokens.plain(1).unwrap_or_default())),
        ("DRAIN" | "RESUME", "NODE", _) if tokens.len() == 3 => Ok(Order::Drain {
            node: tokens.plain(2).unwrap_or_default(),
            drained: first == "DRAIN",
        }),
        ("KILL", "SESSION" | "CONNECTION", _) if tokens.len() == 3 => kill(&tokens, 2),
        ("KILL", ..) if tokens.len() == 2 => kill(&tokens, 1),
        ("RESET", "DIGESTS", "") => Ok(Order::ResetDigests),
        // nothing is ever written, so that a transaction is as good as none
        ("BEGIN" | "COMMIT" | "ROLLBACK", ..) | ("START", "TRANSACTION", _) => Ok(Order::Nothing),
        _ => Err(Refusal::unknown_statement()),
    }
}

fn select(tokens: &Tokens<'_>, sql: String) -> Result<Order, Refusal> {
    let named = (0..tokens.len()).filter_map(|index| Table::of(&tokens.plain(index)?));
    let mut tables = Vec::new();
    for table in named {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    Ok(Order::Select { sql, tables })
}

fn kill(tokens: &Tokens<'_>, index: usize) -> Result<Order, Refusal> {
    let id = tokens.plain(index).and_then(|id| id.parse().ok());
    id.map(Order::Kill)
        .ok_or_else(|| Refusal::syntax("KILL SESSION needs the id of SHOW SESSIONS"))
}

fn set(tokens: &Tokens<'_>) -> Result<Order, Refusal> {
    let mut at = 1;
    while ["SESSION", "GLOBAL", "LOCAL"]
        .iter()
        .any(|scope| tokens.is(at, scope))
    {
        at += 1;
    }
    if ["NAMES", "CHARACTER", "CHARSET", "TRANSACTION"]
        .iter()
        .any(|word| tokens.is(at, word))
    {
        return Ok(Order::Nothing);
    }
    let (name, behind) = match tokens.kind(at) {
        Some(TokenKind::SystemVariable) => {
            let (name, count) = tokens.variable_name(at);
            (name, at + count)
        }
        Some(TokenKind::UserVariable) => return Ok(Order::Nothing),
        _ => (tokens.plain(at).unwrap_or_default().to_ascii_lowercase(), at + 1),
    };
    if name == variables::STRATEGY {
        return set_strategy(tokens, behind);
    }
    if variables::may_be_set(&name) {
        return Ok(Order::Nothing);
    }
    Err(Refusal::unknown_variable(&name))
}

fn set_strategy(tokens: &Tokens<'_>, at: usize) -> Result<Order, Refusal> {
    if !matches!(tokens.written(at), "=" | ":=") {
        return Err(Refusal::syntax("SET strategy = 'NAME'"));
    }
    // round-robin needs no quotes
    let value: String = match tokens.kind(at + 1) {
        Some(TokenKind::Text | TokenKind::Quoted) if at + 2 == tokens.len() => {
            tokens.plain(at + 1).unwrap_or_default()
        }
        _ => (at + 1..tokens.len())
            .map(|index| tokens.written(index))
            .collect(),
    };
    let strategy = value.parse();
    strategy
        .map(Order::SetStrategy)
        .map_err(|error: UnknownStrategy| Refusal::wrong_value(variables::STRATEGY, &error))
}

fn show(tokens: &Tokens<'_>, asker: &Asker) -> Result<Order, Refusal> {
    let mut at = 1;
    while ["FULL", "EXTENDED", "GLOBAL", "SESSION", "LOCAL"]
        .iter()
        .any(|word| tokens.is(at, word))
    {
        at += 1;
    }
    let what = tokens.word(at);
    if what == "HELP" {
        return Ok(Order::Tell(help::answer()));
    }
    if let Some(table) = Table::of(&what) {
        return show_table(tokens, at + 1, table, asker);
    }
    let second = tokens.word(at + 1);
    match (what.as_str(), second.as_str()) {
        ("DATABASES" | "SCHEMAS", _) => filtered(
            tokens,
            at + 1,
            "SELECT schema_name AS \"Database\" FROM information_schema.schemata",
            "Database",
            asker,
        ),
        ("TABLES", _) => filtered(
            tokens,
            at + 1,
            &format!(
                "SELECT table_name AS \"Tables_in_{SCHEMA}\", table_type AS \"Table_type\" \
                 FROM information_schema.tables WHERE table_schema = '{SCHEMA}'"
            ),
            &format!("Tables_in_{SCHEMA}"),
            asker,
        ),
        ("TABLE", "STATUS") => filtered(
            tokens,
            at + 2,
            "SELECT table_name AS \"Name\", engine AS \"Engine\", table_rows AS \"Rows\", table_comment AS \"Comment\" \
             FROM information_schema.tables WHERE table_schema = 'proxy'",
            "Name",
            asker,
        ),
        ("VARIABLES", _) => filtered(
            tokens,
            at + 1,
            "SELECT Variable_name, Value FROM information_schema.session_variables",
            "Variable_name",
            asker,
        ),
        ("COLUMNS" | "FIELDS", "FROM" | "IN") => columns(
            &tokens.plain(at + 2).unwrap_or_default(),
            tokens.is(at - 1, "FULL"),
        ),
        ("CREATE", "TABLE") => {
            let last = tokens.len().saturating_sub(1);
            create(&tokens.plain(last).unwrap_or_default())
        }
        ("WARNINGS" | "ERRORS", _) => nothing(&["Level", "Code", "Message"]),
        ("STATUS", _) => nothing(&["Variable_name", "Value"]),
        ("ENGINES" | "STORAGE", _) => nothing(&["Engine", "Support", "Comment"]),
        ("CHARACTER" | "CHARSET", _) => nothing(&["Charset", "Description", "Default collation", "Maxlen"]),
        ("COLLATION", _) => nothing(&["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"]),
        ("PLUGINS", _) => nothing(&["Name", "Status", "Type", "Library", "License"]),
        ("PROCEDURE" | "FUNCTION", "STATUS") => nothing(&["Db", "Name", "Type"]),
        ("TRIGGERS", _) => nothing(&["Trigger", "Event", "Table"]),
        ("EVENTS", _) => nothing(&["Db", "Name"]),
        ("INDEX" | "INDEXES" | "KEYS", _) => nothing(&["Table", "Key_name", "Column_name"]),
        ("GRANTS", _) => nothing(&["Grants"]),
        _ => Err(Refusal::unknown_statement()),
    }
}

/// `SHOW NODES`, with what may stand behind the table in a SELECT.
fn show_table(tokens: &Tokens<'_>, behind: usize, table: Table, asker: &Asker) -> Result<Order, Refusal> {
    let mut sql = format!("SELECT * FROM {}", table.name());
    let rest = tokens.to_sqlite(behind, asker)?;
    if tokens.is(behind, "LIKE") {
        let first = table.columns().first().map_or("", |column| column.name);
        sql.push_str(&format!(" WHERE {first} {rest}"));
    } else {
        let ordered = (behind..tokens.len()).any(|index| tokens.is(index, "ORDER"));
        let limit = (behind..tokens.len()).find(|index| tokens.is(*index, "LIMIT"));
        match limit {
            Some(limit) if !ordered => {
                let rest = tokens.between_to_sqlite(behind, limit, asker)?;
                let limit = tokens.to_sqlite(limit, asker)?;
                sql.push_str(&format!(" {rest} ORDER BY {} {limit}", table.order()));
            }
            _ if ordered => sql.push_str(&format!(" {rest}")),
            _ => sql.push_str(&format!(" {rest} ORDER BY {}", table.order())),
        }
    }
    // a SHOW with a subquery may name others
    match select(tokens, sql)? {
        Order::Select { sql, mut tables } => {
            if !tables.contains(&table) {
                tables.push(table);
            }
            Ok(Order::Select { sql, tables })
        }
        other => Ok(other),
    }
}

/// A SHOW whose LIKE and WHERE concern its own columns.
fn filtered(
    tokens: &Tokens<'_>,
    behind: usize,
    from: &str,
    column: &str,
    asker: &Asker,
) -> Result<Order, Refusal> {
    let mut sql = format!("SELECT * FROM ({from})");
    let condition =
        (behind..tokens.len()).find(|index| tokens.is(*index, "LIKE") || tokens.is(*index, "WHERE"));
    if let Some(at) = condition {
        let is_like = tokens.is(at, "LIKE");
        let rest = tokens.to_sqlite(at, asker)?;
        if is_like {
            sql.push_str(&format!(" WHERE {} {rest} ESCAPE '\\'", quoted(column, '"')));
        } else {
            sql.push_str(&format!(" {rest}"));
        }
    }
    Ok(Order::Select {
        sql,
        tables: Vec::new(),
    })
}

fn nothing(columns: &[&str]) -> Result<Order, Refusal> {
    Ok(Order::Tell(Answer::of_texts(columns, [])))
}

fn table_called(name: &str) -> Result<Table, Refusal> {
    Table::of(name).ok_or_else(|| Refusal::unknown_table(name))
}

fn columns(table: &str, full: bool) -> Result<Order, Refusal> {
    let row = |column: &super::table::ColumnOf| {
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        if full {
            texts(&[
                column.name,
                column.kind.as_str(),
                "",
                "YES",
                "",
                "",
                "",
                "select",
                "",
            ])
        } else {
            texts(&[column.name, column.kind.as_str(), "YES", "", "", ""])
        }
    };
    let names: &[&str] = if full {
        &[
            "Field",
            "Type",
            "Collation",
            "Null",
            "Key",
            "Default",
            "Extra",
            "Privileges",
            "Comment",
        ]
    } else {
        &["Field", "Type", "Null", "Key", "Default", "Extra"]
    };
    let rows = table_called(table)?.columns().iter().map(row);
    Ok(Order::Tell(Answer::of_texts(names, rows)))
}

fn create(table: &str) -> Result<Order, Refusal> {
    let table = table_called(table)?;
    let columns: Vec<String> = table
        .columns()
        .iter()
        .map(|column| format!("  `{}` {}", column.name, column.kind.as_str()))
        .collect();
    let text = format!("CREATE TABLE `{}` (\n{}\n)", table.name(), columns.join(",\n"));
    Ok(Order::Tell(Answer::of_texts(
        &["Table", "Create Table"],
        [vec![table.name().to_owned(), text]],
    )))
}

#[cfg(test)]
mod tests;

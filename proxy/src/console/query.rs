//! One SELECT over snapshots, by SQLite in memory. What it may cost is bounded, and it can do nothing but read.
//!
//! ```text
//! snapshots ─▶ ATTACH ':memory:' AS proxy, information_schema ─▶ authorizer: reads only ─▶ SELECT ─▶ Answer
//! ```
//!
//! Slow, as databases are: call it where blocking is allowed.

use std::time::{Duration, Instant};

use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::refusal::Refusal;
use super::table::{Answer, AnswerColumn, Kind, Value};
use super::tables::{Snapshot, Table};
use super::{SCHEMA, variables};

/// Longest time of one SELECT: who waits longer has asked for a product of tables.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Steps of SQLite's machine between two looks at the clock.
const STEPS_PER_LOOK: i32 = 1_000;

/// Most rows of an answer.
const ROWS_MAX: usize = 10_000;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest value, in bytes: the longest are texts of statements.
const VALUE_BYTES_MAX: i32 = 256 * 1024;

/// Memory that SQLite may use in this process, in bytes: a sort of the largest tables, several times over.
const SQLITE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Functions that SQLite has built in and that could do harm or cost much for nothing.
const FORBIDDEN_FUNCTIONS: [&str; 4] = ["load_extension", "randomblob", "zeroblob", "fts3_tokenizer"];

/// Runs it.
pub(super) fn run(sql: &str, snapshots: &[Snapshot]) -> Result<Answer, Refusal> {
    let mut connection = Connection::open_in_memory().map_err(internal)?;
    fill(&connection, snapshots).map_err(internal)?;
    functions(&connection).map_err(internal)?;
    restrict(&mut connection).map_err(internal)?;
    select(&connection, sql)
}

fn fill(connection: &Connection, snapshots: &[Snapshot]) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA hard_heap_limit={SQLITE_BYTES_MAX}; PRAGMA temp_store=MEMORY;
         ATTACH ':memory:' AS {SCHEMA}; ATTACH ':memory:' AS information_schema; BEGIN;
         CREATE TABLE main.dual (dummy text); INSERT INTO main.dual VALUES ('X');"
    ))?;
    for table in Table::ALL {
        let columns: Vec<String> = table
            .columns()
            .iter()
            .map(|column| format!("{} {}", column.name, column.kind.as_str()))
            .collect();
        connection.execute_batch(&format!(
            "CREATE TABLE {SCHEMA}.{} ({})",
            table.name(),
            columns.join(",")
        ))?;
    }
    for snapshot in snapshots {
        let places = vec!["?"; snapshot.table.columns().len()].join(",");
        let insert = format!("INSERT INTO {SCHEMA}.{} VALUES ({places})", snapshot.table.name());
        let mut insert = connection.prepare(&insert)?;
        for row in &snapshot.rows {
            insert.execute(params_from_iter(row))?;
        }
    }
    describe(connection, snapshots)?;
    connection.execute_batch("COMMIT")
}

/// What drivers call when they ask for columns, and SQLite does not have.
fn functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("locate", 2, flags, |context| {
        let (part, text): (Option<String>, Option<String>) = (context.get(0)?, context.get(1)?);
        let at = |(part, text): (String, String)| {
            let found = text.to_lowercase().find(&part.to_lowercase());
            found.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX - 1) + 1)
        };
        Ok(part.zip(text).map(at))
    })
}

/// What tools ask of a schema.
fn describe(connection: &Connection, snapshots: &[Snapshot]) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE information_schema.schemata (catalog_name text, schema_name text,
             default_character_set_name text, default_collation_name text, sql_path text);
         CREATE TABLE information_schema.tables (table_catalog text, table_schema text, table_name text,
             table_type text, engine text, version bigint, row_format text, table_rows bigint, avg_row_length bigint,
             data_length bigint, max_data_length bigint, index_length bigint, data_free bigint, auto_increment bigint,
             create_time text, update_time text, check_time text, table_collation text, checksum bigint,
             create_options text, table_comment text);
         CREATE TABLE information_schema.columns (table_catalog text, table_schema text, table_name text,
             column_name text, ordinal_position bigint, column_default text, is_nullable text, data_type text,
             character_maximum_length bigint, character_octet_length bigint, numeric_precision bigint,
             numeric_scale bigint, datetime_precision bigint, character_set_name text, collation_name text,
             column_type text, column_key text, extra text, privileges text, column_comment text,
             generation_expression text);
         CREATE TABLE information_schema.session_variables (Variable_name text, Value text);
         CREATE TABLE information_schema.views (table_schema text, table_name text, view_definition text);
         CREATE TABLE information_schema.routines (routine_schema text, routine_name text, routine_type text);
         CREATE TABLE information_schema.triggers (trigger_schema text, trigger_name text);
         CREATE TABLE information_schema.events (event_schema text, event_name text);
         CREATE TABLE information_schema.statistics (table_catalog text, table_schema text, table_name text,
             non_unique bigint, index_schema text, index_name text, seq_in_index bigint, column_name text,
             collation text, cardinality bigint, sub_part bigint, packed text, nullable text, index_type text,
             comment text, index_comment text);
         CREATE TABLE information_schema.key_column_usage (constraint_name text, table_schema text, table_name text,
             column_name text, ordinal_position bigint, referenced_table_schema text, referenced_table_name text,
             referenced_column_name text);
         CREATE TABLE information_schema.table_constraints (constraint_schema text, constraint_name text,
             table_schema text, table_name text, constraint_type text);
         CREATE TABLE information_schema.referential_constraints (constraint_schema text, constraint_name text,
             table_name text, referenced_table_name text, update_rule text, delete_rule text);",
    )?;
    let mut schema = connection.prepare(
        "INSERT INTO information_schema.schemata VALUES ('def', ?, 'utf8mb4', 'utf8mb4_general_ci', NULL)",
    )?;
    for name in [SCHEMA, "information_schema"] {
        schema.execute([name])?;
    }
    let mut tables = connection.prepare(
        "INSERT INTO information_schema.tables (table_catalog, table_schema, table_name, table_type, engine,
             table_rows, table_comment) VALUES ('def', ?, ?, 'BASE TABLE', 'MEMORY', ?, ?)",
    )?;
    let mut columns = connection.prepare(
        "INSERT INTO information_schema.columns (table_catalog, table_schema, table_name, column_name,
             ordinal_position, is_nullable, data_type, column_type, column_key, extra, privileges, column_comment)
         VALUES ('def', ?, ?, ?, ?, 'YES', ?, ?, '', '', 'select', '')",
    )?;
    for table in Table::ALL {
        let rows = snapshots
            .iter()
            .find(|snapshot| snapshot.table == table)
            .map(|snapshot| snapshot.rows.len() as u64);
        let rows = Value::or_null(rows.map(Value::count));
        let row = [
            Value::text(SCHEMA),
            Value::text(table.name()),
            rows,
            Value::text(table.meaning()),
        ];
        tables.execute(params_from_iter(&row))?;
        for (column, position) in table.columns().iter().zip(1u64..) {
            let row = [
                Value::text(SCHEMA),
                Value::text(table.name()),
                Value::text(column.name),
                Value::count(position),
                Value::text(column.kind.as_str()),
                Value::text(column.kind.as_str()),
            ];
            columns.execute(params_from_iter(&row))?;
        }
    }
    let mut variable =
        connection.prepare("INSERT INTO information_schema.session_variables VALUES (?, ?)")?;
    for (name, value) in variables::all() {
        variable.execute([name, value])?;
    }
    Ok(())
}

/// From here on it can only read, and not for long.
fn restrict(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)?;
    connection.set_limit(Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 100)?;
    connection.authorizer(Some(may))?;
    let deadline = Instant::now() + TIME_MAX;
    connection.progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() > deadline))
}

/// Reads, and functions that only calculate. SQLite's own catalogue is a table like others.
#[allow(clippy::needless_pass_by_value, reason = "SQLite's hook passes a value")]
fn may(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } => {
            let forbidden = FORBIDDEN_FUNCTIONS
                .iter()
                .any(|name| function_name.eq_ignore_ascii_case(name));
            if forbidden {
                Authorization::Deny
            } else {
                Authorization::Allow
            }
        }
        _ => Authorization::Deny,
    }
}

fn select(connection: &Connection, sql: &str) -> Result<Answer, Refusal> {
    let mut statement = connection.prepare(sql).map_err(refused)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Refusal::read_only());
    }
    let mut rows = Vec::new();
    let mut bytes = 0;
    let mut found = statement.query([]).map_err(refused)?;
    while let Some(row) = found.next().map_err(refused)? {
        let values = (0..names.len())
            .map(|column| row.get_ref(column).map(value_of))
            .collect::<rusqlite::Result<Vec<Value>>>()
            .map_err(refused)?;
        bytes += values.iter().map(bytes_of).sum::<usize>();
        rows.push(values);
        if rows.len() > ROWS_MAX || bytes > ANSWER_BYTES_MAX {
            return Err(Refusal::too_large());
        }
    }
    let columns = names
        .into_iter()
        .enumerate()
        .map(|(index, name)| AnswerColumn {
            name,
            kind: kind_of(rows.iter().filter_map(|row: &Vec<Value>| row.get(index))),
        })
        .collect();
    Ok(Answer { columns, rows })
}

/// The narrowest that holds all values of a column: SQLite has types for values only.
fn kind_of<'a>(values: impl Iterator<Item = &'a Value>) -> Kind {
    let mut kind = None;
    for value in values {
        kind = match (kind, value) {
            (kind, Value::Null) => kind,
            (_, Value::Text(_)) => return Kind::Text,
            (Some(Kind::Real), _) | (_, Value::Real(_)) => Some(Kind::Real),
            (_, Value::Integer(_)) => Some(Kind::Integer),
        };
    }
    kind.unwrap_or(Kind::Text)
}

fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) | ValueRef::Blob(text) => Value::text(String::from_utf8_lossy(text)),
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Integer(_) | Value::Real(_) => size_of::<Value>(),
        Value::Text(text) => size_of::<Value>() + text.len(),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn refused(error: rusqlite::Error) -> Refusal {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Refusal::too_long(),
        Some(ErrorCode::AuthorizationForStatementDenied) => Refusal::read_only(),
        Some(ErrorCode::TooBig | ErrorCode::OutOfMemory) => Refusal::too_large(),
        _ => {
            let words = words_of(&error);
            // of a function it has no code for that
            if words.starts_with("not authorized") {
                Refusal::read_only()
            } else {
                Refusal::syntax(words)
            }
        }
    }
}

/// SQLite's own words, without the text of the statement.
fn words_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn internal(error: rusqlite::Error) -> Refusal {
    Refusal::other(format!("the console's own tables cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(rows: &[(&str, &str, i64)]) -> Vec<Snapshot> {
        let row = |(reason, node, count): &(&str, &str, i64)| {
            vec![Value::text(*reason), Value::text(*node), Value::Integer(*count)]
        };
        vec![Snapshot {
            table: Table::Routes,
            rows: rows.iter().map(row).collect(),
        }]
    }

    fn code(sql: &str) -> u16 {
        run(sql, &[]).map_or_else(|refusal| refusal.code(), |answer| panic!("{sql}: {answer:?}"))
    }

    #[test]
    fn a_select_filters_orders_and_counts() {
        let snapshots = routes(&[("write", "manager", 3), ("strategy-random", "worker1", 9)]);
        let answer = run(
            "SELECT reason, statements FROM proxy.routes WHERE statements > 1 ORDER BY statements DESC LIMIT 1",
            &snapshots,
        )
        .unwrap();
        assert_eq!(answer.rows, [[Value::text("strategy-random"), Value::Integer(9)]]);
        let kinds: Vec<Kind> = answer.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [Kind::Text, Kind::Integer]);
        let answer = run("SELECT sum(statements), avg(statements) FROM routes", &snapshots).unwrap();
        assert_eq!(answer.rows, [[Value::Integer(12), Value::Real(6.0)]]);
    }

    #[test]
    fn tools_find_the_tables_and_their_columns() {
        let answer = run("SELECT table_name FROM information_schema.TABLES ORDER BY 1", &[]).unwrap();
        assert_eq!(answer.rows.len(), Table::ALL.len());
        let answer = run(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'proxy' AND table_name = 'nodes'",
            &[],
        )
        .unwrap();
        let columns = Table::Nodes.columns().len() as u64;
        assert_eq!(answer.rows, [[Value::count(columns)]]);
        run("SELECT 1 FROM dual", &[]).unwrap();
        let answer = run(
            "SELECT locate('B', 'abc'), locate('x', 'abc'), locate(NULL, 'abc')",
            &[],
        )
        .unwrap();
        assert_eq!(answer.rows, [[Value::Integer(2), Value::Integer(0), Value::Null]]);
    }

    #[test]
    fn it_can_do_nothing_but_read() {
        for sql in [
            "DELETE FROM routes",
            "INSERT INTO routes VALUES (1, 2, 3)",
            "CREATE TABLE t (a)",
            "CREATE TEMP TABLE t (a)",
            "DROP TABLE routes",
            "ATTACH '/tmp/x' AS x",
            "DETACH proxy",
            "PRAGMA hard_heap_limit=0",
            "VACUUM INTO '/tmp/x'",
            "BEGIN",
            "SELECT load_extension('/tmp/x')",
            "SELECT randomblob(1000)",
            "EXPLAIN DELETE FROM routes",
            "WITH a AS (SELECT 1) DELETE FROM routes",
        ] {
            assert_eq!(code(sql), 1142, "{sql}");
        }
        assert_eq!(code("SELECT * FROM pragma_table_list"), 1142);
        assert_eq!(code("SELECT nothing FROM routes"), 1064);
        assert_eq!(code("SELECT 1; SELECT 2"), 1064);
    }

    #[test]
    fn what_it_may_cost_is_bounded() {
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT";
        assert_eq!(code(&format!("{endless} count(*) FROM n")), 1317);
        assert_eq!(code(&format!("{endless} x FROM n")), 1104);
        assert_eq!(code("SELECT printf('%.*c', 100000000, 'x')"), 1104);
    }

    #[test]
    fn a_column_has_the_kind_of_its_values() {
        let answer = run("SELECT 1 AS a, 1.5 AS b UNION ALL SELECT NULL, 2", &[]).unwrap();
        let kinds: Vec<Kind> = answer.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [Kind::Integer, Kind::Real]);
    }
}

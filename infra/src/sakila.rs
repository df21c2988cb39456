//! A database of the shape of the public Sakila sample: its tables, columns, keys and row counts, with contents made
//! by our own code. The same rows come out every time; nothing is downloaded.

mod calendar;
mod chance;
mod place;
mod rental;
mod schema;
mod stock;
mod words;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Statements stay well under the smallest `max_allowed_packet` of a supported server.
const STATEMENT_BYTES_MAX: usize = 256 * 1024;

/// The rows of one table, as SQL tuples.
struct Table {
    name: &'static str,
    columns: &'static str,
    rows: Vec<String>,
}

/// Every table's rows, parents before children.
fn tables() -> Vec<Table> {
    let films = stock::films();
    let inventory = stock::inventory();
    let rentals = rental::rentals(&inventory);
    let mut tables = place::tables();
    tables.extend(stock::tables(&films, &inventory));
    tables.extend(rental::tables(&films, &inventory, &rentals));
    tables
}

/// Every statement that makes the database, in order, for one session.
#[must_use]
pub fn statements() -> Vec<String> {
    let mut statements = vec![
        "DROP DATABASE IF EXISTS sakila".to_owned(),
        "CREATE DATABASE sakila CHARACTER SET utf8mb4".to_owned(),
        "USE sakila".to_owned(),
        // a TIMESTAMP must not depend on where the cluster runs
        "SET SESSION time_zone = '+00:00'".to_owned(),
        // store and staff name each other
        "SET SESSION foreign_key_checks = 0, unique_checks = 0".to_owned(),
    ];
    statements.extend(schema::TABLES.iter().map(|table| (*table).to_owned()));
    for table in tables() {
        let head = format!("INSERT INTO {} ({}) VALUES ", table.name, table.columns);
        let mut statement = head.clone();
        for row in &table.rows {
            if statement.len() + row.len() > STATEMENT_BYTES_MAX {
                statements.push(std::mem::replace(&mut statement, head.clone()));
            }
            if statement.len() > head.len() {
                statement.push(',');
            }
            statement.push_str(row);
        }
        statements.push(statement);
    }
    statements.push("SET SESSION foreign_key_checks = 1, unique_checks = 1".to_owned());
    statements
}

/// Makes the database anew on the server at the other end of `conn`.
///
/// # Errors
/// When the server refuses a statement.
pub async fn load(conn: &mut Conn) -> anyhow::Result<()> {
    for statement in statements() {
        conn.query_drop(statement).await?;
    }
    Ok(())
}

/// A text as an SQL literal. Our own words hold no backslash.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests;

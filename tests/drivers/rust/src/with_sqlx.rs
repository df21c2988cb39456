//! sqlx: prepares everything on the server, keeps what it prepared, and migrates schemas.

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions, MySqlRow, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Error, Executor, Row, Statement, TypeInfo, ValueRef,
};

use crate::report::{EVERY_TYPE, EVERY_VALUE, FAILING, Report, refused, shown};

type Result<T> = std::result::Result<T, Error>;

fn options(report: &Report) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host(report.word("host"))
        .port(report.port())
        .username(report.word("user"))
        .password(report.word("password"))
        .database(report.word("schema"))
        .ssl_mode(MySqlSslMode::Disabled)
        .disable_statement_logging()
}

/// Values as they came over the wire, with their types.
fn plain(rows: &[MySqlRow]) -> Value {
    let cell = |row: &MySqlRow, index: usize| match row.try_get_raw(index) {
        Ok(value) if value.is_null() => Value::Null,
        Ok(_) => shown(&row.try_get_unchecked::<Vec<u8>, _>(index).unwrap_or_default()),
        Err(error) => json!(error.to_string()),
    };
    rows.iter()
        .map(|row| (0..row.len()).map(|index| cell(row, index)).collect())
        .collect::<Vec<Value>>()
        .into()
}

async fn rows(connection: &mut MySqlConnection, text: &str) -> Result<Value> {
    Ok(plain(
        &sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(connection).await?,
    ))
}

async fn done(connection: &mut MySqlConnection, text: &str) -> Result<Value> {
    let done = sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
    Ok(json!([done.rows_affected(), done.last_insert_id()]))
}

#[expect(clippy::too_many_lines, reason = "a list of tasks")]
pub async fn run(report: &Report) {
    let connect = async || options(report).connect().await;

    report
        .task("connects", async || {
            let mut connection = connect().await?;
            let row = rows(
                &mut connection,
                "SELECT 1, @@sql_mode, @@time_zone, @@character_set_client, @@collation_connection",
            )
            .await?;
            connection.close().await?;
            Ok::<_, Error>(row)
        })
        .await;
    report
        .task("connects_by_tls", async || {
            let mode = if report.tls() {
                MySqlSslMode::Required
            } else {
                MySqlSslMode::Preferred
            };
            let mut connection = options(report).ssl_mode(mode).connect().await?;
            rows(&mut connection, "SELECT 'by tls'").await
        })
        .await;
    report
        .task("begins_differently", async || {
            let mut connection = options(report)
                .charset("latin1")
                .timezone(None)
                .pipes_as_concat(false)
                .connect()
                .await?;
            rows(
                &mut connection,
                "SELECT @@sql_mode LIKE '%PIPES%', @@character_set_client, 'caf\u{e9}'",
            )
            .await
        })
        .await;
    report
        .task("wrong_logins", async || {
            let wrong = options(report).password("wrong").connect().await;
            // for a name that it does not know MySQL takes a plugin by chance, which this driver may not have
            let nobody = options(report)
                .username("nobody_has_this_name")
                .connect()
                .await
                .is_err();
            let schema = options(report).database("no_such_schema").connect().await;
            Ok::<_, Error>(json!([refused(wrong), nobody, refused(schema)]))
        })
        .await;
    report
        .task("every_type", async || {
            let mut connection = connect().await?;
            connection.execute("DROP TABLE IF EXISTS every_type").await?;
            connection
                .execute(AssertSqlSafe(format!("CREATE TABLE every_type ({EVERY_TYPE})")))
                .await?;
            connection
                .execute(AssertSqlSafe(format!(
                    "INSERT INTO every_type VALUES (1, {EVERY_VALUE})"
                )))
                .await?;
            done(&mut connection, "INSERT INTO every_type (id) VALUES (2)").await?;
            let text = sqlx::raw_sql("SELECT * FROM every_type ORDER BY id")
                .fetch_all(&mut connection)
                .await?;
            let binary = sqlx::query("SELECT * FROM every_type WHERE id > ? ORDER BY id")
                .bind(0)
                .fetch_all(&mut connection)
                .await?;
            let columns: Vec<Value> = binary
                .iter()
                .take(1)
                .flat_map(|row| row.columns().to_vec())
                .map(|column| json!([column.name(), column.type_info().name()]))
                .collect();
            Ok::<_, Error>(json!([plain(&text), plain(&binary), columns]))
        })
        .await;
    report
        .task("prepares", async || {
            let mut connection = connect().await?;
            let statement = connection
                .prepare(sqlx::SqlSafeStr::into_sql_str(
                    "SELECT *, ? FROM every_type WHERE id = ?",
                ))
                .await?;
            let columns: Vec<Value> = statement
                .columns()
                .iter()
                .map(|column| json!([column.name(), column.type_info().name()]))
                .collect();
            let refused = refused(
                connection
                    .prepare(sqlx::SqlSafeStr::into_sql_str("SELECT * FROM no_such_table"))
                    .await,
            );
            Ok::<_, Error>(json!([columns, refused]))
        })
        .await;
    report
        .task("parameters_of_every_kind", async || {
            let mut connection = connect().await?;
            let moment = chrono::DateTime::from_timestamp(1_577_934_245, 678_901_000).unwrap_or_default();
            let all = sqlx::query("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?")
                .bind(None::<i32>)
                .bind(i64::MIN)
                .bind(u64::MAX)
                .bind(-5_i8)
                .bind(1.25_f32)
                .bind(2.5_f64)
                .bind("it's \\ \"q\" € 😀")
                .bind(vec![0_u8, 39, 92, 255])
                .bind(moment)
                .bind(moment.naive_utc().date())
                .bind(true)
                .fetch_all(&mut connection)
                .await?;
            Ok::<_, Error>(plain(&all))
        })
        .await;
    report
        .task("counts_and_ids", async || {
            let mut connection = connect().await?;
            connection.execute("DROP TABLE IF EXISTS counted").await?;
            connection
                .execute("CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)")
                .await?;
            let mut seen = Vec::new();
            for text in [
                "INSERT INTO counted (a) VALUES (1), (2), (3)",
                "UPDATE counted SET a = a",
                "REPLACE INTO counted (a) VALUES (3)",
                "DELETE FROM counted WHERE a > 1",
                "DELETE FROM counted WHERE FALSE",
            ] {
                seen.push(done(&mut connection, text).await?);
            }
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("errors_of_every_class", async || {
            let mut connection = connect().await?;
            let mut seen = Vec::new();
            for text in FAILING {
                seen.push(refused(done(&mut connection, text).await));
                seen.push(refused(rows(&mut connection, text).await));
            }
            seen.push(rows(&mut connection, "SELECT 'alive'").await?);
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("keeps_prepared_statements", async || {
            let mut connection = options(report).statement_cache_capacity(5).connect().await?;
            let mut sum = 0;
            for number in 0..60_i64 {
                let text = format!("SELECT CAST({} + ? AS SIGNED)", number % 12);
                sum += sqlx::query_scalar::<_, i64>(AssertSqlSafe(text))
                    .bind(number)
                    .fetch_one(&mut connection)
                    .await?;
            }
            let cached = connection.cached_statements_size();
            connection.clear_cached_statements().await?;
            let once = sqlx::query_scalar::<_, i64>("SELECT ?")
                .bind(7)
                .persistent(false)
                .fetch_one(&mut connection)
                .await?;
            // what it prepared is of another shape now
            connection.execute("DROP TABLE IF EXISTS reshaped").await?;
            connection.execute("CREATE TABLE reshaped (a INT)").await?;
            connection.execute("INSERT INTO reshaped VALUES (1)").await?;
            let first = sqlx::query("SELECT * FROM reshaped")
                .fetch_all(&mut connection)
                .await?;
            connection
                .execute("ALTER TABLE reshaped ADD b VARCHAR(10) DEFAULT 'b'")
                .await?;
            let second = sqlx::query("SELECT * FROM reshaped")
                .fetch_all(&mut connection)
                .await?;
            Ok::<_, Error>(json!([sum, cached, once, plain(&first), plain(&second)]))
        })
        .await;
    report
        .task("transactions", async || {
            let mut connection = connect().await?;
            connection
                .execute("CREATE TABLE IF NOT EXISTS ledger (a INT)")
                .await?;
            let mut transaction = connection.begin().await?;
            transaction.execute("INSERT INTO ledger VALUES (1)").await?;
            let mut inner = transaction.begin().await?;
            inner.execute("INSERT INTO ledger VALUES (2)").await?;
            inner.rollback().await?;
            transaction.commit().await?;
            let mut transaction = connection.begin_with("START TRANSACTION READ ONLY").await?;
            let refused = refused(transaction.execute("INSERT INTO ledger VALUES (3)").await);
            drop(transaction);
            Ok::<_, Error>(json!([
                refused,
                rows(&mut connection, "SELECT * FROM ledger").await?
            ]))
        })
        .await;
    report
        .task("several_results", async || {
            let mut connection = connect().await?;
            connection.execute("DROP PROCEDURE IF EXISTS work").await?;
            connection
                .execute(
                    "CREATE PROCEDURE work(IN a INT) BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; END",
                )
                .await?;
            let mut seen = Vec::new();
            let text = "CALL work(20); SELECT 'then'; DO 1; UPDATE counted SET a = a + 1";
            let mut stream = sqlx::raw_sql(text).fetch_many(&mut connection);
            while let Some(part) = stream.try_next().await? {
                seen.push(match part {
                    sqlx::Either::Left(done) => json!([done.rows_affected(), done.last_insert_id()]),
                    sqlx::Either::Right(row) => plain(&[row]),
                });
            }
            drop(stream);
            seen.push(plain(
                &sqlx::query("CALL work(?)")
                    .bind(30)
                    .fetch_all(&mut connection)
                    .await?,
            ));
            seen.push(refused(
                rows(&mut connection, "SELECT 1; SELECT * FROM no_such_table; SELECT 3").await,
            ));
            seen.push(rows(&mut connection, "SELECT 'alive'").await?);
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("streams_rows", async || {
            let mut connection = connect().await?;
            connection.execute("DROP TABLE IF EXISTS streamed").await?;
            connection
                .execute("CREATE TABLE streamed (n INT, filler VARCHAR(200))")
                .await?;
            for _ in 0..4 {
                let values = vec!["(1, REPEAT('f', 200))"; 1000].join(", ");
                connection
                    .execute(AssertSqlSafe(format!("INSERT INTO streamed VALUES {values}")))
                    .await?;
            }
            let mut count = 0;
            let mut stream =
                sqlx::query("SELECT a.* FROM streamed a JOIN (SELECT 1 UNION SELECT 2 UNION SELECT 3) b")
                    .fetch(&mut connection);
            while stream.try_next().await?.is_some() {
                count += 1;
            }
            drop(stream);
            // left in the middle: the next query reads what is left
            let first = sqlx::query("SELECT n FROM streamed")
                .fetch(&mut connection)
                .try_next()
                .await?
                .map(|row| plain(&[row]));
            Ok::<_, Error>(json!([
                count,
                first,
                rows(&mut connection, "SELECT 'after'").await?
            ]))
        })
        .await;
    report
        .task("a_large_blob", async || {
            let mut connection = connect().await?;
            connection.execute("DROP TABLE IF EXISTS large").await?;
            connection.execute("CREATE TABLE large (b LONGBLOB)").await?;
            let blob = report.large_blob();
            let sent = refused(
                sqlx::query("INSERT INTO large VALUES (?)")
                    .bind(&blob)
                    .execute(&mut connection)
                    .await,
            );
            let back = sqlx::query("SELECT b, LENGTH(b), SHA2(b, 256) FROM large")
                .fetch_all(&mut connection)
                .await;
            let back = back
                .map(|rows| plain(&rows))
                .unwrap_or_else(|error| json!(error.to_string()));
            connect().await?.execute("DROP TABLE large").await?;
            Ok::<_, Error>(json!([sent, back]))
        })
        .await;
    report
        .task("pings", async || {
            let mut connection = connect().await?;
            connection.ping().await?;
            let alive = rows(&mut connection, "SELECT 'alive'").await?;
            connection.close_hard().await?;
            Ok::<_, Error>(alive)
        })
        .await;
    report
        .task("a_pool_gives_its_sessions", async || {
            let pool = MySqlPoolOptions::new()
                .min_connections(1)
                .max_connections(3)
                .connect_with(options(report))
                .await?;
            let mut transaction = pool.begin().await?;
            transaction.execute("INSERT INTO ledger VALUES (99)").await?;
            // dropped: rolled back when it comes back to the pool
            drop(transaction);
            let many = futures_util::future::try_join_all((0..60_i64).map(|number| {
                let pool = pool.clone();
                async move {
                    sqlx::query_scalar::<_, i64>("SELECT ?")
                        .bind(number)
                        .fetch_one(&pool)
                        .await
                }
            }))
            .await?;
            let none = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM ledger WHERE a = 99")
                .fetch_one(&pool)
                .await?;
            pool.close().await;
            Ok::<_, Error>(json!([
                many.into_iter().sum::<i64>(),
                none,
                refused(pool.acquire().await)
            ]))
        })
        .await;
    report
        .task("migrates", async || {
            let folder = std::env::current_dir()?.join("migrations");
            std::fs::create_dir_all(&folder)?;
            for (name, text) in [
                (
                    "1_people.up.sql",
                    "CREATE TABLE people (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL);\n\
                                     INSERT INTO people (name) VALUES ('Ann'), ('Bo');",
                ),
                ("1_people.down.sql", "DROP TABLE people;"),
                (
                    "2_mail.up.sql",
                    "ALTER TABLE people ADD COLUMN mail VARCHAR(100) NULL, ADD INDEX by_name (name);",
                ),
                (
                    "2_mail.down.sql",
                    "ALTER TABLE people DROP INDEX by_name, DROP COLUMN mail;",
                ),
            ] {
                std::fs::write(folder.join(name), text)?;
            }
            let mut connection = connect().await?;
            let migrator = Migrator::new(folder.as_path()).await?;
            migrator.run(&mut connection).await?;
            migrator.run(&mut connection).await?;
            let up = rows(&mut connection, "SHOW COLUMNS FROM people").await?;
            migrator.undo(&mut connection, 1).await?;
            let applied = rows(
                &mut connection,
                "SELECT version, description, success FROM _sqlx_migrations",
            )
            .await?;
            let down = rows(&mut connection, "SHOW COLUMNS FROM people").await?;
            std::fs::write(folder.join("3_broken.up.sql"), "CREATE TABLE people (twice INT);")?;
            let broken = refused(Migrator::new(folder.as_path()).await?.run(&mut connection).await);
            std::fs::remove_dir_all(folder)?;
            Ok::<_, anyhow::Error>(json!([up, applied, down, broken]))
        })
        .await;
}

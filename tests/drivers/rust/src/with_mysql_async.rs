//! mysql_async: the protocol on tokio, with a pool of its own that resets what comes back.

use std::path::Path;

use futures_util::StreamExt;
use mysql_async::prelude::{BatchQuery, Queryable, WithParams};
use mysql_async::{
    ChangeUserOpts, Compression, Conn, Error, IsolationLevel, Opts, OptsBuilder, Params, Pool,
    PoolConstraints, PoolOpts, Row, SslOpts, TxOpts, Value as Cell, WhiteListFsHandler, params,
};
use serde_json::{Value, json};

use crate::report::{EVERY_TYPE, EVERY_VALUE, FAILING, Report, file_with_rows, refused, shown};

type Result<T> = std::result::Result<T, Error>;

fn options(report: &Report) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(report.word("host").to_owned())
        .tcp_port(report.port())
        .user(Some(report.word("user")))
        .pass(Some(report.word("password")))
        .db_name(Some(report.word("schema")))
        .max_allowed_packet(Some(64 << 20))
        .prefer_socket(false)
}

fn cell(value: &Cell) -> Value {
    match value {
        Cell::NULL => Value::Null,
        Cell::Bytes(bytes) => shown(bytes),
        other => json!(other.as_sql(false)),
    }
}

fn plain(rows: &[Row]) -> Value {
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|index| row.as_ref(index).map_or(Value::Null, cell))
                .collect()
        })
        .collect::<Vec<Value>>()
        .into()
}

async fn rows(connection: &mut Conn, text: &str) -> Result<Value> {
    Ok(plain(&connection.query::<Row, _>(text).await?))
}

/// Every result of what is executed: its rows, and what its OK said.
async fn results<P>(mut result: mysql_async::QueryResult<'_, '_, P>) -> Result<Vec<Value>>
where
    P: mysql_async::prelude::Protocol,
{
    let mut all = Vec::new();
    loop {
        // of rows no insert id is said: what stands there is what MariaDB has left from another connection's thread
        let has_rows = result.columns().is_some_and(|columns| !columns.is_empty());
        let insert_id = result.last_insert_id().filter(|_| !has_rows);
        let said = json!([insert_id, result.warnings()]);
        let columns: Option<Vec<String>> = result.columns().map(|columns| {
            columns
                .iter()
                .map(|column| column.name_str().into_owned())
                .collect()
        });
        let rows: Vec<Row> = result.collect().await?;
        all.push(json!([said, columns, plain(&rows)]));
        if result.is_empty() {
            return Ok(all);
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a list of tasks")]
pub async fn run(report: &Report) {
    let opts = || Opts::from(options(report));
    let connect = async || Conn::new(opts()).await;

    report
        .task("connects", async || {
            let mut connection = connect().await?;
            let row: Vec<Row> = connection
                .exec(
                    "SELECT 1, DATABASE() = ?, CURRENT_USER() LIKE CONCAT(?, '@%')",
                    (report.word("schema"), report.word("user")),
                )
                .await?;
            let version = connection.server_version();
            connection.disconnect().await?;
            Ok::<_, Error>(json!([plain(&row), [version.0, version.1, version.2]]))
        })
        .await;
    report
        .task("connects_by_tls", async || {
            let tls = SslOpts::default().with_danger_accept_invalid_certs(true);
            let mut connection = Conn::new(options(report).ssl_opts(report.tls().then_some(tls))).await?;
            rows(&mut connection, "SELECT 'by tls'").await
        })
        .await;
    report
        .task("connects_compressed", async || {
            let mut connection = Conn::new(options(report).compression(Compression::default())).await?;
            rows(&mut connection, "SELECT REPEAT('abc', 300000)").await
        })
        .await;
    report
        .task("wrong_logins", async || {
            let wrong = Conn::new(options(report).pass(Some("wrong"))).await;
            // for a name that it does not know MySQL takes a plugin by chance, which this driver may not have
            let nobody = Conn::new(options(report).user(Some("nobody_has_this_name")))
                .await
                .is_err();
            let schema = Conn::new(options(report).db_name(Some("no_such_schema"))).await;
            Ok::<_, Error>(json!([refused(wrong), nobody, refused(schema)]))
        })
        .await;
    report
        .task("begins_with_statements", async || {
            let begun = options(report).init(vec!["SET @a = 1"]).setup(vec!["SET @b = 2"]);
            let mut connection = Conn::new(begun).await?;
            let first = rows(&mut connection, "SELECT @a, @b").await?;
            connection.reset().await?;
            Ok::<_, Error>(json!([first, rows(&mut connection, "SELECT @a, @b").await?]))
        })
        .await;
    report
        .task("every_type", async || {
            let mut connection = connect().await?;
            connection.query_drop("DROP TABLE IF EXISTS every_type").await?;
            connection
                .query_drop(format!("CREATE TABLE every_type ({EVERY_TYPE})"))
                .await?;
            connection
                .query_drop(format!("INSERT INTO every_type VALUES (1, {EVERY_VALUE})"))
                .await?;
            connection
                .query_drop("INSERT INTO every_type (id) VALUES (2)")
                .await?;
            let text: Vec<Row> = connection.query("SELECT * FROM every_type ORDER BY id").await?;
            let binary: Vec<Row> = connection
                .exec("SELECT * FROM every_type WHERE id > ? ORDER BY id", (0,))
                .await?;
            let columns: Vec<Value> = text
                .iter()
                .take(1)
                .flat_map(|row| row.columns_ref().to_vec())
                .map(|column| {
                    json!([
                        column.name_str(),
                        format!("{:?}", column.column_type()),
                        column.column_length(),
                        column.flags().bits(),
                        column.character_set(),
                        column.decimals(),
                        column.table_str()
                    ])
                })
                .collect();
            Ok::<_, Error>(json!([plain(&text), plain(&binary), columns]))
        })
        .await;
    report
        .task("parameters_of_every_kind", async || {
            let mut connection = connect().await?;
            let values = vec![
                Cell::NULL,
                Cell::Int(i64::MIN),
                Cell::UInt(u64::MAX),
                Cell::Float(1.25),
                Cell::Double(2.5),
                Cell::Bytes("it's \\ \"q\" € 😀".into()),
                Cell::Bytes(vec![0, 39, 92, 255]),
                Cell::Date(2020, 2, 29, 0, 0, 0, 0),
                Cell::Date(2020, 1, 2, 3, 4, 5, 678_901),
                Cell::Time(true, 3, 4, 5, 6, 7),
            ];
            let marks = vec!["?"; values.len()].join(", ");
            let text = format!("SELECT {marks}");
            let row: Vec<Row> = connection.exec(&text, Params::Positional(values)).await?;
            let named: Vec<Row> = connection
                .exec("SELECT :a + :b, :a", params! {"a" => 2, "b" => 40})
                .await?;
            Ok::<_, Error>(json!([plain(&row), plain(&named)]))
        })
        .await;
    report
        .task("counts_and_ids", async || {
            let mut connection = connect().await?;
            connection.query_drop("DROP TABLE IF EXISTS counted").await?;
            connection
                .query_drop("CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)")
                .await?;
            let mut seen = Vec::new();
            for found in [false, true] {
                let mut connection = Conn::new(options(report).client_found_rows(found)).await?;
                for text in [
                    "INSERT INTO counted (a) VALUES (1), (2), (3)",
                    "UPDATE counted SET a = a",
                    "REPLACE INTO counted (a) VALUES (3)",
                    "INSERT IGNORE INTO counted (a) VALUES (2)",
                    "DELETE FROM counted WHERE a > 1",
                    "DELETE FROM counted",
                ] {
                    connection.query_drop(text).await?;
                    seen.push(json!([
                        connection.affected_rows(),
                        connection.last_insert_id(),
                        connection.get_warnings(),
                        connection.info()
                    ]));
                }
            }
            connection
                .query_drop("INSERT INTO counted (id) VALUES (1)")
                .await?;
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("errors_of_every_class", async || {
            let mut connection = connect().await?;
            let mut seen = Vec::new();
            for text in FAILING {
                seen.push(refused(connection.query_drop(text).await));
                seen.push(refused(connection.exec_drop(text, ()).await));
            }
            seen.push(rows(&mut connection, "SELECT 'alive'").await?);
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("prepares", async || {
            let mut connection = Conn::new(options(report).stmt_cache_size(4)).await?;
            let statement = connection
                .prep("SELECT ?, t_year FROM every_type WHERE id = ?")
                .await?;
            let mut seen = vec![json!([statement.num_params(), statement.num_columns()])];
            for value in [
                Cell::from(1),
                Cell::from("two"),
                Cell::NULL,
                Cell::from(4.5),
                Cell::from(vec![3_u8, 255]),
            ] {
                let rows: Vec<Row> = connection.exec(&statement, (value, 1)).await?;
                seen.push(plain(&rows));
            }
            connection.close(statement).await?;
            // more than the cache holds
            for number in 0..20 {
                let row: Vec<Row> = connection.exec(format!("SELECT {number} + ?"), (1,)).await?;
                seen.push(plain(&row));
            }
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("batches", async || {
            let mut connection = connect().await?;
            connection.query_drop("DROP TABLE IF EXISTS batched").await?;
            connection
                .query_drop("CREATE TABLE batched (id INT PRIMARY KEY, a VARCHAR(2000) NULL)")
                .await?;
            let long = "long".repeat(300);
            connection
                .exec_batch(
                    "INSERT INTO batched VALUES (?, ?)",
                    (0..500).map(|n| (n, (n % 7 != 0).then_some(long.as_str()))),
                )
                .await?;
            "UPDATE batched SET a = ? WHERE id = ?"
                .with((0..20).map(|n| (format!("number {n}"), n)))
                .batch(&mut connection)
                .await?;
            rows(
                &mut connection,
                "SELECT COUNT(*), SUM(LENGTH(a)), MIN(a) FROM batched",
            )
            .await
        })
        .await;
    report
        .task("transactions", async || {
            let mut connection = connect().await?;
            connection
                .query_drop("CREATE TABLE IF NOT EXISTS ledger (a INT)")
                .await?;
            let mut seen = Vec::new();
            let mut options = TxOpts::default();
            options
                .with_isolation_level(Some(IsolationLevel::ReadCommitted))
                .with_consistent_snapshot(true);
            let mut transaction = connection.start_transaction(options).await?;
            transaction.query_drop("INSERT INTO ledger VALUES (1)").await?;
            transaction.rollback().await?;
            let mut transaction = connection.start_transaction(TxOpts::default()).await?;
            transaction.query_drop("INSERT INTO ledger VALUES (2)").await?;
            transaction.commit().await?;
            let mut only = TxOpts::default();
            only.with_readonly(Some(true));
            let mut transaction = connection.start_transaction(only).await?;
            seen.push(refused(
                transaction.query_drop("INSERT INTO ledger VALUES (3)").await,
            ));
            // dropped, it rolls back with the next command
            drop(transaction);
            seen.push(rows(&mut connection, "SELECT * FROM ledger").await?);
            Ok::<_, Error>(Value::from(seen))
        })
        .await;
    report
        .task("procedures_and_several_results", async || {
            let mut connection = connect().await?;
            connection.query_drop("DROP PROCEDURE IF EXISTS work").await?;
            connection
                .query_drop("CREATE PROCEDURE work(IN a INT, OUT b INT) BEGIN SELECT a AS x; SELECT a + 1 AS y, 'z' AS z; SET b = a * 2; END")
                .await?;
            let text = results(connection.query_iter("CALL work(20, @b); SELECT @b").await?).await?;
            let binary = results(connection.exec_iter("CALL work(?, ?)", (30, Cell::NULL)).await?).await?;
            let several = results(connection.query_iter("SELECT 1 AS a; DO 1; SELECT 2 AS b FROM DUAL WHERE FALSE").await?).await?;
            let cut = refused(connection.query_drop("SELECT 1; SELECT * FROM no_such_table; SELECT 3").await);
            // not read to the end
            drop(connection.query_iter("SELECT 1; SELECT 2; SELECT 3").await?);
            let after = rows(&mut connection, "SELECT 'after'").await?;
            Ok::<_, Error>(json!([text, binary, several, cut, after]))
        })
        .await;
    report
        .task("uploads", async || {
            let file = file_with_rows("mysql_async.tsv", 20_000)?;
            let handler = WhiteListFsHandler::new([Path::new(&file)]);
            let mut connection = Conn::new(options(report).local_infile_handler(Some(handler))).await?;
            connection.query_drop("DROP TABLE IF EXISTS loaded").await?;
            connection
                .query_drop("CREATE TABLE loaded (id INT, a VARCHAR(50))")
                .await?;
            connection
                .query_drop(format!(
                    "LOAD DATA LOCAL INFILE '{file}' INTO TABLE loaded CHARACTER SET utf8mb4"
                ))
                .await?;
            let said = json!([connection.affected_rows(), connection.info()]);
            let counted = rows(&mut connection, "SELECT COUNT(*), SUM(id), MAX(a) FROM loaded").await?;
            // the driver gives the connection up then
            let forbidden = refused(
                connection
                    .query_drop("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE loaded")
                    .await,
            );
            Ok::<_, anyhow::Error>(json!([said, forbidden, counted]))
        })
        .await;
    report
        .task("streams_rows", async || {
            let mut connection = connect().await?;
            let mut count = 0;
            let mut stream = connection
                .query_stream::<Row, _>("SELECT a.* FROM loaded a JOIN loaded b ON b.id < 3")
                .await?;
            while let Some(row) = stream.next().await {
                row?;
                count += 1;
            }
            drop(stream);
            let mut stream = connection
                .exec_stream::<Row, _, _>("SELECT * FROM loaded WHERE id < ?", (10_000,))
                .await?;
            let first = stream.next().await.transpose()?.map(|row| plain(&[row]));
            drop(stream);
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
            connection.query_drop("DROP TABLE IF EXISTS large").await?;
            connection.query_drop("CREATE TABLE large (b LONGBLOB)").await?;
            let blob = report.large_blob();
            connection
                .exec_drop("INSERT INTO large VALUES (?)", (&blob,))
                .await?;
            let back: Vec<Row> = connection
                .exec("SELECT b, LENGTH(b), SHA2(b, 256) FROM large", ())
                .await?;
            connection.query_drop("DROP TABLE large").await?;
            Ok::<_, Error>(plain(&back))
        })
        .await;
    report
        .task("pings_and_resets", async || {
            let mut connection = connect().await?;
            connection.ping().await?;
            connection
                .query_drop("SET @mine = 1, SESSION sql_mode = 'ANSI_QUOTES'")
                .await?;
            let reset = connection.reset().await?;
            let row = rows(
                &mut connection,
                "SELECT @mine, @@sql_mode LIKE '%ANSI%', DATABASE() IS NULL",
            )
            .await?;
            Ok::<_, Error>(json!([reset, row]))
        })
        .await;
    report
        .task("becomes_somebody_else", async || {
            let mut connection = connect().await?;
            connection.query_drop("SET @mine = 1").await?;
            let (user, password) = report.other();
            let other = ChangeUserOpts::default()
                .with_user(Some(user.to_owned()))
                .with_pass(Some(password.to_owned()))
                .with_db_name(Some(report.word("schema").to_owned()));
            connection.change_user(other).await?;
            let row: Vec<Row> = connection
                .exec(
                    "SELECT @mine, CURRENT_USER() LIKE CONCAT(?, '@%'), DATABASE()",
                    (user,),
                )
                .await?;
            let wrong = ChangeUserOpts::default().with_pass(Some("wrong".to_owned()));
            Ok::<_, Error>(json!([plain(&row), refused(connection.change_user(wrong).await)]))
        })
        .await;
    report
        .task("a_pool_gives_clean_sessions", async || {
            let constraints = PoolConstraints::new(1, 3).unwrap_or_default();
            let pool =
                Pool::new(options(report).pool_opts(PoolOpts::default().with_constraints(constraints)));
            let mut seen = Vec::new();
            for number in 0..10 {
                let mut connection = pool.get_conn().await?;
                seen.push(
                    rows(
                        &mut connection,
                        "SELECT @leaked, @@autocommit, DATABASE() IS NULL",
                    )
                    .await?,
                );
                connection.exec_drop("SET @leaked = ?", (number,)).await?;
                connection.query_drop("SET autocommit = 0").await?;
                if number % 3 == 0 {
                    connection.query_drop("START TRANSACTION").await?;
                }
            }
            let many = futures_util::future::try_join_all((0..60).map(|number| {
                let pool = pool.clone();
                async move {
                    Ok::<_, Error>(
                        pool.get_conn()
                            .await?
                            .exec_first::<i64, _, _>("SELECT ?", (number,))
                            .await?,
                    )
                }
            }))
            .await?;
            pool.disconnect().await?;
            Ok::<_, Error>(json!([seen, many.into_iter().flatten().sum::<i64>()]))
        })
        .await;
}

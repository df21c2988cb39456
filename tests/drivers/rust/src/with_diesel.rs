//! diesel: a query builder on the C client library (here MariaDB Connector/C), all by prepared statements.

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::mysql::MysqlConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use serde_json::{Value, json};

use crate::report::{FAILING, Report, refused, shown};

diesel::table! {
    people (id) {
        id -> Integer,
        name -> Varchar,
        born -> Nullable<Date>,
        seen -> Nullable<Datetime>,
        picture -> Nullable<Blob>,
        points -> Unsigned<BigInt>,
        share -> Double,
        active -> Bool,
    }
}

diesel::table! {
    letters (id) {
        id -> Integer,
        person -> Integer,
        text -> Text,
    }
}

diesel::joinable!(letters -> people (person));
diesel::allow_tables_to_appear_in_same_query!(people, letters);

#[derive(Queryable, Selectable, Insertable, AsChangeset, Debug)]
#[diesel(table_name = people)]
struct Person {
    id: i32,
    name: String,
    born: Option<chrono::NaiveDate>,
    seen: Option<chrono::NaiveDateTime>,
    picture: Option<Vec<u8>>,
    points: u64,
    share: f64,
    active: bool,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = Nullable<Binary>)]
    bytes: Option<Vec<u8>>,
}

fn url(report: &Report, user: &str, password: &str, schema: &str, more: &str) -> String {
    // the password may have any character
    let password: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!(
        "mysql://{user}:{password}@{}:{}/{schema}{more}",
        report.word("host"),
        report.port()
    )
}

fn own(report: &Report) -> String {
    url(
        report,
        report.word("user"),
        report.word("password"),
        report.word("schema"),
        "?ssl_mode=disabled",
    )
}

fn line(connection: &mut MysqlConnection, text: &str) -> QueryResult<Value> {
    let lines: Vec<Line> =
        diesel::sql_query(format!("SELECT CAST(({text}) AS CHAR) AS line")).load(connection)?;
    Ok(lines.into_iter().map(|line| json!(line.line)).collect())
}

fn people_anew(connection: &mut MysqlConnection) -> QueryResult<()> {
    connection.batch_execute(
        "DROP TABLE IF EXISTS letters; DROP TABLE IF EXISTS people;
         CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL UNIQUE, born DATE NULL, seen DATETIME(6) NULL,
           picture BLOB NULL, points BIGINT UNSIGNED NOT NULL, share DOUBLE NOT NULL, active BOOLEAN NOT NULL);
         CREATE TABLE letters (id INT AUTO_INCREMENT PRIMARY KEY, person INT NOT NULL, text TEXT NOT NULL,
           FOREIGN KEY (person) REFERENCES people (id))",
    )
}

fn person(id: i32) -> Person {
    let moment =
        chrono::DateTime::from_timestamp(1_577_934_245, 678_901_000).map(|moment| moment.naive_utc());
    let odd = id % 2 == 1;
    Person {
        id,
        name: format!("naïve 你 😀 '\"\\ {id}"),
        born: moment.map(|moment| moment.date()).filter(|_| odd),
        seen: moment.filter(|_| odd),
        picture: odd.then(|| vec![0, 255, 39, 92]),
        points: u64::MAX,
        share: 0.5,
        active: odd,
    }
}

pub fn run(report: &Report) {
    let connect = || MysqlConnection::establish(&own(report)).map_err(anyhow::Error::from);

    report.blocking_task("connects", || {
        let mut connection = connect()?;
        line(
            &mut connection,
            "SELECT CONCAT_WS(' ', DATABASE() IS NOT NULL, @@time_zone, @@character_set_client, @@sql_mode)",
        )
        .map_err(anyhow::Error::from)
    });
    report.blocking_task("connects_by_tls", || {
        let mode = if report.tls() {
            "?ssl_mode=required"
        } else {
            "?ssl_mode=preferred"
        };
        let url = url(
            report,
            report.word("user"),
            report.word("password"),
            report.word("schema"),
            mode,
        );
        // Connector/C verifies, and knows nobody who vouches for these certificates
        let connection = MysqlConnection::establish(&url);
        Ok::<_, anyhow::Error>(json!(connection.is_ok() || report.tls()))
    });
    report.blocking_task("wrong_logins", || {
        let (user, password, schema) = (
            report.word("user"),
            report.word("password"),
            report.word("schema"),
        );
        let how = "?ssl_mode=disabled";
        let logins = [
            (user, "wrong", schema),
            ("nobody_has_this_name", password, schema),
            (user, password, "no_such_schema"),
        ];
        let login = |(user, password, schema)| {
            refused(MysqlConnection::establish(&url(
                report, user, password, schema, how,
            )))
        };
        Ok::<_, anyhow::Error>(logins.into_iter().map(login).collect())
    });
    report.blocking_task("inserts_and_finds", || {
        let mut connection = connect()?;
        people_anew(&mut connection)?;
        let one = diesel::insert_into(people::table)
            .values(person(1))
            .execute(&mut connection)?;
        let many: Vec<Person> = (2..300).map(person).collect();
        let many = diesel::insert_into(people::table)
            .values(many)
            .execute(&mut connection)?;
        let again = diesel::insert_or_ignore_into(people::table)
            .values(person(1))
            .execute(&mut connection)?;
        let put = diesel::replace_into(people::table)
            .values(person(2))
            .execute(&mut connection)?;
        let found: Vec<Person> = people::table
            .filter(people::id.lt(4).and(people::name.like("na%")))
            .or_filter(people::born.is_null().and(people::id.gt(297)))
            .order(people::id.desc())
            .select(Person::as_select())
            .load(&mut connection)?;
        Ok::<_, anyhow::Error>(json!([one, many, again, put, format!("{found:?}")]))
    });
    report.blocking_task("changes_and_deletes", || {
        let mut connection = connect()?;
        let all = diesel::update(people::table)
            .set(people::share.eq(people::share * 2.0))
            .execute(&mut connection)?;
        let same = diesel::update(people::table.find(1))
            .set(people::active.eq(true))
            .execute(&mut connection)?;
        let whole = diesel::update(people::table.find(3))
            .set(person(3))
            .execute(&mut connection)?;
        let gone = diesel::delete(people::table.filter(people::id.gt(200))).execute(&mut connection)?;
        let left: (i64, Option<f64>) = people::table
            .select((diesel::dsl::count_star(), diesel::dsl::max(people::share)))
            .first(&mut connection)?;
        Ok::<_, anyhow::Error>(json!([all, same, whole, gone, left]))
    });
    report.blocking_task("joins_and_locks", || {
        let mut connection = connect()?;
        let letters: Vec<_> = (1..50)
            .map(|n| {
                (
                    letters::person.eq(n % 5 + 1),
                    letters::text.eq("text ".repeat(500)),
                )
            })
            .collect();
        diesel::insert_into(letters::table)
            .values(letters)
            .execute(&mut connection)?;
        let joined: Vec<(i32, i64)> = people::table
            .inner_join(letters::table)
            .group_by(people::id)
            .order(people::id)
            .select((people::id, diesel::dsl::count(letters::id)))
            .load(&mut connection)?;
        let long: String = letters::table
            .select(letters::text)
            .limit(1)
            .first(&mut connection)?;
        let locked: Vec<i32> = connection.transaction(|connection| {
            people::table
                .select(people::id)
                .filter(people::id.lt(3))
                .for_update()
                .skip_locked()
                .load(connection)
        })?;
        Ok::<_, anyhow::Error>(json!([joined, shown(long.as_bytes()), locked]))
    });
    report.blocking_task("streams_rows", || {
        let mut connection = connect()?;
        let mut sum = 0;
        for id in
            LoadConnection::<DefaultLoadingMode>::load(&mut connection, letters::table.select(letters::id))?
        {
            let row = id?;
            sum += i32::from(diesel::row::Row::field_count(&row) == 1);
        }
        Ok::<_, anyhow::Error>(json!(sum))
    });
    report.blocking_task("transactions", || {
        let mut connection = connect()?;
        let rolled = connection.transaction::<(), diesel::result::Error, _>(|connection| {
            diesel::delete(letters::table).execute(connection)?;
            let inner = connection.transaction::<(), diesel::result::Error, _>(|connection| {
                diesel::delete(people::table).execute(connection)?;
                Err(diesel::result::Error::RollbackTransaction)
            });
            assert!(inner.is_err());
            Err(diesel::result::Error::RollbackTransaction)
        });
        let count: i64 = letters::table.count().get_result(&mut connection)?;
        let tried = connection.test_transaction::<_, diesel::result::Error, _>(|connection| {
            diesel::delete(letters::table).execute(connection)
        });
        Ok::<_, anyhow::Error>(json!([
            refused(rolled),
            count,
            tried,
            letters::table.count().get_result::<i64>(&mut connection)?
        ]))
    });
    report.blocking_task("errors_of_every_class", || {
        let mut connection = connect()?;
        let mut seen: Vec<Value> = vec![
            refused(
                diesel::insert_into(people::table)
                    .values(person(1))
                    .execute(&mut connection),
            ),
            refused(diesel::delete(people::table.find(1)).execute(&mut connection)),
            refused(
                diesel::insert_into(letters::table)
                    .values((letters::person.eq(-1), letters::text.eq("")))
                    .execute(&mut connection),
            ),
        ];
        // an empty text, prepared, is the end of this driver
        for text in FAILING.into_iter().filter(|text| !text.is_empty()) {
            seen.push(refused(diesel::sql_query(text).execute(&mut connection)));
            seen.push(refused(connection.batch_execute(&format!("SELECT 1; {text}"))));
        }
        seen.push(line(&mut connection, "SELECT 'alive'")?);
        Ok::<_, anyhow::Error>(Value::from(seen))
    });
    report.blocking_task("prepares_and_binds", || {
        let mut connection = connect()?;
        let mut seen = Vec::new();
        for number in 0..40_i64 {
            let lines: Vec<Line> =
                diesel::sql_query(format!("SELECT CONCAT(? + {}, ?) AS line", number % 20))
                    .bind::<BigInt, _>(number)
                    .bind::<Nullable<Text>, _>((number % 3 != 0).then_some("é"))
                    .load(&mut connection)?;
            seen.push(lines.into_iter().map(|line| json!(line.line)).collect::<Value>());
        }
        Ok::<_, anyhow::Error>(Value::from(seen))
    });
    report.blocking_task("a_large_blob", || {
        let mut connection = connect()?;
        let blob = report.large_blob();
        connection.batch_execute("DROP TABLE IF EXISTS large; CREATE TABLE large (b LONGBLOB)")?;
        diesel::sql_query("INSERT INTO large VALUES (?)")
            .bind::<Binary, _>(&blob)
            .execute(&mut connection)?;
        let back: Vec<Bytes> = diesel::sql_query("SELECT b AS bytes FROM large").load(&mut connection)?;
        connection.batch_execute("DROP TABLE large")?;
        Ok::<_, anyhow::Error>(
            back.iter()
                .map(|row| row.bytes.as_deref().map(shown))
                .collect::<Vec<_>>()
                .into(),
        )
    });
    report.blocking_task("a_pool_gives_its_sessions", || {
        let pool = Pool::builder()
            .max_size(3)
            .build(ConnectionManager::<MysqlConnection>::new(own(report)))?;
        let mut seen = Vec::new();
        for _ in 0..10 {
            let mut connection = pool.get()?;
            seen.push(line(&mut connection, "SELECT 'of the pool'")?);
        }
        let threads: Vec<_> = (0..6)
            .map(|_| {
                let pool = pool.clone();
                std::thread::spawn(move || {
                    let mut connection = pool.get()?;
                    Ok::<_, anyhow::Error>(people::table.count().get_result::<i64>(&mut connection)?)
                })
            })
            .collect();
        for thread in threads {
            seen.push(thread.join().map_or(Value::Null, |count| json!(count.ok())));
        }
        Ok::<_, anyhow::Error>(Value::from(seen))
    });
}

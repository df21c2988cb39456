//! What a client is told of its session's state, and what it can ask about the previous statement, is what one server
//! tells: the same conversations are held directly and through, packet by packet.

use anyhow::{Context, ensure};
use harness::raw_client::{MODERN, OLD, RawClient, Reply};
use harness::{Cluster, on_each_engine};
use mysql_async::prelude::Queryable;
use peer::connect::{Address, TlsPolicy};
use peer::tls::Connector;
use wire::Capabilities;
use wire::command::CommandCode;
use wire::reply::{OkPacket, SessionChange, SessionChanges, StateEntry};

on_each_engine!(
    a_client_sets_and_reads_its_own_trackers,
    a_client_of_any_kind_is_told_what_a_server_tells_it,
    a_new_session_has_the_servers_own_defaults,
    a_routine_that_changes_the_trackers_is_followed,
    a_session_that_sets_trackers_still_reads_from_workers,
    a_policy_user_sets_its_trackers_and_is_still_read_as_the_server_reads,
    what_the_previous_statement_left_is_found,
);

/// One thing that a client does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Text(&'static str),
    Command(CommandCode, &'static [u8]),
    /// Prepares and executes a statement without parameters.
    Prepared(&'static str),
}

use Step::{Command, Prepared, Text};

const PING: Step = Command(CommandCode::PING, b"");
const RESET: Step = Command(CommandCode::RESET_CONNECTION, b"");
const SAKILA: Step = Command(CommandCode::INIT_DB, b"sakila");
const SHOW: Step = Text("SHOW VARIABLES LIKE 'session_track%'");
/// A value that cannot be cast, in three rows: three warnings, from a worker.
const WARNS: Step = Text("SELECT CAST('x' AS SIGNED), actor_id FROM sakila.actor WHERE actor_id < 4");
const READ: Step = Text("SELECT first_name FROM sakila.actor WHERE actor_id < 3");
const WARNINGS: Step = Text("SHOW WARNINGS");
/// After a statement that found rows: what a server says before the first is left over from another session.
const ROWS: Step = Text("SELECT FOUND_ROWS(), ROW_COUNT()");

/// Conversations about the trackers; each is one session.
const TRACKERS: &[&[Step]] = &[
    &[
        SHOW,
        Text("SELECT @@session_track_schema, @@SESSION.session_track_system_variables"),
        Text("SET time_zone = '+01:00'"),
        Text("SET sql_mode = ''"),
        Text("SET session_track_system_variables = 'sql_mode,time_zone'"),
        Text("SET sql_mode = 'ANSI_QUOTES', time_zone = '+02:00', autocommit = 1"),
        Text("SELECT @@session_track_system_variables"),
        SHOW,
        Text("SET SESSION session_track_system_variables = ' Autocommit , sql_mode'"),
        Text("SELECT @@session_track_system_variables"),
        Text("SET sql_mode = ''"),
        Text("SET autocommit = 0"),
        Text("SET autocommit = 1"),
        Text("SET NAMES latin1"),
        Text("SET LOCAL session_track_system_variables = DEFAULT"),
        Text("SET NAMES utf8mb4"),
        SHOW,
    ],
    &[
        Text("SET session_track_system_variables = '*'"),
        Text("SET sql_mode = 'ANSI_QUOTES'"),
        Text("SET lc_messages = 'en_US'"),
        READ,
        Text("SET @@session.session_track_system_variables = ''"),
        Text("SET sql_mode = ''"),
        Text("SET autocommit = 1"),
        SHOW,
        Text("SET @@session_track_system_variables = NULL"),
        SHOW,
        Text("SET autocommit = 1"),
        Text("SET session_track_system_variables = 'no_such_variable,autocommit'"),
        WARNINGS,
        SHOW,
        Text("SET autocommit = 1"),
        Text("SET session_track_system_variables = 'autocommit,autocommit'"),
        WARNINGS,
        SHOW,
        Text("SET session_track_system_variables = 'it''s'"),
        SHOW,
    ],
    &[
        Text("USE sakila"),
        Text("SET session_track_schema = OFF"),
        Text("USE sakila"),
        SAKILA,
        Text("SELECT DATABASE(), @@session_track_schema"),
        Text("SET session_track_schema = ON"),
        Text("USE sakila"),
        SAKILA,
        Text("SET session_track_schema = 2"),
        Text("SET @@SESSION.session_track_schema = DEFAULT"),
        Text("USE sakila"),
    ],
    // other variables beside the trackers
    &[
        Text("SET session_track_schema = 1, sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES'), autocommit = 1"),
        Text("SELECT \"a\" FROM sakila.actor LIMIT 0"),
        Text("SET session_track_system_variables = 'time_zone', time_zone = '+03:00', sql_mode = ''"),
        Text("SELECT \"a\", @@time_zone, @@sql_mode"),
        Text("SET @list = 'sql_mode', session_track_system_variables = @list, @a = 1"),
        Text("SET session_track_system_variables = CONCAT(@@session_track_system_variables, ',autocommit')"),
        Text("SELECT @@session_track_system_variables, @@session_track_schema, @list, @a"),
        Text("SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
        Text("SET session_track_schema = 0, nothing = 1"),
        Text("SELECT @@session_track_schema"),
        Text(
            "SET session_track_schema = 0; SELECT @@session_track_schema; USE sakila; SET session_track_schema = 1",
        ),
        Text("SELECT @@session_track_schema"),
    ],
    // state
    &[
        Text("SET session_track_state_change = ON"),
        Text("SET @a = 1"),
        Text("SET sql_mode = ''"),
        READ,
        Text("USE sakila"),
        Text("SELECT @@session_track_schema"),
        Text("SET @a = 2"),
        Text("PREPARE s FROM 'SELECT 1'"),
        Text("DEALLOCATE PREPARE s"),
        Text("SET session_track_state_change = OFF"),
        SHOW,
    ],
    // prepared
    &[
        Prepared("SELECT @@session_track_schema, @@session_track_system_variables"),
        Prepared("SET session_track_system_variables = 'sql_mode'"),
        Prepared("SET sql_mode = ''"),
        Prepared("SHOW VARIABLES LIKE 'session_track_s%'"),
        Text("PREPARE s FROM 'SET session_track_schema = 0'"),
        Text("EXECUTE s"),
        Text("DEALLOCATE PREPARE s"),
        Text("USE sakila"),
        Text("PREPARE s FROM 'SELECT @@session_track_schema, @@session_track_system_variables'"),
        Text("EXECUTE s"),
        SHOW,
        RESET,
        SHOW,
        Text("USE sakila"),
        Text("SET sql_mode = ''"),
    ],
];

/// Conversations about transactions and GTIDs. Not for a client that can be told nothing, neither by OK nor in the place of
/// EOF: what MariaDB cannot tell it stays untold, and sets SESSION_STATE_CHANGED in its later EOF packets. The proxy is told.
const TRANSACTIONS: &[&[Step]] = &[&[
    Text("SET session_track_transaction_info = 'STATE'"),
    Text("BEGIN"),
    READ,
    Text("COMMIT"),
    READ,
    Text("SET session_track_transaction_info = 'CHARACTERISTICS'"),
    Text("START TRANSACTION READ ONLY"),
    READ,
    Text("COMMIT"),
    Text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    Text("BEGIN"),
    Text("ROLLBACK"),
    Text("SET session_track_transaction_info = OFF"),
    Text("BEGIN"),
    READ,
    Text("COMMIT"),
    Text("SET session_track_gtids = OWN_GTID"),
    SHOW,
]];

/// The session's values wherever variables are listed.
const LISTED: &str =
    "SELECT * FROM performance_schema.session_variables WHERE variable_name LIKE 'session_track%'";

/// Conversations about the previous statement.
const PREVIOUS: &[&[Step]] = &[
    &[
        WARNS,
        WARNINGS,
        WARNINGS,
        Text("SHOW COUNT(*) WARNINGS"),
        Text("SELECT @@warning_count, @@error_count"),
    ],
    &[WARNS, Text("SELECT @@warning_count, @@error_count"), WARNINGS],
    &[WARNS, ROWS, WARNINGS],
    &[WARNS, Text("SELECT 1"), WARNINGS, ROWS],
    &[WARNS, READ, WARNINGS, ROWS],
    &[WARNS, Text("SET @a = 1"), WARNINGS],
    &[WARNS, Text("BEGIN"), WARNINGS, Text("COMMIT")],
    &[WARNS, PING, WARNINGS],
    &[WARNS, SAKILA, WARNINGS],
    &[WARNS, Text("USE sakila"), WARNINGS],
    &[WARNS, Text("SET NAMES latin1"), READ, WARNINGS],
    &[
        WARNS,
        Text("GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT"),
        Text("SELECT @n, @r"),
    ],
    &[
        WARNS,
        Text("GET DIAGNOSTICS CONDITION 2 @m = MESSAGE_TEXT, @s = RETURNED_SQLSTATE, @e = MYSQL_ERRNO"),
        WARNINGS,
        Text("SELECT @m, @s, @e"),
    ],
    &[READ, Text("SELECT FOUND_ROWS() INTO @n"), Text("SELECT @n")],
    &[READ, Text("SET @n = ROW_COUNT()"), Text("SELECT @n")],
    &[READ, ROWS],
    &[
        Text("SELECT actor_id FROM sakila.actor LIMIT 7"),
        Text("SELECT FOUND_ROWS()"),
    ],
    &[READ, PING, Text("SELECT FOUND_ROWS()")],
    &[Text("SELECT 1"), PING, ROWS],
    &[
        Text("CREATE TEMPORARY TABLE sakila.mine (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"),
        Text("INSERT INTO sakila.mine (v) VALUES (1), (2), (3)"),
        Text("SELECT ROW_COUNT()"),
        Text("SELECT LAST_INSERT_ID(), @@identity"),
        Text("UPDATE sakila.mine SET v = 4 WHERE v < 3"),
        Text("SELECT ROW_COUNT()"),
        READ,
        Text("SELECT ROW_COUNT(), LAST_INSERT_ID()"),
        Text("INSERT INTO sakila.mine (v) VALUES ('x')"),
        WARNINGS,
        Text("SELECT LAST_INSERT_ID()"),
    ],
    &[
        Text("SELECT nothing FROM sakila.actor"),
        WARNINGS,
        Text("SHOW ERRORS"),
        Text("SELECT ROW_COUNT()"),
    ],
    &[WARNS, Text("SELECT nothing FROM sakila.actor"), WARNINGS],
    &[Text("SELECT nothing FROM sakila.actor"), READ, WARNINGS],
    &[
        Text("SELECT * FROM sakila.nothing"),
        Text("GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT, @e = MYSQL_ERRNO"),
        Text("SELECT @m, @e"),
    ],
    &[
        Text("SET max_error_count = 1"),
        WARNS,
        WARNINGS,
        Text("SELECT @@warning_count"),
    ],
    &[Text("SET max_error_count = 0"), WARNS, WARNINGS],
    &[
        Prepared("SELECT CAST('x' AS SIGNED), actor_id FROM sakila.actor WHERE actor_id < 4"),
        WARNINGS,
        ROWS,
    ],
    &[WARNS, Prepared("SELECT ROW_COUNT()")],
    &[READ, Prepared("SELECT FOUND_ROWS()")],
    &[Text("BEGIN"), WARNS, WARNINGS, ROWS, Text("COMMIT"), WARNINGS],
    &[
        Text("SELECT SQL_CALC_FOUND_ROWS actor_id FROM sakila.actor LIMIT 2"),
        Text("SELECT FOUND_ROWS()"),
        Text("SELECT SQL_CALC_FOUND_ROWS actor_id FROM sakila.actor LIMIT 2"),
        READ,
        Text("SELECT FOUND_ROWS()"),
    ],
    &[PING, WARNINGS, SAKILA, PING],
    &[Text("SELECT CAST('x' AS SIGNED)"), PING, READ, PING, SAKILA],
    &[
        Text("SET @s = 'a'"),
        READ,
        Text("SELECT ROW_COUNT(), @s"),
        Text("DO 1"),
        ROWS,
    ],
];

/// Through the gatekeeper, and the manager itself, with the state that their logins told.
async fn both(
    cluster: &Cluster,
    capabilities: Capabilities,
    schema: Option<&str>,
) -> anyhow::Result<(RawClient, RawClient)> {
    let door = cluster.door()?;
    let password = door.password("dba")?;
    let through = RawClient::login(
        &door.address(),
        "dba",
        password,
        schema,
        capabilities,
        TlsPolicy::Off,
    )
    .await?;
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let tls = TlsPolicy::Preferred(&Connector::encrypt_only()?);
    let (user, password) = (&node.root_user, &node.root_password);
    let direct = RawClient::login(&address, user, password, schema, capabilities, tls).await?;
    Ok((through, direct))
}

/// The packets in words. Variables within a state block are in order of their names: servers keep them in a hash
/// table. GTIDs and statement numbers are not those of another session.
fn seen(reply: &Reply) -> Vec<String> {
    let packets = reply.packets.iter();
    packets
        .map(|(sequence, payload)| {
            let text = in_words(payload, reply.capabilities());
            format!(
                "#{sequence} {}",
                text.unwrap_or_else(|| String::from_utf8_lossy(payload).into_owned())
            )
        })
        .collect()
}

fn in_words(payload: &[u8], capabilities: Capabilities) -> Option<String> {
    let ok = OkPacket::decode(payload, capabilities).ok()?;
    let fields = (
        ok.marker,
        ok.affected_rows,
        ok.last_insert_id,
        ok.status,
        ok.warnings,
    );
    Some(format!(
        "{fields:?} {} {}",
        String::from_utf8_lossy(ok.info),
        told(ok.state)?
    ))
}

fn told(state: &[u8]) -> Option<String> {
    let (mut variables, mut others) = (Vec::new(), Vec::new());
    for entry in StateEntry::all(state) {
        let entry = entry.ok()?;
        let mut one = Vec::new();
        entry.encode(&mut one);
        for change in SessionChanges::new(&one) {
            match change.ok()? {
                SessionChange::Variable {
                    name: b"statement_id",
                    ..
                } => variables.push("statement_id".to_owned()),
                SessionChange::Variable { name, value } => variables.push(format!(
                    "{}={}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value)
                )),
                SessionChange::Gtids(_) => others.push("GTIDs".to_owned()),
                other => others.push(format!("{other:?}")),
            }
        }
    }
    variables.sort();
    Some(format!("{variables:?} {others:?}"))
}

async fn take(client: &mut RawClient, step: Step) -> anyhow::Result<Vec<Reply>> {
    Ok(match step {
        Text(text) => vec![client.query(text).await?],
        Command(code, argument) => vec![client.ask(code, argument).await?],
        Prepared(text) => {
            let prepared = client.prepare(text).await?;
            let mut execute = prepared.statement_id.to_le_bytes().to_vec();
            execute.extend_from_slice(&[0, 1, 0, 0, 0]);
            vec![client.ask(CommandCode::STMT_EXECUTE, &execute).await?]
        }
    })
}

/// Holds the conversations directly and through; the differences in words.
async fn compare(cluster: &Cluster, capabilities: Capabilities, all: &[&[Step]]) -> anyhow::Result<()> {
    let mut differences = Vec::new();
    for steps in all {
        let (mut through, mut direct) = both(cluster, capabilities, None).await?;
        let mut so_far = Vec::new();
        for step in *steps {
            so_far.push(*step);
            let one = take(&mut through, *step)
                .await
                .with_context(|| format!("through: {step:?}"))?;
            let other = take(&mut direct, *step)
                .await
                .with_context(|| format!("direct: {step:?}"))?;
            let (one, other): (Vec<_>, Vec<_>) =
                (one.iter().map(seen).collect(), other.iter().map(seen).collect());
            if one != other {
                differences.push(format!("{so_far:?}\n  through {one:?}\n  direct  {other:?}\n"));
            }
        }
    }
    ensure!(
        differences.is_empty(),
        "{} differ\n{}",
        differences.len(),
        differences.concat()
    );
    Ok(())
}

async fn a_client_sets_and_reads_its_own_trackers(cluster: &Cluster) -> anyhow::Result<()> {
    compare(cluster, MODERN, TRACKERS).await?;
    compare(cluster, MODERN, TRANSACTIONS).await?;
    compare(
        cluster,
        MODERN,
        &[&[Text(LISTED), Text("SET session_track_schema = 0"), Text(LISTED)]],
    )
    .await
}

async fn a_client_of_any_kind_is_told_what_a_server_tells_it(cluster: &Cluster) -> anyhow::Result<()> {
    for capabilities in [
        OLD,
        MODERN.without(Capabilities::SESSION_TRACK),
        MODERN.without(Capabilities::DEPRECATE_EOF),
    ] {
        compare(cluster, capabilities, TRACKERS).await?;
        if capabilities != OLD {
            compare(cluster, capabilities, TRANSACTIONS).await?;
        }
    }
    Ok(())
}

async fn a_new_session_has_the_servers_own_defaults(cluster: &Cluster) -> anyhow::Result<()> {
    for schema in [None, Some("sakila")] {
        let (through, direct) = both(cluster, MODERN, schema).await?;
        assert_eq!(
            told(&through.login_state),
            told(&direct.login_state),
            "{schema:?}"
        );
    }
    Ok(())
}

async fn a_routine_that_changes_the_trackers_is_followed(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("trackers").await?;
    let mut root = cluster.root("manager").await?;
    let body = "BEGIN SET session_track_system_variables = 'sql_mode', session_track_schema = OFF; END";
    root.query_drop(format!("CREATE PROCEDURE {schema}.p() {body}"))
        .await?;
    root.disconnect().await?;
    let (mut through, mut direct) = both(cluster, MODERN, Some(&schema)).await?;
    for text in [
        "CALL p()",
        "SET time_zone = '+01:00'",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SELECT @@session_track_system_variables, @@session_track_schema",
        "USE sakila",
        "SET session_track_schema = ON",
        "USE sakila",
        "SELECT \"first_name\" FROM actor WHERE actor_id = 1",
    ] {
        let (one, other) = (through.query(text).await?, direct.query(text).await?);
        assert_eq!(seen(&one), seen(&other), "{text}");
    }
    Ok(())
}

async fn a_session_that_sets_trackers_still_reads_from_workers(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = cluster.door()?.connect("dba").await?;
    conn.query_drop(
        "SET session_track_system_variables = '', session_track_schema = 0, time_zone = '+05:00'",
    )
    .await?;
    let lists: Option<String> = conn
        .query_first("SELECT @@session_track_system_variables")
        .await?;
    assert_eq!(lists.as_deref(), Some(""));
    conn.query_drop("USE sakila").await?;
    conn.query_drop("SET sql_mode = 'ANSI_QUOTES'").await?;
    conn.query_drop("PROXY SET strategy = 'random'").await?;
    for _ in 0..8 {
        let name: Option<String> = conn
            .query_first("SELECT \"first_name\" FROM actor WHERE actor_id = 1")
            .await?;
        assert_ne!(
            name.context("no row")?,
            "first_name",
            "schema and sql_mode are the session's"
        );
        let route: Option<(String, String, String, String, u64)> =
            conn.query_first("PROXY SHOW ROUTE").await?;
        let (_, role, ..) = route.context("no route")?;
        assert_eq!(role, "worker");
        let zone: Option<String> = conn
            .query_first("SELECT FROM_UNIXTIME(0) FROM sakila.actor WHERE actor_id = 1")
            .await?;
        ensure!(
            zone.as_deref()
                .is_some_and(|zone| zone.starts_with("1970-01-01 05:00:00")),
            "{zone:?}"
        );
    }
    Ok(conn.disconnect().await?)
}

async fn a_policy_user_sets_its_trackers_and_is_still_read_as_the_server_reads(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let mut conn = cluster.door()?.connect_to("guarded", "sakila").await?;
    // under ANSI_QUOTES this is a name, and the WHERE compares a column; as a string it would be a constant
    const CONSTANT: &str = "DELETE FROM actor WHERE 'a' = \"a\"";
    for (set, ansi) in [
        (
            "SET session_track_system_variables = '', sql_mode = 'ANSI_QUOTES'",
            true,
        ),
        ("SET session_track_system_variables = 'time_zone'", true),
        ("SET sql_mode = ''", false),
        ("SET session_track_schema = 0, sql_mode = 'ANSI_QUOTES'", true),
        (
            "SET sql_mode = '', session_track_system_variables = DEFAULT",
            false,
        ),
    ] {
        conn.query_drop(set).await.context(set)?;
        let error = crate::server_error::server_error(conn.query_drop(CONSTANT).await)?;
        let refused = error.message.contains("delete-where-constant");
        assert_eq!(refused, !ansi, "{set}: {}", error.message);
    }
    for refused in [
        "SET session_track_schema = 0; SET sql_mode = ''",
        "PREPARE s FROM 'SET session_track_schema = 0'",
        "CREATE PROCEDURE p() SET session_track_schema = 0",
    ] {
        let error = crate::server_error::server_error(conn.query_drop(refused).await)?;
        ensure!(
            error.message.contains("session-tracking"),
            "{refused}: {}",
            error.message
        );
    }
    Ok(conn.disconnect().await?)
}

async fn what_the_previous_statement_left_is_found(cluster: &Cluster) -> anyhow::Result<()> {
    for capabilities in [MODERN, OLD] {
        compare(cluster, capabilities, PREVIOUS).await?;
    }
    Ok(())
}

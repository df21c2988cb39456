//! Prepared statements: their numbers, types and parameters are the session's, wherever they run.

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::raw_client::{MODERN, OLD, RawClient, Reply};
use harness::{Cluster, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use peer::connect::{Address, TlsPolicy};
use peer::tls::Connector;
use wire::Capabilities;
use wire::command::CommandCode;
use wire::reply::Shape;

on_each_engine!(
    parameters_of_every_type_arrive_on_any_node,
    types_sent_once_hold_on_every_node,
    a_long_parameter_is_sent_in_parts,
    a_cursor_hands_out_its_rows_in_portions,
    statements_are_told_apart_and_forgotten,
    an_error_of_a_prepared_statement_is_the_managers,
    a_prepared_write_runs_once_on_the_manager,
    values_without_types_reach_no_server_that_they_crash,
);

/// `MYSQL_TYPE_LONG` and `MYSQL_TYPE_VAR_STRING`.
const LONG: u8 = 3;
const VAR_STRING: u8 = 253;

/// COM_STMT_EXECUTE's argument. Types are sent when given.
fn execute(statement: u32, cursor: bool, types: Option<&[u8]>, values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut argument = statement.to_le_bytes().to_vec();
    argument.push(u8::from(cursor));
    argument.extend_from_slice(&1u32.to_le_bytes());
    if values.is_empty() {
        return argument;
    }
    let mut nulls = vec![0u8; values.len().div_ceil(8)];
    for (index, value) in values.iter().enumerate() {
        if let (None, Some(byte)) = (value, nulls.get_mut(index / 8)) {
            *byte |= 1 << (index % 8);
        }
    }
    argument.extend_from_slice(&nulls);
    argument.push(u8::from(types.is_some()));
    for kind in types.unwrap_or_default() {
        argument.extend_from_slice(&[*kind, 0]);
    }
    argument.extend(values.iter().flatten().flatten());
    argument
}

/// A short string as a value.
fn string(text: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes = vec![u8::try_from(text.len())?];
    bytes.extend_from_slice(text.as_bytes());
    Ok(Some(bytes))
}

async fn raw(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<RawClient> {
    cluster.serving(&["worker1", "worker2"]).await?;
    let mut client = cluster.door()?.raw("app", capabilities).await?;
    for text in ["USE sakila", "PROXY SET strategy = 'random'"] {
        assert_eq!(client.query(text).await?.error(), None, "{text}");
    }
    Ok(client)
}

async fn direct(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<RawClient> {
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let tls = Connector::encrypt_only()?;
    let (user, password) = (&node.root_user, &node.root_password);
    let tls = TlsPolicy::Preferred(&tls);
    Ok(RawClient::login(&address, user, password, Some("sakila"), capabilities, tls).await?)
}

async fn parameters_of_every_type_arrive_on_any_node(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.serving(&["worker1", "worker2"]).await?;
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    conn.query_drop("PROXY SET strategy = 'random'").await?;
    let values = vec![
        Value::Int(-7),
        Value::UInt(u64::MAX),
        Value::Float(0.25),
        Value::Double(1.5),
        Value::Bytes(b"text \xf0\x9f\x90\xac".to_vec()),
        Value::Bytes(vec![b'x'; 70_000]),
        Value::NULL,
        Value::Date(2024, 2, 29, 23, 59, 58, 123_456),
        Value::Time(true, 1, 2, 3, 4, 5),
    ];
    let mut direct = cluster.root("manager").await?;
    let text = "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, actor_id FROM sakila.actor WHERE actor_id = ?";
    for turn in 0..values.len() {
        let mut parameters = values.clone();
        parameters.rotate_left(turn);
        parameters.push(Value::UInt(3));
        let statement = direct.prep(text).await?;
        let wanted: Row = direct
            .exec_first(&statement, parameters.clone())
            .await?
            .context("no row")?;
        let wanted = wanted.unwrap();
        direct.close(statement).await?;
        let statement = conn.prep(text).await?;
        for _ in 0..6 {
            let row: Row = conn
                .exec_first(&statement, parameters.clone())
                .await?
                .context("no row")?;
            assert_eq!(row.unwrap(), wanted, "{parameters:?}");
        }
        conn.close(statement).await?;
    }
    direct.disconnect().await?;
    Ok(conn.disconnect().await?)
}

/// Packets without the column definitions' statement-independent noise: there is none, so whole replies.
fn assert_same(replies: &[Reply]) {
    for reply in replies {
        assert_eq!(Some(reply), replies.first());
        assert_eq!(reply.error(), None);
    }
}

async fn types_sent_once_hold_on_every_node(cluster: &Cluster) -> anyhow::Result<()> {
    let (log, mark) = (cluster.log().await?, marker("types_once"));
    for capabilities in [MODERN, OLD] {
        let mut client = raw(cluster, capabilities).await?;
        let text = format!("SELECT actor_id, first_name, ?, '{mark}' FROM actor WHERE actor_id = ?");
        let statement = client.prepare(&text).await?.statement_id;
        let values = [string("a string")?, Some(7u32.to_le_bytes().to_vec())];
        let first = execute(statement, false, Some(&[VAR_STRING, LONG]), &values);
        let mut replies = vec![client.ask(CommandCode::STMT_EXECUTE, &first).await?];
        for _ in 0..30 {
            let again = execute(statement, false, None, &values);
            replies.push(client.ask(CommandCode::STMT_EXECUTE, &again).await?);
        }
        assert_same(&replies);
    }
    let ran = log.ran(&mark)?;
    assert!(
        ran.iter()
            .all(|(name, count)| (name == "manager") == (*count == 0)),
        "{ran:?}"
    );
    Ok(())
}

async fn a_long_parameter_is_sent_in_parts(cluster: &Cluster) -> anyhow::Result<()> {
    for mut client in [raw(cluster, MODERN).await?, direct(cluster, MODERN).await?] {
        let statement = client
            .prepare("SELECT LENGTH(?), ? FROM actor LIMIT 1")
            .await?
            .statement_id;
        const PARTS: usize = 40;
        const PART_BYTES: usize = 100_000;
        for turn in 0..3 {
            for _ in 0..PARTS {
                let mut part = statement.to_le_bytes().to_vec();
                part.extend_from_slice(&[0, 0]);
                part.resize(part.len() + PART_BYTES, b'x');
                client.send(CommandCode::STMT_SEND_LONG_DATA, &part).await?;
            }
            // the long one has no value here
            let values = [Some(Vec::new()), Some(42u32.to_le_bytes().to_vec())];
            let command = execute(statement, false, Some(&[VAR_STRING, LONG]), &values);
            let reply = client.ask(CommandCode::STMT_EXECUTE, &command).await?;
            assert_eq!(reply.error(), None, "turn {turn}");
            let length = u32::try_from(PARTS * PART_BYTES)?.to_le_bytes();
            let has = reply
                .packets
                .iter()
                .any(|(_, packet)| packet.windows(4).any(|bytes| bytes == length));
            ensure!(has, "turn {turn}: not {} bytes long", PARTS * PART_BYTES);
        }
    }
    Ok(())
}

async fn a_cursor_hands_out_its_rows_in_portions(cluster: &Cluster) -> anyhow::Result<()> {
    for capabilities in [MODERN, OLD] {
        let mut portions = Vec::new();
        for mut client in [
            raw(cluster, capabilities).await?,
            direct(cluster, capabilities).await?,
        ] {
            let text = "SELECT actor_id, first_name FROM actor WHERE actor_id <= 10 ORDER BY actor_id";
            let statement = client.prepare(text).await?.statement_id;
            let command = execute(statement, true, None, &[]);
            let opened = client.ask(CommandCode::STMT_EXECUTE, &command).await?;
            assert_eq!(opened.error(), None);
            let mut rows = vec![opened.packets];
            for _ in 0..4 {
                let mut fetch = statement.to_le_bytes().to_vec();
                fetch.extend_from_slice(&4u32.to_le_bytes());
                client.send(CommandCode::STMT_FETCH, &fetch).await?;
                let mut portion = client.reply(Shape::Rows).await?;
                if let Some(error) = portion.error() {
                    // MariaDB names the statement by a number that other statements of the session move
                    let text = error.message.replace(&statement.to_string(), "N");
                    portion.packets = vec![(0, format!("{} {text}", error.code).into_bytes())];
                }
                rows.push(portion.packets);
            }
            // the session is in step
            assert_eq!(client.query("SELECT 1").await?.error(), None);
            portions.push(rows);
        }
        let [through, direct] = portions.as_slice() else {
            anyhow::bail!("two clients")
        };
        assert_eq!(through, direct);
    }
    Ok(())
}

async fn statements_are_told_apart_and_forgotten(cluster: &Cluster) -> anyhow::Result<()> {
    let mut client = raw(cluster, MODERN).await?;
    let mut numbers = Vec::new();
    for index in 0..20u32 {
        let text = format!("SELECT {index} + actor_id FROM actor WHERE actor_id = ?");
        numbers.push(client.prepare(&text).await?.statement_id);
    }
    let mut unique = numbers.clone();
    unique.dedup();
    assert_eq!(unique.len(), 20);
    for _ in 0..3 {
        for (index, number) in numbers.iter().enumerate() {
            let command = execute(
                *number,
                false,
                Some(&[LONG]),
                &[Some(100u32.to_le_bytes().to_vec())],
            );
            let reply = client.ask(CommandCode::STMT_EXECUTE, &command).await?;
            // a binary row: two bytes, then the number in four or eight
            let sum = (u32::try_from(index)? + 100).to_le_bytes();
            let has = reply
                .packets
                .iter()
                .any(|(_, packet)| packet.get(2..6) == Some(&sum));
            ensure!(has, "statement {index}: {reply:?}");
        }
    }
    for number in &numbers {
        client
            .send(CommandCode::STMT_CLOSE, &number.to_le_bytes())
            .await?;
        let reply = client
            .ask(CommandCode::STMT_EXECUTE, &execute(*number, false, None, &[]))
            .await?;
        assert_eq!(reply.error().context("a closed statement ran")?.code, 1243);
    }
    Ok(())
}

async fn an_error_of_a_prepared_statement_is_the_managers(cluster: &Cluster) -> anyhow::Result<()> {
    let mut errors = Vec::new();
    for mut client in [raw(cluster, MODERN).await?, direct(cluster, MODERN).await?] {
        let mut seen = Vec::new();
        for text in [
            "SELECT * FROM sakila.nothing",
            "SELECT nothing FROM actor",
            "SELECT ? FROM (SELECT 1)",
        ] {
            seen.push(
                client
                    .ask(CommandCode::STMT_PREPARE, text.as_bytes())
                    .await?
                    .error(),
            );
        }
        let statement = client
            .prepare("SELECT (SELECT actor_id FROM actor WHERE actor_id < ?)")
            .await?
            .statement_id;
        for _ in 0..4 {
            let command = execute(
                statement,
                false,
                Some(&[LONG]),
                &[Some(9u32.to_le_bytes().to_vec())],
            );
            seen.push(client.ask(CommandCode::STMT_EXECUTE, &command).await?.error());
        }
        ensure!(seen.iter().all(Option::is_some), "{seen:?}");
        errors.push(seen);
    }
    let [through, direct] = errors.as_slice() else {
        anyhow::bail!("two clients")
    };
    assert_eq!(through, direct);
    Ok(())
}

async fn a_prepared_write_runs_once_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("prepared_write").await?;
    let (log, mark) = (cluster.log().await?, marker("prepared_write"));
    let mut conn = cluster.door()?.connect_to("app", &schema).await?;
    conn.query_drop("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(80))")
        .await?;
    const WRITES: usize = 25;
    let statement = conn.prep("INSERT INTO t (v) VALUES (?)").await?;
    for _ in 0..WRITES {
        conn.exec_drop(&statement, (&mark,)).await?;
        assert_eq!(conn.affected_rows(), 1);
    }
    assert_eq!(conn.last_insert_id(), Some(u64::try_from(WRITES)?));
    conn.disconnect().await?;
    let ran = log.ran(&mark)?;
    assert_eq!(
        (ran.get("manager"), ran.values().sum::<usize>()),
        (Some(&WRITES), WRITES),
        "{ran:?}"
    );
    Ok(())
}

async fn values_without_types_reach_no_server_that_they_crash(cluster: &Cluster) -> anyhow::Result<()> {
    const INCORRECT_ARGUMENTS: u16 = 1210;
    let mut client = raw(cluster, MODERN).await?;
    let value = [Some(7u32.to_le_bytes().to_vec())];
    /// No type of either server.
    const UNKNOWN: u8 = 0x42;
    for text in ["SELECT ? FROM actor LIMIT 1", "DO ?"] {
        let statement = client.prepare(text).await?.statement_id;
        for types in [None, Some(&[UNKNOWN][..]), None] {
            let untyped = execute(statement, false, types, &value);
            let reply = client.ask(CommandCode::STMT_EXECUTE, &untyped).await?;
            let code = reply.error().map(|error| error.code);
            if cluster.engine() == infra::local::Engine::Mariadb {
                assert_eq!(code, Some(INCORRECT_ARGUMENTS), "{text} {types:?}");
            }
        }
        let typed = execute(statement, false, Some(&[LONG]), &value);
        let again = execute(statement, false, None, &value);
        for good in [typed, again] {
            let reply = client.ask(CommandCode::STMT_EXECUTE, &good).await?;
            assert_eq!(reply.error(), None, "{text}");
        }
    }
    Ok(())
}

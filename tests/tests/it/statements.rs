//! Prepared statements and the flags that shape metadata, packet by packet: the same conversation through the
//! gatekeeper and with the manager itself.

use anyhow::{Context, ensure};
use harness::raw_client::{MODERN, OLD, RawClient, Reply};
use harness::{Cluster, Engine, on_each_engine};
use mysql_async::prelude::Queryable;
use peer::connect::{Address, TlsPolicy};
use peer::tls::Connector;
use wire::command::{CommandCode, LAST_PREPARED};
use wire::frame;
use wire::{Capabilities, StatusFlags};

on_each_engine!(
    result_sets_without_metadata_are_the_clients_choice,
    extended_flags_are_mariadbs_alone,
    a_bulk_execution_is_the_managers_byte_for_byte,
    a_statement_is_executed_before_its_number_is_known,
    a_refused_prepare_leaves_no_statement_to_execute,
    a_cursor_does_not_spoil_the_statement_on_the_manager,
    long_parameters_wait_for_the_execution_they_belong_to,
    attributes_cannot_hide_a_text,
    what_is_too_short_names_no_statement,
);

const LONG: u8 = 3;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;

/// Both flags that MySQL clients may add to what is always there.
const OPTIONAL: Capabilities = Capabilities::OPTIONAL_RESULTSET_METADATA;
const EXTENDED: Capabilities = Capabilities(
    Capabilities::MARIADB_PROGRESS.0
        | Capabilities::MARIADB_STMT_BULK.0
        | Capabilities::MARIADB_EXTENDED_METADATA.0,
);

/// Through the gatekeeper, and the manager itself; `sakila` is the current schema.
async fn both(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<[RawClient; 2]> {
    cluster.serving(&["worker1", "worker2"]).await?;
    let mut through = cluster.door()?.raw("dba", capabilities).await?;
    let strategy = through.query("PROXY SET strategy = 'random'").await?;
    assert_eq!(strategy.error(), None);
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let tls = Connector::encrypt_only()?;
    let (user, password) = (&node.root_user, &node.root_password);
    let tls = TlsPolicy::Preferred(&tls);
    let mut direct = RawClient::login(&address, user, password, None, capabilities, tls).await?;
    for client in [&mut through, &mut direct] {
        assert_eq!(client.query("USE sakila").await?.error(), None);
    }
    Ok([through, direct])
}

fn execute(statement: u32, flags: u8, types: Option<&[u8]>, values: &[Vec<u8>]) -> Vec<u8> {
    let mut argument = statement.to_le_bytes().to_vec();
    argument.push(flags);
    argument.extend_from_slice(&1u32.to_le_bytes());
    if values.is_empty() {
        return argument;
    }
    argument.extend(std::iter::repeat_n(0, values.len().div_ceil(8)));
    argument.push(u8::from(types.is_some()));
    for kind in types.unwrap_or_default() {
        argument.extend_from_slice(&[*kind, 0]);
    }
    argument.extend(values.iter().flatten());
    argument
}

fn long(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// The packets, with the statement's number out of a prepare's first and out of errors, and without what a reply tells
/// of session state.
fn masked(reply: &Reply, prepare: bool) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = reply.packets.iter().map(|(_, packet)| packet.clone()).collect();
    if let Some([0, a, b, c, d, ..]) = packets.first_mut().filter(|_| prepare).map(Vec::as_mut_slice) {
        [*a, *b, *c, *d] = [0; 4];
    }
    if let Some(error) = reply.error() {
        let message: String = error.message.chars().filter(|c| !c.is_ascii_digit()).collect();
        packets.pop();
        packets.push(format!("{} {} {message}", error.code, error.sql_state).into_bytes());
    }
    packets
}

/// Asks both, expects the same, and returns both replies.
async fn same(
    clients: &mut [RawClient; 2],
    what: &str,
    code: CommandCode,
    arguments: [&[u8]; 2],
) -> anyhow::Result<[Reply; 2]> {
    let [through, direct] = clients;
    let prepare = code == CommandCode::STMT_PREPARE;
    let one = through
        .ask(code, arguments[0])
        .await
        .with_context(|| format!("through: {what}"))?;
    let other = direct
        .ask(code, arguments[1])
        .await
        .with_context(|| format!("direct: {what}"))?;
    ensure!(
        masked(&one, prepare) == masked(&other, prepare),
        "{what}\n through {one:?}\n direct  {other:?}"
    );
    Ok([one, other])
}

async fn prepare(clients: &mut [RawClient; 2], text: &str) -> anyhow::Result<[u32; 2]> {
    let bytes = text.as_bytes();
    let replies = same(clients, text, CommandCode::STMT_PREPARE, [bytes, bytes]).await?;
    let mut numbers = [0; 2];
    for (number, reply) in numbers.iter_mut().zip(&replies) {
        let (_, first) = reply.packets.first().context("an empty reply")?;
        *number = wire::reply::PrepareOk::decode(first)?.statement_id;
    }
    Ok(numbers)
}

/// A command about a statement of both.
async fn about(
    clients: &mut [RawClient; 2],
    what: &str,
    code: CommandCode,
    statement: [u32; 2],
    argument: impl Fn(u32) -> Vec<u8>,
) -> anyhow::Result<Reply> {
    let [one, other] = statement.map(argument);
    let [reply, _] = same(clients, what, code, [&one, &other]).await?;
    Ok(reply)
}

async fn result_sets_without_metadata_are_the_clients_choice(cluster: &Cluster) -> anyhow::Result<()> {
    for base in [MODERN, OLD] {
        let mut clients = both(cluster, base | OPTIONAL).await?;
        let is_mysql = cluster.engine() == Engine::Mysql;
        for client in &clients {
            assert_eq!(client.capabilities().has(OPTIONAL), is_mysql);
        }
        if !is_mysql {
            continue;
        }
        for choice in ["FULL", "NONE"] {
            for client in &mut clients {
                let set = format!("SET resultset_metadata = {choice}");
                assert_eq!(client.query(&set).await?.error(), None);
            }
            for text in [
                "SELECT actor_id, first_name FROM actor WHERE actor_id < 4",
                "SELECT actor_id FROM actor WHERE 1 = 0",
                "DO 1",
                "SELECT 1; DO 2; SELECT 3",
                "SHOW TABLES",
                "SELECT nothing",
            ] {
                for _ in 0..4 {
                    let bytes = text.as_bytes();
                    same(&mut clients, text, CommandCode::QUERY, [bytes, bytes]).await?;
                }
            }
            same(
                &mut clients,
                "fields",
                CommandCode::FIELD_LIST,
                [b"actor\0", b"actor\0"],
            )
            .await?;
            prepare(&mut clients, "DO ?").await?;
            let text = "SELECT actor_id, first_name FROM actor WHERE actor_id < ?";
            let statement = prepare(&mut clients, text).await?;
            for turn in 0..6 {
                let types = (turn == 0).then_some(&[LONG][..]);
                let command = |number| execute(number, 0, types, &[long(4)]);
                about(&mut clients, text, CommandCode::STMT_EXECUTE, statement, command).await?;
            }
            let command = |number| execute(number, 1, None, &[long(4)]);
            about(
                &mut clients,
                "cursor",
                CommandCode::STMT_EXECUTE,
                statement,
                command,
            )
            .await?;
            for _ in 0..3 {
                let fetch = |number: u32| [number.to_le_bytes(), 2u32.to_le_bytes()].concat();
                about(&mut clients, "fetch", CommandCode::STMT_FETCH, statement, fetch).await?;
            }
        }
    }
    Ok(())
}

async fn extended_flags_are_mariadbs_alone(cluster: &Cluster) -> anyhow::Result<()> {
    let cache = Capabilities::MARIADB_CACHE_METADATA;
    let mut clients = both(cluster, MODERN | EXTENDED).await?;
    let is_mariadb = cluster.engine() == Engine::Mariadb;
    for client in &clients {
        assert_eq!(client.capabilities().has(EXTENDED), is_mariadb);
    }
    let caching = cluster.door()?.raw("dba", MODERN | cache).await?;
    ensure!(
        !caching.capabilities().has(cache),
        "metadata of another node would be kept"
    );
    // the types of these columns are in the extended metadata alone
    let text =
        "SELECT CAST('{}' AS CHAR) AS a, POINT(1, 2) AS p, JSON_OBJECT() AS j, actor_id FROM actor LIMIT 2";
    for _ in 0..6 {
        same(&mut clients, text, CommandCode::QUERY, [text.as_bytes(); 2]).await?;
    }
    let statement = prepare(&mut clients, text).await?;
    for _ in 0..6 {
        let command = |number| execute(number, 0, None, &[]);
        about(&mut clients, text, CommandCode::STMT_EXECUTE, statement, command).await?;
    }
    Ok(())
}

async fn a_bulk_execution_is_the_managers_byte_for_byte(cluster: &Cluster) -> anyhow::Result<()> {
    let mut clients = both(cluster, MODERN | EXTENDED).await?;
    for client in &mut clients {
        let schema = cluster.schema("bulk").await?;
        let table = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9) DEFAULT 'none', n INT)";
        for text in [format!("USE {schema}"), table.to_owned()] {
            assert_eq!(client.query(&text).await?.error(), None, "{text}");
        }
    }
    let text = |text: &str| [&[0, u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
    let number = |number: u32| [&[0][..], &number.to_le_bytes()].concat();
    let bulk = |statement: u32, flags: u16, rest: &[Vec<u8>]| {
        [&statement.to_le_bytes()[..], &flags.to_le_bytes(), &rest.concat()].concat()
    };
    const SEND_TYPES: u16 = 128;
    const INCORRECT_ARGUMENTS: u16 = 1210;
    let is_mariadb = cluster.engine() == Engine::Mariadb;
    let types = vec![VAR_STRING, 0, LONG, 0];
    let (null, default, ignore) = (vec![1], vec![2], vec![3]);
    let insert = prepare(&mut clients, "INSERT INTO t (v, n) VALUES (?, ?)").await?;
    if is_mariadb {
        // asked of MariaDB itself, it would end with all its sessions
        let [through, _] = &mut clients;
        let untyped = bulk(insert[0], 0, &[text("a"), number(1)]);
        let reply = through.ask(CommandCode::STMT_BULK_EXECUTE, &untyped).await?;
        assert_eq!(reply.error().map(|error| error.code), Some(INCORRECT_ARGUMENTS));
    }
    let bodies = [
        (
            SEND_TYPES,
            vec![types.clone(), text("a"), number(1), text("b"), number(2)],
        ),
        (
            SEND_TYPES,
            vec![
                types.clone(),
                null.clone(),
                number(3),
                default,
                number(4),
                ignore,
                null,
            ],
        ),
        (0, vec![text("again"), number(5)]),
        (SEND_TYPES, vec![types.clone()]),
        (SEND_TYPES, vec![types, text("cut")]),
        (1, vec![text("flag"), number(6)]),
    ];
    for (flags, body) in &bodies {
        let what = format!("{flags} {body:?}");
        let command = |statement| bulk(statement, *flags, body);
        about(
            &mut clients,
            &what,
            CommandCode::STMT_BULK_EXECUTE,
            insert,
            command,
        )
        .await?;
        let command = |_| bulk(LAST_PREPARED, *flags, body);
        about(
            &mut clients,
            &what,
            CommandCode::STMT_BULK_EXECUTE,
            insert,
            command,
        )
        .await?;
    }
    let all = "SELECT /*+ proxy(target=manager) */ id, v, n FROM t".as_bytes();
    let [through, direct] = &mut clients;
    let (one, other) = (
        through.ask(CommandCode::QUERY, all).await?,
        direct.ask(CommandCode::QUERY, all).await?,
    );
    let rows = |reply: &Reply| -> Vec<Vec<u8>> {
        let packets = reply.packets.iter().skip(4);
        packets
            .map(|(_, packet)| packet.clone())
            .filter(|packet| packet.first() != Some(&0xfe))
            .collect()
    };
    assert_eq!(rows(&one), rows(&other));
    // MySQL knows no such command
    ensure!(rows(&one).is_empty() != is_mariadb);
    Ok(())
}

async fn a_statement_is_executed_before_its_number_is_known(cluster: &Cluster) -> anyhow::Result<()> {
    let mut clients = both(cluster, MODERN).await?;
    let last = execute(LAST_PREPARED, 0, None, &[]);
    let execute_last = |_: u32| last.clone();
    let none = [0; 2];
    about(
        &mut clients,
        "nothing yet",
        CommandCode::STMT_EXECUTE,
        none,
        execute_last,
    )
    .await?;
    for text in [
        "SELECT actor_id FROM actor WHERE actor_id = 3",
        "SELECT nothing FROM actor",
        "DO 1",
        "SELECT 1 +",
        "",
        "SELECT first_name FROM actor WHERE actor_id = 4",
    ] {
        let mut seen = Vec::new();
        for client in &mut clients {
            // in one segment, as the clients do
            let mut packets = Vec::new();
            frame::encode(
                &[&[CommandCode::STMT_PREPARE.0], text.as_bytes()].concat(),
                0,
                &mut packets,
            );
            frame::encode(
                &[&[CommandCode::STMT_EXECUTE.0], &last[..]].concat(),
                0,
                &mut packets,
            );
            client.send_bytes(&packets).await?;
            let replies = client
                .replies(&[CommandCode::STMT_PREPARE, CommandCode::STMT_EXECUTE])
                .await?;
            let [prepared, executed] = replies.as_slice() else {
                anyhow::bail!("two replies")
            };
            seen.push([masked(prepared, true), masked(executed, false)]);
        }
        assert_eq!(seen.first(), seen.last(), "{text}");
        for code in [CommandCode::STMT_RESET, CommandCode::STMT_FETCH] {
            let command = |_: u32| [LAST_PREPARED.to_le_bytes(), 1u32.to_le_bytes()].concat();
            about(&mut clients, text, code, none, command).await?;
        }
    }
    for client in &mut clients {
        client
            .send(CommandCode::STMT_CLOSE, &LAST_PREPARED.to_le_bytes())
            .await?;
    }
    about(
        &mut clients,
        "closed",
        CommandCode::STMT_EXECUTE,
        none,
        execute_last,
    )
    .await?;
    Ok(())
}

async fn a_refused_prepare_leaves_no_statement_to_execute(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("refused_prepare").await?;
    let mut client = cluster.door()?.raw("guarded", MODERN).await?;
    for text in [format!("USE {schema}"), "CREATE TABLE t (id INT)".to_owned()] {
        assert_eq!(client.query(&text).await?.error(), None);
    }
    client.prepare("INSERT INTO t VALUES (1)").await?;
    let refused = client.ask(CommandCode::STMT_PREPARE, b"DROP TABLE t").await?;
    assert_eq!(refused.error().context("not refused")?.code, 1227);
    let last = execute(LAST_PREPARED, 0, None, &[]);
    for code in [
        CommandCode::STMT_EXECUTE,
        CommandCode::STMT_RESET,
        CommandCode::STMT_FETCH,
    ] {
        let reply = client.ask(code, &last).await?;
        assert_eq!(reply.error().context("something ran")?.code, 1243, "{code:?}");
    }
    let mut root = cluster.root("manager").await?;
    let rows: Option<u32> = root
        .query_first(format!("SELECT COUNT(*) FROM {schema}.t"))
        .await?;
    assert_eq!(rows, Some(0));
    root.disconnect().await?;
    // the next one is the last one
    client.prepare("INSERT INTO t VALUES (2)").await?;
    let reply = client.ask(CommandCode::STMT_EXECUTE, &last).await?;
    match cluster.engine() {
        Engine::Mariadb => assert_eq!(reply.error(), None),
        Engine::Mysql => assert_eq!(reply.error().context("it ran")?.code, 1243),
    }
    Ok(())
}

async fn a_cursor_does_not_spoil_the_statement_on_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    for capabilities in [MODERN, OLD] {
        let mut clients = both(cluster, capabilities).await?;
        let text = "SELECT actor_id, first_name FROM actor WHERE actor_id <= 4 ORDER BY actor_id";
        let statement = prepare(&mut clients, text).await?;
        let plain = |number| execute(number, 0, None, &[]);
        let cursor = |number| execute(number, 1, None, &[]);
        let fetch = |number: u32| [number.to_le_bytes(), 3u32.to_le_bytes()].concat();
        // the first one runs on a worker, or the manager; on one server it is the statement's first
        about(&mut clients, "plain", CommandCode::STMT_EXECUTE, statement, plain).await?;
        for round in 0..3 {
            about(&mut clients, "open", CommandCode::STMT_EXECUTE, statement, cursor).await?;
            about(&mut clients, "fetch", CommandCode::STMT_FETCH, statement, fetch).await?;
            // in a transaction: on the manager
            let begin: &[u8] = if round == 1 { b"DO 1" } else { b"BEGIN" };
            same(&mut clients, "begin", CommandCode::QUERY, [begin, begin]).await?;
            about(&mut clients, "plain", CommandCode::STMT_EXECUTE, statement, plain).await?;
            about(&mut clients, "closed", CommandCode::STMT_FETCH, statement, fetch).await?;
            about(&mut clients, "plain", CommandCode::STMT_EXECUTE, statement, plain).await?;
            same(&mut clients, "commit", CommandCode::QUERY, [b"COMMIT", b"COMMIT"]).await?;
        }
        let opened = about(&mut clients, "open", CommandCode::STMT_EXECUTE, statement, cursor).await?;
        ensure!(opened.status()?.has(StatusFlags::CURSOR_EXISTS));
        same(
            &mut clients,
            "between",
            CommandCode::QUERY,
            [b"SELECT 5", b"SELECT 5"],
        )
        .await?;
        about(&mut clients, "fetch", CommandCode::STMT_FETCH, statement, fetch).await?;
        let reset = |number: u32| number.to_le_bytes().to_vec();
        about(&mut clients, "reset", CommandCode::STMT_RESET, statement, reset).await?;
        about(&mut clients, "fetch", CommandCode::STMT_FETCH, statement, fetch).await?;
        // wherever it was prepared, it goes
        let [through, _] = &mut clients;
        let [number, _] = statement;
        through
            .send(CommandCode::STMT_CLOSE, &number.to_le_bytes())
            .await?;
        let gone = through.ask(CommandCode::STMT_EXECUTE, &plain(number)).await?;
        assert_eq!(gone.error().context("it ran")?.code, 1243);
    }
    Ok(())
}

async fn long_parameters_wait_for_the_execution_they_belong_to(cluster: &Cluster) -> anyhow::Result<()> {
    let mut clients = both(cluster, MODERN).await?;
    let text = "SELECT ?, ?, actor_id FROM actor WHERE actor_id = 1";
    let statement = prepare(&mut clients, text).await?;
    let piece = |parameter: u16, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |number: u32| [&number.to_le_bytes()[..], &parameter.to_le_bytes(), &bytes].concat()
    };
    let short = vec![1, b'z'];
    let with_long = |number| execute(number, 0, Some(&[BLOB, LONG]), &[Vec::new(), long(7)]);
    let without = |number| execute(number, 0, Some(&[BLOB, LONG]), &[short.clone(), long(7)]);
    let untyped = |number| execute(number, 0, None, &[short.clone(), long(7)]);
    let reset = |number: u32| number.to_le_bytes().to_vec();
    let long_data = CommandCode::STMT_SEND_LONG_DATA;
    let run = CommandCode::STMT_EXECUTE;
    for _ in 0..3 {
        about(&mut clients, "part", long_data, statement, piece(0, b"abc")).await?;
        about(&mut clients, "part", long_data, statement, piece(0, b"def")).await?;
        about(&mut clients, "whole", run, statement, with_long).await?;
        about(&mut clients, "forgotten", run, statement, without).await?;
        about(
            &mut clients,
            "no such parameter",
            long_data,
            statement,
            piece(9, b"abc"),
        )
        .await?;
        about(&mut clients, "told now", run, statement, without).await?;
        about(&mut clients, "and once", run, statement, without).await?;
        about(&mut clients, "part", long_data, statement, piece(0, b"abc")).await?;
        about(&mut clients, "reset", CommandCode::STMT_RESET, statement, reset).await?;
        about(&mut clients, "after reset", run, statement, untyped).await?;
        about(
            &mut clients,
            "no such statement",
            long_data,
            [999_999; 2],
            piece(0, b"x"),
        )
        .await?;
        same(
            &mut clients,
            "in step",
            CommandCode::QUERY,
            [b"SELECT 1", b"SELECT 1"],
        )
        .await?;
    }
    Ok(())
}

async fn attributes_cannot_hide_a_text(cluster: &Cluster) -> anyhow::Result<()> {
    if cluster.engine() != Engine::Mysql {
        return Ok(());
    }
    let attributes = Capabilities::QUERY_ATTRIBUTES;
    let schema = cluster.schema("hidden").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.t (id INT)"))
        .await?;
    let mut client = cluster.door()?.raw("guarded", MODERN | attributes).await?;
    // of these types one might think that no value, or one of four or two bytes, follows: the server reads a length
    for kind in [0x06, 0x09, 0x0d] {
        let hidden = b"SELECT 1;";
        let mut block = vec![1, 1, 0, 1, kind, 0, 1, b'a', u8::try_from(hidden.len())?];
        block.extend_from_slice(hidden);
        block.extend_from_slice(format!("DROP TABLE {schema}.t").as_bytes());
        let reply = client.ask(CommandCode::QUERY, &block).await?;
        assert_eq!(reply.error().context("it ran")?.code, 1227, "{kind:#04x}");
    }
    let mut broken = vec![vec![1, 2, 0, 1, 0xfe, 0, 1, b'a', 1, b'x']];
    broken.push(vec![1, 1, 0, 0, 0xfe, 0, 1, b'a', 1, b'x']);
    broken.push(vec![1, 1, 0, 1, 0xf4, 0, 1, b'a', 1]);
    broken.push(vec![0, 0]);
    broken.push(Vec::new());
    for mut block in broken {
        block.extend_from_slice(b"SELECT 1");
        let reply = client.ask(CommandCode::QUERY, &block).await?;
        assert_eq!(reply.error().context("it ran")?.code, 1835, "{block:?}");
    }
    let left: Option<u32> = root
        .query_first(format!("SELECT COUNT(*) FROM {schema}.t"))
        .await?;
    assert_eq!(left, Some(0));
    Ok(root.disconnect().await?)
}

async fn what_is_too_short_names_no_statement(cluster: &Cluster) -> anyhow::Result<()> {
    let mut client = cluster.door()?.raw("app", MODERN).await?;
    let statement = client.prepare("SELECT 1").await?.statement_id;
    let is_mysql = cluster.engine() == Engine::Mysql;
    for (code, answered) in [
        (CommandCode::STMT_CLOSE, is_mysql),
        (CommandCode::STMT_SEND_LONG_DATA, is_mysql),
        (CommandCode::STMT_RESET, true),
        (CommandCode::STMT_FETCH, true),
    ] {
        client.send(code, &[1]).await?;
        if answered {
            let reply = client.reply(wire::reply::Shape::Verdict).await?;
            assert_eq!(reply.error().context("no error")?.code, 1835, "{code:?}");
        }
        let reply = client
            .ask(CommandCode::STMT_EXECUTE, &execute(statement, 0, None, &[]))
            .await?;
        assert_eq!(reply.error(), None, "{code:?}");
    }
    Ok(())
}

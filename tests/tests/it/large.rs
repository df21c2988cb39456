//! Large statements and local files pass while they come: in small processes, and with the answers of one server.

use anyhow::{Context, ensure};
use harness::raw_client::{MODERN, RawClient, Reply};
use harness::{Cluster, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use peer::connect::{Address, TlsPolicy};
use wire::Capabilities;
use wire::command::CommandCode;
use wire::frame;
use wire::reply::Shape;

use crate::faults::empty;

on_each_engine!(
    statements_without_policy_stream_through_small_processes,
    a_large_execution_brings_the_types_that_only_a_worker_has_seen,
    a_packet_beyond_the_servers_limit_is_answered_as_directly,
    who_stops_leaves_or_miscounts_in_a_large_statement_leaves_nothing_behind,
    statements_under_a_policy_share_one_budget,
    a_local_file_streams_through_small_processes,
    local_files_are_asked_for_and_answered_as_directly,
    a_client_under_a_policy_is_not_asked_for_a_file,
    an_upload_that_is_killed_leaves_nothing_behind,
);

/// Below the servers' limit of 64 MiB, and of several packets.
const VALUE_BYTES: usize = 60_000_000;
/// A process that held one such value would have more.
const RSS_BYTES_MAX: u64 = 56 << 20;

fn packets(code: CommandCode, argument: &[&[u8]]) -> Vec<u8> {
    let payload = [&[code.0][..], &argument.concat()].concat();
    let mut bytes = Vec::new();
    frame::encode(&payload, 0, &mut bytes);
    bytes
}

async fn ok(client: &mut RawClient, text: &str) -> anyhow::Result<Reply> {
    let reply = client.query(text).await?;
    let error = reply.error();
    ensure!(error.is_none(), "{text}: {error:?}");
    Ok(reply)
}

/// Sends a command of any size and reads its reply.
async fn ask(client: &mut RawClient, code: CommandCode, argument: &[&[u8]]) -> anyhow::Result<Reply> {
    client.send_bytes(&packets(code, argument)).await?;
    let reply = client.reply(code.reply_shape()).await?;
    let error = reply.error();
    ensure!(error.is_none(), "{code:?}: {error:?}");
    Ok(reply)
}

async fn direct(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<RawClient> {
    let manager = cluster.node("manager")?;
    let address = Address::Tcp {
        host: manager.host.clone(),
        port: manager.port,
    };
    let (user, password) = (&manager.root_user, &manager.root_password);
    Ok(RawClient::login(&address, user, password, None, capabilities, TlsPolicy::Off).await?)
}

fn are_small(pair: &Pair) -> anyhow::Result<()> {
    for service in [&pair.gatekeeper, &pair.proxy] {
        let rss = service.rss_bytes_max()?;
        ensure!(rss < RSS_BYTES_MAX, "{service:?} took {} MiB", rss >> 20);
    }
    Ok(())
}

/// One parameter of type LONG_BLOB, its value in the packet.
fn blob_parameter(value: &[u8]) -> Vec<u8> {
    let mut argument = vec![0, 1, 0xfb, 0, 0xfe];
    argument.extend_from_slice(&(value.len() as u64).to_le_bytes());
    argument.extend_from_slice(value);
    argument
}

async fn statements_without_policy_stream_through_small_processes(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let schema = cluster.schema("large").await?;
    let mut client = pair.door.raw("dba", MODERN).await?;
    ok(&mut client, &format!("USE {schema}")).await?;
    ok(
        &mut client,
        "CREATE TABLE kept (id INT PRIMARY KEY, value LONGBLOB)",
    )
    .await?;
    let value = vec![b'v'; VALUE_BYTES];

    let text = [&b"INSERT INTO kept VALUES (1, '"[..], &value, b"')"];
    ask(&mut client, CommandCode::QUERY, &text).await?;
    // nobody has seen its end: the session stays where it ran, until it is reset
    let read = "SELECT COUNT(*) FROM kept";
    let last_route = async |client: &mut RawClient| -> anyhow::Result<String> {
        ok(client, read).await?;
        let route = ok(client, "PROXY SHOW ROUTE").await?;
        Ok(String::from_utf8_lossy(&route.bytes).into_owned())
    };
    ensure!(last_route(&mut client).await?.contains("session-pinned"));
    client.ask(CommandCode::RESET_CONNECTION, b"").await?;
    ensure!(!last_route(&mut client).await?.contains("session-pinned"));

    let prepared = client.prepare("INSERT INTO kept VALUES (2, ?)").await?;
    let id = prepared.statement_id.to_le_bytes();
    let head = [0, 1, 0, 0, 0];
    let parameter = blob_parameter(&value);
    ask(&mut client, CommandCode::STMT_EXECUTE, &[&id, &head, &parameter]).await?;

    let prepared = client.prepare("INSERT INTO kept VALUES (3, ?)").await?;
    let id = prepared.statement_id.to_le_bytes();
    for part in [&value[..20_000_000], &value[20_000_000..]] {
        let long_data = packets(CommandCode::STMT_SEND_LONG_DATA, &[&id, &[0, 0], part]);
        client.send_bytes(&long_data).await?;
    }
    let typed_only = [0, 1, 0xfb, 0];
    ask(&mut client, CommandCode::STMT_EXECUTE, &[&id, &head, &typed_only]).await?;
    are_small(&pair)?;

    let lengths = format!("SELECT id, LENGTH(value), value = REPEAT('v', {VALUE_BYTES}) FROM {schema}.kept");
    let rows: Vec<(i32, usize, bool)> = cluster.root("manager").await?.query(lengths).await?;
    assert_eq!(rows, [1, 2, 3].map(|id| (id, VALUE_BYTES, true)));

    let received = pair.door.scrape_gatekeeper().await?;
    let received = received.value("gatekeeper_client_received_bytes_total", &[]);
    ensure!(
        received.unwrap_or_default() > 3.0 * VALUE_BYTES as f64,
        "{received:?}"
    );
    drop(client);
    empty(&pair.door).await
}

async fn a_large_execution_brings_the_types_that_only_a_worker_has_seen(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let mut client = door.raw("dba", MODERN).await?;
    let prepared = client
        .prepare("SELECT LENGTH(?) FROM sakila.actor WHERE actor_id = 1")
        .await?;
    let id = prepared.statement_id.to_le_bytes();
    let head = [0, 1, 0, 0, 0];
    let small = blob_parameter(b"small");
    ask(&mut client, CommandCode::STMT_EXECUTE, &[&id, &head, &small]).await?;
    let route = ok(&mut client, "PROXY SHOW ROUTE").await?;
    ensure!(String::from_utf8_lossy(&route.bytes).contains("worker"));
    for size in [2_000_000, (1 << 24) - 30, 20_000_000] {
        // no types: they were sent before
        let large = [&[0, 0][..], &blob_parameter(&vec![b'v'; size])[4..]].concat();
        let reply = ask(&mut client, CommandCode::STMT_EXECUTE, &[&id, &head, &large]).await?;
        let (_, row) = reply.packets.get(reply.packets.len() - 2).context("no row")?;
        let length = row.get(2..).unwrap_or_default();
        ensure!(
            length.starts_with(&(size as u32).to_le_bytes()),
            "{size}: {row:?}"
        );
    }
    Ok(())
}

/// Everything that comes until the end, however that looks.
async fn last_words(client: &mut RawClient) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(more) = client.read_bytes().await {
        bytes.extend(more);
    }
    bytes
}

async fn a_packet_beyond_the_servers_limit_is_answered_as_directly(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let value = vec![b'v'; 80_000_000];
    let text = packets(CommandCode::QUERY, &[b"SELECT LENGTH('", &value, b"')"]);
    let mut near = direct(cluster, MODERN).await?;
    // it may be gone before it has everything
    let _ = near.send_bytes(&text).await;
    let expected = last_words(&mut near).await;
    ensure!(
        expected.get(5..7) == Some(&1153_u16.to_le_bytes()),
        "{expected:?}"
    );
    for user in ["dba", "app"] {
        let mut client = pair.door.raw(user, MODERN).await?;
        let _ = client.send_bytes(&text).await;
        assert_eq!(last_words(&mut client).await, expected, "{user}");
    }
    // and a parameter, which has no reply
    let long_data = packets(CommandCode::STMT_SEND_LONG_DATA, &[&[1, 0, 0, 0, 0, 0], &value]);
    let mut client = pair.door.raw("dba", MODERN).await?;
    client.prepare("SELECT ?").await?;
    let _ = client.send_bytes(&long_data).await;
    let said = last_words(&mut client).await;
    ensure!(said.get(5..7) == Some(&1153_u16.to_le_bytes()), "{said:?}");
    drop(client);
    empty(&pair.door).await
}

async fn who_stops_leaves_or_miscounts_in_a_large_statement_leaves_nothing_behind(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let plan = Pair::plan(cluster)?.gatekeeper(|config| config.limits.read_timeout_ms = 1_000);
    let pair = plan.start().await?;
    let schema = cluster.schema("halves").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.kept (value LONGBLOB)"))
        .await?;
    let insert = format!("INSERT INTO {schema}.kept VALUES ('");
    let value = vec![b'v'; 20_000_000];
    let text = packets(CommandCode::QUERY, &[insert.as_bytes(), &value, b"')"]);
    for user in ["dba", "app"] {
        for sent in [40_000, 2_000_000, (1 << 24) - 1, (1 << 24) + 3, text.len() - 1] {
            let mut client = pair.door.raw(user, MODERN).await?;
            client.send_bytes(&text[..sent]).await?;
        }
        empty(&pair.door).await?;

        let mut client = pair.door.raw(user, MODERN).await?;
        client.send_bytes(&text[..2_000_000]).await?;
        let said = last_words(&mut client).await;
        ensure!(
            said.get(5..7) == Some(&1159_u16.to_le_bytes()),
            "{user}: {said:?}"
        );

        let mut miscounted = text.clone();
        miscounted[(1 << 24) - 1 + 4 + 3] = 7;
        let mut client = pair.door.raw(user, MODERN).await?;
        let _ = client.send_bytes(&miscounted).await;
        let said = last_words(&mut client).await;
        ensure!(
            said.get(5..7) == Some(&1156_u16.to_le_bytes()),
            "{user}: {said:?}"
        );
        drop(client);
        empty(&pair.door).await?;
    }
    let kept: Option<u64> = root
        .query_first(format!("SELECT COUNT(*) FROM {schema}.kept"))
        .await?;
    assert_eq!(kept, Some(0));
    Ok(())
}

async fn statements_under_a_policy_share_one_budget(cluster: &Cluster) -> anyhow::Result<()> {
    let plan = Pair::plan(cluster)?.gatekeeper(|config| {
        config.limits.statement_bytes_max = 4 << 20;
        config.limits.statement_memory_bytes_max = Some(4 << 20);
    });
    let pair = plan.start().await?;
    let value = vec![b'v'; 3_500_000];
    let text = packets(CommandCode::QUERY, &[b"SELECT LENGTH('", &value, b"')"]);
    let mut first = pair.door.raw("app", MODERN).await?;
    first.send_bytes(&text[..2_500_000]).await?;
    eventually("no memory for a second one", SOON, || async {
        let mut second = pair.door.raw("app", MODERN).await?;
        // it may be refused before it is all there
        let _ = second.send_bytes(&text).await;
        let error = second.reply(Shape::Results).await?.error();
        ensure!(
            error.as_ref().is_some_and(|error| error.code == 1153),
            "{error:?}"
        );
        Ok(())
    })
    .await?;
    // small ones need none, and one without policy passes as it comes
    ok(&mut pair.door.raw("app", MODERN).await?, "SELECT 1").await?;
    let mut dba = pair.door.raw("dba", MODERN).await?;
    ask(&mut dba, CommandCode::QUERY, &[b"SELECT LENGTH('", &value, b"')"]).await?;
    first.send_bytes(&text[2_500_000..]).await?;
    let reply = first.reply(Shape::Results).await?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    let mut third = pair.door.raw("app", MODERN).await?;
    ask(
        &mut third,
        CommandCode::QUERY,
        &[b"SELECT LENGTH('", &value, b"')"],
    )
    .await?;
    let scrape = pair.door.scrape_gatekeeper().await?;
    let refused = scrape.value("gatekeeper_errors_total", &[("kind", "statement_memory")]);
    ensure!(refused.unwrap_or_default() >= 1.0, "{refused:?}");
    Ok(())
}

/// A server's request for a file: its first packet behind the header.
async fn request(client: &mut RawClient, text: &str) -> anyhow::Result<()> {
    client.send(CommandCode::QUERY, text.as_bytes()).await?;
    let asked = client.read_bytes().await?;
    ensure!(asked.get(4) == Some(&0xfb), "{asked:?}");
    Ok(())
}

async fn a_local_file_streams_through_small_processes(cluster: &Cluster) -> anyhow::Result<()> {
    const LINES: usize = 150;
    let pair = Pair::plan(cluster)?.start().await?;
    let schema = cluster.schema("file").await?;
    let mut client = pair.door.raw("dba", MODERN).await?;
    ok(
        &mut client,
        &format!("CREATE TABLE {schema}.kept (value LONGTEXT)"),
    )
    .await?;
    request(
        &mut client,
        &format!("LOAD DATA LOCAL INFILE 'file' INTO TABLE {schema}.kept"),
    )
    .await?;
    let mut line = vec![b'l'; 1_000_000];
    line[999_999] = b'\n';
    // three times fifty million bytes: packets of all sizes, a full one among them
    let file = line.repeat(LINES / 3);
    let mut sequence = 2;
    for part in [
        &file[..],
        &file[..(1 << 24) - 1],
        &file[(1 << 24) - 1..],
        &file[..],
    ] {
        for packet in part.chunks((1 << 24) - 1) {
            let mut bytes = Vec::new();
            sequence = frame::encode(packet, sequence, &mut bytes);
            client.send_bytes(&bytes).await?;
        }
    }
    let mut end = Vec::new();
    frame::encode(b"", sequence, &mut end);
    client.send_bytes(&end).await?;
    let reply = client.reply(Shape::Results).await?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    are_small(&pair)?;
    let count = format!("SELECT COUNT(*), CAST(SUM(LENGTH(value)) AS UNSIGNED) FROM {schema}.kept");
    let rows: Option<(usize, usize)> = cluster.root("manager").await?.query_first(count).await?;
    assert_eq!(rows, Some((LINES, LINES * 999_999)));
    Ok(())
}

async fn local_files_are_asked_for_and_answered_as_directly(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let schema = cluster.schema("files").await?;
    let mut near = direct(cluster, MODERN).await?;
    let mut through = door.raw("dba", MODERN).await?;
    let load = format!("LOAD DATA LOCAL INFILE 'none' INTO TABLE {schema}.kept");
    ok(
        &mut near,
        &format!("CREATE TABLE {schema}.kept (id INT PRIMARY KEY)"),
    )
    .await?;
    let texts = [
        load.clone(),
        format!("{load}; SELECT 1; {load}; SELECT 2"),
        format!("LOAD DATA LOCAL INFILE 'none' INTO TABLE {schema}.missing"),
        format!("{load}; SELECT * FROM {schema}.missing; {load}"),
    ];
    for text in texts {
        // each request is answered with an empty file
        assert_eq!(
            through.query(&text).await?.packets,
            near.query(&text).await?.packets,
            "{text}"
        );
    }
    // commands behind a file are not taken for a part of it
    for client in [&mut near, &mut through] {
        request(client, &load).await?;
        let mut bytes = Vec::new();
        let next = frame::encode(b"1\n2\n2\n", 2, &mut bytes);
        frame::encode(b"", next, &mut bytes);
        frame::encode(b"\x0e", 0, &mut bytes);
        client.send_bytes(&bytes).await?;
        // both answers, in however many pieces
        let mut said = Vec::new();
        let [_load, ping] = loop {
            said.extend(client.read_bytes().await?);
            let Some(first) = frame::Header::peek(&said) else {
                continue;
            };
            let behind = said.get(first.packet_bytes()..).unwrap_or_default();
            let second = frame::Header::peek(behind).filter(|second| behind.len() >= second.packet_bytes());
            if let Some(second) = second {
                break [first, second];
            }
        };
        assert_eq!(ping.sequence, 1);
        ok(client, &format!("DELETE FROM {schema}.kept")).await?;
    }
    Ok(())
}

async fn a_client_under_a_policy_is_not_asked_for_a_file(cluster: &Cluster) -> anyhow::Result<()> {
    let load = "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE sakila.actor";
    let without = Capabilities(MODERN.0 & !Capabilities::LOCAL_FILES.0);
    let expected = direct(cluster, without).await?.query(load).await?;
    ensure!(expected.error().is_some());
    let mut client = cluster.door()?.raw("app", MODERN).await?;
    let refused = client.query(load).await?;
    // the server's own words, and the session goes on
    assert_eq!(refused.packets, expected.packets);
    ok(&mut client, "SELECT 1").await?;
    // where the operator wants it, it works
    let plan = Pair::plan(cluster)?.gatekeeper(|config| config.policy.local_infile = true);
    let pair = plan.start().await?;
    let mut client = pair.door.raw("app", MODERN).await?;
    request(&mut client, load).await
}

async fn an_upload_that_is_killed_leaves_nothing_behind(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let schema = cluster.schema("killed").await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.kept (value LONGTEXT)"))
        .await?;
    let load = format!("LOAD DATA LOCAL INFILE 'file' INTO TABLE {schema}.kept");
    let mut client = pair.door.raw("dba", MODERN).await?;
    request(&mut client, &load).await?;
    let mut half = Vec::new();
    frame::encode(&vec![b'l'; 5_000_000], 2, &mut half);
    client.send_bytes(&half).await?;
    let find = format!("SELECT id FROM information_schema.processlist WHERE info = \"{load}\"");
    let thread: Option<u64> = root.query_first(find).await?;
    root.query_drop(format!("KILL {}", thread.context("it does not run")?))
        .await?;
    // the client may hear why, and hears that it is over
    last_words(&mut client).await;
    drop(client);
    empty(&pair.door).await
}

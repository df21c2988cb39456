//! What goes wrong gets the right answer, is counted, and concerns nobody else.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use harness::node_log::marker;
use harness::raw_client::MODERN;
use harness::relay::{Relay, Way};
use harness::{Cluster, Door, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::command::CommandCode;
use wire::frame::Header;
use wire::reply::ErrPacket;

use crate::server_error::server_error;

on_each_engine!(
    logins_that_fail_are_refused_as_a_server_does_and_counted,
    a_garbage_first_packet_is_answered_and_counted,
    a_handshake_that_stops_half_way_ends_in_time,
    a_proxy_that_is_down_is_an_error_and_comes_back,
    a_manager_that_is_down_is_an_error_and_comes_back,
    a_client_that_dies_in_a_result_leaves_nothing_behind,
    a_client_that_reads_nothing_blocks_itself_alone,
    a_proxy_that_dies_ends_its_sessions_with_an_error,
    a_write_cut_off_from_its_answer_is_not_sent_again,
);

/// Waits until no connection is open in either process but what rests in the pool, as their own gauges say.
pub(crate) async fn empty(door: &Door) -> anyhow::Result<()> {
    eventually("nobody connected", SOON, || async {
        let clients = door
            .scrape_gatekeeper()
            .await?
            .value("gatekeeper_connections", &[]);
        let proxy = door.scrape_proxy().await?;
        let sessions = proxy.value("proxy_connections", &[]);
        let servers = proxy.value("proxy_server_connections", &[]);
        let resting = proxy.value("proxy_pool_resting_connections", &[]);
        let used = servers.unwrap_or_default() - resting.unwrap_or_default();
        let all = [clients, sessions, Some(used)];
        ensure!(all.iter().all(|open| open.unwrap_or_default() == 0.0), "{all:?}");
        Ok(())
    })
    .await
}

async fn failures(door: &Door, reason: &str) -> anyhow::Result<f64> {
    let scrape = door.scrape_gatekeeper().await?;
    scrape
        .value("gatekeeper_auth_failures_total", &[("reason", reason)])
        .with_context(|| reason.to_owned())
}

async fn logins_that_fail_are_refused_as_a_server_does_and_counted(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let cases = [
        ("app", Some("wrong"), "wrong_password", "YES"),
        ("nobody", Some("wrong"), "unknown_user", "YES"),
        ("app", None, "no_password", "NO"),
        ("nobody", None, "unknown_user", "NO"),
    ];
    for (user, password, reason, used) in cases {
        let before = failures(&pair.door, reason).await?;
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(pair.door.port)
            .user(Some(user))
            .pass(password)
            .prefer_socket(false);
        let error = server_error(Conn::new(options).await).with_context(|| format!("{user} {password:?}"))?;
        assert_eq!((error.code, error.state.as_str()), (1045, "28000"), "{error:?}");
        assert_eq!(
            error.message,
            format!("Access denied for user '{user}'@'127.0.0.1' (using password: {used})")
        );
        counted(&pair.door, reason, before)
            .await
            .with_context(|| format!("{user} {password:?}"))?;
    }
    empty(&pair.door).await
}

/// The answer may be here a moment before its count.
async fn counted(door: &Door, reason: &str, before: f64) -> anyhow::Result<()> {
    eventually(reason, SOON, || async {
        let now = failures(door, reason).await?;
        ensure!(now - before == 1.0, "{before} before, {now} now");
        Ok(())
    })
    .await
}

/// Reads until the gatekeeper closes the connection; the error in its last packet, if it sent one.
async fn last_error(stream: &mut TcpStream) -> anyhow::Result<Option<u16>> {
    let mut bytes = Vec::new();
    // a reset is an end, too
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .context("it stays open")?;
    let mut error = None;
    let mut rest = bytes.as_slice();
    while let Some(header) = Header::peek(rest) {
        let Some(packet) = rest.get(4..header.packet_bytes()) else {
            bail!("half a packet: {bytes:?}")
        };
        error = ErrPacket::decode(packet).ok().map(|error| error.code);
        rest = rest.get(header.packet_bytes()..).unwrap_or_default();
    }
    Ok(error)
}

async fn a_garbage_first_packet_is_answered_and_counted(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x05\x00\x00\x01\xff\xff\xff\xff\xff",
        b"\x00\x00\x00\x01",
        b"\xff\xff\xff\x01\x00\x00\x00\x00",
    ];
    for bytes in garbage {
        let before = failures(&pair.door, "bad_handshake").await?;
        let mut stream = TcpStream::connect(("127.0.0.1", pair.door.port)).await?;
        stream.write_all(bytes).await?;
        let error = last_error(&mut stream).await?;
        ensure!(matches!(error, Some(1043 | 1156)), "{bytes:?}: {error:?}");
        counted(&pair.door, "bad_handshake", before)
            .await
            .with_context(|| format!("{bytes:?}"))?;
    }
    empty(&pair.door).await
}

async fn a_handshake_that_stops_half_way_ends_in_time(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?
        .gatekeeper(|config| config.limits.handshake_timeout_ms = 500)
        .start()
        .await?;
    // nothing at all, half a header, a header without its payload
    for begun in [&b""[..], b"\x55\x00", b"\x55\x00\x00\x01\x85\xa6\xff\x01"] {
        let before = failures(&pair.door, "timeout").await?;
        let mut stream = TcpStream::connect(("127.0.0.1", pair.door.port)).await?;
        stream.write_all(begun).await?;
        last_error(&mut stream).await?;
        counted(&pair.door, "timeout", before)
            .await
            .with_context(|| format!("{begun:?}"))?;
    }
    let timeouts = pair
        .door
        .scrape_gatekeeper()
        .await?
        .value("gatekeeper_handshake_timeouts_total", &[]);
    assert_eq!(timeouts, Some(3.0));
    empty(&pair.door).await
}

async fn a_proxy_that_is_down_is_an_error_and_comes_back(cluster: &Cluster) -> anyhow::Result<()> {
    let mut pair = Pair::plan(cluster)?.start().await?;
    pair.door.connect("app").await?.disconnect().await?;
    pair.proxy.kill();
    for _ in 0..3 {
        let error = server_error(pair.door.connect_result("app").await?)?;
        assert_eq!(error.code, 1429, "{error:?}");
    }
    let errors = pair
        .door
        .scrape_gatekeeper()
        .await?
        .value("gatekeeper_errors_total", &[("kind", "proxy_unreachable")]);
    assert_eq!(errors, Some(3.0));
    ensure!(pair.gatekeeper.is_running()?);
    pair.proxy.start().await?;
    pair.gatekeeper.ready().await?;
    let mut conn = pair.door.connect("app").await?;
    assert_eq!(conn.query_first::<u8, _>("SELECT 1").await?, Some(1));
    conn.disconnect().await?;
    empty(&pair.door).await
}

async fn a_manager_that_is_down_is_an_error_and_comes_back(cluster: &Cluster) -> anyhow::Result<()> {
    let relay = Relay::start(cluster.node("manager")?.port).await?;
    let mut pair = Pair::plan(cluster)?
        .node_port("manager", relay.port())?
        .start()
        .await?;
    let mut lost = pair.door.connect("app").await?;
    lost.query_drop("SELECT 1").await?;
    relay.set(Way::Cut);
    let error = server_error(pair.door.connect_result("app").await?)?;
    ensure!(matches!(error.code, 1429 | 1158), "{error:?}");
    ensure!(
        lost.query_drop("UPDATE sakila.actor SET first_name = '' WHERE 1 = 0")
            .await
            .is_err()
    );
    ensure!(pair.gatekeeper.is_running()? && pair.proxy.is_running()?);
    relay.set(Way::Delayed(Duration::ZERO));
    let door = pair.door.clone();
    let mut conn = eventually("a login after the manager is back", SOON, || async {
        door.connect("app").await
    })
    .await?;
    assert_eq!(
        conn.query_first::<u64, _>("SELECT COUNT(*) FROM sakila.actor")
            .await?,
        Some(200)
    );
    conn.disconnect().await?;
    drop(lost);
    empty(&pair.door).await
}

/// About a gibibyte in rows of 64 KiB.
const LARGE: &str = "SELECT REPEAT('x', 65536) FROM sakila.rental";

async fn a_client_that_dies_in_a_result_leaves_nothing_behind(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?.start().await?;
    let mut other = pair.door.connect_to("app", "sakila").await?;
    for _ in 0..4 {
        let mut client = pair.door.raw("app", MODERN).await?;
        client.send(CommandCode::QUERY, LARGE.as_bytes()).await?;
        ensure!(client.read_raw(64 * 1024).await? > 0);
        drop(client);
        assert_eq!(
            other.query_first::<u64, _>("SELECT COUNT(*) FROM actor").await?,
            Some(200)
        );
    }
    eventually("one session left", SOON, || async {
        let clients = pair
            .door
            .scrape_gatekeeper()
            .await?
            .value("gatekeeper_connections", &[]);
        let sessions = pair.door.scrape_proxy().await?.value("proxy_connections", &[]);
        ensure!(
            (clients, sessions) == (Some(1.0), Some(1.0)),
            "{clients:?} {sessions:?}"
        );
        Ok(())
    })
    .await?;
    let lost = pair
        .door
        .scrape_gatekeeper()
        .await?
        .value("gatekeeper_errors_total", &[("kind", "client_lost")]);
    assert_eq!(lost, Some(4.0));
    other.disconnect().await?;
    empty(&pair.door).await
}

async fn a_client_that_reads_nothing_blocks_itself_alone(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?
        .gatekeeper(|config| config.shards = Some(1))
        .proxy(|config| config.shards = Some(1))
        .start()
        .await?;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut client = pair.door.raw("app", MODERN).await?;
        client.send(CommandCode::QUERY, LARGE.as_bytes()).await?;
        ensure!(client.read_raw(1024).await? > 0);
        stalled.push(client);
    }
    // the same threads carry this one
    let mut conn = pair.door.connect_to("app", "sakila").await?;
    for _ in 0..200 {
        let read = conn.query_first::<u64, _>("SELECT COUNT(*) FROM actor");
        assert_eq!(
            tokio::time::timeout(SOON, read)
                .await
                .context("it is blocked too")??,
            Some(200)
        );
    }
    conn.disconnect().await?;
    drop(stalled);
    empty(&pair.door).await
}

async fn a_proxy_that_dies_ends_its_sessions_with_an_error(cluster: &Cluster) -> anyhow::Result<()> {
    let mut pair = Pair::plan(cluster)?.start().await?;
    let mut busy = pair.door.raw("app", MODERN).await?;
    busy.send(CommandCode::QUERY, b"SELECT SLEEP(600)").await?;
    eventually("the statement runs", SOON, || async {
        let mut root = cluster.root("manager").await?;
        let mut running = 0;
        for node in ["manager", "worker1", "worker2"] {
            let mut conn = cluster.root(node).await?;
            let question =
                "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'";
            running += conn.query_first::<u64, _>(question).await?.unwrap_or_default();
            conn.disconnect().await?;
        }
        root.query_drop("DO 1").await?;
        root.disconnect().await?;
        ensure!(running > 0, "not yet");
        Ok(())
    })
    .await?;
    pair.proxy.kill();
    let reply = tokio::time::timeout(SOON, busy.reply(CommandCode::QUERY.reply_shape())).await;
    let error = reply.context("it hangs")??.error().context("no error")?;
    ensure!(matches!(error.code, 1158 | 1053), "{error:?}");
    let clients = || async {
        let open = pair
            .door
            .scrape_gatekeeper()
            .await?
            .value("gatekeeper_connections", &[]);
        ensure!(open == Some(0.0), "{open:?}");
        Ok(())
    };
    eventually("the session is gone", SOON, clients).await
}

async fn a_write_cut_off_from_its_answer_is_not_sent_again(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = cluster.schema("cut_off").await?;
    let (log, mark) = (cluster.log().await?, marker("cut_off"));
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.t (v INT, w VARCHAR(80))"))
        .await?;
    let relay = Relay::start(cluster.node("manager")?.port).await?;
    let pair = Pair::plan(cluster)?
        .node_port("manager", relay.port())?
        .start()
        .await?;
    let mut client = pair.door.raw("app", MODERN).await?;
    let write = format!("INSERT INTO {schema}.t SELECT SLEEP(2), '{mark}'");
    client.send(CommandCode::QUERY, write.as_bytes()).await?;
    eventually("the write runs", SOON, || async {
        ensure!(log.ran(&mark)?.get("manager") == Some(&1), "not yet");
        Ok(())
    })
    .await?;
    relay.set(Way::Cut);
    let reply = tokio::time::timeout(SOON, client.reply(CommandCode::QUERY.reply_shape())).await;
    let error = reply.context("it hangs")??.error().context("no error")?;
    ensure!(
        error.code == 1158 && error.message.contains("outcome is unknown"),
        "{error:?}"
    );
    relay.set(Way::Delayed(Duration::ZERO));
    let door = pair.door.clone();
    let again = eventually("the manager is back", SOON, || async {
        door.connect("app").await
    })
    .await?;
    again.disconnect().await?;
    assert_eq!(log.ran(&mark)?.values().sum::<usize>(), 1, "it was sent once");
    Ok(root.disconnect().await?)
}

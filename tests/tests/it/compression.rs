//! Compressed connections: stock clients of both families, a foreign driver, every hop, and bytes that are wrong.

use std::fmt::Write as _;

use anyhow::{Context, bail, ensure};
use gatekeeper::config::raw::HopCompression;
use harness::program::{Entry, StockClient, run};
use harness::raw_client::{MODERN, OLD, RawClient};
use harness::{Cluster, Door, Engine, Pair, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, Compression, Conn, WhiteListFsHandler};
use peer::connect::TlsPolicy;
use peer::stream::Stream;
use peer::tls::Connector;
use proxy::config::raw::NodeCompression;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::Capabilities;
use wire::command::CommandCode;

on_each_engine!(
    stock_clients_compress_by_every_way,
    the_servers_status_tells_what_the_client_does,
    mysqls_client_chooses_zstd_where_the_server_is_mysql,
    a_local_file_is_loaded_compressed,
    a_driver_works_compressed,
    a_driver_that_counts_follows_several_results_and_files,
    replies_are_the_same_bytes_on_compressed_hops,
    statements_around_sixteen_mebibytes_come_through_compressed_hops,
    bytes_that_are_no_compressed_packet_are_answered_and_end_the_session,
);

/// A row that takes two packets.
const LARGE: &str = "SELECT REPEAT('0123456789abcdef', 1310720)";
/// Two mebibytes.
const MEDIUM: &str = "SELECT REPEAT('0123456789abcdef', 131072)";

async fn printed_by(
    door: &Door,
    family: Engine,
    entry: Entry,
    options: &[&str],
    text: &str,
) -> anyhow::Result<String> {
    let client = StockClient::of(family).await?;
    let mut command = client.command(door, "app", entry)?;
    if family == Engine::Mysql {
        // newer ones know `status` only when told so
        command.arg("--loose-commands");
    }
    let printed = run(command.args(options).arg("-e").arg(text)).await;
    printed.with_context(|| format!("{family} client, {entry:?}, {options:?}"))
}

async fn stock_clients_compress_by_every_way(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        for entry in [Entry::Plain, Entry::Tls, Entry::Socket] {
            let options = ["--compress", "--max-allowed-packet=64M"];
            let status = printed_by(&door, family, entry, &options, "status").await?;
            ensure!(status.contains("Compressed"), "{family} {entry:?}: {status}");
            let printed = printed_by(&door, family, entry, &options, MEDIUM).await?;
            ensure!(
                printed.trim_end().len() == 2 << 20,
                "{family} {entry:?}: {}",
                printed.len()
            );
            let count = "SELECT COUNT(*) FROM sakila.actor";
            let printed = printed_by(&door, family, entry, &options, count).await?;
            assert_eq!(printed.trim(), "200");
        }
    }
    Ok(())
}

/// Nodes are reached as the client reaches us (`as-client`), so that what drivers ask the server about it is true.
async fn the_servers_status_tells_what_the_client_does(cluster: &Cluster) -> anyhow::Result<()> {
    const STATUS: &str = "SHOW SESSION STATUS WHERE Variable_name IN ('Compression', 'Ssl_version')";
    let door = cluster.door()?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        for (options, compressed, version) in [
            (&["--compress"][..], "ON", ""),
            (&[], "OFF", ""),
            (&["--tls-version=TLSv1.2"], "OFF", "TLSv1.2"),
            (&["--tls-version=TLSv1.3", "--compress"], "ON", "TLSv1.3"),
        ] {
            let entry = if version.is_empty() {
                Entry::Plain
            } else {
                Entry::Tls
            };
            let printed = printed_by(&door, family, entry, options, STATUS).await?;
            let status: Vec<&str> = printed
                .split_ascii_whitespace()
                .filter(|word| !word.contains("_version"))
                .collect();
            let version = Some(version).filter(|version| !version.is_empty());
            let expected: Vec<&str> = ["Compression", compressed].into_iter().chain(version).collect();
            assert_eq!(status, expected, "{family} {options:?}");
        }
    }
    Ok(())
}

async fn mysqls_client_chooses_zstd_where_the_server_is_mysql(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    for level in ["1", "7", "22"] {
        let options = [
            "--compression-algorithms=zstd",
            &format!("--zstd-compression-level={level}"),
            "--max-allowed-packet=64M",
        ];
        let printed = printed_by(&door, Engine::Mysql, Entry::Tls, &options, MEDIUM).await;
        match cluster.engine() {
            Engine::Mysql => ensure!(printed?.trim_end().len() == 2 << 20),
            // as with a server of MariaDB itself
            Engine::Mariadb => {
                let refused = format!("{:#}", printed.err().context("MariaDB has no zstd")?);
                ensure!(refused.contains("2066"), "{refused}");
            }
        }
    }
    let options = ["--compression-algorithms=zstd,zlib,uncompressed"];
    let status = printed_by(&door, Engine::Mysql, Entry::Plain, &options, "status").await?;
    ensure!(status.contains("Compressed"), "{status}");
    Ok(())
}

async fn a_local_file_is_loaded_compressed(cluster: &Cluster) -> anyhow::Result<()> {
    const ROWS: u32 = 200_000;
    let schema = cluster.schema("infile_compressed").await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rows.tsv");
    let mut rows = String::new();
    for id in 0..ROWS {
        let _ = writeln!(rows, "{id}\trow {id}");
    }
    std::fs::write(&file, rows)?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!(
        "CREATE TABLE {schema}.t (id INT PRIMARY KEY, v VARCHAR(20))"
    ))
    .await?;
    let pair = everywhere(cluster).start().await?;
    for (family, door) in [
        (Engine::Mariadb, cluster.door()?),
        (Engine::Mysql, cluster.door()?),
        (Engine::Mariadb, pair.door.clone()),
    ] {
        root.query_drop(format!("TRUNCATE {schema}.t")).await?;
        let client = StockClient::of(family).await?;
        let mut command = client.command(&door, "dba", Entry::Tls)?;
        let text = format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE {schema}.t; SELECT 'after'",
            file.display()
        );
        let options = ["--local-infile=1", "--compress", "-e", &text];
        let printed = run(command.args(options)).await.context(family.to_string())?;
        assert_eq!(printed.trim(), "after");
        let loaded: Option<u32> = root
            .query_first(format!("SELECT COUNT(*) FROM {schema}.t"))
            .await?;
        assert_eq!(loaded, Some(ROWS), "{family}");
    }
    Ok(root.disconnect().await?)
}

/// Another implementation of the layer: prepared statements, change of user, reset, a statement of 17 MiB.
async fn a_driver_works_compressed(cluster: &Cluster) -> anyhow::Result<()> {
    let options = cluster.door()?.options("dba")?;
    let mut conn = Conn::new(options.compression(Some(Compression::default()))).await?;
    let text = "x".repeat(17 << 20);
    let length: Option<usize> = conn.exec_first("SELECT LENGTH(?)", (&text,)).await?;
    assert_eq!(length, Some(text.len()));
    let length: Option<usize> = conn.query_first(format!("SELECT LENGTH('{text}')")).await?;
    assert_eq!(length, Some(text.len()));
    let large: Option<String> = conn.query_first(LARGE).await?;
    assert_eq!(large.map(|large| large.len()), Some(20 << 20));
    let user = ChangeUserOpts::default()
        .with_user(Some("app".to_owned()))
        .with_pass(Some(cluster.door()?.password("app")?.to_owned()));
    conn.change_user(user).await?;
    for id in 1..=50u32 {
        let found: Option<u32> = conn
            .exec_first("SELECT actor_id FROM sakila.actor WHERE actor_id = ?", (id,))
            .await?;
        assert_eq!(found, Some(id));
    }
    conn.reset().await?;
    assert_eq!(conn.query_first::<u32, _>("SELECT 7").await?, Some(7));
    Ok(conn.disconnect().await?)
}

/// mysql_async looks at the numbers of ordinary packets, and expects them to jump behind each result, as servers let them.
async fn a_driver_that_counts_follows_several_results_and_files(cluster: &Cluster) -> anyhow::Result<()> {
    const TIMES: usize = 20_000;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rows.tsv");
    let rows: String = (0..TIMES).fold(String::new(), |mut rows, id| {
        let _ = writeln!(rows, "row {id}");
        rows
    });
    std::fs::write(&file, rows)?;
    let options = cluster
        .door()?
        .options("dba")?
        .compression(Some(Compression::default()))
        .local_infile_handler(Some(WhiteListFsHandler::new([file.clone()])));
    let mut conn = Conn::new(options).await?;
    conn.query_drop("CREATE TEMPORARY TABLE sakila.loaded (v TEXT)")
        .await?;
    let load = format!(
        "LOAD DATA LOCAL INFILE '{}' INTO TABLE sakila.loaded",
        file.display()
    );
    let large = format!("SELECT REPEAT('x', {TIMES} * 10)");
    let count = "SELECT COUNT(*) FROM sakila.loaded";
    let text =
        format!("SELECT 'one'; {large}; {load}; DO 1; {load}; {count}; {large}; {count}; SELECT nowhere");
    let mut results = conn.query_iter(text).await?;
    let mut seen = Vec::new();
    let error = loop {
        match results.collect::<String>().await {
            Ok(rows) => seen.push(rows.first().map(String::len)),
            Err(error) => break error.to_string(),
        }
    };
    ensure!(error.contains("nowhere"), "{error}");
    let (large, count) = (Some(TIMES * 10), Some("40000".len()));
    assert_eq!(seen, [Some(3), large, None, None, None, count, large, count]);
    assert_eq!(conn.query_first::<u32, _>("SELECT 7").await?, Some(7));
    Ok(conn.disconnect().await?)
}

/// A pair whose inner hops are compressed, each in the way that its server knows.
fn everywhere(cluster: &Cluster) -> harness::pair::PairPlan {
    let node = match cluster.engine() {
        Engine::Mariadb => NodeCompression::Zlib,
        Engine::Mysql => NodeCompression::Zstd,
    };
    Pair::plan(cluster)
        .expect("the cluster's configuration")
        .gatekeeper(|config| config.proxy.compression = HopCompression::Zstd)
        .proxy(|config| config.nodes.iter_mut().for_each(|entry| entry.compression = node))
}

async fn replies_are_the_same_bytes_on_compressed_hops(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = everywhere(cluster).start().await?;
    let tls = Connector::encrypt_only()?;
    for capabilities in [MODERN, OLD] {
        let mut plain = cluster.door()?.raw("app", capabilities).await?;
        let mut clients = Vec::new();
        for compression in [
            Capabilities::NONE,
            Capabilities::COMPRESS,
            Capabilities::ZSTD_COMPRESSION,
        ] {
            let password = pair.door.password("app")?;
            let policy = TlsPolicy::Preferred(&tls);
            let wanted = capabilities | compression;
            clients
                .push(RawClient::login(&pair.door.address(), "app", password, None, wanted, policy).await?);
        }
        for text in [
            "SELECT * FROM sakila.film",
            "SELECT 1; SELECT 2; SELECT REPEAT('x', 100000)",
            "SELECT no_such_column FROM sakila.actor",
            "SELECT * FROM sakila.actor WHERE actor_id = 0",
            "USE sakila",
            "SELECT COUNT(*) FROM actor",
            "SET NAMES latin1",
            "SELECT _utf8mb4'x', 'y'",
            if capabilities == MODERN { LARGE } else { MEDIUM },
        ] {
            let expected = plain.query(text).await?;
            for client in &mut clients {
                let reply = client.query(text).await.with_context(|| text.to_owned())?;
                let differs = reply.packets.iter().zip(&expected.packets).find(|(a, b)| a != b);
                ensure!(
                    reply.bytes == expected.bytes,
                    "{text}: {:?}: {differs:?}",
                    client.capabilities()
                );
            }
        }
        // two commands that were sent at once
        for client in &mut clients {
            client.send(CommandCode::STMT_CLOSE, &[1, 0, 0, 0]).await?;
            client.send(CommandCode::QUERY, b"SELECT 1").await?;
            client.send(CommandCode::QUERY, b"SELECT 1").await?;
            let replies = client.replies(&[CommandCode::QUERY, CommandCode::QUERY]).await?;
            assert_eq!(replies.first(), replies.last());
        }
    }
    Ok(())
}

/// Where the packets of a statement and the compressed packets are not as many: the reply's numbers must be those that
/// a client without compression expects, which checks them.
async fn statements_around_sixteen_mebibytes_come_through_compressed_hops(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    const PACKET: usize = 0xff_ffff;
    let pair = everywhere(cluster).start().await?;
    let around = "SELECT LENGTH('')".len() + 1;
    let mut conn = pair.door.connect("dba").await?;
    for size in [PACKET - 5, PACKET - 4, PACKET - 1, PACKET, PACKET + 1, 40 << 20] {
        let length = size - around;
        let text = format!("SELECT LENGTH('{}')", "y".repeat(length));
        let found: Option<usize> = conn.query_first(&text).await.with_context(|| size.to_string())?;
        assert_eq!(found, Some(length), "{size}");
    }
    Ok(conn.disconnect().await?)
}

async fn bytes_that_are_no_compressed_packet_are_answered_and_end_the_session(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let mut garbage = vec![30, 0, 0, 0, 60, 0, 0];
    garbage.extend_from_slice(&[0x55; 30]);
    let cut = [2, 0, 0, 0, 9, 0, 0, 0x78, 0x9c];
    let disordered = [5, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0x0e];
    for (bytes, code) in [(&garbage[..], 1157u16), (&cut[..], 1157), (&disordered[..], 1156)] {
        let door = cluster.door()?;
        let wanted = MODERN | Capabilities::COMPRESS;
        let Stream::Compressed(stream) = door.raw("app", wanted).await?.into_stream() else {
            bail!("compression was not agreed on");
        };
        let mut below = stream.into_inner();
        below.write_all(bytes).await?;
        let mut answer = Vec::new();
        below.read_to_end(&mut answer).await?;
        // a short packet is not compressed: seven bytes, four bytes, the error
        let [low, high] = code.to_le_bytes();
        assert_eq!(answer.get(11..14), Some(&[0xff, low, high][..]), "{answer:?}");
    }
    Ok(())
}

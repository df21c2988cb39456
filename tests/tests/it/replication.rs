//! The manager's binary log through both services: for whoever may read it, as from the manager itself.

use anyhow::{Context, bail, ensure};
use gatekeeper::users::raw::Users;
use harness::node_log::marker;
use harness::program::{on_path, output, run};
use harness::raw_client::{MODERN, OLD, RawClient, Reply};
use harness::{Cluster, Engine, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use peer::connect::{Address, TlsPolicy};
use tokio::process::Command;
use wire::Capabilities;
use wire::command::CommandCode;
use wire::reply::Shape;

on_each_engine!(
    events_come_as_from_the_manager,
    what_a_replica_asks_first_is_answered_by_the_manager,
    who_may_not_is_told_so_and_goes_on,
    the_stock_program_prints_what_it_prints_directly,
    no_time_out_ends_a_stream_and_whoever_leaves_ends_it,
    a_drain_of_either_service_ends_it,
);

/// COM_BINLOG_DUMP's flag: ends at the end of the log.
const NON_BLOCKING: u16 = 1;

/// A pair whose user `replica` has a policy, and may read the binary log.
async fn pair(cluster: &Cluster) -> anyhow::Result<Pair> {
    let plan = Pair::plan(cluster)?;
    let target = plan.folder().join("users.toml");
    let mut written = Ok(());
    let plan = plan
        .gatekeeper(|config| {
            written = with_replica(&config.users_file, &target);
            config.users_file = target;
            config.limits.idle_timeout_ms = 1_000;
            config.limits.write_timeout_ms = 2_000;
        })
        .proxy(|config| {
            let mut account = config
                .accounts
                .iter()
                .find(|account| account.user == "dba")
                .cloned();
            if let Some(account) = &mut account {
                "replica".clone_into(&mut account.user);
            }
            config.accounts.extend(account);
        });
    written?;
    let mut pair = plan.start().await?;
    let mut user = pair.door.users.iter().find(|user| user.name == "app").cloned();
    if let Some(user) = &mut user {
        "replica".clone_into(&mut user.name);
    }
    pair.door.users.extend(user);
    Ok(pair)
}

fn with_replica(from: &std::path::Path, to: &std::path::Path) -> anyhow::Result<()> {
    let mut users: Users = toml::from_str(&std::fs::read_to_string(from)?)?;
    let app = users.users.iter().find(|user| user.name == "app");
    let mut replica = app.cloned().context("no app")?;
    "replica".clone_into(&mut replica.name);
    replica.replication = true;
    users.users.push(replica);
    std::fs::write(to, toml::to_string(&users)?)?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    Ok(std::fs::set_permissions(to, private)?)
}

async fn direct(cluster: &Cluster, capabilities: Capabilities) -> anyhow::Result<RawClient> {
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let (user, password) = (&node.root_user, &node.root_password);
    Ok(RawClient::login(&address, user, password, None, capabilities, TlsPolicy::Off).await?)
}

/// File and position at which the manager writes next.
async fn end_of_log(cluster: &Cluster, root: &mut Conn) -> anyhow::Result<(String, u32)> {
    let statement = match cluster.engine() {
        Engine::Mariadb => "SHOW MASTER STATUS",
        Engine::Mysql => "SHOW BINARY LOG STATUS",
    };
    let row: Row = root.query_first(statement).await?.context("no binary log")?;
    let file = row.get(0).context("no file")?;
    let position: u64 = row.get(1).context("no position")?;
    Ok((file, u32::try_from(position)?))
}

/// What a replica says first of itself, so that it gets all events as they are.
async fn introduce(cluster: &Cluster, client: &mut RawClient) -> anyhow::Result<()> {
    let text = match cluster.engine() {
        Engine::Mariadb => {
            "SET @mariadb_slave_capability = 4, @master_binlog_checksum = @@global.binlog_checksum"
        }
        Engine::Mysql => "SET @source_binlog_checksum = @@global.binlog_checksum",
    };
    let reply = client.query(text).await?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    Ok(())
}

/// COM_BINLOG_DUMP's argument. A server's dump for one replica ends an older one with the same number.
fn from(place: &(String, u32), flags: u16, server_id: u32) -> Vec<u8> {
    let mut argument = place.1.to_le_bytes().to_vec();
    argument.extend_from_slice(&flags.to_le_bytes());
    argument.extend_from_slice(&server_id.to_le_bytes());
    argument.extend_from_slice(place.0.as_bytes());
    argument
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

async fn write(root: &mut Conn, table: &str, word: &str) -> anyhow::Result<()> {
    Ok(root
        .query_drop(format!("INSERT INTO {table} VALUES ('{word}')"))
        .await?)
}

async fn table(cluster: &Cluster, root: &mut Conn) -> anyhow::Result<String> {
    let table = format!("{}.events", cluster.schema("binlog").await?);
    root.query_drop(format!("CREATE TABLE {table} (word VARCHAR(80))"))
        .await?;
    Ok(table)
}

async fn events_come_as_from_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut root = cluster.root("manager").await?;
    let table = table(cluster, &mut root).await?;
    let place = end_of_log(cluster, &mut root).await?;
    let word = marker("event");
    write(&mut root, &table, &word).await?;
    let by_place = (CommandCode::BINLOG_DUMP, from(&place, NON_BLOCKING, 0));
    let mut ways = vec![(MODERN, by_place.clone()), (OLD, by_place)];
    if cluster.engine() == Engine::Mysql {
        ways.push((MODERN, (CommandCode::BINLOG_DUMP_GTID, from_with_gtids(&place)?)));
    }
    for (capabilities, (code, argument)) in ways {
        let mut replies: Vec<Reply> = Vec::new();
        for mut client in [
            direct(cluster, capabilities).await?,
            pair.door.raw("replica", capabilities).await?,
        ] {
            introduce(cluster, &mut client).await?;
            let reply = client.ask(code, &argument).await?;
            ensure!(reply.error().is_none(), "{:?}", reply.error());
            ensure!(
                holds(&reply.bytes, &word),
                "{word} is not in {} bytes",
                reply.bytes.len()
            );
            replies.push(reply);
        }
        let [directly, through] = replies.as_slice() else {
            bail!("two replies");
        };
        // others write at the same time: one of the two has read further
        let both = directly.packets.len().min(through.packets.len()) - 1;
        assert_eq!(directly.packets.get(..both), through.packets.get(..both));
        let ends = [directly, through].map(|reply| reply.packets.last().map(|(_, end)| end.clone()));
        assert_eq!(ends[0], ends[1]);
    }
    Ok(())
}

/// COM_BINLOG_DUMP_GTID's argument: from a place, whatever has been seen before.
fn from_with_gtids(place: &(String, u32)) -> anyhow::Result<Vec<u8>> {
    /// A position and a set are given.
    const THROUGH_POSITION_AND_GTID: u16 = 6;
    let mut argument = (NON_BLOCKING | THROUGH_POSITION_AND_GTID).to_le_bytes().to_vec();
    argument.extend_from_slice(&0u32.to_le_bytes()); // server
    argument.extend_from_slice(&u32::try_from(place.0.len())?.to_le_bytes());
    argument.extend_from_slice(place.0.as_bytes());
    argument.extend_from_slice(&u64::from(place.1).to_le_bytes());
    argument.extend_from_slice(&8u32.to_le_bytes()); // bytes of the set
    argument.extend_from_slice(&0u64.to_le_bytes()); // an empty one
    Ok(argument)
}

async fn what_a_replica_asks_first_is_answered_by_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut directly = direct(cluster, MODERN).await?;
    let mut through = pair.door.raw("replica", MODERN).await?;
    let of_both: &[&str] = &["SELECT @@GLOBAL.server_id", "SHOW VARIABLES LIKE 'SERVER_ID'"];
    let (before, after): (&[&str], &[&str]) = match cluster.engine() {
        Engine::Mariadb => (
            &[
                "SET @master_heartbeat_period = 30000001024",
                "SET @mariadb_slave_capability = 4",
            ],
            &[
                "SELECT @master_heartbeat_period, @mariadb_slave_capability",
                "SELECT @@GLOBAL.gtid_domain_id",
            ],
        ),
        Engine::Mysql => (
            &["SET @source_heartbeat_period = 30000001024, @replica_uuid = '0'"],
            &[
                "SELECT @source_heartbeat_period, @replica_uuid",
                "SELECT @@GLOBAL.server_uuid",
            ],
        ),
    };
    for text in [before, after, of_both, of_both, of_both].concat() {
        let (expected, seen) = (directly.query(text).await?, through.query(text).await?);
        ensure!(expected.error().is_none(), "{text}: {:?}", expected.error());
        assert_eq!(expected.packets, seen.packets, "{text}");
    }
    // its number, host, user and password, port, rank, and the manager's number
    let mut register = rand::random::<u32>().to_le_bytes().to_vec();
    register.extend_from_slice(b"\x04host\x00\x00\xea\x0c\0\0\0\0\0\0\0\0");
    let expected = directly.ask(CommandCode::REGISTER_SLAVE, &register).await?;
    ensure!(expected.error().is_none(), "{:?}", expected.error());
    register.splice(..4, rand::random::<u32>().to_le_bytes());
    let seen = through.ask(CommandCode::REGISTER_SLAVE, &register).await?;
    assert_eq!(expected.packets, seen.packets);
    Ok(())
}

async fn who_may_not_is_told_so_and_goes_on(cluster: &Cluster) -> anyhow::Result<()> {
    for user in ["app", "dba"] {
        let mut client = cluster.door()?.raw(user, MODERN).await?;
        for code in [
            CommandCode::BINLOG_DUMP,
            CommandCode::BINLOG_DUMP_GTID,
            CommandCode::REGISTER_SLAVE,
        ] {
            let refused = client.ask(code, &[0; 16]).await?.error().context("it passed")?;
            assert_eq!((refused.code, refused.sql_state.as_str()), (1227, "42000"));
            let rule = "blocked by gatekeeper: rule replication-not-allowed";
            ensure!(refused.message.starts_with(rule), "{refused:?}");
            ensure!(refused.message.contains("replication = true"), "{refused:?}");
        }
        // the servers' own answer
        for client in [&mut client, &mut direct(cluster, MODERN).await?] {
            let refused = client
                .ask(CommandCode::TABLE_DUMP, b"\x06sakila\x05actor")
                .await?;
            assert_eq!(refused.error().map(|error| error.code), Some(1047), "{user}");
        }
        let reply = client.query("SELECT 1").await?;
        ensure!(reply.error().is_none(), "{:?}", reply.error());
    }
    Ok(())
}

async fn the_stock_program_prints_what_it_prints_directly(cluster: &Cluster) -> anyhow::Result<()> {
    if cluster.engine() == Engine::Mysql {
        eprintln!(
            "skipped: MySQL's mysqlbinlog is not among what the tests fetch, and MariaDB's knows its own events"
        );
        return Ok(());
    }
    let program = on_path("mariadb-binlog").context("no program `mariadb-binlog`: run scripts/setup test")?;
    let pair = pair(cluster).await?;
    let mut root = cluster.root("manager").await?;
    let table = table(cluster, &mut root).await?;
    let (file, start) = end_of_log(cluster, &mut root).await?;
    let word = marker("event");
    write(&mut root, &table, &word).await?;
    let (file_now, stop) = end_of_log(cluster, &mut root).await?;
    ensure!(file == file_now, "the log was rotated");
    let read = |port: u16, user: &str, password: &str| {
        let mut command = Command::new(&program);
        command
            .args([
                "--no-defaults",
                "--read-from-remote-server",
                "--skip-ssl",
                "--protocol=tcp",
            ])
            .args(["-h", "127.0.0.1", "-u", user, "-vv"])
            .args([format!("--port={port}"), format!("--password={password}")])
            .args([
                format!("--start-position={start}"),
                format!("--stop-position={stop}"),
            ])
            .arg(&file);
        command
    };
    let node = cluster.node("manager")?;
    let directly = run(&mut read(node.port, &node.root_user, &node.root_password)).await?;
    let port = pair.door.port;
    let through = run(&mut read(port, "replica", pair.door.password("replica")?)).await?;
    ensure!(through.contains(&word), "{through}");
    assert_eq!(directly, through);
    let refused = output(&mut read(port, "app", pair.door.password("app")?)).await?;
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(complaint.contains("replication-not-allowed"), "{complaint}");
    Ok(())
}

/// A stream without end that has begun, and the manager's number of its connection.
async fn streaming(cluster: &Cluster, pair: &Pair, root: &mut Conn) -> anyhow::Result<(RawClient, u64)> {
    let mut client = pair.door.raw("replica", MODERN).await?;
    introduce(cluster, &mut client).await?;
    let reply = client.query("SELECT CONNECTION_ID()").await?;
    // column count, column, row, end
    let (_, row) = reply.packets.get(2).context("no row")?;
    let thread: u64 = String::from_utf8_lossy(row.get(1..).unwrap_or_default()).parse()?;
    let place = end_of_log(cluster, root).await?;
    client
        .send(CommandCode::BINLOG_DUMP, &from(&place, 0, rand::random()))
        .await?;
    eventually("the stream begins", SOON, || async {
        ensure!(is_dumping(&mut cluster.root("manager").await?, thread).await?);
        Ok(())
    })
    .await?;
    Ok((client, thread))
}

async fn is_dumping(root: &mut Conn, thread: u64) -> anyhow::Result<bool> {
    let text = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE id = {thread} AND command LIKE 'Binlog Dump%'"
    );
    Ok(root.query_first::<u64, _>(text).await?.unwrap_or(0) > 0)
}

async fn no_time_out_ends_a_stream_and_whoever_leaves_ends_it(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut root = cluster.root("manager").await?;
    let table = table(cluster, &mut root).await?;
    let (mut client, thread) = streaming(cluster, &pair, &mut root).await?;
    // somebody else is cut off who came later and says nothing
    let mut silent = pair.door.raw("app", MODERN).await?;
    let cut = silent
        .reply(Shape::Verdict)
        .await?
        .error()
        .map(|error| error.code);
    assert_eq!(cut, Some(4031));
    let word = marker("event");
    write(&mut root, &table, &word).await?;
    let mut bytes = Vec::new();
    tokio::time::timeout(SOON, async {
        while !holds(&bytes, &word) {
            bytes.extend(client.read_bytes().await?);
        }
        anyhow::Ok(())
    })
    .await
    .context("the event does not come")??;

    drop(client);
    eventually("the manager's stream has ended", SOON, || async {
        let mut root = cluster.root("manager").await?;
        // a server sees that its replica has gone when it has something to say
        write(&mut root, &table, "more").await?;
        ensure!(!is_dumping(&mut root, thread).await?, "thread {thread} goes on");
        Ok(())
    })
    .await
}

async fn a_drain_of_either_service_ends_it(cluster: &Cluster) -> anyhow::Result<()> {
    for whose in ["gatekeeper", "proxy"] {
        let pair = pair(cluster).await?;
        let mut root = cluster.root("manager").await?;
        let (mut client, _) = streaming(cluster, &pair, &mut root).await?;
        let service = if whose == "proxy" {
            &pair.proxy
        } else {
            &pair.gatekeeper
        };
        kill(Pid::from_raw(i32::try_from(service.pid()?)?), Signal::SIGTERM)?;
        let reply = tokio::time::timeout(SOON, client.reply(Shape::Events))
            .await
            .with_context(|| format!("the {whose} goes on"))??;
        assert_eq!(reply.error().map(|error| error.code), Some(1053), "{whose}");
    }
    Ok(())
}

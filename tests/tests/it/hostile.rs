//! Hostile and broken conversations: nothing panics, hangs, leaks a connection, or reaches another session.

use std::time::Duration;

use anyhow::{Context, ensure};
use harness::corrupting_relay::CorruptingRelay;
use harness::mutation::Mutator;
use harness::node_log::marker;
use harness::raw_client::{MODERN, RawClient};
use harness::{Cluster, Door, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use wire::Capabilities;
use wire::auth::Password;
use wire::command::CommandCode;
use wire::frame::{self, Header};
use wire::handshake::{ClientLogin, ClientStart, Identity, Packet, TlsWish, Transport};

on_each_engine!(
    ten_thousand_broken_sessions_harm_nobody,
    a_disconnect_at_every_packet_boundary_leaves_nothing_behind,
    commands_sent_before_their_replies_are_answered_in_order,
    a_server_that_talks_nonsense_harms_that_session_alone,
);

/// Broken sessions, half of them on each engine.
const BROKEN_SESSIONS: u64 = 10_000;
/// How many run at the same time.
const AT_ONCE: usize = 24;
/// Longest conversation: far more than any time-out that could end one of these.
const CONVERSATION_WAIT_MAX: Duration = Duration::from_secs(30);

const CLIENT: Capabilities = Capabilities(MODERN.0 | Capabilities::CONNECT_WITH_DB.0);

/// One client's bytes: the response to the greeting comes first, then these, each with its header.
type Recorded = Vec<Vec<u8>>;

fn command(code: CommandCode, argument: &[u8]) -> Vec<u8> {
    let mut payload = vec![code.0];
    payload.extend_from_slice(argument);
    let mut bytes = Vec::new();
    frame::encode(&payload, 0, &mut bytes);
    bytes
}

fn text(statement: &str) -> Vec<u8> {
    command(CommandCode::QUERY, statement.as_bytes())
}

/// A fresh connection's first prepared statement is number 1 on both engines.
fn execute(cursor: u8, parameters: &[u8]) -> Vec<u8> {
    let mut argument = vec![1, 0, 0, 0, cursor, 1, 0, 0, 0];
    argument.extend_from_slice(parameters);
    command(CommandCode::STMT_EXECUTE, &argument)
}

/// Sessions that a stock client has; nothing in them changes a table.
fn recordings() -> Vec<Recorded> {
    // one NULL bitmap byte, new types: LONGLONG and VAR_STRING
    let two_parameters = b"\x00\x01\x08\x00\xfd\x00\x07\0\0\0\0\0\0\0\x03abc";
    vec![
        vec![
            text("SELECT * FROM actor WHERE actor_id < 5"),
            text("SET NAMES utf8mb4; SELECT 1; SELECT 2"),
            text("SET @a = 1, sql_mode = 'ANSI_QUOTES'"),
            text("BEGIN"),
            text("SELECT first_name FROM actor WHERE actor_id = 1 FOR UPDATE"),
            text("ROLLBACK"),
            text("SELECT nothing FROM actor"),
            text("SHOW WARNINGS"),
            command(CommandCode::QUIT, b""),
        ],
        vec![
            command(
                CommandCode::STMT_PREPARE,
                b"SELECT actor_id, ?, ? FROM actor LIMIT 9",
            ),
            execute(0, two_parameters),
            command(CommandCode::STMT_SEND_LONG_DATA, b"\x01\0\0\0\x01\0long data"),
            execute(0, two_parameters),
            command(CommandCode::STMT_RESET, b"\x01\0\0\0"),
            execute(1, two_parameters),
            command(CommandCode::STMT_FETCH, b"\x01\0\0\0\x04\0\0\0"),
            command(CommandCode::STMT_FETCH, b"\x01\0\0\0\x09\0\0\0"),
            command(CommandCode::STMT_CLOSE, b"\x01\0\0\0"),
            command(CommandCode::PING, b""),
        ],
        vec![
            command(CommandCode::PING, b""),
            command(CommandCode::INIT_DB, b"sakila"),
            command(CommandCode::FIELD_LIST, b"actor\0%"),
            command(CommandCode::STATISTICS, b""),
            command(CommandCode::SET_OPTION, b"\x01\0"),
            command(CommandCode(0xfa), b"\x01\0\0\0\x80\0\x03\0\0\x01\0\0\0"),
            command(CommandCode::RESET_CONNECTION, b""),
            text("SELECT DATABASE()"),
        ],
        vec![
            text("SELECT REPEAT('x', 100000)"),
            command(
                CommandCode::CHANGE_USER,
                b"app\0\0sakila\0\x2d\0mysql_native_password\0",
            ),
            text("SELECT 1"),
        ],
        vec![
            text("LOAD DATA LOCAL INFILE 'file' INTO TABLE actor_of_nobody"),
            b"\x06\0\0\x021\tone\n".to_vec(),
            b"\0\0\0\x03".to_vec(),
            text("SELECT 2"),
        ],
    ]
}

/// Who comes: one user with a policy, one without; to the servers both are an ordinary account.
const USERS: [&str; 2] = ["app", "open"];

/// A pair with a user that has no policy, and only the rights of an ordinary account.
async fn pair(cluster: &Cluster, relayed: &[(&str, u16)]) -> anyhow::Result<Pair> {
    let mut plan = Pair::plan(cluster)?;
    for (node, port) in relayed {
        plan = plan.node_port(node, *port)?;
    }
    let users_file = plan.folder().join("users.toml");
    let target = users_file.clone();
    let mut failed = Ok(());
    let plan = plan
        .gatekeeper(|config| {
            failed = with_open_user(&config.users_file, &target);
            config.users_file = target;
            config.limits.handshake_timeout_ms = 5_000;
            config.limits.write_timeout_ms = 2_000;
        })
        .proxy(|config| {
            // what rests there is no leak: it is gone soon
            config.pool.idle_ms = 1_000;
            let app = config
                .accounts
                .iter()
                .find(|account| account.user == "app")
                .cloned();
            config.accounts.extend(app.map(|mut account| {
                "open".clone_into(&mut account.user);
                account
            }));
        });
    failed?;
    let mut pair = plan.start().await?;
    let mut open = pair.door.users.iter().find(|user| user.name == "app").cloned();
    if let Some(user) = &mut open {
        "open".clone_into(&mut user.name);
    }
    pair.door.users.extend(open);
    // the first login of each user is a full one; the recorded ones are fast
    for user in USERS {
        pair.door.connect(user).await?.disconnect().await?;
    }
    Ok(pair)
}

fn with_open_user(from: &std::path::Path, to: &std::path::Path) -> anyhow::Result<()> {
    let mut users: gatekeeper::users::raw::Users = toml::from_str(&std::fs::read_to_string(from)?)?;
    let mut open = users
        .users
        .iter()
        .find(|user| user.name == "app")
        .cloned()
        .context("no app")?;
    "open".clone_into(&mut open.name);
    open.policy = Some(gatekeeper::config::PolicyName::Off);
    users.users.push(open);
    std::fs::write(to, toml::to_string(&users)?)?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    Ok(std::fs::set_permissions(to, private)?)
}

/// Connects, and makes the response to the greeting.
async fn greeted(door: &Door, user: &str) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", door.port)).await?;
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let header = Header::peek(&header).context("no header")?;
    let mut payload = vec![0; header.payload_bytes];
    stream.read_exact(&mut payload).await?;
    let identity = Identity {
        user: user.as_bytes().to_vec(),
        password: Password::new(door.password(user)?.as_bytes().to_vec()),
        database: Some(b"sakila".to_vec()),
        capabilities: CLIENT,
        collation: 45,
        attributes: vec![(b"program_name".to_vec(), b"hostile".to_vec())],
    };
    let login = ClientLogin::new(identity, Transport::Plain, TlsWish::Off);
    let packet = Packet {
        sequence: header.sequence,
        payload: &payload,
    };
    match login.on_greeting(packet)? {
        ClientStart::Respond(greeted) => Ok((stream, greeted.respond().0)),
        ClientStart::Refused(_) | ClientStart::StartTls(..) => anyhow::bail!("no plain login: {payload:?}"),
    }
}

/// Sends everything at once and reads to the end; a reset is an end, too.
async fn talk(mut stream: TcpStream, bytes: &[u8], reads: bool) -> anyhow::Result<()> {
    let talked = async {
        let _ = stream.write_all(bytes).await;
        if reads {
            let _ = stream.shutdown().await;
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said).await;
        }
    };
    tokio::time::timeout(CONVERSATION_WAIT_MAX, talked)
        .await
        .context("it hangs")
}

/// Both processes live, have said nothing of a panic, and hold nothing; a new session is like the first.
async fn unharmed(pair: &mut Pair) -> anyhow::Result<()> {
    ensure!(pair.gatekeeper.is_running()?, "the gatekeeper is gone");
    ensure!(pair.proxy.is_running()?, "the proxy is gone");
    for service in [&pair.gatekeeper, &pair.proxy] {
        let log = service.log()?;
        let panic = log.lines().find(|line| line.contains("panicked"));
        ensure!(panic.is_none(), "{panic:?}");
    }
    crate::faults::empty(&pair.door).await?;
    for user in USERS {
        let mut conn = pair.door.connect_to(user, "sakila").await?;
        let state: Option<(Option<i64>, String, u8, bool)> = conn
            .query_first("SELECT @a, DATABASE(), @@autocommit, @@sql_mode LIKE '%ANSI_QUOTES%'")
            .await?;
        assert_eq!(state, Some((None, "sakila".to_owned(), 1, false)));
        let actors: Option<u64> = conn.query_first("SELECT COUNT(*) FROM actor").await?;
        assert_eq!(actors, Some(200));
        conn.disconnect().await?;
    }
    crate::faults::empty(&pair.door).await
}

/// Sockets of both processes, once nobody is connected: what the kernel counts, not what they say.
async fn sockets(pair: &mut Pair) -> anyhow::Result<(usize, usize)> {
    crate::faults::empty(&pair.door).await?;
    Ok((pair.gatekeeper.sockets()?, pair.proxy.sockets()?))
}

/// The monitor's second and third connection to each node may be opened in the meantime.
const MONITOR_SOCKETS: usize = 6;

async fn no_more_sockets(pair: &Pair, before: (usize, usize)) -> anyhow::Result<()> {
    eventually("no more sockets than before", SOON, || async {
        let now = (pair.gatekeeper.sockets()?, pair.proxy.sockets()?);
        ensure!(
            now.0 <= before.0 && now.1 <= before.1 + MONITOR_SOCKETS,
            "{before:?} before, {now:?} now"
        );
        Ok(())
    })
    .await
}

async fn ten_thousand_broken_sessions_harm_nobody(cluster: &Cluster) -> anyhow::Result<()> {
    let mut pair = pair(cluster, &[]).await?;
    unharmed(&mut pair).await?;
    let before = sockets(&mut pair).await?;
    let recordings = recordings();
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for seed in 0..BROKEN_SESSIONS / 2 {
        while running.len() >= AT_ONCE {
            running.join_next().await.context("none runs")???;
        }
        let door = pair.door.clone();
        let index = usize::try_from(seed)? % recordings.len();
        let recorded = recordings[index].clone();
        running.spawn(async move {
            let mut mutator = Mutator::new(seed);
            let user = USERS[usize::from(mutator.once_in(2))];
            let (stream, response) = greeted(&door, user).await?;
            let bytes = if mutator.once_in(6) {
                // the login itself
                let mut all = vec![response];
                all.extend(recorded.into_iter().take(1));
                mutator.broken(&all)
            } else {
                let mut bytes = response;
                bytes.extend(mutator.broken(&recorded));
                bytes
            };
            let reads = !mutator.once_in(8);
            talk(stream, &bytes, reads)
                .await
                .with_context(|| format!("seed {seed}: {}", hex::encode(&bytes)))
        });
        if seed % 1_000 == 999 {
            while let Some(ended) = running.join_next().await {
                ended??;
            }
            unharmed(&mut pair).await?;
        }
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    unharmed(&mut pair).await?;
    no_more_sockets(&pair, before).await
}

async fn a_disconnect_at_every_packet_boundary_leaves_nothing_behind(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let mut pair = pair(cluster, &[]).await?;
    let before = sockets(&mut pair).await?;
    for recorded in recordings() {
        let mut ends = vec![0];
        for packet in &recorded {
            let start = ends.last().copied().unwrap_or(0);
            // inside the header, behind it, behind the command's code, and at the end
            ends.extend(
                [2, 4, 5]
                    .map(|bytes| start + bytes)
                    .into_iter()
                    .filter(|end| *end < start + packet.len()),
            );
            ends.push(start + packet.len());
        }
        let bytes = recorded.concat();
        for end in ends {
            for reads in [true, false] {
                let (stream, mut sent) = greeted(&pair.door, "open").await?;
                sent.extend_from_slice(&bytes[..end]);
                talk(stream, &sent, reads)
                    .await
                    .with_context(|| format!("{end} of {}", hex::encode(&bytes)))?;
            }
        }
    }
    // inside the login
    let (_, response) = greeted(&pair.door, "app").await?;
    for end in 0..response.len() {
        let (stream, response) = greeted(&pair.door, "app").await?;
        let sent = response.get(..end).unwrap_or(&response);
        talk(stream, sent, end % 2 == 0)
            .await
            .with_context(|| format!("{end} of the login"))?;
    }
    unharmed(&mut pair).await?;
    no_more_sockets(&pair, before).await
}

async fn commands_sent_before_their_replies_are_answered_in_order(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let statements = [
        "SELECT 1",
        "SELECT * FROM sakila.actor WHERE actor_id < 3",
        "SET @pipelined = 7",
        "SELECT @pipelined",
        "SELECT nothing FROM sakila.actor",
        "SELECT 2; SELECT 3",
        "SELECT REPEAT('y', 70000)",
    ];
    let mut one_by_one = Vec::new();
    let mut client: RawClient = door.raw("app", MODERN).await?;
    for statement in statements {
        one_by_one.extend(client.query(statement).await?.bytes);
    }
    let mut client = door.raw("app", MODERN).await?;
    let all: Vec<u8> = statements.iter().flat_map(|statement| text(statement)).collect();
    client.send_bytes(&all).await?;
    let mut pipelined = Vec::new();
    while pipelined.len() < one_by_one.len() {
        let read = tokio::time::timeout(SOON, client.read_bytes()).await;
        pipelined.extend(read.context("a reply is missing")??);
    }
    ensure!(pipelined == one_by_one, "pipelined commands got other replies");
    Ok(())
}

/// Answers that are broken per engine, on the manager and on a worker.
const BROKEN_ANSWERS: u64 = 150;
/// A broken answer may promise bytes that never come: then the client goes.
const PATIENCE: Duration = Duration::from_millis(60);

async fn a_server_that_talks_nonsense_harms_that_session_alone(cluster: &Cluster) -> anyhow::Result<()> {
    let mark = marker("nonsense");
    let manager = CorruptingRelay::start(cluster.node("manager")?.port, &mark, 1).await?;
    let worker = CorruptingRelay::start(cluster.node("worker1")?.port, &mark, 2).await?;
    let mut pair = pair(
        cluster,
        &[("manager", manager.port()), ("worker1", worker.port())],
    )
    .await?;
    let before = sockets(&mut pair).await?;
    let mut bystander = pair.door.connect_to("app", "sakila").await?;
    let statements = [
        format!("SELECT first_name, '{mark}' FROM sakila.actor"),
        format!("SELECT /*+ proxy(target=manager) */ first_name, '{mark}' FROM sakila.actor"),
        format!("SET @a = '{mark}'"),
        format!("SELECT 1; SELECT '{mark}'; SELECT nothing"),
    ];
    for number in 0..BROKEN_ANSWERS {
        let statement = &statements[usize::try_from(number)? % statements.len()];
        let mut client = pair.door.raw("app", MODERN).await?;
        client.send(CommandCode::QUERY, statement.as_bytes()).await?;
        let said = tokio::time::timeout(PATIENCE, async {
            while client.read_raw(64 * 1024).await.is_ok_and(|read| read > 0) {}
        });
        let _ = said.await;
        drop(client);
        let read: Option<u64> = bystander.query_first("SELECT COUNT(*) FROM actor").await?;
        assert_eq!(read, Some(200));
    }
    ensure!(manager.broken() > BROKEN_ANSWERS / 2, "{}", manager.broken());
    ensure!(worker.broken() > 0, "no answer of the worker was broken");
    let status = bystander.query_first::<u8, _>("SELECT 1").await?;
    assert_eq!(status, Some(1));
    bystander.disconnect().await?;
    unharmed(&mut pair).await?;
    no_more_sockets(&pair, before).await
}

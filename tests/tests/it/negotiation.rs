//! What client and gatekeeper agree on before the first statement: the old ways to log in, MariaDB's and MySQL's own
//! plugins towards the nodes, collations, attributes.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use gatekeeper::config::PolicyName;
use gatekeeper::users::{Verifiers, raw};
use harness::raw_client::{MODERN, RawClient};
use harness::{Cluster, Engine, Pair, SOON, each_engine, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use peer::connect::{Address, ConnectError, LoginRequest, TlsPolicy};
use proxy::config::raw::Account;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::Capabilities;
use wire::auth::{Password, Plugin, native_password};
use wire::frame::{self, Header};
use wire::handshake::{Greeting, HandshakeResponse, Nonce};

on_each_engine!(
    old_clients_are_answered_as_by_the_manager,
    every_collation_of_a_login_means_what_it_means_on_the_manager,
);

const PASSWORD: &str = "a password of this test";

/// A pair whose gatekeeper knows one user by these plugins, who has an account of the same name and password on the
/// nodes, identified as `identified` says.
async fn pair_of_one(
    cluster: &Cluster,
    plugins: &[Plugin],
    identified: &str,
) -> anyhow::Result<(Pair, String)> {
    let name = format!("negotiates_{:08x}", rand::random::<u32>());
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE USER {name}@'%' {identified}"))
        .await?;
    root.query_drop(format!("GRANT SELECT ON sakila.* TO {name}@'%'"))
        .await?;
    root.disconnect().await?;
    cluster.settle().await?;
    let plan = Pair::plan(cluster)?;
    let user = raw::User::new(
        name.clone(),
        Some(PolicyName::Off),
        &Verifiers::make(PASSWORD.as_bytes(), plugins),
    );
    let users = raw::Users { users: vec![user] };
    let users_file = secret(plan.folder(), "users.toml", &toml::to_string_pretty(&users)?)?;
    let password_file = secret(plan.folder(), "account", PASSWORD)?;
    let account = Account {
        user: name.clone(),
        name: name.clone(),
        password_file: Some(password_file),
        consistency: None,
    };
    let plan = plan
        .gatekeeper(|config| config.users_file = users_file)
        .proxy(|config| config.accounts.push(account));
    Ok((plan.start().await?, name))
}

fn secret(folder: &Path, name: &str, content: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(path)
}

fn manager(cluster: &Cluster) -> anyhow::Result<Address> {
    let node = cluster.node("manager")?;
    Ok(Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    })
}

/// How a client of another age responds.
struct OldClient {
    says: &'static str,
    flags: Capabilities,
    plugin: Option<&'static [u8]>,
    proof: fn(Nonce) -> Vec<u8>,
    /// Bytes that are missing at the end.
    cut: usize,
}

fn old_clients() -> Vec<OldClient> {
    fn native(nonce: Nonce) -> Vec<u8> {
        native_password::scramble(nonce, PASSWORD.as_bytes())
    }
    let nothing: fn(Nonce) -> Vec<u8> = |_| Vec::new();
    let noise: fn(Nonce) -> Vec<u8> = |_| vec![b'x'; 20];
    let (secure, plugins) = (Capabilities::SECURE_CONNECTION, Capabilities::PLUGIN_AUTH);
    let case = |says, flags, plugin, proof| OldClient {
        says,
        flags: Capabilities::PROTOCOL_41 | flags,
        plugin,
        proof,
        cut: 0,
    };
    let lenenc = secure | Capabilities::PLUGIN_AUTH_LENENC_DATA;
    let mut cases = vec![
        case("no plugins", secure, None, native),
        case("no plugins, length of a length", lenenc, None, native),
        case("no plugins, wrong password", secure, None, noise),
        case("no plugins, no password", secure, None, nothing),
        case("no plugins, a short proof", secure, None, |_| vec![b'x'; 19]),
        case("no passwords of 4.1", Capabilities::NONE, None, |_| {
            b"ABCDEFGH".to_vec()
        }),
        case(
            "no passwords of 4.1, and none at all",
            Capabilities::NONE,
            None,
            nothing,
        ),
        OldClient {
            cut: 1,
            ..case("plugins, and none named", secure | plugins, Some(b""), native)
        },
    ];
    for name in [
        &b"mysql_clear_password"[..],
        b"sha256_password",
        b"mysql_old_password",
        b"dialog",
        b"auth_gssapi_client",
        b"parsec",
        b"client_ed25519",
        b"no_such_plugin",
        b"",
    ] {
        cases.push(case("another plugin", secure | plugins, Some(name), noise));
        cases.push(case(
            "another plugin, and nothing",
            secure | plugins,
            Some(name),
            nothing,
        ));
    }
    cases
}

/// What a server says to a first packet: an error as it is, of a switch its plugin and the length of its data.
async fn answer(address: &Address, response: impl FnOnce(Nonce) -> Vec<u8>) -> anyhow::Result<String> {
    let Address::Tcp { host, port } = address else {
        bail!("no TCP")
    };
    let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
    let greeting = Greeting::decode(&read(&mut stream).await?.1)?;
    let mut packet = Vec::new();
    frame::encode(&response(greeting.nonce), 1, &mut packet);
    stream.write_all(&packet).await?;
    let (sequence, payload) = read(&mut stream).await?;
    let said = match payload.split_first() {
        Some((0xfe, rest)) => {
            let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            let data = rest.len() - name.len() - 1;
            format!("switch to {} with {data} bytes", String::from_utf8_lossy(name))
        }
        Some((0, _)) => "OK".to_owned(),
        _ => String::from_utf8_lossy(&payload).into_owned(),
    };
    Ok(format!("{sequence} {said}"))
}

async fn read(stream: &mut TcpStream) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let header = Header::peek(&header).context("no header")?;
    let mut payload = vec![0; header.payload_bytes];
    stream.read_exact(&mut payload).await?;
    Ok((header.sequence, payload))
}

async fn old_clients_are_answered_as_by_the_manager(cluster: &Cluster) -> anyhow::Result<()> {
    let plugin = match cluster.engine() {
        Engine::Mariadb => Plugin::NativePassword,
        Engine::Mysql => Plugin::CachingSha2,
    };
    let (pair, name) = pair_of_one(cluster, &[plugin], &format!("IDENTIFIED BY '{PASSWORD}'")).await?;
    let (direct, through) = (manager(cluster)?, pair.door.address());
    for case in old_clients() {
        // a stranger is answered as some user is, by chance another one here and there: not compared
        let user = name.as_str();
        let response = |nonce| {
            let response = HandshakeResponse {
                capabilities: case.flags,
                packet_bytes_max: 1 << 24,
                collation: 33,
                user: user.as_bytes().to_vec(),
                auth_response: Password::new((case.proof)(nonce)),
                database: None,
                auth_plugin: case.plugin.map(Vec::from),
                attributes: Vec::new(),
                zstd_level: None,
            };
            let mut payload = Vec::new();
            response.encode(&mut payload);
            payload.truncate(payload.len() - case.cut);
            payload
        };
        let plugin = String::from_utf8_lossy(case.plugin.unwrap_or_default());
        assert_eq!(
            answer(&through, response).await?,
            answer(&direct, response).await?,
            "{}, {plugin:?}, {user}",
            case.says
        );
    }
    Ok(())
}

/// Ids that a handshake has room for, and some that only COM_CHANGE_USER has.
fn collations() -> impl Iterator<Item = u16> {
    (0..=255).chain([
        256, 257, 260, 280, 300, 303, 305, 309, 320, 323, 576, 1057, 2048, 2304, 65_535,
    ])
}

async fn every_collation_of_a_login_means_what_it_means_on_the_manager(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let (plugin, identified) = match cluster.engine() {
        Engine::Mariadb => (Plugin::NativePassword, "IDENTIFIED BY"),
        Engine::Mysql => (Plugin::CachingSha2, "IDENTIFIED BY"),
    };
    let (pair, name) = pair_of_one(cluster, &[plugin], &format!("{identified} '{PASSWORD}'")).await?;
    let (direct, through) = (manager(cluster)?, pair.door.address());
    for collation in collations() {
        let said = character_sets(&through, &name, collation).await?;
        assert_eq!(
            said,
            character_sets(&direct, &name, collation).await?,
            "collation {collation}"
        );
    }
    Ok(())
}

/// What a session of that collation has, or the refusal.
async fn character_sets(address: &Address, user: &str, collation: u16) -> anyhow::Result<String> {
    let request = LoginRequest {
        user: user.as_bytes(),
        password: PASSWORD.as_bytes(),
        database: None,
        capabilities: MODERN,
        collation,
        attributes: &[],
        tls: TlsPolicy::Off,
    };
    let mut client = match RawClient::login_as(address, request).await {
        Ok(client) => client,
        Err(ConnectError::Refused { code, message, .. }) => {
            return Ok(format!("{code} {}", String::from_utf8_lossy(&message)));
        }
        Err(error) => return Err(error.into()),
    };
    let reply = client
        .query("SELECT @@character_set_client, @@collation_connection, @@character_set_results")
        .await?;
    let (_, row) = reply.packets.iter().rev().nth(1).context("no row")?;
    Ok(String::from_utf8_lossy(row).into_owned())
}

/// MariaDB's own plugin, from the client to the gatekeeper and from the proxy to manager and workers.
#[test]
fn an_ed25519_user_has_an_ed25519_account_on_every_node() -> anyhow::Result<()> {
    each_engine::on_shared(Engine::Mariadb, async |cluster: &Cluster| {
        for node in cluster.facts().nodes.iter() {
            let mut root = cluster.root(&node.name).await?;
            root.query_drop("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'")
                .await?;
            root.disconnect().await?;
        }
        let identified = format!("IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')");
        let (pair, name) = pair_of_one(cluster, &[Plugin::Ed25519], &identified).await?;
        for address in [manager(cluster)?, pair.door.address()] {
            for _ in 0..4 {
                let mut client =
                    RawClient::login(&address, &name, PASSWORD, Some("sakila"), MODERN, TlsPolicy::Off)
                        .await?;
                let reply = client.query("SELECT COUNT(*) FROM actor").await?;
                ensure!(reply.error().is_none(), "{:?}", reply.error());
            }
            let wrong = RawClient::login(&address, &name, "wrong", None, MODERN, TlsPolicy::Off).await;
            let Err(ConnectError::Refused { code, message, .. }) = wrong else {
                bail!("a wrong password is let in")
            };
            assert_eq!(code, 1045);
            let message = String::from_utf8_lossy(&message).into_owned();
            assert_eq!(
                message,
                format!("Access denied for user '{name}'@'127.0.0.1' (using password: YES)")
            );
        }
        Ok(())
    })
}

#[test]
fn an_account_on_the_nodes_may_have_mysqls_older_plugin() -> anyhow::Result<()> {
    each_engine::on_shared(Engine::Mysql, async |cluster: &Cluster| {
        let identified = format!("IDENTIFIED WITH sha256_password BY '{PASSWORD}'");
        let (pair, name) = pair_of_one(cluster, &[Plugin::CachingSha2], &identified).await?;
        for _ in 0..4 {
            let address = pair.door.address();
            let mut client =
                RawClient::login(&address, &name, PASSWORD, Some("sakila"), MODERN, TlsPolicy::Off).await?;
            let reply = client.query("SELECT COUNT(*) FROM actor").await?;
            ensure!(reply.error().is_none(), "{:?}", reply.error());
        }
        Ok(())
    })
}

mod attributes {
    use super::*;

    fn on(engine: Engine) -> anyhow::Result<()> {
        each_engine::block_on(async {
            // what rests in the pool keeps the attributes of the client that it was opened for
            let settings = ["mysqld.performance-schema=ON", "proxy.pool.idle-ms=1000"];
            let Some(cluster) = harness::cluster::own(engine, 1, &settings).await? else {
                return Ok(());
            };
            a_clients_attributes_are_its_sessions_on_every_node(&cluster).await
        })
    }

    #[test]
    fn mariadb() -> anyhow::Result<()> {
        on(Engine::Mariadb)
    }

    #[test]
    fn mysql() -> anyhow::Result<()> {
        on(Engine::Mysql)
    }
}

async fn a_clients_attributes_are_its_sessions_on_every_node(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let mark = format!("mark-{:08x}", rand::random::<u32>());
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let attributes = [
        pair("program_name", &mark),
        pair("_os", "an old one"),
        pair("_client_address", "forged"),
        pair("_gatekeeper_nonce", "forged"),
    ];
    // by the login alone, and by a COM_CHANGE_USER behind it
    for collation in [45, 300] {
        let request = LoginRequest {
            user: b"dba",
            password: door.password("dba")?.as_bytes(),
            database: Some(b"sakila"),
            capabilities: MODERN,
            collation,
            attributes: &attributes,
            tls: TlsPolicy::Off,
        };
        let mut client = RawClient::login_as(&door.address(), request).await?;
        let reply = client.query("SELECT COUNT(*) FROM actor").await?;
        ensure!(reply.error().is_none(), "{:?}", reply.error());
        for node in ["manager", "worker1"] {
            let mut root = cluster.root(node).await?;
            let seen: Vec<(String, Option<String>)> = root
                .query(format!(
                    "SELECT a.attr_name, a.attr_value FROM performance_schema.session_connect_attrs a \
                     JOIN performance_schema.session_connect_attrs m USING (processlist_id) \
                     WHERE m.attr_name = 'program_name' AND m.attr_value = '{mark}'"
                ))
                .await?;
            root.disconnect().await?;
            let of = |name: &str| {
                let mut found = seen.iter().filter(|(seen, _)| seen == name);
                (
                    found.next().and_then(|(_, value)| value.as_deref()),
                    found.count(),
                )
            };
            assert_eq!(of("program_name"), (Some(mark.as_str()), 0), "{node} {collation}");
            assert_eq!(of("_os"), (Some("an old one"), 0), "{node} {collation}");
            assert_eq!(
                of("_client_address"),
                (Some("127.0.0.1"), 0),
                "{node} {collation}"
            );
            assert_eq!(of("_gatekeeper_nonce"), (None, 0), "{node} {collation}");
            assert_eq!(of("_gatekeeper_collation"), (None, 0), "{node} {collation}");
        }
        drop(client);
        eventually("the session is gone", SOON, || async {
            let mut root = cluster.root("worker1").await?;
            let left: Option<u64> = root
                .query_first(format!(
                    "SELECT COUNT(*) FROM performance_schema.session_connect_attrs WHERE attr_value = '{mark}'"
                ))
                .await?;
            root.disconnect().await?;
            ensure!(left == Some(0), "{left:?} left");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

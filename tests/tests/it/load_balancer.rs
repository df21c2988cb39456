//! A load balancer in front of the gatekeeper: the PROXY protocol, by bytes and by HAProxy.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use gatekeeper::config::raw::TlsMode;
use harness::pair::free_ports;
use harness::program::{Entry, StockClient, on_path, output};
use harness::raw_client::MODERN;
use harness::{Cluster, Door, Engine, Pair, SOON, eventually, on_each_engine};
use peer::ConnectError;
use peer::connect::{LoginRequest, ServerConnection, TlsPolicy};
use peer::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

on_each_engine!(
    the_announced_address_is_the_clients,
    a_header_is_demanded_from_load_balancers_and_from_nobody_else,
    haproxy_announces_stock_clients,
    a_unix_socket_counts_as_secure,
);

const BALANCER: &str = "127.0.0.2";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// LOCAL, with a family that is to be ignored.
const LOCAL: &[u8] = &[0x20, 0x00, 0, 0];
/// 192.0.2.7:50000 to 198.51.100.1:3306, and a fact that is to be skipped.
const CLIENT: &[u8] = &[
    0x21, 0x11, 0, 16, 192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x0c, 0xea, 4, 0, 1, 0,
];

async fn pair(cluster: &Cluster) -> anyhow::Result<Pair> {
    Pair::plan(cluster)?
        .gatekeeper(|config| config.listen.proxy_protocol_networks = vec![format!("{BALANCER}/32")])
        .start()
        .await
}

/// A connection from the balancer's address.
async fn connect(door: &Door) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{BALANCER}:0").parse()?)?;
    Ok(socket
        .connect(format!("127.0.0.1:{}", door.port).parse()?)
        .await?)
}

async fn log_in(stream: TcpStream, password: &str) -> Result<ServerConnection, ConnectError> {
    let request = LoginRequest {
        user: b"app",
        password: password.as_bytes(),
        database: None,
        capabilities: MODERN,
        collation: 45,
        attributes: &[],
        tls: TlsPolicy::Off,
    };
    peer::connect::login_over(Stream::Tcp(stream), request).await
}

async fn the_announced_address_is_the_clients(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    for (header, host) in [(CLIENT, "192.0.2.7"), (LOCAL, BALANCER)] {
        let mut stream = connect(&pair.door).await?;
        stream.write_all(&[SIGNATURE, header].concat()).await?;
        let Err(ConnectError::Refused { code, message, .. }) = log_in(stream, "wrong").await else {
            bail!("let in");
        };
        let expected = format!("Access denied for user 'app'@'{host}' (using password: YES)");
        assert_eq!(
            (code, String::from_utf8_lossy(&message).into_owned()),
            (1045, expected)
        );
        let mut stream = connect(&pair.door).await?;
        stream.write_all(&[SIGNATURE, header].concat()).await?;
        log_in(stream, pair.door.password("app")?).await?;
    }
    Ok(())
}

async fn a_header_is_demanded_from_load_balancers_and_from_nobody_else(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    for bytes in [
        &b"a MySQL client waits for the greeting"[..],
        b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 3306\r\n",
        &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
    ] {
        let mut stream = connect(&pair.door).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        // what was not read resets the connection behind the error
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer.get(4..7), Some(&[0xff, 0x13, 0x04][..]), "{answer:?}");
    }
    // from elsewhere: the greeting, and a handshake that is none
    let mut stream = TcpStream::connect(("127.0.0.1", pair.door.port)).await?;
    stream.write_all(&[SIGNATURE, CLIENT].concat()).await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer.get(4), Some(&10), "no greeting: {answer:?}");
    ensure!(
        answer.windows(2).any(|pair| pair == b"#0"),
        "no error: {answer:?}"
    );
    pair.door.connect("app").await?.disconnect().await?;
    Ok(())
}

struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        // one that has ended already is as good
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn haproxy_announces_stock_clients(cluster: &Cluster) -> anyhow::Result<()> {
    let Some(program) = on_path("haproxy")
        .or_else(|| Some("/usr/sbin/haproxy".into()).filter(|path: &std::path::PathBuf| path.is_file()))
    else {
        eprintln!("skipped: no haproxy");
        return Ok(());
    };
    let pair = pair(cluster).await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("haproxy.cfg");
    let [port] = free_ports()?;
    let text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen mysql\n bind 127.0.0.1:{port}\n server gatekeeper 127.0.0.1:{} send-proxy-v2 source {BALANCER}\n",
        pair.door.port
    );
    std::fs::write(&config, text)?;
    let child = Command::new(program)
        .arg("-db")
        .arg("-f")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start haproxy")?;
    let _haproxy = Haproxy(child);
    let door = Door {
        port,
        ..pair.door.clone()
    };
    eventually("haproxy", SOON, || async {
        Ok(TcpStream::connect(("127.0.0.1", port)).await.map(|_| ())?)
    })
    .await?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        let client = StockClient::of(family).await?;
        for entry in [Entry::Plain, Entry::Tls] {
            let printed = client
                .run(&door, "app", entry, "SELECT COUNT(*) FROM sakila.actor")
                .await?;
            assert_eq!(printed.trim(), "200");
        }
        let mut wrong = client.command(&door, "app", Entry::Tls)?;
        let refused = output(wrong.args(["--password=wrong", "-e", "SELECT 1"])).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(said.contains("'app'@'127.0.0.1'"), "{said}");
    }
    Ok(())
}

async fn a_unix_socket_counts_as_secure(cluster: &Cluster) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let pair = Pair::plan(cluster)?
        .gatekeeper(|config| config.tls.mode = TlsMode::Required)
        .start()
        .await?;
    let socket = pair.door.socket.as_ref().context("no socket")?;
    assert_eq!(std::fs::metadata(socket)?.permissions().mode() & 0o777, 0o777);
    for family in [Engine::Mysql, Engine::Mariadb] {
        let client = StockClient::of(family).await?;
        let printed = client.run(&pair.door, "app", Entry::Socket, "SELECT 1").await?;
        assert_eq!(printed.trim(), "1", "{family}");
        let refused = client.run(&pair.door, "app", Entry::Plain, "SELECT 1").await;
        let refused = format!("{:#}", refused.err().context("let in without TLS")?);
        ensure!(refused.contains("3159"), "{refused}");
    }
    Ok(())
}

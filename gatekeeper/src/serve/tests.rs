use std::fs;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use super::*;
use crate::config::raw;
use crate::users::{UsersFile, Verifiers};

const PATIENCE: Duration = Duration::from_secs(10);

/// A folder with a config whose proxy is not there.
async fn config(folder: &Path, drain_timeout_ms: u64) -> Config {
    let mut users = UsersFile::open(&folder.join("users.toml")).unwrap();
    users
        .add(
            "app",
            None,
            false,
            &Verifiers::make(b"word", &[wire::auth::Plugin::NativePassword]),
        )
        .unwrap();
    users.save().unwrap();
    fs::write(folder.join("secret"), "0123456789abcdef").unwrap();
    fs::set_permissions(
        folder.join("secret"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let proxy = raw::Proxy {
        socket: Some("proxy.sock".into()),
        secret_file: Some("secret".into()),
        ..raw::Proxy::default()
    };
    let mut raw = raw::Config::new("state", "users.toml", proxy);
    raw.listen.socket = Some("gate.sock".into());
    raw.listen.tcp = Some("127.0.0.1:0".to_owned());
    raw.http.address = free_address().await.to_string();
    raw.limits.drain_timeout_ms = drain_timeout_ms;
    Config::check(raw, folder).unwrap()
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Says hello, and leaves when asked to.
async fn polite(accepted: Accepted, gate: Arc<Gate>) {
    hello(accepted).await;
    gate.drain.started().await;
}

async fn stubborn(accepted: Accepted, _: Arc<Gate>) {
    hello(accepted).await;
    pending::<()>().await;
}

async fn hello(accepted: Accepted) {
    let daemon::listener::AcceptedStream::Unix(stream) = accepted.stream else {
        panic!("by TCP")
    };
    UnixStream::from_std(stream)
        .unwrap()
        .write_all(b"hello")
        .await
        .unwrap();
}

async fn greeted(folder: &Path) {
    let mut client = timeout(PATIENCE, async {
        loop {
            match UnixStream::connect(folder.join("gate.sock")).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .unwrap();
    let mut word = [0; 5];
    timeout(PATIENCE, client.read_exact(&mut word))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&word, b"hello");
}

async fn page(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_reloads_and_stops_when_the_sessions_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 30_000).await;
    let numbers = telemetry::Metrics::install().unwrap();
    let gate = Arc::new(Gate::open(config, Drain::new()).unwrap());
    let (reload, reloads) = watch::channel(0);
    let running = tokio::spawn(run(
        Arc::clone(&gate),
        polite,
        numbers,
        Weak::new(),
        pending::<StopNow>(),
        reloads,
    ));
    greeted(folder.path()).await;

    let http = gate.config.http;
    assert!(page(http, "/live").await.starts_with("HTTP/1.1 200 "));
    assert!(page(http, "/ready").await.starts_with("HTTP/1.1 503 "));
    assert!(
        page(http, "/metrics")
            .await
            .contains("gatekeeper_connections_total 0")
    );

    fs::write(folder.path().join("users.toml"), "[[user]]\nname = \"app\"\n").unwrap();
    reload.send_modify(|times| *times += 1);
    let failed = "gatekeeper_users_reloads_total{result=\"failed\"} 1";
    timeout(PATIENCE, async {
        while !page(http, "/metrics").await.contains(failed) {}
    })
    .await
    .unwrap();
    assert!(gate.users.user(b"app").is_some());

    gate.drain.start();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert_eq!(gate.drain.sessions(), 0);
    assert!(!folder.path().join("gate.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_stays_is_left_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::open(config(folder.path(), 50).await, Drain::new()).unwrap());
    let running = tokio::spawn(run(
        Arc::clone(&gate),
        stubborn,
        telemetry::Metrics::detached(),
        Weak::new(),
        pending::<StopNow>(),
        watch::channel(0).1,
    ));
    greeted(folder.path()).await;
    gate.drain.start();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::open(config(folder.path(), 600_000).await, Drain::new()).unwrap());
    let numbers = telemetry::Metrics::detached();
    let ended = run(
        gate,
        stubborn,
        numbers,
        Weak::new(),
        ready(StopNow),
        watch::channel(0).1,
    );
    let failure = timeout(PATIENCE, ended).await.unwrap().unwrap_err();
    assert_eq!(failure.code, Code::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 50).await;
    let _taken = TcpListener::bind(config.http).await.unwrap();
    let gate = Arc::new(Gate::open(config, Drain::new()).unwrap());
    let numbers = telemetry::Metrics::detached();
    let ended = run(
        gate,
        stubborn,
        numbers,
        Weak::new(),
        pending(),
        watch::channel(0).1,
    )
    .await;
    assert_eq!(ended.unwrap_err().code, Code::Unavailable);
}

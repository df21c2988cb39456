//! `infra local` on real servers: nodes only, since the whole path is what the workspace's `tests` are about.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions too"
)]

use std::path::Path;

use infra::local::engine::Server;
use infra::local::status::status;
use infra::local::{self, Cluster, EngineChoice, Options, Progress, Stop};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

/// Whether the engine is on this machine: a spoken skip at home, a failure where servers are required.
async fn is_installed(engine: EngineChoice) -> bool {
    let Err(error) = Server::find(engine, None).await else {
        return true;
    };
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    assert!(
        !is("TEST_SERVERS", "required") && !is("CI", "true"),
        "a server is missing: {error:#}"
    );
    eprintln!("skipped: {error:#}");
    false
}

fn options(dir: &Path, engine: EngineChoice, workers: u16) -> Options {
    Options {
        nodes_only: true,
        ..Options::new(dir).engine(engine).workers(workers)
    }
}

async fn number(cluster: &Cluster, node: &str, query: &str) -> u64 {
    let node = cluster.node(node).unwrap();
    let options = OptsBuilder::default()
        .ip_or_hostname(&node.host)
        .tcp_port(node.port)
        .user(Some(&node.root_user))
        .pass(Some(&node.root_password))
        .prefer_socket(false);
    let mut conn = Conn::new(options).await.unwrap();
    let answer: Option<u64> = conn.query_first(query).await.unwrap();
    conn.disconnect().await.unwrap();
    answer.unwrap()
}

/// Processes that have the directory on their command line.
fn processes_of(dir: &Path) -> Vec<String> {
    let wanted = dir.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(wanted))
        .collect()
}

async fn a_cluster_comes_up_follows_goes_down_and_comes_back(engine: EngineChoice) {
    if !is_installed(engine).await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cluster");
    let options = options(&dir, engine, 1);

    let cluster = local::up(&options, Progress::Silent).await.unwrap();
    let payments = "SELECT COUNT(*) FROM sakila.payment";
    assert_eq!(number(&cluster, "manager", payments).await, 16_049);
    assert_eq!(number(&cluster, "worker1", payments).await, 16_049);
    assert_eq!(number(&cluster, "worker1", "SELECT @@GLOBAL.read_only").await, 1);
    assert_eq!(number(&cluster, "manager", "SELECT @@GLOBAL.read_only").await, 0);
    assert_eq!(
        number(
            &cluster,
            "manager",
            "SELECT COUNT(*) FROM mysql.user WHERE User = ''"
        )
        .await,
        0
    );

    let again = local::up(&options, Progress::Silent).await.unwrap();
    assert_eq!(again, cluster, "a second up changes nothing");
    assert_eq!(
        Cluster::load(&dir).unwrap(),
        cluster,
        "cluster.json says the same"
    );

    local::stop_node(&dir, "worker1", Stop::AtOnce).await.unwrap();
    assert!(!status(&dir).await.unwrap().healthy);
    let repaired = local::up(&options, Progress::Silent).await.unwrap();
    assert_ne!(
        repaired.node("worker1").unwrap().pid,
        cluster.node("worker1").unwrap().pid
    );
    assert_eq!(repaired.manager(), cluster.manager());
    assert!(status(&dir).await.unwrap().healthy);

    local::down(&dir, Progress::Silent).await.unwrap();
    local::down(&dir, Progress::Silent).await.unwrap();
    assert_eq!(processes_of(&dir), Vec::<String>::new());
    let back = local::up(&options, Progress::Silent).await.unwrap();
    assert_eq!(number(&back, "worker1", payments).await, 16_049);

    local::purge(&dir, Progress::Silent).await.unwrap();
    assert!(!dir.exists());
    assert_eq!(processes_of(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_cluster_of_mariadb_comes_up_follows_goes_down_and_comes_back() {
    Box::pin(a_cluster_comes_up_follows_goes_down_and_comes_back(
        EngineChoice::Mariadb,
    ))
    .await;
}

#[tokio::test]
async fn a_cluster_of_mysql_comes_up_follows_goes_down_and_comes_back() {
    Box::pin(a_cluster_comes_up_follows_goes_down_and_comes_back(
        EngineChoice::Mysql,
    ))
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_start_is_named_with_its_log_and_nothing_is_left() {
    if !is_installed(EngineChoice::Auto).await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cluster");
    let options = options(&dir, EngineChoice::Auto, 1)
        .set("mysqld.no_such_option=1")
        .unwrap();
    let error = format!("{:#}", local::up(&options, Progress::Silent).await.unwrap_err());
    let named = error.contains("manager: ") || error.contains("worker1: ");
    assert!(
        named && error.contains("unknown variable 'no_such_option=1'"),
        "{error}"
    );
    assert_eq!(processes_of(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_port_in_use_is_named_before_anything_is_touched() {
    if !is_installed(EngineChoice::Auto).await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cluster");
    // the manager's port is the base and ten
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options {
        port_base: Some(port - 10),
        ..options(&dir, EngineChoice::Auto, 0)
    };
    let error = local::up(&options, Progress::Silent)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&port.to_string()) && error.contains("manager"),
        "{error}"
    );
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_setting_that_no_service_knows_is_refused_in_its_own_words() {
    if !is_installed(EngineChoice::Auto).await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cluster");
    let options = options(&dir, EngineChoice::Auto, 0)
        .set("proxy.routing.no-such-key=1")
        .unwrap();
    let error = format!("{:#}", local::up(&options, Progress::Silent).await.unwrap_err());
    assert!(
        error.contains("proxy.toml") && error.contains("no-such-key"),
        "{error}"
    );
    assert!(!dir.exists());
}

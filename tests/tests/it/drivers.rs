//! Real drivers doing their ordinary work, directly on the manager and through the pair: the same tasks, the same
//! outcomes, the same results. `tests/drivers` holds their programs, one line of JSON per task;
//! `scripts/setup-drivers` installs them. docs/drivers.md lists what is known to differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use harness::program::{StockClient, on_path};
use harness::{Cluster, Engine, Pair, is_required, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use proxy::config::raw::Config as ProxyConfig;
use serde_json::{Value, json};
use tokio::process::Command;

/// Longer than any driver takes for all of its tasks on a busy machine.
const PROGRAM_WAIT_MAX: Duration = Duration::from_secs(130);

/// What differs on purpose, or not yet mended: driver, task, engine or `*`, why. One that does not differ any more fails
/// its test.
const KNOWN_DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("pymysql", "knows_its_own_number", "*", NUMBERS),
    ("mysqlclient", "knows_its_own_number", "*", NUMBERS),
    ("connector", "knows_its_own_number", "*", NUMBERS),
    ("mysql2", "knows_its_own_number", "*", NUMBERS),
    ("mariadb", "knows_its_own_number", "*", NUMBERS),
];

const NUMBERS: &str = "CONNECTION_ID() is the server's number, the greeting's is the gatekeeper's";

on_each_engine!(
    pymysql,
    mysqlclient,
    mysql_connector_python,
    node_mysql2,
    node_mariadb,
    mariadb_programs,
    mysql_programs,
);

async fn pymysql(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "pymysql").await
}

async fn mysqlclient(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "mysqlclient").await
}

async fn mysql_connector_python(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "connector").await
}

async fn node_mysql2(cluster: &Cluster) -> anyhow::Result<()> {
    node(cluster, "mysql2").await
}

async fn node_mariadb(cluster: &Cluster) -> anyhow::Result<()> {
    node(cluster, "mariadb").await
}

async fn mariadb_programs(cluster: &Cluster) -> anyhow::Result<()> {
    stock_programs(cluster, Engine::Mariadb).await
}

async fn mysql_programs(cluster: &Cluster) -> anyhow::Result<()> {
    if cluster.engine() == Engine::Mariadb {
        // MySQL 9 has no mysql_native_password: directly it cannot log in at MariaDB at all
        return Ok(());
    }
    stock_programs(cluster, Engine::Mysql).await
}

async fn stock_programs(cluster: &Cluster, family: Engine) -> anyhow::Result<()> {
    let client = StockClient::of(family).await?;
    let folder = client.folder().context("the client stands nowhere")?;
    let mut command = Command::new(on_path("python3").context("no program `python3`")?);
    command.arg("-B").arg(programs().join("clients/stock_clients.py"));
    let more = json!({"family": family.to_string(), "programs": folder});
    compare(cluster, &format!("{family}_programs"), Some(command), more).await
}

async fn python(cluster: &Cluster, driver: &str) -> anyhow::Result<()> {
    let interpreter = cache().join("python/bin/python");
    let program = programs().join(format!("python/with_{driver}.py"));
    let command = installed("python", interpreter)?.map(|python| {
        let mut command = Command::new(python);
        command.arg("-B").arg(program).env("LD_LIBRARY_PATH", libraries());
        command
    });
    compare(cluster, driver, command, json!({})).await
}

async fn node(cluster: &Cluster, driver: &str) -> anyhow::Result<()> {
    let modules = cache().join("node/node_modules");
    let program = programs().join(format!("node/with_{driver}.js"));
    let command = installed("node", modules.join(driver))?.and_then(|_| {
        let mut command = Command::new(on_path("node")?);
        command.arg(program).env("NODE_PATH", &modules);
        Some(command)
    });
    compare(cluster, driver, command, json!({})).await
}

/// What is needed for a part, if it is there. Where it is not: a spoken skip at home, a failure where servers are
/// required.
fn installed(part: &str, path: PathBuf) -> anyhow::Result<Option<PathBuf>> {
    if path.exists() {
        return Ok(Some(path));
    }
    let missing = format!("no {}: run scripts/setup-drivers {part}", path.display());
    ensure!(!is_required(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    Ok(None)
}

/// Runs a driver's program twice and compares what it printed. `more` is added to what the program is told.
async fn compare(
    cluster: &Cluster,
    driver: &str,
    command: Option<Command>,
    more: Value,
) -> anyhow::Result<()> {
    let Some(mut command) = command else {
        return Ok(());
    };
    // fidelity is in question, not the reading of own writes: everything runs on the manager
    let pair = Pair::plan(cluster)?
        .proxy(|config| config.routing.strategy = "direct".to_owned())
        .start()
        .await?;
    let schema = cluster.schema(&format!("driver_{driver}")).await?;
    let folder = tempfile::Builder::new().prefix("gatekeeper-driver-").tempdir()?;
    let target = folder.path().join("target.json");
    command.arg(&target).current_dir(folder.path()).kill_on_drop(true);

    let manager = cluster.facts().manager().context("no manager")?.port;
    let through = |user: &str| pair.door.password(user).map(str::to_owned);
    let sides = [
        (
            manager,
            database_password(cluster, "dba")?,
            database_password(cluster, "guarded")?,
        ),
        (pair.door.port, through("dba")?, through("guarded")?),
    ];
    let mut results = Vec::new();
    for (port, password, other) in sides {
        // a first login by caching_sha2_password is a full one, which not every driver can do without TLS
        for (user, password) in [("dba", &password), ("guarded", &other)] {
            let options = OptsBuilder::default()
                .ip_or_hostname("127.0.0.1")
                .tcp_port(port)
                .user(Some(user))
                .pass(Some(password))
                .prefer_socket(false);
            Conn::new(options).await?.disconnect().await?;
        }
        let mut root = cluster.root("manager").await?;
        root.query_drop(format!("DROP DATABASE {schema}")).await?;
        root.query_drop(format!("CREATE DATABASE {schema} DEFAULT CHARACTER SET utf8mb4"))
            .await?;
        root.disconnect().await?;
        let engine = cluster.engine();
        let mut to = json!({
            "host": "127.0.0.1", "port": port, "user": "dba", "password": password, "schema": schema,
            "engine": engine.to_string(), "other": {"user": "guarded", "password": other},
            // MariaDB's server here has no certificate; the gatekeeper always has one
            "tls": port != manager || engine == Engine::Mysql,
        });
        if let (Value::Object(to), Value::Object(more)) = (&mut to, &more) {
            to.extend(more.clone());
        }
        std::fs::write(&target, to.to_string())?;
        results.push(tasks(&mut command).await?);
    }
    let [direct, through] = results.as_slice() else {
        bail!("two sides");
    };
    ensure!(!direct.is_empty(), "the driver did nothing");
    judge(driver, cluster.engine(), direct, through)
}

/// Compares task by task.
fn judge(driver: &str, engine: Engine, direct: &Results, through: &Results) -> anyhow::Result<()> {
    let engine = engine.to_string();
    let known = |task: &str| {
        let mut all = KNOWN_DIFFERENCES.iter();
        all.find(|(of, what, on, _)| *of == driver && *what == task && (*on == "*" || *on == engine))
    };
    let mut wrong = Vec::new();
    for task in direct
        .keys()
        .chain(through.keys().filter(|task| !direct.contains_key(*task)))
    {
        let (on_the_manager, here) = (direct.get(task), through.get(task));
        match (on_the_manager == here, known(task)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some((_, _, _, why))) => {
                wrong.push(format!("{task} does not differ any more ({why}): remove it"));
            }
            (false, None) => wrong.push(format!(
                "{task} differs\n  direct:  {}\n  through: {}",
                shown(on_the_manager),
                shown(here)
            )),
        }
    }
    ensure!(wrong.is_empty(), "{driver} on {engine}:\n{}", wrong.join("\n"));
    Ok(())
}

fn shown(result: Option<&Value>) -> String {
    result.map_or("was not run".to_owned(), Value::to_string)
}

type Results = BTreeMap<String, Value>;

/// What a driver's program printed, by task.
async fn tasks(command: &mut Command) -> anyhow::Result<Results> {
    let output = tokio::time::timeout(
        PROGRAM_WAIT_MAX,
        command.stdin(std::process::Stdio::null()).output(),
    )
    .await
    .context("the driver's program takes too long")??;
    let mut results = Results::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let result: Value =
            serde_json::from_str(line).with_context(|| format!("not a task's result: {line}"))?;
        let task = result["task"].as_str().context("a result without a task")?;
        results.insert(task.to_owned(), result);
    }
    ensure!(
        output.status.success(),
        "the driver's program failed ({}) after {:?}\n{}",
        output.status,
        results.keys(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(results)
}

/// The password of the database account behind a gatekeeper's user, which a direct connection uses.
fn database_password(cluster: &Cluster, user: &str) -> anyhow::Result<String> {
    let config = &cluster.facts().proxy.as_ref().context("no proxy")?.config;
    let config: ProxyConfig = toml::from_str(&std::fs::read_to_string(config)?)?;
    let account = config.accounts.iter().find(|account| account.user == user);
    let file = account.and_then(|account| account.password_file.as_ref());
    let file = file.with_context(|| format!("no password of {user}"))?;
    Ok(std::fs::read_to_string(file)?.trim_end().to_owned())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn programs() -> PathBuf {
    root().join("tests/drivers")
}

fn cache() -> PathBuf {
    root().join(".cache/drivers")
}

/// Where the libraries are that scripts/setup-drivers unpacked.
fn libraries() -> PathBuf {
    let architecture = std::env::consts::ARCH;
    cache().join(format!("packages/tree/usr/lib/{architecture}-linux-gnu"))
}

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
    ("mariadb_connector", "knows_its_own_number", "*", NUMBERS),
    ("connector", "knows_its_own_number", "*", NUMBERS),
    ("mysql2", "knows_its_own_number", "*", NUMBERS),
    ("mariadb", "knows_its_own_number", "*", NUMBERS),
];

const NUMBERS: &str = "CONNECTION_ID() is the server's number, the greeting's is the gatekeeper's";

on_each_engine!(
    pymysql,
    mysqlclient,
    mysql_connector_python,
    mariadb_connector_python,
    aiomysql,
    asyncmy,
    sqlalchemy_on_pymysql,
    sqlalchemy_on_mariadb_connector,
    django,
    node_mysql2,
    node_mariadb,
    rust_mysql_async,
    rust_sqlx,
    rust_diesel,
    go,
    java,
    mariadb_programs,
);

/// On MySQL alone: its clients of today have no `mysql_native_password`, so directly they cannot log in at MariaDB.
#[test]
fn mysql_programs() -> anyhow::Result<()> {
    harness::each_engine::on_shared(Engine::Mysql, async |cluster: &Cluster| {
        stock_programs(cluster, Engine::Mysql).await
    })
}

async fn pymysql(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "pymysql", "pymysql", &[]).await
}

async fn mysqlclient(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "mysqlclient", "mysqlclient", &[]).await
}

async fn mysql_connector_python(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "connector", "connector", &[]).await
}

async fn mariadb_connector_python(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "mariadb_connector", "mariadb", &[]).await
}

async fn aiomysql(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "aiomysql", "asyncio", &[]).await
}

async fn asyncmy(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "asyncmy", "asyncio", &["--asyncmy"]).await
}

async fn sqlalchemy_on_pymysql(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "sqlalchemy_pymysql", "sqlalchemy", &["--by=pymysql"]).await
}

async fn sqlalchemy_on_mariadb_connector(cluster: &Cluster) -> anyhow::Result<()> {
    python(
        cluster,
        "sqlalchemy_mariadb",
        "sqlalchemy",
        &["--by=mariadbconnector"],
    )
    .await
}

async fn django(cluster: &Cluster) -> anyhow::Result<()> {
    python(cluster, "django", "django", &[]).await
}

async fn node_mysql2(cluster: &Cluster) -> anyhow::Result<()> {
    node(cluster, "mysql2").await
}

async fn node_mariadb(cluster: &Cluster) -> anyhow::Result<()> {
    node(cluster, "mariadb").await
}

async fn rust_mysql_async(cluster: &Cluster) -> anyhow::Result<()> {
    rust(cluster, "mysql_async").await
}

async fn rust_sqlx(cluster: &Cluster) -> anyhow::Result<()> {
    rust(cluster, "sqlx").await
}

async fn rust_diesel(cluster: &Cluster) -> anyhow::Result<()> {
    rust(cluster, "diesel").await
}

async fn go(cluster: &Cluster) -> anyhow::Result<()> {
    let program = installed("go", cache().join("go/drivers"))?;
    compare(cluster, "go", program.map(Command::new), json!({})).await
}

async fn java(cluster: &Cluster) -> anyhow::Result<()> {
    if on_path("javac").is_none() {
        // a development kit is large, and only half of it can be unpacked beside the others
        eprintln!("SKIPPED: no javac here");
        return Ok(());
    }
    let command = installed("java", cache().join("java"))?.map(|classes| {
        let driver = cache().join("packages/tree/usr/share/java/mariadb-java-client.jar");
        let mut command = Command::new("java");
        command
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{}:{}", classes.display(), driver.display()))
            .arg("OrdinaryWork");
        command
    });
    compare(cluster, "java", command, json!({})).await
}

async fn mariadb_programs(cluster: &Cluster) -> anyhow::Result<()> {
    stock_programs(cluster, Engine::Mariadb).await
}

async fn stock_programs(cluster: &Cluster, family: Engine) -> anyhow::Result<()> {
    let client = StockClient::of(family).await?;
    let folder = client.folder().context("the client stands nowhere")?;
    let mut command = Command::new(on_path("python3").context("no program `python3`")?);
    command.arg("-B").arg(programs().join("clients/stock_clients.py"));
    let more = json!({"family": family.to_string(), "programs": folder});
    compare(cluster, &format!("{family}_programs"), Some(command), more).await
}

/// `name` is what known differences and the schema are called by; `program` does its tasks with `more` arguments.
async fn python(cluster: &Cluster, name: &str, program: &str, more: &[&str]) -> anyhow::Result<()> {
    let interpreter = cache().join("python/bin/python");
    let program = programs().join(format!("python/with_{program}.py"));
    let command = installed("python", interpreter)?.map(|python| {
        let mut command = Command::new(python);
        command
            .arg("-B")
            .arg(program)
            .args(more)
            .env("LD_LIBRARY_PATH", libraries());
        command
    });
    compare(cluster, name, command, json!({})).await
}

async fn rust(cluster: &Cluster, driver: &str) -> anyhow::Result<()> {
    let command = installed("rust", cache().join("rust/debug/drivers"))?.map(|program| {
        let mut command = Command::new(program);
        command.arg(driver).env("LD_LIBRARY_PATH", libraries());
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
    // fidelity is in question: everything runs on the manager, or on workers that have what another connection wrote
    let strategy = std::env::var("DRIVERS_STRATEGY").unwrap_or_else(|_| "direct".to_owned());
    let pair = Pair::plan(cluster)?
        .proxy(|config| {
            if strategy != "direct" {
                config.routing.consistency = "global".to_owned();
            }
            config.routing.strategy = strategy;
        })
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
            // both servers make themselves certificates, and the gatekeeper has one
            "tls": true,
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

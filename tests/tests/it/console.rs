//! The admin console, by stock clients of both families, and what its orders do to routing.

use std::time::Duration;

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::program::{self, StockClient};
use harness::{Cluster, Console, Engine, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

on_each_engine!(
    clients_of_both_families_see_every_table,
    a_wrong_login_is_told_so_to_clients_of_both_families,
    with_a_certificate_it_speaks_tls_to_clients_of_both_families,
    what_tools_ask_when_they_begin_is_answered,
    a_select_joins_filters_orders_and_limits,
    what_is_not_understood_is_told_with_what_there_is,
    it_can_only_read_and_not_for_long,
    the_strategy_of_all_changes_at_once_but_for_who_has_chosen,
    a_drained_worker_gets_no_reads_until_it_is_resumed,
    a_session_that_rests_is_killed,
    a_session_that_runs_is_killed,
    a_session_shows_what_it_runs_and_what_keeps_it_on_the_manager,
    digests_count_calls_errors_and_rows_by_node_and_reason,
    without_its_section_there_is_no_console,
    secrets_are_not_shown,
);

const TABLES: [&str; 6] = ["nodes", "sessions", "pools", "digests", "routes", "config"];

async fn pair(cluster: &Cluster) -> anyhow::Result<Pair> {
    Pair::plan(cluster)?.start().await
}

async fn both_families() -> anyhow::Result<Vec<StockClient>> {
    Ok(vec![
        StockClient::of(Engine::Mariadb).await?,
        StockClient::of(Engine::Mysql).await?,
    ])
}

async fn by(client: &StockClient, console: &Console, text: &str) -> anyhow::Result<String> {
    let mut command = console.command(client, &console.user, &console.password);
    program::run(command.args(["--batch", "-e", text])).await
}

/// Where the previous statement of a session ran, and by which strategy.
async fn route(conn: &mut Conn) -> anyhow::Result<(String, String)> {
    let row: Row = conn.query_first("PROXY SHOW ROUTE").await?.context("no route")?;
    let text = |column: &str| row.get::<String, _>(column).context("no such column");
    Ok((text("node")?, text("strategy")?))
}

async fn read(conn: &mut Conn) -> anyhow::Result<(String, String)> {
    conn.query_drop("SELECT name FROM sakila.language WHERE language_id = 1")
        .await?;
    route(conn).await
}

async fn clients_of_both_families_see_every_table(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut app = pair.door.connect("app").await?;
    read(&mut app).await?;
    for client in both_families().await? {
        for table in TABLES {
            let shown = by(&client, &pair.console, &format!("SHOW {table}")).await?;
            let selected = by(&client, &pair.console, &format!("SELECT * FROM {table}")).await?;
            ensure!(shown.lines().count() > 1, "{client:?} {table}: {shown}");
            ensure!(
                shown.lines().next() == selected.lines().next(),
                "{table}: {shown}{selected}"
            );
        }
        let nodes = by(&client, &pair.console, "SHOW NODES").await?;
        for word in ["manager", "worker1", "worker2", "up"] {
            ensure!(nodes.contains(word), "{word}: {nodes}");
        }
    }
    Ok(())
}

async fn a_wrong_login_is_told_so_to_clients_of_both_families(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    for client in both_families().await? {
        for (user, password) in [
            (console.user.as_str(), "wrong"),
            (console.user.as_str(), ""),
            ("nobody", console.password.as_str()),
            ("app", cluster.door()?.password("app")?),
        ] {
            let mut command = console.command(&client, user, password);
            let output = program::output(command.args(["-e", "SHOW NODES"])).await?;
            let told = String::from_utf8_lossy(&output.stderr);
            ensure!(!output.status.success(), "{client:?} let {user} in");
            ensure!(told.contains("1045 (28000)"), "{client:?} {user}: {told}");
        }
    }
    Ok(())
}

async fn with_a_certificate_it_speaks_tls_to_clients_of_both_families(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let identity = cluster.dir().join("gatekeeper");
    let plan = Pair::plan(cluster)?.proxy(|proxy| {
        if let Some(admin) = &mut proxy.admin {
            admin.tls = Some(proxy::config::raw::AdminTls {
                certificate: identity.join("certificate.pem"),
                key: identity.join("key.pem"),
            });
        }
    });
    let pair = plan.start().await?;
    let console = &pair.console;
    for (client, demand) in both_families().await?.iter().zip([
        &["--ssl", "--skip-ssl-verify-server-cert"][..],
        &["--ssl-mode=REQUIRED"],
    ]) {
        let mut command = console.command(client, &console.user, &console.password);
        let shown = program::run(command.args(demand).args(["--batch", "-e", "SHOW NODES"])).await?;
        ensure!(shown.contains("worker2"), "{client:?}: {shown}");
        let mut command = console.command(client, &console.user, "wrong");
        let output = program::output(command.args(demand).args(["-e", "SHOW NODES"])).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(told.contains("1045 (28000)"), "{client:?}: {told}");
    }
    Ok(())
}

async fn what_tools_ask_when_they_begin_is_answered(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    for text in [
        "select @@version_comment limit 1",
        "SET NAMES utf8mb4",
        "SET autocommit=1",
        "/* connector */SELECT @@session.auto_increment_increment AS auto_increment_increment, \
         @@character_set_client AS character_set_client, @@sql_mode AS sql_mode, @@time_zone AS time_zone, \
         @@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout",
        "SHOW VARIABLES LIKE 'lower_case_%'",
        "SHOW DATABASES",
        "SHOW FULL TABLES FROM `proxy`",
        "SHOW FULL COLUMNS FROM `nodes`",
        "SHOW CREATE TABLE nodes",
        "SHOW ENGINES",
        "SHOW WARNINGS",
        "SELECT DATABASE(), USER(), VERSION(), CONNECTION_ID()",
        "SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'proxy'",
        "SELECT 1",
        "COMMIT",
    ] {
        console.rows(text).await?;
    }
    let databases = console.rows("SHOW DATABASES").await?;
    ensure!(
        databases.concat() == ["proxy", "information_schema"],
        "{databases:?}"
    );
    let tables = console.rows("SHOW TABLES").await?;
    ensure!(tables.len() == TABLES.len(), "{tables:?}");
    for client in both_families().await? {
        // with the completion of names, which asks for the columns of every table
        let mut command = console.command(&client, &console.user, &console.password);
        let said = program::run(command.args([
            "--auto-rehash",
            "-D",
            "proxy",
            "-e",
            "USE proxy; SELECT DATABASE(), USER() LIMIT 1",
        ]))
        .await?;
        ensure!(said.contains("proxy"), "{client:?}: {said}");
        let mut command = console.command(&client, &console.user, &console.password);
        let output = program::output(command.args(["-D", "nothing", "-e", "SELECT 1"])).await?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(told.contains("1049"), "{client:?}: {told}");
    }
    Ok(())
}

async fn a_select_joins_filters_orders_and_limits(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    cluster.serving(&["worker1", "worker2"]).await?;
    let rows = console
        .rows("SELECT name FROM nodes WHERE role = 'worker' ORDER BY name DESC LIMIT 1")
        .await?;
    ensure!(rows.concat() == ["worker2"], "{rows:?}");
    let rows = console
        .rows("SELECT role, COUNT(*) AS n FROM proxy.nodes GROUP BY role HAVING n > 1")
        .await?;
    ensure!(rows.concat() == ["worker", "2"], "{rows:?}");
    let rows = console
        .rows("SELECT n.name FROM `nodes` n LEFT JOIN config c ON c.name = 'node.' || 'x' WHERE n.lag_seconds IS NULL")
        .await?;
    ensure!(rows.concat().contains(&"manager".to_owned()), "{rows:?}");
    let rows = console.rows("SHOW NODES WHERE state = \"up\" LIMIT 2").await?;
    ensure!(rows.len() == 2, "{rows:?}");
    let rows = console.rows("SHOW CONFIG LIKE 'routing.%'").await?;
    ensure!(
        !rows.is_empty() && rows.iter().flatten().any(|text| text == "routing.strategy"),
        "{rows:?}"
    );
    let gtid = console
        .value("SELECT gtid FROM nodes WHERE role = 'manager'")
        .await?;
    ensure!(gtid.contains('-'), "{gtid}");
    Ok(())
}

async fn refused(console: &Console, text: &str) -> anyhow::Result<(u16, String)> {
    let mut conn = console.connect().await?;
    match conn.query_drop(text).await {
        Err(mysql_async::Error::Server(error)) => Ok((error.code, error.message)),
        other => anyhow::bail!("{text}: {other:?}"),
    }
}

async fn what_is_not_understood_is_told_with_what_there_is(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    for text in ["SHOW PONIES", "FLUSH TABLES", "DRAIN worker1", "DROP TABLE nodes"] {
        let (code, message) = refused(&console, text).await?;
        ensure!(
            code == 1064 && message.contains("SHOW NODES") && message.contains("HELP"),
            "{text}: {code} {message}"
        );
    }
    ensure!(refused(&console, "SET strategy = 'fast'").await?.0 == 1231);
    ensure!(refused(&console, "SET stratgey = 'ping'").await?.0 == 1193);
    ensure!(refused(&console, "KILL SESSION 4294967295").await?.0 == 1094);
    let (_, message) = refused(&console, "DRAIN NODE manager").await?;
    ensure!(message.contains("only a worker"), "{message}");
    let (_, message) = refused(&console, "DRAIN NODE worker9").await?;
    ensure!(message.contains("worker1"), "{message}");
    let help = console.rows("SHOW HELP").await?.concat().join("\n");
    for word in [
        "SHOW NODES",
        "SHOW DIGESTS",
        "DRAIN NODE",
        "KILL SESSION",
        "SET strategy",
    ] {
        ensure!(help.contains(word), "{word}: {help}");
    }
    // and the connection goes on after an error of every kind
    let mut conn = console.connect().await?;
    for text in ["SHOW PONIES", "SELECT nothing", "USE nothing", "SELECT '"] {
        ensure!(conn.query_drop(text).await.is_err(), "{text}");
    }
    ensure!(
        conn.exec_drop("SELECT ?", (1,)).await.is_err(),
        "prepared statements are refused"
    );
    let one: Option<u8> = conn.query_first("SELECT 1").await?;
    ensure!(one == Some(1));
    Ok(())
}

async fn it_can_only_read_and_not_for_long(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    for text in ["WITH a AS (SELECT 1) DELETE FROM nodes", "SELECT randomblob(9)"] {
        ensure!(refused(&console, text).await?.0 == 1142, "{text}");
    }
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    ensure!(refused(&console, endless).await?.0 == 1317);
    Ok(())
}

async fn the_strategy_of_all_changes_at_once_but_for_who_has_chosen(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut follows = pair.door.connect("app").await?;
    let mut chose = pair.door.connect("app").await?;
    chose.query_drop("PROXY SET strategy = 'round-robin'").await?;
    ensure!(read(&mut follows).await?.1 == "random");
    pair.console.order("SET strategy = 'direct'").await?;
    ensure!(read(&mut follows).await? == ("manager".to_owned(), "direct".to_owned()));
    ensure!(read(&mut chose).await?.1 == "round-robin");
    let mut new = pair.door.connect("app").await?;
    ensure!(read(&mut new).await?.1 == "direct");
    let now = pair
        .console
        .rows("SELECT value, now FROM config WHERE name = 'routing.strategy'")
        .await?;
    ensure!(now.concat() == ["random", "direct"], "{now:?}");
    ensure!(pair.console.value("SELECT @@strategy").await? == "direct");
    Ok(())
}

async fn a_drained_worker_gets_no_reads_until_it_is_resumed(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut app = pair.door.connect("app").await?;
    app.query_drop("PROXY SET strategy = 'round-robin'").await?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(read(&mut app).await?.0);
    }
    ensure!(seen.contains(&"worker1".to_owned()), "{seen:?}");
    pair.console.order("DRAIN NODE worker1").await?;
    for _ in 0..6 {
        let (node, _) = read(&mut app).await?;
        ensure!(node == "worker2", "a read on {node}");
    }
    let state = "SELECT state, connections_used FROM nodes WHERE name = 'worker1'";
    let shown = pair.console.rows(state).await?;
    ensure!(shown.concat() == ["drained", "0"], "{shown:?}");
    // its own health does not put it back
    for gauge in ["proxy_node_up", "proxy_node_drained"] {
        let scrape = pair.door.scrape_proxy().await?;
        let of_worker = scrape
            .samples
            .iter()
            .find(|sample| sample.name == gauge && sample.label("node") == Some("worker1"));
        ensure!(of_worker.is_some_and(|sample| sample.value > 0.5), "{gauge}");
    }
    ensure!(read(&mut app).await?.0 == "worker2");
    pair.console.order("RESUME NODE worker1").await?;
    eventually("the worker serves again", SOON, || async {
        let mut app = pair.door.connect("app").await?;
        app.query_drop("PROXY SET strategy = 'round-robin'").await?;
        let nodes = [read(&mut app).await?.0, read(&mut app).await?.0];
        ensure!(nodes.contains(&"worker1".to_owned()), "{nodes:?}");
        Ok(())
    })
    .await
}

/// The number that the console has for a session, by what it last ran.
async fn session_that_ran(console: &Console, marker: &str) -> anyhow::Result<String> {
    console
        .value(&format!(
            "SELECT id FROM sessions WHERE statement LIKE '%{marker}%'"
        ))
        .await
}

async fn is_gone(console: &Console, id: &str) -> anyhow::Result<()> {
    eventually("the session is not listed any more", SOON, || async {
        let rows = console
            .rows(&format!("SELECT id FROM sessions WHERE id = {id}"))
            .await?;
        ensure!(rows.is_empty(), "{rows:?}");
        Ok(())
    })
    .await
}

async fn a_session_that_rests_is_killed(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let mut app = pair.door.connect("app").await?;
    let mut other = pair.door.connect("app").await?;
    app.query_drop("SELECT 1 AS killed_at_rest").await?;
    let id = session_that_ran(&pair.console, "killed_at_rest").await?;
    pair.console.order(&format!("KILL SESSION {id}")).await?;
    ensure!(app.query_drop("SELECT 1").await.is_err(), "it goes on");
    is_gone(&pair.console, &id).await?;
    other.query_drop("SELECT 1").await?;
    Ok(())
}

async fn a_session_that_runs_is_killed(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    for hint in ["", "/*+ proxy(target=manager) */"] {
        let name = if hint.is_empty() {
            "on_a_worker"
        } else {
            "on_the_manager"
        };
        let mut app = pair.door.connect("app").await?;
        let text = format!("SELECT {hint} SLEEP(200) AS killed_{name} FROM sakila.language LIMIT 1");
        let running = tokio::spawn(async move { app.query_drop(text).await });
        let id = eventually("the statement is seen running", SOON, || async {
            pair.console
                .value(&format!(
                    "SELECT id FROM sessions WHERE state = 'running' AND statement LIKE '%killed_{name}%'"
                ))
                .await
        })
        .await?;
        pair.console.order(&format!("KILL SESSION {id}")).await?;
        let ended = tokio::time::timeout(Duration::from_secs(60), running)
            .await
            .context("it goes on")??;
        ensure!(ended.is_err(), "it was answered");
        is_gone(&pair.console, &id).await?;
    }
    Ok(())
}

async fn a_session_shows_what_it_runs_and_what_keeps_it_on_the_manager(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let schema = cluster.schema("console").await?;
    let mut app = pair.door.connect_to("dba", &schema).await?;
    let row = async |column: &str| {
        pair.console
            .value(&format!(
                "SELECT {column} FROM sessions WHERE user = 'dba' AND statements > 0 LIMIT 1"
            ))
            .await
    };
    app.query_drop("SELECT 1 AS seen_in_sessions").await?;
    ensure!(row("pins").await?.is_empty());
    ensure!(row("state").await? == "resting");
    ensure!(row("client").await? == "127.0.0.1");
    ensure!(row("statement").await?.contains("seen_in_sessions"));
    ensure!(row("digest").await?.len() == 32);
    ensure!(row("connections").await?.contains("manager:"));
    app.query_drop("BEGIN").await?;
    ensure!(row("pins").await? == "in-transaction", "{}", row("pins").await?);
    app.query_drop("COMMIT").await?;
    app.query_drop("CREATE TEMPORARY TABLE t (a INT)").await?;
    ensure!(row("pins").await? == "temporary-tables");
    app.query_drop("SET autocommit = 0").await?;
    ensure!(row("pins").await? == "autocommit-off,temporary-tables");
    let pools = pair
        .console
        .rows("SELECT node, connections_used FROM pools WHERE account = 'dba' AND node = 'manager'")
        .await?;
    ensure!(pools.concat() == ["manager", "1"], "{pools:?}");
    Ok(())
}

async fn digests_count_calls_errors_and_rows_by_node_and_reason(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = pair(cluster).await?;
    let schema = cluster.schema("console").await?;
    let mut app = pair.door.connect_to("app", &schema).await?;
    app.query_drop("PROXY SET strategy = 'direct'").await?;
    let name = marker("shape");
    app.query_drop(format!("CREATE TABLE {name} (a INT PRIMARY KEY)"))
        .await?;
    app.query_drop(format!("INSERT INTO {name} VALUES (1), (2), (3)"))
        .await?;
    ensure!(
        app.query_drop(format!("INSERT INTO {name} VALUES (3)"))
            .await
            .is_err()
    );
    for n in 0..5 {
        let rows: Vec<i32> = app.query(format!("SELECT a FROM {name} WHERE a > {n}")).await?;
        ensure!(rows.len() == 3usize.saturating_sub(n));
    }
    let rows: Vec<i32> = app
        .exec(format!("SELECT a FROM {name} WHERE a > ?"), (0,))
        .await?;
    ensure!(rows.len() == 3);
    let rows = pair
        .console
        .rows(&format!(
            "SELECT calls, errors, rows, node, reason, p95_ms BETWEEN min_ms AND max_ms FROM digests \
             WHERE statement LIKE 'SELECT a FROM {name}%'"
        ))
        .await?;
    ensure!(
        rows == [["6", "0", "9", "manager", "strategy-direct", "1"]],
        "{rows:?}"
    );
    let rows = pair
        .console
        .rows(&format!(
            "SELECT sum(calls), sum(errors), sum(rows), reason FROM digests \
             WHERE statement LIKE 'INSERT INTO {name}%' GROUP BY reason"
        ))
        .await?;
    ensure!(rows == [["2", "1", "3", "write"]], "{rows:?}");
    let routes = pair
        .console
        .rows("SELECT statements >= 6 FROM routes WHERE reason = 'strategy-direct' AND node = 'manager'")
        .await?;
    ensure!(routes.concat() == ["1"], "{routes:?}");
    pair.console.order("RESET DIGESTS").await?;
    let left = pair
        .console
        .rows(&format!("SELECT 1 FROM digests WHERE statement LIKE '%{name}%'"))
        .await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

async fn without_its_section_there_is_no_console(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = Pair::plan(cluster)?
        .proxy(|proxy| proxy.admin = None)
        .start()
        .await?;
    let mut app = pair.door.connect("app").await?;
    read(&mut app).await?;
    let refused = tokio::net::TcpStream::connect(("127.0.0.1", pair.console.port)).await;
    ensure!(refused.is_err(), "somebody listens");
    Ok(())
}

async fn secrets_are_not_shown(cluster: &Cluster) -> anyhow::Result<()> {
    let console = Console::of(cluster)?;
    let shown = console.rows("SHOW CONFIG").await?.concat().join("\n");
    let secrets = cluster.dir().join("secrets");
    for secret in ["hop", "admin", "app", "monitor"] {
        let secret = std::fs::read_to_string(secrets.join(secret))?;
        ensure!(!shown.contains(secret.trim()), "a secret is shown");
    }
    ensure!(shown.contains("[redacted]"), "{shown}");
    Ok(())
}

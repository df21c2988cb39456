//! KILL reaches what serves a session at that moment, by either of its numbers, and nothing else.

use std::time::Duration;

use anyhow::{Context, ensure};
use harness::node_log::marker;
use harness::program::{Entry, StockClient};
use harness::raw_client::{MODERN, RawClient, Refused};
use harness::{Cluster, Engine, Pair, SOON, eventually, on_each_engine};
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use wire::command::CommandCode;
use wire::reply::Shape;

on_each_engine!(
    a_read_on_a_worker_is_stopped_by_the_greetings_number,
    a_read_on_a_worker_is_stopped_by_the_managers_number,
    a_statement_on_the_manager_is_stopped,
    a_killed_session_ends_as_on_one_server,
    a_session_may_kill_itself,
    after_its_own_kill_a_session_is_closed_whatever_it_sends_next,
    a_command_that_crosses_a_kill_meets_a_closed_connection,
    numbers_in_expressions_and_prepared_statements,
    strangers_and_unknown_numbers_are_told_apart_in_the_clients_words,
    a_policy_user_reaches_sessions_and_nothing_else,
    both_gatekeepers_sessions_keep_their_own_numbers,
    the_stock_client_stops_its_statement,
);

/// Longer than any test: what runs so long was not stopped.
const LONG_SECONDS: u32 = 200;

async fn raw(cluster: &Cluster, user: &str) -> anyhow::Result<RawClient> {
    cluster.serving(&["worker1", "worker2"]).await?;
    cluster.door()?.raw(user, MODERN).await
}

/// A statement that sleeps, begun; returns the node on which it runs.
async fn begun(cluster: &Cluster, client: &mut RawClient, manager: bool) -> anyhow::Result<(String, String)> {
    let marker = marker("kill");
    let hint = if manager {
        "/*+ proxy(target=manager) */"
    } else {
        ""
    };
    let text = format!("SELECT {hint} SLEEP({LONG_SECONDS}), '{marker}' FROM sakila.language LIMIT 1");
    client.send(CommandCode::QUERY, text.as_bytes()).await?;
    let node = eventually("the statement runs", SOON, || running_on(cluster, &marker)).await?;
    ensure!((node == "manager") == manager, "it runs on {node}");
    Ok((node, marker))
}

async fn running_on(cluster: &Cluster, marker: &str) -> anyhow::Result<String> {
    for node in ["manager", "worker1", "worker2"] {
        if runs_on(cluster, node, marker).await? {
            return Ok(node.to_owned());
        }
    }
    anyhow::bail!("nowhere")
}

async fn runs_on(cluster: &Cluster, node: &str, marker: &str) -> anyhow::Result<bool> {
    let mut root = cluster.root(node).await?;
    let rows: Vec<Row> = root
        .exec(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE ? AND ID <> CONNECTION_ID()",
            (format!("%SLEEP(%{marker}%"),),
        )
        .await?;
    Ok(!rows.is_empty())
}

async fn is_nowhere(cluster: &Cluster, marker: &str) -> anyhow::Result<()> {
    eventually("the statement runs nowhere", SOON, || async {
        match running_on(cluster, marker).await {
            Ok(node) => anyhow::bail!("it runs on {node}"),
            Err(_) => Ok(()),
        }
    })
    .await
}

/// How a SLEEP ends that was interrupted: MariaDB with an error, MySQL with a row of its own.
async fn is_interrupted(cluster: &Cluster, client: &mut RawClient) -> anyhow::Result<()> {
    let reply = tokio::time::timeout(SOON, client.reply(Shape::Results))
        .await
        .context("it goes on")??;
    match (cluster.engine(), reply.error()) {
        (_, Some(error)) => ensure!(
            (error.code, error.sql_state.as_str()) == (1317, "70100"),
            "{error:?}"
        ),
        (Engine::Mysql, None) => {}
        (Engine::Mariadb, None) => anyhow::bail!("no error: {reply:?}"),
    }
    Ok(())
}

async fn ok(client: &mut RawClient, text: &str) -> anyhow::Result<()> {
    let reply = client.query(text).await?;
    ensure!(reply.error().is_none(), "{text}: {:?}", reply.error());
    Ok(())
}

async fn refused(client: &mut RawClient, text: &str) -> anyhow::Result<Refused> {
    let reply = client.query(text).await?;
    reply.error().with_context(|| format!("{text} was answered"))
}

/// The first value of the first row, as text.
async fn value(client: &mut RawClient, text: &str) -> anyhow::Result<String> {
    let reply = client.query(text).await?;
    ensure!(reply.error().is_none(), "{text}: {:?}", reply.error());
    let (_, row) = reply.packets.get(2).context("no row")?;
    let (&length, rest) = row.split_first().context("an empty row")?;
    Ok(String::from_utf8_lossy(rest.get(..usize::from(length)).context("half a row")?).into_owned())
}

/// The connection is at its end, without another word.
async fn is_ended(client: &mut RawClient) -> anyhow::Result<()> {
    let read = tokio::time::timeout(SOON, client.read_raw(1024))
        .await
        .context("it goes on")?;
    ensure!(matches!(read, Ok(0) | Err(_)), "it says {read:?} bytes");
    Ok(())
}

async fn a_read_on_a_worker_is_stopped_by_the_greetings_number(cluster: &Cluster) -> anyhow::Result<()> {
    for user in ["dba", "app"] {
        let (mut victim, mut killer) = (raw(cluster, user).await?, raw(cluster, user).await?);
        let (_, marker) = begun(cluster, &mut victim, false).await?;
        ok(&mut killer, &format!("KILL QUERY {}", victim.connection_id)).await?;
        is_interrupted(cluster, &mut victim).await?;
        is_nowhere(cluster, &marker).await?;
        // the session goes on, and so does the killer's
        for client in [&mut victim, &mut killer] {
            ensure!(value(client, "SELECT 7").await? == "7");
            ensure!(value(client, "SELECT COUNT(*) FROM sakila.language").await? == "6");
        }
    }
    Ok(())
}

async fn a_read_on_a_worker_is_stopped_by_the_managers_number(cluster: &Cluster) -> anyhow::Result<()> {
    let (mut victim, mut killer) = (raw(cluster, "app").await?, raw(cluster, "app").await?);
    let number = value(&mut victim, "SELECT CONNECTION_ID()").await?;
    ensure!(
        value(&mut victim, "SELECT @@pseudo_thread_id").await? == number
            && value(
                &mut victim,
                "SELECT id FROM information_schema.processlist WHERE id = CONNECTION_ID()"
            )
            .await?
                == number,
        "every way to ask for it has the same answer"
    );
    ensure!(number != victim.connection_id.to_string());
    begun(cluster, &mut victim, false).await?;
    ok(&mut killer, &format!("KILL QUERY {number}")).await?;
    is_interrupted(cluster, &mut victim).await
}

async fn a_statement_on_the_manager_is_stopped(cluster: &Cluster) -> anyhow::Result<()> {
    let (mut victim, mut killer) = (raw(cluster, "app").await?, raw(cluster, "app").await?);
    for kill in ["KILL QUERY", "KILL /*!50000 QUERY */"] {
        begun(cluster, &mut victim, true).await?;
        ok(&mut killer, &format!("{kill} {}", victim.connection_id)).await?;
        is_interrupted(cluster, &mut victim).await?;
    }
    ensure!(value(&mut victim, "SELECT 7").await? == "7");
    Ok(())
}

async fn a_killed_session_ends_as_on_one_server(cluster: &Cluster) -> anyhow::Result<()> {
    let mut killer = raw(cluster, "app").await?;
    for manager in [false, true] {
        let mut victim = raw(cluster, "app").await?;
        let (_, marker) = begun(cluster, &mut victim, manager).await?;
        ok(&mut killer, &format!("KILL {}", victim.connection_id)).await?;
        is_ended(&mut victim).await?;
        is_nowhere(cluster, &marker).await?;
    }
    let mut idle = raw(cluster, "app").await?;
    // it has connections to manager and workers
    for _ in 0..8 {
        value(&mut idle, "SELECT COUNT(*) FROM sakila.language").await?;
    }
    ok(&mut killer, &format!("KILL CONNECTION {}", idle.connection_id)).await?;
    is_ended(&mut idle).await?;
    eventually("the number is nobody's", SOON, || async {
        let mut killer = raw(cluster, "app").await?;
        let error = refused(&mut killer, &format!("KILL {}", idle.connection_id)).await?;
        ensure!(error.code == 1094, "{error:?}");
        Ok(())
    })
    .await?;
    // COM_PROCESS_KILL, where the server has it
    let mut victim = raw(cluster, "app").await?;
    let reply = killer
        .ask(CommandCode::PROCESS_KILL, &victim.connection_id.to_le_bytes())
        .await?;
    match cluster.engine() {
        Engine::Mariadb => {
            ensure!(reply.error().is_none(), "{:?}", reply.error());
            is_ended(&mut victim).await
        }
        Engine::Mysql => {
            ensure!(reply.error().is_some_and(|error| error.code == 1047));
            ok(&mut victim, "DO 1").await
        }
    }
}

async fn a_session_may_kill_itself(cluster: &Cluster) -> anyhow::Result<()> {
    let mut client = raw(cluster, "app").await?;
    for text in [
        format!("KILL QUERY {}", client.connection_id),
        "KILL QUERY CONNECTION_ID()".to_owned(),
    ] {
        let error = refused(&mut client, &text).await?;
        ensure!(
            (error.code, error.message.as_str()) == (1317, "Query execution was interrupted"),
            "{error:?}"
        );
    }
    ok(&mut client, "DO 1").await?;
    let text = format!("KILL {}", client.connection_id);
    let error = refused(&mut client, &text).await?;
    let expected = match cluster.engine() {
        Engine::Mariadb => 1927,
        Engine::Mysql => 1317,
    };
    ensure!(error.code == expected, "{error:?}");
    is_ended(&mut client).await
}

/// How often what depends on the moment is tried: one in three to seven showed the mistake.
const MOMENTS: usize = 40;

async fn after_its_own_kill_a_session_is_closed_whatever_it_sends_next(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    for moment in 0..MOMENTS {
        let mut client = raw(cluster, "dba").await?;
        let text = match moment % 2 {
            0 => "KILL CONNECTION_ID()".to_owned(),
            _ => format!("KILL {}", client.connection_id),
        };
        let error = refused(&mut client, &text).await?;
        ensure!([1317, 1927].contains(&error.code), "{error:?}");
        let next: (CommandCode, &[u8]) = match moment % 3 {
            0 => (CommandCode::PING, b""),
            1 => (CommandCode::QUERY, b"SELECT 7"),
            _ => (CommandCode::QUERY, b"SELECT COUNT(*) FROM sakila.language"),
        };
        // it may be closed before the next command is sent
        let _ = client.send(next.0, next.1).await;
        is_ended(&mut client)
            .await
            .with_context(|| format!("moment {moment}, {text}"))?;
    }
    Ok(())
}

async fn a_command_that_crosses_a_kill_meets_a_closed_connection(cluster: &Cluster) -> anyhow::Result<()> {
    let mut killer = raw(cluster, "app").await?;
    for moment in 0..MOMENTS {
        let mut victim = raw(cluster, "app").await?;
        ok(&mut killer, &format!("KILL {}", victim.connection_id)).await?;
        let _ = victim.send(CommandCode::QUERY, b"DO 1").await;
        is_ended(&mut victim)
            .await
            .with_context(|| format!("moment {moment}"))?;
    }
    Ok(())
}

async fn numbers_in_expressions_and_prepared_statements(cluster: &Cluster) -> anyhow::Result<()> {
    let (mut victim, mut killer) = (raw(cluster, "app").await?, raw(cluster, "app").await?);
    let number = victim.connection_id;
    ok(&mut killer, &format!("SET @victim = {number}")).await?;
    for text in [
        "KILL QUERY @victim".to_owned(),
        format!("KILL QUERY ({number} - 1) + 1"),
        format!("KILL QUERY '{number}'"),
    ] {
        begun(cluster, &mut victim, false).await?;
        ok(&mut killer, &text).await?;
        is_interrupted(cluster, &mut victim).await?;
    }
    // a literal in a prepared statement means whoever has the number when it is executed
    let literal = killer.prepare(&format!("KILL QUERY {number}")).await?;
    let mut execute = literal.statement_id.to_le_bytes().to_vec();
    execute.extend_from_slice(&[0, 1, 0, 0, 0]);
    begun(cluster, &mut victim, false).await?;
    let reply = killer.ask(CommandCode::STMT_EXECUTE, &execute).await?;
    ensure!(reply.error().is_none(), "{:?}", reply.error());
    is_interrupted(cluster, &mut victim).await?;
    let parameter = killer.ask(CommandCode::STMT_PREPARE, b"KILL QUERY ?").await?;
    if cluster.engine() == Engine::Mysql {
        ensure!(parameter.error().is_some(), "MySQL takes no parameter there");
        return Ok(());
    }
    let prepared = killer.prepare("KILL QUERY ?").await?;
    for types_are_sent in [true, false] {
        begun(cluster, &mut victim, false).await?;
        let mut execute = prepared.statement_id.to_le_bytes().to_vec();
        execute.extend_from_slice(&[0, 1, 0, 0, 0, 0, u8::from(types_are_sent)]);
        if types_are_sent {
            execute.extend_from_slice(&[8, 0]);
        }
        execute.extend_from_slice(&u64::from(number).to_le_bytes());
        let reply = killer.ask(CommandCode::STMT_EXECUTE, &execute).await?;
        ensure!(reply.error().is_none(), "{:?}", reply.error());
        is_interrupted(cluster, &mut victim).await?;
    }
    Ok(())
}

async fn strangers_and_unknown_numbers_are_told_apart_in_the_clients_words(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let (mut app, dba) = (raw(cluster, "app").await?, raw(cluster, "dba").await?);
    let number = dba.connection_id;
    for text in [format!("KILL {number}"), format!("KILL QUERY {number}")] {
        let error = refused(&mut app, &text).await?;
        ensure!(
            (error.code, error.message.as_str())
                == (1095, format!("You are not owner of thread {number}").as_str()),
            "{error:?}"
        );
    }
    for user in ["app", "dba"] {
        let mut client = raw(cluster, user).await?;
        for number in ["2130706431", "4000000000"] {
            let error = refused(&mut client, &format!("KILL {number}")).await?;
            ensure!(
                (error.code, error.message.as_str())
                    == (1094, format!("Unknown thread id: {number}").as_str()),
                "{error:?}"
            );
        }
    }
    Ok(())
}

async fn a_policy_user_reaches_sessions_and_nothing_else(cluster: &Cluster) -> anyhow::Result<()> {
    // it may kill anything, says the server
    let mut guarded = raw(cluster, "guarded").await?;
    let mut root = cluster.root("manager").await?;
    let stranger: u64 = root
        .query_first("SELECT CONNECTION_ID()")
        .await?
        .context("no number")?;
    let error = refused(&mut guarded, &format!("KILL {stranger}")).await?;
    ensure!(
        (error.code, error.message.as_str()) == (1094, format!("Unknown thread id: {stranger}").as_str()),
        "{error:?}"
    );
    for text in [
        format!("KILL (SELECT {stranger})"),
        format!("SELECT 1; KILL {stranger}"),
        format!("PREPARE p FROM 'KILL {stranger}'"),
        format!("CREATE PROCEDURE sakila.kill_one() KILL {stranger}"),
        "KILL USER root".to_owned(),
        "KILL QUERY ID 1".to_owned(),
    ] {
        let error = refused(&mut guarded, &text).await?;
        ensure!(
            error.code == 1227 && error.message.contains("kill-unclear"),
            "{text}: {error:?}"
        );
    }
    if cluster.engine() == Engine::Mariadb {
        let argument = u32::try_from(stranger)?.to_le_bytes();
        let reply = guarded.ask(CommandCode::PROCESS_KILL, &argument).await?;
        let error = reply.error().context("it was killed")?;
        ensure!(
            (error.code, error.message.as_str()) == (1094, format!("Unknown thread id: {stranger}").as_str()),
            "{error:?}"
        );
    }
    // the server asks for no more than it does of one of its own
    let mut app = raw(cluster, "app").await?;
    ok(&mut guarded, &format!("KILL {}", app.connection_id)).await?;
    is_ended(&mut app).await?;
    // without a policy the server's word is the last
    let mut dba = raw(cluster, "dba").await?;
    ok(&mut dba, &format!("KILL {stranger}")).await?;
    ensure!(root.query_drop("SELECT 1").await.is_err());
    Ok(())
}

async fn both_gatekeepers_sessions_keep_their_own_numbers(cluster: &Cluster) -> anyhow::Result<()> {
    // the second one is given the first one's number, and counts as it does
    let plan = Pair::plan(cluster)?;
    let proxy = plan.folder().join("proxy.sock");
    let pair = plan.start().await?;
    let second = Pair::plan(cluster)?
        .gatekeeper(|gatekeeper| gatekeeper.proxy.socket = Some(proxy))
        .start()
        .await?;
    let mut of_first = Vec::new();
    let mut of_second = Vec::new();
    for _ in 0..40 {
        of_first.push(pair.door.raw("app", MODERN).await?);
        of_second.push(second.door.raw("app", MODERN).await?);
    }
    let same = of_first.iter().position(|first| {
        of_second
            .iter()
            .any(|second| second.connection_id == first.connection_id)
    });
    let same = same.context("no number was given twice")?;
    let number = of_first.get(same).context("no session")?.connection_id;
    let mut twin = of_second
        .into_iter()
        .find(|client| client.connection_id == number)
        .context("no twin")?;
    let mut killer = pair.door.raw("app", MODERN).await?;
    ok(&mut killer, &format!("KILL {number}")).await?;
    is_ended(of_first.get_mut(same).context("no session")?).await?;
    ok(&mut twin, "DO 1").await
}

async fn the_stock_client_stops_its_statement(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.serving(&["worker1", "worker2"]).await?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        let client = StockClient::of(family).await?;
        for target in ["", "/*+ proxy(target=manager) */"] {
            let marker = marker("interrupt");
            let text =
                format!("SELECT {target} SLEEP({LONG_SECONDS}), '{marker}' FROM sakila.language LIMIT 1");
            let mut command = client.command(&cluster.door()?, "app", Entry::Plain)?;
            command.args(["--force", "-e", &format!("{text}; SELECT 'and on'")]);
            command.kill_on_drop(true);
            let child = command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()?;
            let pid = child.id().context("it has ended")?;
            eventually("the statement runs", SOON, || running_on(cluster, &marker)).await?;
            let interrupt = std::process::Command::new("kill")
                .args(["-INT", &pid.to_string()])
                .status()?;
            ensure!(interrupt.success());
            is_nowhere(cluster, &marker).await?;
            tokio::time::timeout(Duration::from_secs(60), child.wait_with_output())
                .await
                .context("the client goes on")??;
        }
    }
    Ok(())
}

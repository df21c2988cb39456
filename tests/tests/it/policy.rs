//! What the gatekeeper refuses, in every disguise, and what it lets pass.

use anyhow::Context;
use gatekeeper::config::raw::PolicyMode;
use harness::node_log::marker;
use harness::raw_client::MODERN;
use harness::{Cluster, Engine, Pair, on_each_engine};
use mysql_async::prelude::Queryable;

use crate::server_error::{assert_blocked, server_error};

on_each_engine!(
    destructive_texts_are_refused_in_every_disguise,
    destructive_prepared_statements_are_refused_too,
    a_refused_statement_reaches_no_node,
    a_bad_text_hidden_by_the_character_set_is_found,
    a_routine_cannot_carry_what_a_text_may_not,
    text_prepare_cannot_carry_it_either,
    a_session_goes_on_after_a_refusal,
    what_harms_nothing_passes,
    the_administrator_may_do_everything,
    what_cannot_be_understood_is_refused_where_there_is_a_policy,
    detect_only_lets_pass_and_counts,
);

/// The four rules of the strict policy, plain and disguised. `$` is a table with rows, `@` its schema.
const DESTRUCTIVE: &[&str] = &[
    "DROP TABLE $",
    "drop table if exists $",
    "DROP\n\tTABLE `$`",
    "/* nothing */ DROP /* to */ TABLE /* see */ $",
    "# a comment\nDROP TABLE $",
    "-- a comment\nDROP TABLE $",
    "/*!DROP TABLE $ */",
    "/*!40000 DROP */ TABLE $",
    "DR/**/OP TABLE $; DROP TABLE $",
    "SELECT 1; DROP TABLE $",
    "SELECT '1;'; DROP TABLE $; SELECT 2",
    "SELECT 1 /*! ; DROP TABLE $ */",
    "(SELECT 1); DROP TABLE $",
    "BEGIN; DROP TABLE $; COMMIT",
    "DROP TABLE no_such_table, $",
    "DROP TABLE @.$",
    "DROP TABLE `@`.`$`",
    "DROP DATABASE @",
    "DROP SCHEMA `@`",
    "DROP /*x*/ DATABASE IF EXISTS @",
    "/*!50000 DROP*/ SCHEMA @",
    "TRUNCATE $",
    "TRUNCATE TABLE $",
    "truncate\ntable `@`.`$`",
    "/*! TRUNCATE */ $",
    "DELETE FROM $",
    "delete\nfrom `$`",
    "DELETE FROM $ -- WHERE id = 1",
    "DELETE FROM $ # WHERE id = 1",
    "DELETE FROM $ /* WHERE id = 1 */",
    "DELETE FROM $ WHERE 1",
    "DELETE FROM $ WHERE 1 = 1",
    "DELETE FROM $ WHERE TRUE OR id = 1",
    "DELETE LOW_PRIORITY QUICK FROM $",
    "DELETE $ FROM $",
    "DELETE FROM $ USING $",
    "DELETE FROM $ ORDER BY id LIMIT 100",
    "/*!DELETE*/ FROM $",
    "SELECT 1; DELETE FROM $",
    "DELETE FROM $ /*!99999 WHERE id = 1 */",
];

const USERS: [&str; 2] = ["app", "guarded"];
const ROWS: u64 = 3;

/// A table with three rows.
async fn table(cluster: &Cluster, what: &str) -> anyhow::Result<String> {
    let schema = cluster.schema(what).await?;
    let mut root = cluster.root("manager").await?;
    root.query_drop(format!("CREATE TABLE {schema}.victim (id INT PRIMARY KEY)"))
        .await?;
    root.query_drop(format!("INSERT INTO {schema}.victim VALUES (1), (2), (3)"))
        .await?;
    root.disconnect().await?;
    cluster.settle().await?;
    Ok(schema)
}

async fn assert_unharmed(cluster: &Cluster, schema: &str, after: &str) -> anyhow::Result<()> {
    let mut root = cluster.root("manager").await?;
    let count: Option<u64> = root
        .query_first(format!("SELECT COUNT(*) FROM {schema}.victim"))
        .await
        .with_context(|| format!("after {after:?}"))?;
    assert_eq!(count, Some(ROWS), "after {after:?}");
    Ok(root.disconnect().await?)
}

fn statement(template: &str, schema: &str) -> String {
    template.replace('$', "victim").replace('@', schema)
}

async fn destructive_texts_are_refused_in_every_disguise(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "destructive").await?;
    for user in USERS {
        let mut conn = cluster.door()?.connect_to(user, &schema).await?;
        for template in DESTRUCTIVE {
            let text = statement(template, &schema);
            let error = server_error(conn.query_drop(text.as_str()).await).with_context(|| text.clone())?;
            assert_blocked(&error, &text);
            assert_unharmed(cluster, &schema, &text).await?;
        }
        conn.disconnect().await?;
    }
    Ok(())
}

async fn destructive_prepared_statements_are_refused_too(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "prepared").await?;
    for user in USERS {
        let mut conn = cluster.door()?.connect_to(user, &schema).await?;
        for template in DESTRUCTIVE {
            let text = statement(template, &schema);
            let error = server_error(conn.prep(text.as_str()).await).with_context(|| text.clone())?;
            assert_blocked(&error, &text);
        }
        conn.disconnect().await?;
    }
    assert_unharmed(cluster, &schema, "prepared statements").await
}

async fn a_refused_statement_reaches_no_node(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "unreached").await?;
    let (log, mark) = (cluster.log().await?, marker("unreached"));
    let mut conn = cluster.door()?.connect_to("guarded", &schema).await?;
    for text in [
        format!("DROP TABLE victim, {mark}"),
        format!("SELECT '{mark}'; TRUNCATE victim"),
    ] {
        assert_blocked(&server_error(conn.query_drop(text.as_str()).await)?, &text);
        assert_blocked(&server_error(conn.prep(text.as_str()).await)?, &text);
    }
    conn.disconnect().await?;
    let reached: usize = log
        .ran(&mark)?
        .values()
        .chain(log.prepared(&mark)?.values())
        .sum();
    assert_eq!(reached, 0);
    Ok(())
}

/// In gbk the two bytes bf 5c are one character, and the quote behind them ends the string; who reads bytes takes
/// 5c 27 for an escaped quote and sees one harmless string.
async fn a_bad_text_hidden_by_the_character_set_is_found(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "gbk").await?;
    let mut client = cluster.door()?.raw("guarded", MODERN).await?;
    for text in [format!("USE {schema}"), "SET NAMES gbk".to_owned()] {
        let error = client.query(&text).await?.error();
        assert_eq!(error, None, "{text}");
    }
    let smuggled = b"SELECT '\xbf\x5c'; DROP TABLE victim; -- '";
    let refused = client
        .ask(wire::command::CommandCode::QUERY, smuggled)
        .await?
        .error();
    let refused = refused.context("it passed")?;
    assert_eq!(
        (refused.code, refused.sql_state.as_str()),
        (1227, "42000"),
        "{refused:?}"
    );
    let harmless = b"SELECT '\xbf\x5c' AS one_character";
    assert_eq!(
        client
            .ask(wire::command::CommandCode::QUERY, harmless)
            .await?
            .error(),
        None
    );
    assert_unharmed(cluster, &schema, "a text in gbk").await
}

async fn a_routine_cannot_carry_what_a_text_may_not(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "routines").await?;
    let mut conn = cluster.door()?.connect_to("guarded", &schema).await?;
    let routines = [
        "CREATE PROCEDURE boom() DROP TABLE victim",
        "CREATE PROCEDURE boom() BEGIN SELECT 1; TRUNCATE victim; END",
        "CREATE TRIGGER boom BEFORE INSERT ON victim FOR EACH ROW DELETE FROM victim",
        "CREATE EVENT boom ON SCHEDULE AT CURRENT_TIMESTAMP DO DROP TABLE victim",
    ];
    for text in routines {
        assert_blocked(&server_error(conn.query_drop(text).await).context(text)?, text);
    }
    conn.disconnect().await?;
    assert_unharmed(cluster, &schema, "routines").await
}

async fn text_prepare_cannot_carry_it_either(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "text_prepare").await?;
    let mut conn = cluster.door()?.connect_to("guarded", &schema).await?;
    let mut scripts = vec![
        vec!["PREPARE p FROM 'DROP TABLE victim'", "EXECUTE p"],
        vec![
            "SET @text = 'DROP TABLE victim'",
            "PREPARE p FROM @text",
            "EXECUTE p",
        ],
        vec!["SET @text = CONCAT('DROP', ' TABLE ', 'victim'); PREPARE p FROM @text; EXECUTE p"],
    ];
    if cluster.engine() == Engine::Mariadb {
        scripts.push(vec!["EXECUTE IMMEDIATE 'DROP TABLE victim'"]);
        scripts.push(vec!["EXECUTE IMMEDIATE CONCAT('DROP TABLE ', 'victim')"]);
    }
    for script in scripts {
        let mut blocked = 0;
        for text in &script {
            if let Err(mysql_async::Error::Server(error)) = conn.query_drop(*text).await {
                blocked += usize::from(error.code == 1227);
            }
        }
        assert!(blocked > 0, "{script:?} passed");
        assert_unharmed(cluster, &schema, &script.join("; ")).await?;
    }
    Ok(conn.disconnect().await?)
}

async fn a_session_goes_on_after_a_refusal(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "goes_on").await?;
    let mut conn = cluster.door()?.connect_to("app", &schema).await?;
    conn.query_drop("BEGIN").await?;
    conn.query_drop("INSERT INTO victim VALUES (4)").await?;
    assert_blocked(
        &server_error(conn.query_drop("DELETE FROM victim").await)?,
        "DELETE FROM victim",
    );
    assert_eq!(
        conn.query_first::<u64, _>("SELECT COUNT(*) FROM victim").await?,
        Some(4)
    );
    conn.query_drop("ROLLBACK").await?;
    conn.disconnect().await?;
    assert_unharmed(cluster, &schema, "ROLLBACK").await
}

async fn what_harms_nothing_passes(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "harmless").await?;
    let mut conn = cluster.door()?.connect_to("app", &schema).await?;
    let texts = [
        "SELECT 'DROP TABLE victim'",
        "SELECT \"TRUNCATE victim\" /* DROP TABLE victim */",
        "INSERT INTO victim VALUES (11)",
        "UPDATE victim SET id = 12 WHERE id = 11",
        "DELETE FROM victim WHERE id = 12",
        "DELETE FROM victim WHERE id IN (SELECT 99)",
        "CREATE TABLE other (id INT)",
        "ALTER TABLE other ADD COLUMN v INT",
        "CREATE TEMPORARY TABLE mine (id INT)",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM victim",
        "SELECT 1; SELECT 2",
    ];
    for text in texts {
        conn.query_drop(text).await.context(text)?;
    }
    conn.disconnect().await?;
    assert_unharmed(cluster, &schema, "harmless texts").await
}

async fn the_administrator_may_do_everything(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "dba").await?;
    let mut conn = cluster.door()?.connect_to("dba", &schema).await?;
    for text in ["DELETE FROM victim", "TRUNCATE victim", "DROP TABLE victim"] {
        conn.query_drop(text).await.context(text)?;
    }
    conn.query_drop(format!("DROP DATABASE {schema}")).await?;
    Ok(conn.disconnect().await?)
}

async fn what_cannot_be_understood_is_refused_where_there_is_a_policy(
    cluster: &Cluster,
) -> anyhow::Result<()> {
    const NONSENSE: &str = "SELEC 1 FORM victim";
    for user in USERS {
        let mut conn = cluster.door()?.connect(user).await?;
        let error = server_error(conn.query_drop(NONSENSE).await)?;
        assert_blocked(&error, NONSENSE);
        assert!(error.message.contains("unparsed"), "{error:?}");
        conn.disconnect().await?;
    }
    let mut conn = cluster.door()?.connect("dba").await?;
    let error = server_error(conn.query_drop(NONSENSE).await)?;
    assert_eq!(error.code, 1064, "{error:?}");
    Ok(conn.disconnect().await?)
}

async fn detect_only_lets_pass_and_counts(cluster: &Cluster) -> anyhow::Result<()> {
    let schema = table(cluster, "detect").await?;
    let pair = Pair::plan(cluster)?
        .gatekeeper(|config| config.policy.mode = PolicyMode::Detect)
        .start()
        .await?;
    let mut conn = pair.door.connect_to("app", &schema).await?;
    conn.query_drop("DELETE FROM victim").await?;
    conn.query_drop("DROP TABLE victim").await?;
    conn.disconnect().await?;
    let scrape = pair.door.scrape_gatekeeper().await?;
    for rule in ["delete-without-where", "drop-table"] {
        let count = |verdict| {
            scrape.value(
                "gatekeeper_statements_total",
                &[("verdict", verdict), ("rule", rule)],
            )
        };
        assert_eq!(
            (count("detect"), count("refuse")),
            (Some(1.0), Some(0.0)),
            "{rule}"
        );
    }
    let mut root = cluster.root("manager").await?;
    let tables: Vec<String> = root.query(format!("SHOW TABLES FROM {schema}")).await?;
    assert_eq!(tables, Vec::<String>::new());
    Ok(root.disconnect().await?)
}

//! Who gets in, by which client, by which way.

use anyhow::{Context, ensure};
use harness::program::{Entry, StockClient};
use harness::raw_client::{MODERN, RawClient};
use harness::{Cluster, Engine, on_each_engine};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use peer::connect::{Address, TlsPolicy};
use peer::tls::Connector;

on_each_engine!(
    both_stock_clients_count_the_actors_by_every_way,
    a_login_is_repeated_by_the_fast_path,
    a_password_is_proved_by_rsa_without_tls,
    tls_and_socket_prove_the_password_in_full,
    the_greeting_is_the_managers_own,
    a_session_begins_in_the_schema_that_the_client_named,
    an_unknown_schema_is_refused_as_the_server_does,
);

const COUNT: &str = "SELECT COUNT(*) FROM sakila.actor";

async fn both_stock_clients_count_the_actors_by_every_way(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    for family in [Engine::Mariadb, Engine::Mysql] {
        let client = StockClient::of(family).await?;
        for user in ["app", "dba"] {
            for entry in [Entry::Plain, Entry::Tls, Entry::Socket] {
                let printed = client.run(&door, user, entry, COUNT).await;
                let printed = printed.with_context(|| format!("{family} client, {user}, {entry:?}"))?;
                assert_eq!(printed.trim(), "200", "{family} client, {user}, {entry:?}");
            }
        }
    }
    Ok(())
}

async fn a_login_is_repeated_by_the_fast_path(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    for _ in 0..3 {
        let mut conn = door.connect("app").await?;
        assert_eq!(conn.query_first::<u64, _>(COUNT).await?, Some(200));
        conn.disconnect().await?;
    }
    Ok(())
}

/// The full exchange: a user whom this gatekeeper has not seen yet, on a way that others can read.
async fn a_password_is_proved_by_rsa_without_tls(cluster: &Cluster) -> anyhow::Result<()> {
    let pair = harness::Pair::plan(cluster)?.start().await?;
    let client = StockClient::of(Engine::Mysql).await?;
    let printed = client.run(&pair.door, "app", Entry::Plain, COUNT).await?;
    assert_eq!(printed.trim(), "200");
    Ok(())
}

async fn tls_and_socket_prove_the_password_in_full(cluster: &Cluster) -> anyhow::Result<()> {
    for entry in [Entry::Tls, Entry::Socket] {
        let pair = harness::Pair::plan(cluster)?.start().await?;
        let client = StockClient::of(Engine::Mysql).await?;
        let printed = client.run(&pair.door, "app", entry, COUNT).await?;
        assert_eq!(printed.trim(), "200", "{entry:?}");
    }
    let mut conn = cluster.door()?.connect_by_tls("dba").await?;
    assert_eq!(conn.query_first::<u64, _>(COUNT).await?, Some(200));
    Ok(conn.disconnect().await?)
}

async fn the_greeting_is_the_managers_own(cluster: &Cluster) -> anyhow::Result<()> {
    let door = cluster.door()?;
    let through = door.raw("app", MODERN).await?;
    let node = cluster.node("manager")?;
    let address = Address::Tcp {
        host: node.host.clone(),
        port: node.port,
    };
    let tls = Connector::encrypt_only()?;
    let direct = RawClient::login(
        &address,
        &node.root_user,
        &node.root_password,
        None,
        MODERN,
        TlsPolicy::Preferred(&tls),
    )
    .await?;
    assert_eq!(
        String::from_utf8_lossy(&through.version),
        String::from_utf8_lossy(&direct.version)
    );
    ensure!(through.connection_id != direct.connection_id);
    Ok(())
}

async fn a_session_begins_in_the_schema_that_the_client_named(cluster: &Cluster) -> anyhow::Result<()> {
    let mut conn = cluster.door()?.connect_to("app", "sakila").await?;
    for _ in 0..8 {
        assert_eq!(
            conn.query_first::<u64, _>("SELECT COUNT(*) FROM actor").await?,
            Some(200)
        );
    }
    assert_eq!(
        conn.query_first::<String, _>("SELECT DATABASE()")
            .await?
            .as_deref(),
        Some("sakila")
    );
    Ok(conn.disconnect().await?)
}

async fn an_unknown_schema_is_refused_as_the_server_does(cluster: &Cluster) -> anyhow::Result<()> {
    let options = cluster.door()?.options("dba")?.db_name(Some("no_such_schema"));
    let error = Conn::new(options).await.err().context("it was let in")?;
    let mysql_async::Error::Server(error) = error else {
        anyhow::bail!("no error of a server: {error}");
    };
    assert_eq!((error.code, error.state.as_str()), (1049, "42000"));
    assert_eq!(error.message, "Unknown database 'no_such_schema'");
    Ok(())
}

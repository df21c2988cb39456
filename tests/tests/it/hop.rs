//! The proxy accepts its gatekeeper, and nobody else.

use anyhow::{Context, ensure};
use harness::{Cluster, Pair, SOON, eventually, on_each_engine};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::server_error::server_error;

on_each_engine!(
    a_stock_client_is_refused_by_the_proxy,
    a_gatekeeper_with_another_secret_is_refused
);

async fn a_stock_client_is_refused_by_the_proxy(cluster: &Cluster) -> anyhow::Result<()> {
    let port = cluster.facts().proxy.as_ref().context("no proxy")?.port;
    let door = cluster.door()?;
    for user in ["app", "dba", "root"] {
        let password = door.password(user).unwrap_or_default();
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(port)
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false);
        let error = server_error(Conn::new(options).await)?;
        assert_eq!((error.code, error.state.as_str()), (1045, "28000"), "{error:?}");
    }
    Ok(())
}

async fn a_gatekeeper_with_another_secret_is_refused(cluster: &Cluster) -> anyhow::Result<()> {
    let plan = Pair::plan(cluster)?;
    let wrong = plan.folder().join("wrong-secret");
    std::fs::write(
        &wrong,
        "not the secret that the proxy knows, but long enough for one",
    )?;
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut pair = plan
        .gatekeeper(|config| config.proxy.secret_file = Some(wrong))
        .prepare()?;
    pair.proxy.start().await?;
    pair.gatekeeper.spawn()?;
    let door = pair.door.clone();
    let error = eventually("an answer of the gatekeeper", SOON, || async {
        server_error(Conn::new(door.options("dba")?).await)
    })
    .await?;
    ensure!(
        !error.message.contains("secret"),
        "the client is told too much: {error:?}"
    );
    eventually("the refusal is counted", SOON, || async {
        let scrape = door.scrape_proxy().await?;
        let refused = |reason| {
            scrape
                .value("proxy_auth_failures_total", &[("reason", reason)])
                .unwrap_or_default()
        };
        let refused = refused("wrong-proof") + refused("no-proof");
        ensure!(refused >= 1.0, "{refused} refused");
        Ok(())
    })
    .await?;
    // the same proxy still lets its own gatekeeper's like in
    let mut conn = cluster.door()?.connect("app").await?;
    assert_eq!(conn.query_first::<u8, _>("SELECT 1").await?, Some(1));
    Ok(conn.disconnect().await?)
}

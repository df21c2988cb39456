//! The proxy's admin console, as an operator reaches it.

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::program::StockClient;

/// Where it listens, and who may log in.
#[derive(Debug, Clone)]
pub struct Console {
    /// On loopback.
    pub port: u16,
    /// The one account.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Console {
    /// That of the cluster's own proxy.
    ///
    /// # Errors
    /// When the cluster has none.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Console> {
        let facts = cluster.facts();
        Ok(Console {
            port: facts.proxy.as_ref().context("no proxy")?.admin_port,
            user: facts.admin.name.clone(),
            password: facts.admin.password.clone(),
        })
    }

    /// A driver's connection.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn connect(&self) -> anyhow::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(&self.user))
            .pass(Some(&self.password))
            .prefer_socket(false);
        Ok(Conn::new(options).await?)
    }

    /// Gives an order.
    ///
    /// # Errors
    /// What the console answers.
    pub async fn order(&self, text: &str) -> anyhow::Result<()> {
        let mut console = self.connect().await?;
        console.query_drop(text).await.with_context(|| text.to_owned())?;
        Ok(console.disconnect().await?)
    }

    /// The rows of an answer, each value as a text; `NULL` for none.
    ///
    /// # Errors
    /// What the console answers.
    pub async fn rows(&self, text: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let mut console = self.connect().await?;
        let rows: Vec<Row> = console.query(text).await.with_context(|| text.to_owned())?;
        console.disconnect().await?;
        let value = |value: mysql_async::Value| match value {
            mysql_async::Value::NULL => "NULL".to_owned(),
            mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => other.as_sql(true),
        };
        let texts = |row: Row| row.unwrap().into_iter().map(value).collect();
        Ok(rows.into_iter().map(texts).collect())
    }

    /// The first value of the first row.
    ///
    /// # Errors
    /// When there is none.
    pub async fn value(&self, text: &str) -> anyhow::Result<String> {
        let rows = self.rows(text).await?;
        let row = rows.into_iter().next();
        row.and_then(|row| row.into_iter().next())
            .with_context(|| format!("no row: {text}"))
    }

    /// A stock client's command line, with this password.
    #[must_use]
    pub fn command(&self, client: &StockClient, user: &str, password: &str) -> Command {
        let mut command = client.bare();
        command
            .args(["-h", "127.0.0.1", "--protocol=tcp", "-u", user])
            .arg(format!("--port={}", self.port))
            .arg(format!("--password={password}"));
        command
    }
}

//! Where clients come in: a gatekeeper's address and the users it knows.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use infra::local::cluster::UserEntry;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use peer::connect::{Address, TlsPolicy};
use wire::Capabilities;

use crate::eventually::{SOON, eventually};
use crate::raw_client::RawClient;
use crate::scrape::Scrape;

/// A gatekeeper, the proxy behind it, and the users of both.
#[derive(Debug, Clone)]
pub struct Door {
    /// The gatekeeper's port on loopback.
    pub port: u16,
    /// The gatekeeper's Unix socket.
    pub socket: Option<PathBuf>,
    /// Base of the gatekeeper's `/metrics`.
    pub gatekeeper_http: String,
    /// Base of the proxy's `/metrics`.
    pub proxy_http: String,
    /// Who may come in.
    pub users: Vec<UserEntry>,
}

impl Door {
    /// A user's password.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn password(&self, user: &str) -> anyhow::Result<&str> {
        let entry = self.users.iter().find(|entry| entry.name == user);
        entry
            .map(|entry| entry.password.as_str())
            .with_context(|| format!("no user {user}"))
    }

    /// Options of a driver's connection by TCP.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn options(&self, user: &str) -> anyhow::Result<OptsBuilder> {
        Ok(OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .pass(Some(self.password(user)?))
            // no questions of the driver's own at the start: tests count statements
            .max_allowed_packet(Some(64 << 20))
            .wait_timeout(Some(28_800))
            .prefer_socket(false))
    }

    /// A driver's connection.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn connect(&self, user: &str) -> anyhow::Result<Conn> {
        Ok(Conn::new(self.options(user)?).await?)
    }

    /// How a driver's login ends, for tests in which it must not succeed.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn connect_result(&self, user: &str) -> anyhow::Result<Result<Conn, mysql_async::Error>> {
        Ok(Conn::new(self.options(user)?).await)
    }

    /// A driver's connection with a schema.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn connect_to(&self, user: &str, schema: &str) -> anyhow::Result<Conn> {
        Ok(Conn::new(self.options(user)?.db_name(Some(schema))).await?)
    }

    /// A driver's connection with TLS; the certificate is self-signed.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn connect_by_tls(&self, user: &str) -> anyhow::Result<Conn> {
        let tls = SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true);
        Ok(Conn::new(self.options(user)?.ssl_opts(Some(tls))).await?)
    }

    /// A connection whose packets the test sees.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn raw(&self, user: &str, capabilities: Capabilities) -> anyhow::Result<RawClient> {
        let password = self.password(user)?;
        Ok(RawClient::login(
            &self.address(),
            user,
            password,
            None,
            capabilities,
            TlsPolicy::Off,
        )
        .await?)
    }

    /// The gatekeeper's TCP address.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        }
    }

    /// The gatekeeper's numbers.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub async fn scrape_gatekeeper(&self) -> anyhow::Result<Scrape> {
        Scrape::of(&self.gatekeeper_http).await
    }

    /// The proxy's numbers.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub async fn scrape_proxy(&self) -> anyhow::Result<Scrape> {
        Scrape::of(&self.proxy_http).await
    }

    /// Waits until the proxy says of these workers, and of no others, that reads may go there.
    ///
    /// # Errors
    /// When it does not say so soon.
    pub async fn serving(&self, workers: &[&str]) -> anyhow::Result<()> {
        eventually("the proxy's view of the workers", SOON, || async {
            let scrape = self.scrape_proxy().await?;
            let up = scrape
                .samples
                .iter()
                .filter(|sample| sample.name == "proxy_node_up" && sample.value > 0.5);
            let mut up: Vec<&str> = up.filter_map(|sample| sample.label("node")).collect();
            up.retain(|name| *name != "manager");
            up.sort_unstable();
            ensure!(up == workers, "{up:?} are up and not {workers:?}");
            Ok(())
        })
        .await
    }
}

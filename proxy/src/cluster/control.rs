//! One control connection to a node: opened when needed, bounded, never left behind.
//!
//! mysql_async's own clean-up of a dropped connection first waits for the reply that is still due; on a
//! server that hangs it would wait for ever. A connection is therefore never just dropped: [`Control::abandon`]
//! says COM_QUIT without waiting for anything, within a bound, and closes the stream.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Opts, OptsBuilder, Row, SslOpts};
use thiserror::Error;

use super::node::{Address, Node, NodeTls};
use crate::config;

/// How long closing a connection may take.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// Largest packet that a node may send on a control connection, in bytes. Replication status with GTID
/// sets and error texts is the largest answer asked for here.
const PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Seconds after which a node may close an idle control connection: many times the longest interval
/// between two checks, so that a proxy that died does not hold connections for eight hours.
const WAIT_TIMEOUT_S: usize = 600;

/// Server error codes that say "not with this account".
const ACCESS_ERRORS: [u16; 5] = [
    1044, // ER_DBACCESS_DENIED_ERROR
    1045, // ER_ACCESS_DENIED_ERROR
    1130, // ER_HOST_NOT_PRIVILEGED
    1698, // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1820, // ER_MUST_CHANGE_PASSWORD
];

/// Why a control connection did not answer.
#[derive(Debug, Error)]
pub(super) enum ControlError {
    /// In time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The account may not do this.
    #[error("error {code}: {message}")]
    Denied {
        /// Server error code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The server answered with an error.
    #[error("error {code}: {message}")]
    Server {
        /// Server error code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The connection is gone or was never made.
    #[error("{0}")]
    Lost(String),
}

impl ControlError {
    /// Whether the server does not know what was asked for.
    pub(super) fn is_unknown_statement(&self) -> bool {
        const ER_PARSE_ERROR: u16 = 1064;
        matches!(
            self,
            ControlError::Server {
                code: ER_PARSE_ERROR,
                ..
            }
        )
    }
}

/// A control connection, open or not.
pub(super) struct Control {
    opts: Opts,
    tls: NodeTls,
    connection: Option<Conn>,
}

impl Control {
    /// Nothing is opened yet.
    pub(super) fn new(node: &Node, monitor: &config::Monitor) -> Self {
        Self {
            opts: options(node, monitor),
            tls: node.tls.mode,
            connection: None,
        }
    }

    /// The open connection, opened now if need be; says whether it is a new one.
    pub(super) async fn open(&mut self) -> Result<bool, ControlError> {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| !connection.is_disconnected())
        {
            return Ok(false);
        }
        self.abandon();
        let connection = match Conn::new(self.opts.clone()).await {
            // `preferred`: the server has no TLS, so go without
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.tls == NodeTls::Preferred =>
            {
                let clear = OptsBuilder::from_opts(self.opts.clone()).ssl_opts(None);
                Conn::new(clear).await
            }
            other => other,
        };
        self.connection = Some(connection.map_err(ControlError::from)?);
        Ok(true)
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| !connection.is_disconnected())
    }

    /// Runs a statement and takes its rows.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ControlError> {
        self.open().await?;
        let Some(connection) = self.connection.as_mut() else {
            return Err(never_opened());
        };
        let rows = connection.query(sql).await.map_err(ControlError::from);
        self.forget_if_lost(rows)
    }

    /// The time of one COM_PING, without that of opening the connection.
    pub(super) async fn ping(&mut self) -> Result<Duration, ControlError> {
        self.open().await?;
        let Some(connection) = self.connection.as_mut() else {
            return Err(never_opened());
        };
        let sent = Instant::now();
        let answer = connection.ping().await.map_err(ControlError::from);
        self.forget_if_lost(answer.map(|()| sent.elapsed()))
    }

    /// Gives up the connection, whatever state it is in. The goodbye is said in the background.
    pub(super) fn abandon(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(CLOSE_MAX, connection.disconnect()).await;
            });
        }
    }

    /// Ends the connection and waits until it is closed.
    pub(super) async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = tokio::time::timeout(CLOSE_MAX, connection.disconnect()).await;
        }
    }

    fn forget_if_lost<T>(&mut self, answer: Result<T, ControlError>) -> Result<T, ControlError> {
        if matches!(answer, Err(ControlError::Lost(_) | ControlError::Timeout(_))) {
            self.abandon();
        }
        answer
    }
}

/// Runs a step of a control connection within a bound.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    tokio::time::timeout(limit, step)
        .await
        .unwrap_or(Err(ControlError::Timeout(limit)))
}

fn options(node: &Node, monitor: &config::Monitor) -> Opts {
    let password = String::from_utf8_lossy(monitor.password.expose());
    options_for(node, &monitor.user, &password)
}

/// The way to a node, for one of its accounts.
pub(super) fn options_for(node: &Node, user: &str, password: &str) -> Opts {
    let builder = OptsBuilder::default()
        .user(Some(user))
        .pass(Some(password))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        // the way that is measured and checked is the configured one, not a short cut past it
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(WAIT_TIMEOUT_S))
        .setup(vec![format!("SET SESSION wait_timeout = {WAIT_TIMEOUT_S}")])
        .stmt_cache_size(0);
    let builder = match &node.address {
        Address::Tcp { host, port } => builder.ip_or_hostname(host.as_str()).tcp_port(*port),
        Address::Unix(path) => builder.socket(Some(path.to_string_lossy())),
    };
    builder.ssl_opts(tls(node)).into()
}

fn tls(node: &Node) -> Option<SslOpts> {
    let opts = SslOpts::default();
    let opts = match node.tls.mode {
        // no client stands behind a control connection
        NodeTls::Off | NodeTls::AsClient => return None,
        NodeTls::Preferred | NodeTls::Required => opts
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true),
        NodeTls::Verify => {
            let roots = node.tls.ca.iter().map(|ca| ca.clone().into()).collect();
            opts.with_root_certs(roots).with_disable_built_in_roots(true)
        }
    };
    Some(match &node.tls.server_name {
        Some(name) => opts.with_danger_tls_hostname_override(Some(name.clone())),
        None => opts,
    })
}

fn never_opened() -> ControlError {
    ControlError::Lost("the connection is not open".to_owned())
}

impl From<mysql_async::Error> for ControlError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(error) if ACCESS_ERRORS.contains(&error.code) => {
                ControlError::Denied {
                    code: error.code,
                    message: error.message,
                }
            }
            mysql_async::Error::Server(error) => ControlError::Server {
                code: error.code,
                message: error.message,
            },
            other => ControlError::Lost(other.to_string()),
        }
    }
}

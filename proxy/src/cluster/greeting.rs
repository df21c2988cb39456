//! A visit to a node: connect, read the greeting, log in, log out.
//!
//! The greeting's raw capability flags and version are what clients must be shown, and mysql_async keeps
//! them to itself. The visit logs in although it needs nothing more, because a server counts a connection
//! that ends before its login as a failed one: MySQL in `host_cache`, where `max_connect_errors` of them
//! block the proxy's host, both engines in `Aborted_connects`, MariaDB with a line in its error log.
//!
//! It is made once for each control connection, and by latency probes where ICMP is not permitted; the
//! moment of the TCP connect is measured for those.

use std::time::{Duration, Instant};

use peer::ConnectError;
use peer::connect::{self, LoginRequest};
use tokio::io::AsyncWriteExt;
use wire::Capabilities;
use wire::command::CommandCode;

use super::node::{Node, NodeFacts};
use crate::config;

/// `utf8mb4_general_ci`: every server has it.
const COLLATION: u16 = 45;

/// What a visit brings home.
pub(super) struct Visit {
    pub(super) facts: NodeFacts,
    /// Time of the connect alone.
    pub(super) connect_time: Duration,
}

/// Visits a node; the caller bounds the time.
pub(super) async fn visit(node: &Node, monitor: &config::Monitor) -> Result<Visit, ConnectError> {
    let begun = Instant::now();
    let stream = connect::open(node.peer_address()).await?;
    let connect_time = begun.elapsed();
    let request = LoginRequest {
        user: monitor.user.as_bytes(),
        password: monitor.password.expose(),
        database: None,
        capabilities: Capabilities::BOOKKEEPING_FLAGS,
        collation: COLLATION,
        attributes: &[(b"program_name".to_vec(), b"proxy greeting".to_vec())],
        tls: node.peer_tls(super::node::ClientWay::default()),
    };
    let connection = connect::login_over(stream, request).await?;
    let greeting = connection.greeting;
    let mut stream = connection.stream;
    let mut goodbye = Vec::new();
    wire::frame::encode(&[CommandCode::QUIT.0], 0, &mut goodbye);
    stream.write_all(&goodbye).await?;
    stream.shutdown().await?;
    Ok(Visit {
        connect_time,
        facts: NodeFacts {
            version: greeting.version,
            capabilities: greeting.capabilities,
            collation: greeting.collation,
            auth_plugin: greeting.auth_plugin,
        },
    })
}

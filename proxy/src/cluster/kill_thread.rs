//! KILL of a session's thread on a node, by a connection of its own.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use thiserror::Error;

use super::control::options_for;
use super::node::Node;
use crate::accounts::Account;
use crate::session_registry::ThreadId;

/// Why a thread may still be there.
#[derive(Debug, Error)]
pub enum KillError {
    /// The node did not do it in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The node cannot be reached, or refuses.
    #[error("{0}")]
    Server(#[from] mysql_async::Error),
}

/// Unknown thread: it has ended by itself.
const NO_SUCH_THREAD: u16 = 1094;

/// Ends a thread, under the account whose it is: an account may end its own.
pub async fn kill_thread(
    node: &Node,
    account: &Account,
    thread: ThreadId,
    limit: Duration,
) -> Result<(), KillError> {
    let password = String::from_utf8_lossy(account.password.expose()).into_owned();
    let options = OptsBuilder::from_opts(options_for(node, &account.name, &password));
    let kill = async {
        let mut connection = Conn::new(options).await?;
        let killed = connection
            .query_drop(format!("KILL CONNECTION {}", thread.0))
            .await;
        connection.disconnect().await?;
        match killed {
            Err(mysql_async::Error::Server(error)) if error.code == NO_SUCH_THREAD => Ok(()),
            other => other.map_err(KillError::from),
        }
    };
    tokio::time::timeout(limit, kill)
        .await
        .unwrap_or(Err(KillError::Timeout(limit)))
}

//! Errors as clients see them.

use anyhow::{Context, bail};
use mysql_async::ServerError;

/// The server's error that something ended with.
pub(crate) fn server_error<T>(outcome: Result<T, mysql_async::Error>) -> anyhow::Result<ServerError> {
    match outcome.err().context("it went well")? {
        mysql_async::Error::Server(error) => Ok(error),
        other => bail!("not an error of a server: {other:?}"),
    }
}

/// The refusal of the gatekeeper, and of nobody else.
pub(crate) fn assert_blocked(error: &ServerError, statement: &str) {
    let shown = (error.code, error.state.as_str());
    assert_eq!(shown, (1227, "42000"), "{statement:?}: {error:?}");
    assert!(
        error.message.starts_with("blocked by gatekeeper:"),
        "{statement:?}: {error:?}"
    );
}

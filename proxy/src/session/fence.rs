//! Nothing is written to a node that is not the manager now, however good the session's connection to it is.
//!
//! ```text
//!   the session's node is the manager ────────────────▶ go            (one load)
//!   another one is ───────────────────────────────────▶ 1053, and the end: the session's state is on a node of the past
//!   there is none, and it surely writes nothing ──────▶ go
//!   there is none ──▶ wait, bounded ──▶ it is again ──▶ go
//!                                   └─▶ still none ───▶ 1429; a manager that is read-only says so itself: go
//! ```

use statement::{Effect, Facts, SessionChange, TransactionStep};
use wire::ServerError;

use super::{Flow, Session};
use crate::cluster::Unmanaged;
use crate::metrics::ErrorKind;

impl Session {
    /// Whether a statement may not be sent to the session's manager just so.
    #[inline]
    pub(super) fn is_fenced(&self, facts: &Facts) -> bool {
        let view = self.host.cluster.view();
        if view.is_manager(self.manager.node) {
            return false;
        }
        view.manager() != self.manager.node
            || (view.no_manager() != Some(Unmanaged::ReadOnly)
                && may_write(facts, self.state.transaction.open))
    }

    /// Waits for the session's node to be the manager again. Otherwise the client has been told, and this is how it goes on.
    pub(super) async fn behind_the_fence(&mut self) -> Option<Flow> {
        let waited = tokio::select! {
            biased;
            waited = self.host.cluster.manager(self.host.config.manager_wait) => waited,
            () = self.client.closed() => return Some(Flow::End),
        };
        match waited {
            Ok(id) if id == self.manager.node => None,
            Err(Unmanaged::ReadOnly) if self.host.cluster.view().manager() == self.manager.node => None,
            Ok(_) => {
                self.host.metrics.error(ErrorKind::NoManager);
                self.refuse(&another_manager()).await;
                Some(Flow::End)
            }
            Err(reason) => {
                self.host.metrics.error(ErrorKind::NoManager);
                Some(self.refuse(&no_manager(reason)).await)
            }
        }
    }
}

/// Whether a statement can change anything but its session: where that is not sure, it can. In a transaction a change of the
/// session may commit.
fn may_write(facts: &Facts, in_transaction: bool) -> bool {
    let Some(statement) = facts.single() else {
        return true;
    };
    match &statement.effect {
        Effect::Read => !facts.is_surely_read(),
        Effect::Transaction(
            TransactionStep::Rollback(_)
            | TransactionStep::RollbackToSavepoint
            | TransactionStep::Savepoint
            | TransactionStep::ReleaseSavepoint
            | TransactionStep::SetTransaction { .. },
        )
        | Effect::Empty
        | Effect::Proxy(_)
        | Effect::Session(SessionChange::Use(_)) => false,
        Effect::Session(
            SessionChange::SetNames { .. }
            | SessionChange::SetCharacterSet(_)
            | SessionChange::SetVariables(_)
            | SessionChange::SetRole
            | SessionChange::Prepare { .. }
            | SessionChange::Deallocate { .. },
        ) => in_transaction || !statement.tables.names().is_empty() || statement.needs.unknown_function,
        Effect::Transaction(
            TransactionStep::Begin { .. } | TransactionStep::Commit(_) | TransactionStep::Xa,
        )
        | Effect::Session(
            SessionChange::Execute { .. }
            | SessionChange::ExecuteImmediate
            | SessionChange::LockTables
            | SessionChange::UnlockTables
            | SessionChange::Handler,
        )
        | Effect::Write
        | Effect::Definition
        | Effect::Administration(_)
        | Effect::Call
        | Effect::Unknown(_) => true,
    }
}

/// 1429: nothing can be written anywhere.
pub(super) fn no_manager(reason: Unmanaged) -> ServerError {
    ServerError::new(
        1429,
        b"HY000",
        format!(
            "There is no manager: {}; nothing was run, try again shortly",
            reason.for_client()
        ),
    )
}

/// 1053: what drivers take for the end of a connection that has sent nothing.
fn another_manager() -> ServerError {
    ServerError::new(
        1053,
        b"08S01",
        "Server shutdown in progress: another node is the manager now; nothing was run, connect again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(text: &str, in_transaction: bool) -> bool {
        may_write(
            &statement::facts(text.as_bytes(), statement::LexMode::default()),
            in_transaction,
        )
    }

    #[test]
    fn what_is_not_surely_harmless_waits_for_a_manager() {
        for text in [
            "INSERT INTO t VALUES (1)",
            "SELECT * FROM t FOR UPDATE",
            "SELECT f(1)",
            "COMMIT",
            "BEGIN",
            "EXECUTE s",
            "CALL p()",
            "SELECT 1; SELECT 2",
            "SET @a = (SELECT MAX(v) FROM t)",
            "UNLOCK TABLES",
            "gibberish",
        ] {
            assert!(may(text, false), "{text}");
        }
        for text in ["SELECT c FROM t", "ROLLBACK", "SET NAMES utf8mb4", "USE s"] {
            assert!(!may(text, false), "{text}");
        }
    }

    #[test]
    fn a_change_of_the_session_may_commit_what_is_open() {
        assert!(may("SET autocommit = 1", true) && !may("SET autocommit = 1", false));
        assert!(!may("ROLLBACK", true) && !may("SELECT c FROM t", true));
    }
}

//! A command that is not held as a whole: of a user without policy, and larger than a mebibyte.
//!
//! Only its first bytes are looked at, and only for what kind of command it is. The rest passes as it comes.

use peer::rest::Begun;
use wire::ServerError;
use wire::command::{Asked, CommandCode};

use super::{Flow, Session};
use crate::metrics::ErrorKind;

impl Session {
    /// Forwards it while it comes.
    pub(super) async fn begun(&mut self, begun: Begun) -> Flow {
        let (code, sequence) = (begun.code(), begun.sequence());
        self.gate.metrics.client_received(begun.start().len() as u64);
        if !may_be_large(code) {
            self.gate.metrics.error(ErrorKind::StatementTooLarge);
            let error = ServerError::packet_too_large();
            return self.refuse_and_end(&error, sequence).await;
        }
        match self.judge_begun(&begun) {
            Ok(permit) => {
                self.forward_rest(permit, Asked::of(begun.start()), begun.into_rest())
                    .await
            }
            // what is still to come cannot be told from what follows
            Err(refusal) => self.refuse_and_end(&refusal, sequence).await,
        }
    }
}

/// Commands that carry a text or values; the others fit into any packet.
fn may_be_large(code: CommandCode) -> bool {
    matches!(
        code,
        CommandCode::QUERY
            | CommandCode::STMT_PREPARE
            | CommandCode::STMT_EXECUTE
            | CommandCode::STMT_BULK_EXECUTE
            | CommandCode::STMT_SEND_LONG_DATA
    )
}

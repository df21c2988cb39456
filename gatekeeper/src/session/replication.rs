//! The binary log, for whoever may read it: a reply that ends when the client leaves, or the server, or this process.

use peer::inbox::Command;
use peer::relay::{self, Conversed, Ended, Moved, RelayError};
use wire::ServerError;
use wire::reply::Progress;

use super::watch::Watch;
use super::{Flow, Session};
use crate::policy::Permit;

impl Session {
    /// Forwards COM_BINLOG_DUMP or COM_BINLOG_DUMP_GTID and its events; the permit is spent. No time-out ends it: a
    /// server may have nothing to say for hours.
    pub(super) async fn dump(&mut self, permit: Permit, command: Command) -> Flow {
        drop(permit);
        let shape = command.code().reply_shape();
        if let Err(error) = relay::send(&mut self.hop.stream, &command).await {
            return self.relay_failed(RelayError::From(error), Moved::default()).await;
        }
        drop(command);
        let mut moved = Moved::default();
        let mut progress = Progress::new(shape, self.hop.capabilities);
        let mut watch = Watch {
            reading: &mut self.reading,
            view: self.view,
            hop: self.hop.capabilities,
            reset: false,
            status: None,
            error: None,
            file_refused: false,
        };
        let ended = tokio::select! {
            biased;
            ended = self.hop.outbox.relay(
                &mut self.hop.stream,
                Some(&mut self.client),
                &mut progress,
                &mut watch,
                &mut moved,
            ) => Some(ended),
            () = self.gate.drain.started() => None,
        };
        self.gate.metrics.client_sent(moved.bytes);
        match ended {
            Some(Ok(Ended::Done)) => Flow::Continue,
            // killed
            Some(Ok(Ended::Withheld | Ended::Upload)) => {
                self.conversation_ended(Ok(Conversed::Withheld), moved, false)
                    .await
            }
            Some(Err(error)) => self.relay_failed(error, moved).await,
            None => self.events_drained(moved).await,
        }
    }

    /// A replica that is told so connects anew.
    async fn events_drained(&mut self, moved: Moved) -> Flow {
        let Some(sequence) = moved.next_sequence() else {
            return Flow::End;
        };
        self.refuse_and_end(&ServerError::shutdown_in_progress(), sequence)
            .await
    }
}

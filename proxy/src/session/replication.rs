//! The manager's binary log: a reply that ends when the client leaves, or the manager, or this process.

use peer::inbox::Command;
use peer::relay::{self, Ended, Moved, RelayError};
use wire::ServerError;
use wire::reply::Progress;

use super::watch::ManagerWatch;
use super::{Flow, Session, leavings};

impl Session {
    /// COM_BINLOG_DUMP and COM_BINLOG_DUMP_GTID: the manager becomes the source of events. What the session has set on
    /// its connection for them (`@master_heartbeat_period` and its like) is there already. No time-out ends it.
    pub(super) async fn dump(&mut self, command: Command) -> Flow {
        let code = command.code();
        let mut moved = Moved::default();
        if let Err(error) = relay::send(&mut self.manager.stream, &command).await {
            return self.manager_lost(&RelayError::From(error), moved, None).await;
        }
        drop(command);
        let mut progress = Progress::new(code.reply_shape(), self.capabilities);
        let mut watch = ManagerWatch::new(&mut self.state, self.capabilities, self.manager.is_mariadb);
        let ended = tokio::select! {
            biased;
            ended = self.manager.outbox.relay(
                &mut self.manager.stream,
                Some(&mut self.client),
                &mut progress,
                &mut watch,
                &mut moved,
            ) => Some(ended),
            () = self.host.drain.started() => None,
        };
        let error = watch.error;
        self.state.error = error;
        self.host.metrics.client_sent_bytes.increment(moved.bytes);
        let node = self.manager.node;
        self.state.previous = Some(node);
        let left = leavings::Ended {
            failed: error.is_some(),
            ..leavings::Ended::default()
        };
        self.state.leavings.commanded(node, code, left);
        match ended {
            // the manager closes the connection itself, unless it refused
            Some(Ok(Ended::Done)) => Flow::Continue,
            Some(Ok(Ended::Withheld | Ended::Upload)) => Flow::End,
            Some(Err(error)) => self.manager_lost(&error, moved, None).await,
            None => match moved.next_sequence() {
                Some(sequence) => {
                    self.refuse_and_end(&ServerError::shutdown_in_progress(), sequence)
                        .await
                }
                None => Flow::End,
            },
        }
    }
}

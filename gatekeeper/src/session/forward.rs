//! A permitted command goes to the proxy, and its reply comes home.

use std::time::Instant;

use peer::inbox::Command;
use peer::relay::{self, Ended, Moved, RelayError, UploadError};
use wire::ServerError;
use wire::command::{CommandCode, asks_for_cursor};
use wire::reply::Progress;

use super::watch::Watch;
use super::{Flow, Session};
use crate::metrics::ErrorKind;
use crate::policy::Permit;

impl Session {
    /// Forwards the command; the permit is spent.
    pub(super) async fn forward(&mut self, permit: Permit, command: Command) -> Flow {
        drop(permit);
        let begun = Instant::now();
        let code = command.code();
        let mut moved = Moved::default();
        let mut progress = Progress::new(code.reply_shape(), self.hop.capabilities)
            .with_cursor(asks_for_cursor(command.payload()));
        let mut watch = Watch {
            reading: &mut self.reading,
            view: self.view,
            hop: self.hop.capabilities,
            reset: code == CommandCode::RESET_CONNECTION,
            status: None,
            error: None,
        };
        let hop = &mut self.hop;
        let relayed = async {
            relay::send(&mut hop.stream, &command)
                .await
                .map_err(RelayError::From)?;
            // the largest statements are not kept while their reply streams
            drop(command);
            loop {
                let client = Some(&mut self.client);
                let ended = hop
                    .outbox
                    .relay(&mut hop.stream, client, &mut progress, &mut watch, &mut moved)
                    .await?;
                if ended != Ended::Upload {
                    return Ok(ended);
                }
                match relay::upload(&mut self.inbox, &mut self.client, &mut hop.stream).await {
                    Ok(()) => progress.upload_sent(),
                    Err(UploadError::Client(error)) => {
                        return Err(RelayError::To(std::io::Error::other(error)));
                    }
                    Err(UploadError::Server(error)) => return Err(RelayError::From(error)),
                }
            }
        }
        .await;
        if let Some(status) = watch.status {
            self.status = status;
        }
        self.gate.metrics.client_sent(moved.bytes);
        self.gate.metrics.statement_took(begun.elapsed());
        match relayed {
            // killed: there is nothing more to say
            Ok(Ended::Withheld) => Flow::End,
            Ok(Ended::Done | Ended::Upload) => Flow::Continue,
            Err(error) => self.relay_failed(&error, moved).await,
        }
    }

    async fn relay_failed(&mut self, error: &RelayError, moved: Moved) -> Flow {
        match error {
            RelayError::To(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                self.gate.metrics.error(ErrorKind::ClientSlow);
            }
            RelayError::To(_) => self.gate.metrics.error(ErrorKind::ClientLost),
            RelayError::From(_) | RelayError::Protocol(_) => {
                tracing::warn!(connection = %self.who.connection_id, %error, "lost the proxy while a command ran");
                self.gate.metrics.error(ErrorKind::ProxyLost);
                if moved.bytes == 0 || moved.at_boundary {
                    let sequence = if moved.bytes == 0 {
                        1
                    } else {
                        moved.sequence.wrapping_add(1)
                    };
                    let mut packet = Vec::new();
                    ServerError::lost_connection("the proxy", true).encode(sequence, &mut packet);
                    self.answer(&packet).await;
                }
            }
        }
        Flow::End
    }
}

//! A permitted command goes to the proxy, and its reply comes home.

use std::time::{Duration, Instant};

use peer::chunk::Chunk;
use peer::inbox::Command;
use peer::relay::{self, Conversed, Ends, Moved, RelayError};
use peer::rest::Rest;
use wire::ServerError;
use wire::command::{Asked, CommandCode};
use wire::reply::Progress;

use super::watch::Watch;
use super::{Flow, Session};
use crate::metrics::ErrorKind;
use crate::policy::Permit;

impl Session {
    /// Forwards the command; the permit is spent.
    pub(super) async fn forward(&mut self, permit: Permit, command: Command) -> Flow {
        let asked = Asked::of(command.payload());
        if command.is_large() {
            // seldom: not a part of every session's own future
            return Box::pin(self.forward_rest(permit, asked, Rest::of(command))).await;
        }
        drop(permit);
        let begun = Instant::now();
        match relay::send(&mut self.hop.stream, &command).await {
            Ok(()) => {
                drop(command);
                self.converse(asked, None, begun).await
            }
            Err(error) => Box::pin(self.send_failed(error)).await,
        }
    }

    /// Forwards a command that is large, or not there as a whole; the permit is spent.
    pub(super) async fn forward_rest(&mut self, permit: Permit, asked: Asked, rest: Rest) -> Flow {
        drop(permit);
        self.converse(asked, Some(Box::new(rest)), Instant::now()).await
    }

    async fn converse(&mut self, asked: Asked, rest: Option<Box<Rest>>, begun: Instant) -> Flow {
        let mut moved = Moved::default();
        let mut progress =
            Progress::new(asked.code.reply_shape(), self.hop.capabilities).with_cursor(asked.cursor);
        let mut watch = Watch {
            reading: &mut self.reading,
            view: self.view,
            hop: self.hop.capabilities,
            reset: asked.code == CommandCode::RESET_CONNECTION,
            status: None,
            error: None,
            file_refused: false,
        };
        let ends = Ends {
            inbox: &mut self.inbox,
            client: &mut self.client,
            server: &mut self.hop.stream,
            outbox: &mut self.hop.outbox,
            read_timeout: Some(self.gate.config.limits.read_timeout),
        };
        let conversed = relay::converse(ends, rest, &mut progress, &mut watch, &mut moved).await;
        let file_refused = watch.file_refused;
        if let Some(status) = watch.status {
            self.status = status;
        }
        self.gate.metrics.client_sent(moved.bytes);
        if moved.taken_bytes > 0 {
            self.gate.metrics.client_received(moved.taken_bytes);
        }
        self.gate.metrics.statement_took(begun.elapsed());
        match conversed {
            Ok(Conversed::Done) if self.hop.outbox.has_bytes() => Box::pin(self.spoken_after_reply()).await,
            Ok(Conversed::Done) => Flow::Continue,
            ended => Box::pin(self.conversation_ended(ended, moved, file_refused)).await,
        }
    }

    /// The proxy says more than was asked for. When it is that the session was killed, the client has the answer to its
    /// KILL, and no other command is taken: a server closes there.
    async fn spoken_after_reply(&mut self) -> Flow {
        if !peer::proof::say_killed(self.hop.outbox.waiting()) {
            return Flow::Continue;
        }
        relay::linger(&mut self.client).await;
        Flow::End
    }

    /// The proxy takes no command any more; it may have said why.
    async fn send_failed(&mut self, error: std::io::Error) -> Flow {
        /// What was said before the connection broke is there, or will not come.
        const LAST_WORDS_WAIT_MAX: Duration = Duration::from_secs(1);
        let said = tokio::time::timeout(LAST_WORDS_WAIT_MAX, Chunk::read(&mut self.hop.stream)).await;
        if let Ok(Ok(chunk)) = said
            && peer::proof::say_killed(chunk.filled())
        {
            return Flow::End;
        }
        self.relay_failed(RelayError::From(error), Moved::default()).await
    }

    /// Everything that ends the session.
    pub(super) async fn conversation_ended(
        &mut self,
        ended: Result<Conversed, RelayError>,
        moved: Moved,
        file_refused: bool,
    ) -> Flow {
        match ended {
            Ok(Conversed::Done) => Flow::Continue,
            // killed: there is nothing more to say
            Ok(Conversed::Withheld) if !file_refused => Flow::End,
            // a request for a file that this client may not be asked for
            Ok(Conversed::Withheld) => {
                tracing::warn!(connection = %self.who.connection_id, "a server asked for a file of a client that may send none");
                self.gate.metrics.error(ErrorKind::LocalFileRefused);
                let error = ServerError::local_files_off();
                self.refuse_and_end(&error, moved.sequence).await
            }
            Ok(Conversed::ServerLeft) => {
                relay::linger(&mut self.client).await;
                Flow::End
            }
            Ok(Conversed::Unasked) => {
                if let Some(said) = self.hop.outbox.take() {
                    self.answer(said.filled()).await;
                    relay::linger(&mut self.client).await;
                }
                Flow::End
            }
            Err(error) => self.relay_failed(error, moved).await,
        }
    }

    pub(super) async fn relay_failed(&mut self, error: RelayError, moved: Moved) -> Flow {
        match &error {
            RelayError::To(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                self.gate.metrics.error(ErrorKind::ClientSlow);
            }
            RelayError::To(_) => self.gate.metrics.error(ErrorKind::ClientLost),
            RelayError::Input { error, sequence } => return self.refuse_input(error, *sequence).await,
            RelayError::From(_) | RelayError::Protocol(_) => {
                tracing::warn!(connection = %self.who.connection_id, %error, "lost the proxy while a command ran");
                self.gate.metrics.error(ErrorKind::ProxyLost);
                if let Some(sequence) = moved.next_sequence() {
                    let error = ServerError::lost_connection("the proxy", true);
                    return self.refuse_and_end(&error, sequence).await;
                }
            }
        }
        Flow::End
    }
}

//! One client's session, from its greeting to its last statement.
//!
//! ```text
//! client ─▶ login ─▶ command ─▶ judge ─┬─ Permit ─▶ forward ─▶ proxy ─▶ relay ─▶ client
//!                                      └─ Refusal ─▶ ERR, audit          (the bytes end here)
//! ```
//!
//! A session is one task on one shard, with one connection to the proxy. What waits holds no buffer.

mod begun;
mod client_view;
mod forward;
mod idle;
mod judge;
mod last_prepared;
mod login;
mod reading;
mod replication;
mod watch;

use std::sync::Arc;

use daemon::drain::Started;
use daemon::listener::Accepted;
use peer::chunk::Chunk;
use peer::inbox::{Command, Inbox, InboxError, Intake, Received, STREAM_ABOVE_BYTES};
use peer::relay::{self, Outbox};
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::command::CommandCode;
use wire::handshake::{Family, Nonce};
use wire::reply::Shape;
use wire::{Capabilities, ServerError, StatusFlags};

use self::client_view::ClientView;
use self::idle::IdleTimer;
use self::last_prepared::LastPrepared;
use self::reading::Reading;
use crate::config::PolicyName;
use crate::gate::{ConnectionId, Gate, OwnConnectionId};
use crate::metrics::ErrorKind;
use crate::policy::Profile;
use crate::users::User;

/// Serves one connection until it ends. Nothing that goes wrong here concerns anybody else.
pub async fn run(accepted: Accepted, gate: Arc<Gate>) {
    let _open = gate.metrics.connection();
    // the login's state is not kept for the life of the session
    if let Some((session, _permit)) = Box::pin(login::login(accepted, &gate)).await {
        session.serve().await;
    }
}

/// What a command leaves behind.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    /// The session goes on.
    Continue,
    /// The session has ended; what there was to say has been said.
    End,
}

/// The session's connection to the proxy.
struct Link {
    stream: Stream,
    outbox: Outbox,
    /// What both ends agreed on: the client's row flags, and our own bookkeeping.
    capabilities: Capabilities,
}

/// Who the client is, for the audit and the next hop.
struct Who {
    connection_id: ConnectionId,
    /// Nobody else is greeted with the number while this session lives.
    _own_id: OwnConnectionId,
    /// Of the greeting, as the next one.
    family: Family,
    /// Of the greeting; clients answer COM_CHANGE_USER for it too.
    nonce: Nonce,
    user: Arc<User>,
    /// Where the client comes from, without its port: what error messages call the host.
    host: String,
    tls: Option<String>,
}

/// One logged-in session.
struct Session {
    gate: Arc<Gate>,
    client: Stream,
    inbox: Inbox,
    hop: Link,
    who: Who,
    profile: Profile,
    /// What the client and we agreed on.
    capabilities: Capabilities,
    view: ClientView,
    reading: Reading,
    last_prepared: LastPrepared,
    /// Status flags of the last reply.
    status: StatusFlags,
}

/// Why a waiting session woke up.
enum Wake {
    Client(std::io::Result<Chunk>),
    /// The proxy says something that nobody asked for: it ends the session.
    Hop(std::io::Result<Chunk>),
    Drain,
    Idle,
}

impl Session {
    async fn serve(mut self) {
        let mut drain = self.gate.drain.started();
        let mut idle = IdleTimer::new(self.gate.config.limits.idle_timeout);
        loop {
            if !self.inbox.has_bytes() {
                match self.wait(&mut drain, &mut idle).await {
                    Wake::Client(Ok(chunk)) if !chunk.is_empty() => self.inbox.put(chunk),
                    Wake::Client(Ok(_)) => return,
                    Wake::Client(Err(error)) => {
                        Box::pin(self.refuse_input(&error.into(), 1)).await;
                        return;
                    }
                    Wake::Hop(said) => return self.pass_last_words(said).await,
                    Wake::Drain => return self.refuse_at_rest(&ServerError::shutdown_in_progress()).await,
                    Wake::Idle => return self.idle_too_long().await,
                }
            }
            let intake = intake(&self.gate, self.profile);
            let flow = match self.inbox.command(&mut self.client, intake).await {
                Ok(Received::Whole(command)) => {
                    self.gate.metrics.client_received(command.payload().len() as u64);
                    self.command(command).await
                }
                Ok(Received::Begun(begun)) => Box::pin(self.begun(begun)).await,
                Err(error) => {
                    let sequence = self.inbox.sequence();
                    Box::pin(self.refuse_input(&error, sequence)).await
                }
            };
            if flow == Flow::End {
                return;
            }
        }
    }

    /// Waits without holding a buffer. An open transaction may finish while the process drains.
    async fn wait(&mut self, drain: &mut Started, idle: &mut IdleTimer) -> Wake {
        let may_leave = !self.status.has(StatusFlags::IN_TRANS);
        idle.rearm();
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            if let Poll::Ready(read) = Chunk::poll_read(&mut self.client, cx) {
                return Poll::Ready(Wake::Client(read));
            }
            if let Poll::Ready(read) = Chunk::poll_read(&mut self.hop.stream, cx) {
                return Poll::Ready(Wake::Hop(read));
            }
            if may_leave && std::pin::Pin::new(&mut *drain).poll(cx).is_ready() {
                return Poll::Ready(Wake::Drain);
            }
            if idle.poll_expired(cx).is_ready() {
                return Poll::Ready(Wake::Idle);
            }
            Poll::Pending
        })
        .await
    }

    async fn command(&mut self, command: Command) -> Flow {
        match command.code() {
            CommandCode::QUIT => {
                let _ = relay::send(&mut self.hop.stream, &command).await;
                Flow::End
            }
            CommandCode::CHANGE_USER => Box::pin(self.change_user(command)).await,
            _ => match self.judge(&command) {
                Ok(permit) if command.code().reply_shape() == Shape::Events => {
                    Box::pin(self.dump(permit, command)).await
                }
                Ok(permit) => self.forward(permit, command).await,
                Err(refusal)
                    if command.code().reply_shape() == Shape::Nothing
                        && !self.last_prepared.answers_cut(command.payload()) =>
                {
                    // a command without a reply gets none, refused or not
                    drop(refusal);
                    Flow::Continue
                }
                Err(refusal) => self.refuse(&refusal).await,
            },
        }
    }

    /// Answers with an error in the place of a reply; the session goes on.
    async fn refuse(&mut self, error: &ServerError) -> Flow {
        self.refuse_as(error, 1).await
    }

    async fn refuse_as(&mut self, error: &ServerError, sequence: u8) -> Flow {
        let mut packet = Vec::new();
        error.encode(sequence, &mut packet);
        self.answer(&packet).await
    }

    async fn answer(&mut self, packets: &[u8]) -> Flow {
        self.gate.metrics.client_sent(packets.len() as u64);
        let written = async {
            self.client.write_all(packets).await?;
            self.client.flush().await
        };
        let limit = self.gate.config.limits.write_timeout;
        match tokio::time::timeout(limit, written).await {
            Ok(Ok(())) => Flow::Continue,
            Ok(Err(_)) => Flow::End,
            Err(_elapsed) => {
                self.gate.metrics.error(ErrorKind::ClientSlow);
                Flow::End
            }
        }
    }

    /// An error that nobody asked for: sequence number 0, as servers send it, and the end.
    async fn refuse_at_rest(&mut self, error: &ServerError) {
        let mut packet = Vec::new();
        error.encode(0, &mut packet);
        self.answer(&packet).await;
    }

    /// The client was silent for too long, in the words of MySQL 8.
    async fn idle_too_long(&mut self) {
        self.gate.metrics.error(ErrorKind::ClientIdle);
        let message = "The client was disconnected by the server because of inactivity. See wait_timeout and \
                       interactive_timeout for configuring this behavior.";
        self.refuse_at_rest(&ServerError::new(4031, b"HY000", message))
            .await;
    }

    /// What the client sent cannot be taken: it is told why, where it can hear, and that is the end.
    async fn refuse_input(&mut self, error: &InboxError, sequence: u8) -> Flow {
        let (kind, error) = match error {
            InboxError::Io(_) | InboxError::Cut => {
                self.gate.metrics.error(ErrorKind::ClientLost);
                return Flow::End;
            }
            InboxError::Uncompress => (ErrorKind::ClientProtocol, ServerError::uncompress_failed()),
            InboxError::OutOfOrder => (ErrorKind::ClientProtocol, ServerError::packets_out_of_order()),
            InboxError::TooLarge { .. } => (ErrorKind::StatementTooLarge, ServerError::packet_too_large()),
            InboxError::OverBudget => (ErrorKind::StatementMemory, ServerError::packet_too_large()),
            InboxError::Timeout => (ErrorKind::ClientSlow, ServerError::read_timeout()),
        };
        self.gate.metrics.error(kind);
        self.refuse_and_end(&error, sequence).await
    }

    /// An answer to a client that may still be sending, and the end.
    async fn refuse_and_end(&mut self, error: &ServerError, sequence: u8) -> Flow {
        self.refuse_as(error, sequence).await;
        relay::linger(&mut self.client).await;
        Flow::End
    }

    /// The proxy ends the session, perhaps with an ERR packet that says why.
    async fn pass_last_words(&mut self, said: std::io::Result<Chunk>) {
        if let Ok(chunk) = said
            && !chunk.is_empty()
            && !peer::proof::say_killed(chunk.filled())
        {
            self.answer(chunk.filled()).await;
        }
    }
}

/// How much of a command is held: all of it where it is judged.
fn intake(gate: &Gate, profile: Profile) -> Intake<'_> {
    let limits = &gate.config.limits;
    let (bytes_max, stream_above_bytes) = match profile.policy {
        PolicyName::Strict => (limits.statement_bytes_max, None),
        // the servers' own limit is what counts
        PolicyName::Off => (usize::MAX, Some(STREAM_ABOVE_BYTES)),
    };
    Intake {
        bytes_max,
        stream_above_bytes,
        budget: &gate.statement_memory,
        read_timeout: Some(limits.read_timeout),
    }
}

//! One client's session, from the gatekeeper's proof to its last statement.
//!
//! ```text
//! gatekeeper ─▶ login ─▶ command ─▶ facts ─▶ route ─▶ link to manager or worker ─▶ relay ─▶ gatekeeper
//! ```
//!
//! A session is one task on one shard. It owns a connection to the manager from its login on, and shares connections to
//! the workers with others ([`crate::pool`]).

mod begun;
mod causality;
mod consistent;
mod execute;
mod executing;
mod fence;
mod found_rows;
mod framing;
mod kill;
mod leavings;
mod link;
mod login;
mod meaning;
mod prepared;
mod proxy_statement;
mod query;
mod replication;
mod run;
mod shared_statements;
mod small_reply;
mod state;
mod trackers;
mod watch;
mod worker;

use std::sync::Arc;

use daemon::drain::Started;
use daemon::listener::Accepted;
use peer::chunk::Chunk;
use peer::inbox::{Command, Inbox, InboxError, Intake, Received, STREAM_ABOVE_BYTES};
use peer::proof::KillReach;
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::command::CommandCode;
use wire::reply::{OkPacket, Shape};
use wire::{Capabilities, ServerError, StatusFlags};

pub(crate) use self::link::Link;
use self::link::{Attributes, Reset};
use self::prepared::PreparedStatements;
use self::proxy_statement::LastRoute;
use self::state::SessionState;
use self::trackers::Held;
use crate::accounts::Account;
use crate::cluster::ClientWay;
use crate::consistency::Consistency;
use crate::host::Host;
use crate::metrics::ErrorKind;
use crate::pool::{Key, Owner};
use crate::session_registry::Registered;
use crate::strategy::Strategy;

/// Serves one connection until it ends. Nothing that goes wrong here concerns anybody else.
pub async fn run(accepted: Accepted, host: Arc<Host>) {
    let _open = host.metrics.connection();
    crate::facts::count(&host.metrics);
    // the login's state is not kept for the life of the session
    if let Some((session, _permit)) = Box::pin(login::login(accepted, &host)).await {
        // a place of its own: its future is moved into the task
        Box::new(session).serve().await;
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

/// One logged-in session.
struct Session {
    host: Arc<Host>,
    /// The gatekeeper's end.
    client: Stream,
    inbox: Inbox,
    /// What both ends agreed on; the links to the nodes have the same.
    capabilities: Capabilities,
    account: Arc<Account>,
    /// What its KILL may name.
    kill_reach: KillReach,
    /// Its place among all sessions.
    registered: Registered,
    collation: u16,
    attributes: Attributes,
    client_way: ClientWay,
    manager: Link,
    /// What it shares connections by.
    pool_key: Arc<Key>,
    /// Who it is among those that share.
    owner: Owner,
    /// The connections at hand, by node; the manager's place stays empty.
    workers: Vec<Option<Box<Link>>>,
    state: SessionState,
    prepared: PreparedStatements,
    /// What it has chosen itself, in the place of the strategy of all.
    strategy: Option<Strategy>,
    consistency: Consistency,
    last_route: Option<LastRoute>,
}

/// Why a waiting session woke up.
enum Wake {
    Client(std::io::Result<Chunk>),
    /// The manager says something that nobody asked for: it ends the session.
    Manager(std::io::Result<Chunk>),
    /// An operator ends it.
    Ended,
    Drain,
}

impl Session {
    async fn serve(mut self: Box<Self>) {
        let mut drain = self.host.drain.started();
        std::future::poll_fn(|cx| {
            self.registered.ending().wake_by(cx);
            std::task::Poll::Ready(())
        })
        .await;
        loop {
            if !self.inbox.has_bytes() {
                match self.wait(&mut drain).await {
                    Wake::Client(Ok(chunk)) if !chunk.is_empty() => self.inbox.put(chunk),
                    Wake::Client(_) => return,
                    Wake::Manager(said) => return self.pass_last_words(said).await,
                    Wake::Ended => return self.pass_last_words(Ok(Chunk::default())).await,
                    Wake::Drain => return self.refuse_at_rest(&ServerError::shutdown_in_progress()).await,
                }
            }
            let flow = match self.inbox.command(&mut self.client, intake(&self.host)).await {
                Ok(Received::Whole(command)) => {
                    self.received(command.payload().len());
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

    fn received(&self, bytes: usize) {
        self.host.metrics.client_received_bytes.increment(bytes as u64);
    }

    /// Waits without holding a buffer. An open transaction may finish while the process drains.
    async fn wait(&mut self, drain: &mut Started) -> Wake {
        let may_leave = !self.state.transaction.open;
        self.rest_workers();
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            if self.registered.ending().is_wished() {
                return Poll::Ready(Wake::Ended);
            }
            if let Poll::Ready(read) = Chunk::poll_read(&mut self.client, cx) {
                return Poll::Ready(Wake::Client(read));
            }
            if let Poll::Ready(read) = Chunk::poll_read(&mut self.manager.stream, cx) {
                return Poll::Ready(Wake::Manager(read));
            }
            if may_leave && std::pin::Pin::new(&mut *drain).poll(cx).is_ready() {
                return Poll::Ready(Wake::Drain);
            }
            Poll::Pending
        })
        .await
    }

    async fn command(&mut self, mut command: Command) -> Flow {
        match command.code() {
            CommandCode::QUIT => Flow::End,
            CommandCode::QUERY => self.query(command).await,
            CommandCode::STMT_PREPARE => Box::pin(self.prepare(command)).await,
            CommandCode::STMT_EXECUTE => self.execute(command).await,
            CommandCode::STMT_SEND_LONG_DATA => self.long_data(&command).await,
            CommandCode::STMT_CLOSE => self.close(&command).await,
            CommandCode::STMT_RESET => self.reset_statement(command).await,
            CommandCode::STMT_BULK_EXECUTE => self.bulk_execute(command).await,
            // the manager may not report it
            CommandCode::INIT_DB if self.state.trackers.held != Held::Ours => self.init_db(command).await,
            CommandCode::PROCESS_KILL => Box::pin(self.kill_by_command(command)).await,
            CommandCode::RESET_CONNECTION => Box::pin(self.reset(command)).await,
            // who may is the gatekeeper's to say
            CommandCode::BINLOG_DUMP | CommandCode::BINLOG_DUMP_GTID => Box::pin(self.dump(command)).await,
            // these replies are not those of a session; the gatekeeper never lets them come here
            CommandCode::CHANGE_USER | CommandCode::TABLE_DUMP | CommandCode::CLONE => {
                self.refuse(&ServerError::unknown_command()).await
            }
            code => self.on_manager(&mut command, code.reply_shape(), None).await,
        }
    }

    /// COM_INIT_DB: what it does is known without a report. To have it reported would take a question in front of it, and
    /// with that go the warnings of the statement before, which it leaves in place.
    async fn init_db(&mut self, mut command: Command) -> Flow {
        let schema = command.payload().get(1..).unwrap_or_default().to_vec();
        let flow = self.on_manager(&mut command, Shape::Verdict, None).await;
        if flow == Flow::Continue && self.state.error.is_none() {
            self.state.uses(&schema);
        }
        flow
    }

    /// COM_RESET_CONNECTION: the manager resets; workers' connections are made anew when needed. The OK
    /// carries the state that the gatekeeper must know from now on.
    async fn reset(&mut self, command: Command) -> Flow {
        match self.manager.reset(&command).await {
            Ok(reset) => {
                let Reset { verdict, ready } = *reset;
                // what they were given belongs to the session as it was
                self.rest_workers();
                self.owner = self.host.pool.owner();
                if !self.manager.is_mariadb() && !self.pool_key.was_reset {
                    let mut key = Key::clone(&self.pool_key);
                    key.was_reset = true;
                    self.pool_key = Arc::new(key);
                }
                self.prepared.clear();
                self.manager.copies.clear();
                self.state.reset();
                self.state.status(ready.status);
                self.state.learn(&ready.state);
                self.state.trackers.learn(ready.client);
                self.state.leavings.all_on(self.manager.node);
                let mut state = verdict.state;
                trackers::hide(&ready.state, &mut state);
                let ok = OkPacket {
                    state: &state,
                    ..OkPacket::plain(ready.status | StatusFlags::SESSION_STATE_CHANGED)
                };
                let mut packet = Vec::new();
                ok.encode(self.capabilities, 1, &mut packet);
                self.answer(&packet).await
            }
            Err(error) => match error.server_error() {
                Some(error) => self.refuse(&error).await,
                None => {
                    tracing::warn!(%error, "failed to reset a session");
                    self.refuse(&ServerError::lost_connection("the database server", false))
                        .await;
                    Flow::End
                }
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
        self.host
            .metrics
            .client_sent_bytes
            .increment(packets.len() as u64);
        let written = async {
            self.client.write_all(packets).await?;
            self.client.flush().await
        };
        if written.await.is_ok() {
            Flow::Continue
        } else {
            Flow::End
        }
    }

    async fn answer_ok(&mut self) -> Flow {
        let mut packet = Vec::new();
        OkPacket::plain(self.state.status).encode(self.capabilities, 1, &mut packet);
        self.answer(&packet).await
    }

    /// An error that nobody asked for: sequence number 0, as servers send it, and the end.
    async fn refuse_at_rest(&mut self, error: &ServerError) {
        let mut packet = Vec::new();
        error.encode(0, &mut packet);
        self.answer(&packet).await;
    }

    /// What the gatekeeper sent cannot be taken: it is told why, and that is the end.
    async fn refuse_input(&mut self, error: &InboxError, sequence: u8) -> Flow {
        let (kind, error) = match error {
            InboxError::Io(_) | InboxError::Cut | InboxError::Timeout => {
                self.host.metrics.error(ErrorKind::ClientLost);
                return Flow::End;
            }
            InboxError::OutOfOrder => (ErrorKind::ClientProtocol, ServerError::packets_out_of_order()),
            InboxError::Uncompress => (ErrorKind::ClientProtocol, ServerError::uncompress_failed()),
            InboxError::TooLarge { .. } | InboxError::OverBudget => {
                (ErrorKind::LimitPassed, ServerError::packet_too_large())
            }
        };
        self.host.metrics.error(kind);
        self.refuse_and_end(&error, sequence).await
    }

    /// An answer to a gatekeeper that may still be sending, and the end.
    async fn refuse_and_end(&mut self, error: &ServerError, sequence: u8) -> Flow {
        self.refuse_as(error, sequence).await;
        peer::relay::linger(&mut self.client).await;
        Flow::End
    }

    /// The manager ends the session, perhaps with an ERR packet that says why. Of a killed one the gatekeeper is told:
    /// it may be sending a command at this moment, and would take a close for a lost proxy.
    async fn pass_last_words(&mut self, said: std::io::Result<Chunk>) {
        let mut words = said.map_or_else(|_| Vec::new(), |chunk| chunk.filled().to_vec());
        let killed = self.registered.is_killed();
        if killed && words.is_empty() {
            peer::proof::killed().encode(0, &mut words);
        }
        self.answer(&words).await;
        if killed {
            peer::relay::linger(&mut self.client).await;
        }
    }

    fn status(&self) -> StatusFlags {
        self.state.status
    }
}

/// How much of a command is held: what routing looks at.
fn intake(host: &Host) -> Intake<'_> {
    Intake {
        bytes_max: host.config.limits.statement_bytes_max,
        stream_above_bytes: Some(STREAM_ABOVE_BYTES),
        budget: &host.statement_memory,
        // the gatekeeper closes when its client stops
        read_timeout: None,
    }
}

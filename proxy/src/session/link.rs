//! One session's connection to one node.
//!
//! A worker's connection is read-only for everybody: `SET SESSION TRANSACTION READ ONLY` binds even an
//! account with every privilege, which the server's `read_only` does not. A statement that was misjudged
//! as a read fails there with 1792 and runs on the manager.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use peer::chunk::Chunk;
use peer::connect::{ConnectError, LoginRequest};
use peer::inbox::Command;
use peer::relay::{Edit, Ended, Moved, Observer, Outbox, RelayError};
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::command::CommandCode;
use wire::frame;
use wire::reply::{Control, OkPacket, PrepareOk, Progress, Shape};
use wire::{Capabilities, StatusFlags};

use super::shared_statements::{SharedStatements, StatementKey};
use super::small_reply::{Row, first_row, last_collation};
use super::trackers::{VALUES, Values};
use crate::accounts::Account;
use crate::cluster::{ClientWay, Node, NodeId, Role};
use crate::metrics::GaugeGuard;
use crate::pool::{Owner, Place};
use crate::session_registry::{Registered, RegisteredThread, ThreadId};
use crate::session_variables::{Snapshot, Version};

/// What a manager's connection is told first: report every change of session state, and say now what the
/// lexer needs to know. Assigning a variable to itself makes the server report it.
fn manager_setup(ours: &Values) -> String {
    format!(
        "SET SESSION {}, sql_mode=@@SESSION.sql_mode, character_set_client=@@SESSION.character_set_client",
        ours.assignments()
    )
}

/// Clears the warnings that the set-up has left: they would count in the client's next COM_PING on MySQL.
const CLEAR_WARNINGS: &str = "DO 0";

/// What a worker's connection is told first.
const WORKER_SETUP: &str = "SET SESSION TRANSACTION READ ONLY";

/// In a new session FOUND_ROWS() is 0: this makes it so again.
pub(super) const NO_ROW: &str = "SELECT 1 FROM DUAL WHERE FALSE";

/// A client's connection attributes: name and value.
pub(super) type Attributes = Arc<[(Vec<u8>, Vec<u8>)]>;

/// A connection to a node.
pub(crate) struct Link {
    pub(super) node: NodeId,
    pub(super) stream: Stream,
    pub(super) outbox: Outbox,
    pub(super) capabilities: Capabilities,
    pub(super) is_mariadb: bool,
    /// The session's variables that this connection has been given.
    pub(super) given: Given,
    /// When it was opened.
    pub(super) opened: Instant,
    /// Attributes of the client for whom it was opened: the server shows them for as long as it is open.
    pub(super) attributes: Attributes,
    /// Counts the connection while it is open.
    _counted: GaugeGuard,
    /// Its place among those that sessions share; the manager's has none.
    _place: Option<Place>,
    /// The server's number of it.
    thread: ThreadId,
    /// A KILL finds it while it is open.
    registered: RegisteredThread,
    /// Current schema of this connection; the manager's is the session's own.
    pub(super) schema: Vec<u8>,
    /// The manager's: statements of the session that are prepared here once more, by the session's number.
    pub(super) copies: HashMap<u32, u32, foldhash::fast::RandomState>,
    /// A worker's: what is prepared here.
    pub(super) statements: SharedStatements,
}

/// What a connection has been given of a session's variables.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Whose they are; none on a new connection.
    pub(super) owner: Option<Owner>,
    /// The owner's version of them.
    pub(super) version: Version,
    /// Their values.
    pub(super) values: Snapshot,
}

/// What a login needs besides the node.
pub(super) struct Login<'a> {
    pub(super) account: &'a Account,
    pub(super) capabilities: Capabilities,
    pub(super) collation: u16,
    pub(super) schema: &'a [u8],
    pub(super) attributes: &'a Attributes,
    pub(super) client_way: ClientWay,
    pub(super) timeout: Duration,
    pub(super) counted: GaugeGuard,
    /// What the node is to the session.
    pub(super) role: Role,
    /// Where the connection's number is kept for a KILL.
    pub(super) registered: &'a Registered,
    /// Its place in the pool.
    pub(super) place: Option<Place>,
    /// A session that was reset: the connection has to be as well.
    pub(super) resets: bool,
}

/// What a fresh manager's connection said.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) status: StatusFlags,
    /// State block of the reply to the login, as the client would have got it.
    pub(super) state: Vec<u8>,
    /// The manager's set-up.
    pub(super) ready: Option<Ready>,
}

/// What the set-up of the manager's connection said.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) status: StatusFlags,
    /// State block of its reply: how the server reads texts.
    pub(super) state: Vec<u8>,
    /// The values that a client finds in a new session, for no client has them yet.
    pub(super) client: Values,
}

/// How COM_RESET_CONNECTION went.
#[derive(Debug)]
pub(super) struct Reset {
    pub(super) verdict: Verdict,
    pub(super) ready: Ready,
}

impl Link {
    /// Logs in to a node and prepares the connection for its role.
    pub(super) async fn open(id: NodeId, node: &Node, login: Login<'_>) -> Result<Opened, ConnectError> {
        let connect = async {
            let connection = peer::connect::login(
                &node.address,
                LoginRequest {
                    user: login.account.name.as_bytes(),
                    password: login.account.password.expose(),
                    database: (!login.schema.is_empty()).then_some(login.schema),
                    capabilities: node.compressed(login.capabilities, login.client_way),
                    collation: login.collation,
                    attributes: login.attributes,
                    tls: node.peer_tls(login.client_way),
                },
            )
            .await?;
            let mut opened = Opened {
                status: connection.status,
                state: connection.session_track,
                ready: None,
                link: Link {
                    node: id,
                    stream: connection.stream,
                    outbox: Outbox::default(),
                    capabilities: connection.capabilities,
                    is_mariadb: connection.greeting.is_mariadb(),
                    given: Given::default(),
                    opened: Instant::now(),
                    attributes: login.attributes.clone(),
                    _counted: login.counted,
                    _place: login.place,
                    thread: ThreadId(connection.connection_id),
                    registered: login.registered.opened(id, ThreadId(connection.connection_id)),
                    schema: login.schema.to_vec(),
                    copies: HashMap::default(),
                    statements: SharedStatements::default(),
                },
            };
            match login.role {
                Role::Manager => opened.ready = Some(opened.link.set_up_manager().await?),
                Role::Worker => {
                    if login.resets {
                        opened.link.command(CommandCode::RESET_CONNECTION).await?;
                    }
                    drop(opened.link.verdict(WORKER_SETUP).await?);
                }
            }
            Ok(opened)
        };
        match tokio::time::timeout(login.timeout, connect).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(ConnectError::Timeout),
        }
    }

    /// The connection goes to another session.
    pub(super) fn belongs_to(&mut self, registered: &Registered) {
        self.registered = registered.opened(self.node, self.thread);
    }

    /// Whether nothing has come in while it rested: a server that speaks unasked, or leaves, has ended the connection.
    pub(super) fn is_silent(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(Chunk::poll_read(&mut self.stream, &mut cx), Poll::Pending)
    }

    /// COM_RESET_CONNECTION on the manager, and its set-up anew.
    pub(super) async fn reset(&mut self, command: &Command) -> Result<Box<Reset>, ConnectError> {
        peer::relay::send(&mut self.stream, command).await?;
        let mut verdict = Verdict::new(self.capabilities);
        self.drain(Shape::Verdict, &mut verdict).await?;
        match verdict.refused.take() {
            Some(packet) => Err(ConnectError::refused(&packet)),
            None => {
                let ready = self.set_up_manager().await?;
                Ok(Box::new(Reset { verdict, ready }))
            }
        }
    }

    /// Whether the server is a MariaDB.
    pub(super) fn is_mariadb(&self) -> bool {
        self.is_mariadb
    }

    /// Asks what a new session's trackers are and puts ours in their place, in one write.
    async fn set_up_manager(&mut self) -> Result<Ready, ConnectError> {
        let ours = Values::default().ours(self.is_mariadb);
        let mut packets = Vec::with_capacity(2048);
        encode_query(VALUES.as_bytes(), self.capabilities, &mut packets);
        encode_query(NO_ROW.as_bytes(), self.capabilities, &mut packets);
        encode_query(manager_setup(&ours).as_bytes(), self.capabilities, &mut packets);
        self.stream.write_all(&packets).await?;
        self.stream.flush().await?;
        let row = self.read_row().await?;
        let client = row.and_then(Values::of_row).unwrap_or_default();
        self.read_row().await?;
        let mut verdict = self.read_verdict().await?;
        // an operator may have made servers report more by default
        let needed = client.ours(self.is_mariadb);
        if needed != ours {
            verdict = self.verdict(&manager_setup(&needed)).await?;
        }
        if verdict.warnings > 0 {
            self.verdict(CLEAR_WARNINGS).await?;
        }
        Ok(Ready {
            status: verdict.status,
            state: verdict.state,
            client,
        })
    }

    /// Runs a statement of our own that is answered by OK or ERR.
    pub(super) async fn verdict(&mut self, sql: &str) -> Result<Verdict, ConnectError> {
        self.ask(sql).await?;
        self.read_verdict().await
    }

    /// Runs a command without arguments that is answered by OK or ERR.
    async fn command(&mut self, code: CommandCode) -> Result<(), ConnectError> {
        let mut packet = Vec::with_capacity(8);
        frame::encode_with(&mut packet, 0, |packet| packet.push(code.0));
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        drop(self.read_verdict().await?);
        Ok(())
    }

    async fn ask(&mut self, sql: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), ConnectError> {
        let sql = sql.as_ref();
        let mut packet = Vec::with_capacity(sql.len() + 8);
        encode_query(sql, self.capabilities, &mut packet);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn read_verdict(&mut self) -> Result<Verdict, ConnectError> {
        let mut verdict = Verdict::new(self.capabilities);
        self.drain(Shape::Results, &mut verdict).await?;
        match verdict.refused.take() {
            Some(packet) => Err(ConnectError::refused(&packet)),
            None => Ok(verdict),
        }
    }

    /// Reads one reply and drops its bytes.
    pub(super) async fn drain(
        &mut self,
        shape: Shape,
        observer: &mut impl Observer,
    ) -> Result<Ended, RelayError> {
        let mut progress = Progress::new(shape, self.capabilities);
        let nobody: Option<&mut Stream> = None;
        self.outbox
            .relay(
                &mut self.stream,
                nobody,
                &mut progress,
                observer,
                &mut Moved::default(),
            )
            .await
    }

    /// The single text value of a statement of our own; none when it is NULL or failed.
    pub(super) async fn value(
        &mut self,
        sql: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Option<Vec<u8>>, ConnectError> {
        let row = self.row(sql).await?;
        Ok(row.and_then(|row| row.into_iter().next().flatten()))
    }

    /// The first row of a statement of our own, as text; none when there is none or it failed.
    pub(super) async fn row(
        &mut self,
        sql: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Option<Row>, ConnectError> {
        self.ask(sql).await?;
        self.read_row().await
    }

    /// The same, with the number of its last column's collation, if columns are described.
    pub(super) async fn described_row(
        &mut self,
        sql: &str,
    ) -> Result<(Option<Row>, Option<u16>), ConnectError> {
        self.ask(sql).await?;
        let reply = self.read_reply().await?;
        Ok((
            first_row(&reply, self.capabilities),
            last_collation(&reply, self.capabilities),
        ))
    }

    pub(super) async fn read_row(&mut self) -> Result<Option<Row>, ConnectError> {
        let reply = self.read_reply().await?;
        Ok(first_row(&reply, self.capabilities))
    }

    /// All of a small reply; nothing in the place of an error.
    async fn read_reply(&mut self) -> Result<Vec<u8>, ConnectError> {
        let mut bytes = Vec::new();
        let mut progress = Progress::new(Shape::Results, self.capabilities);
        let mut verdict = Verdict::new(self.capabilities);
        self.outbox
            .relay(
                &mut self.stream,
                Some(&mut bytes),
                &mut progress,
                &mut verdict,
                &mut Moved::default(),
            )
            .await?;
        if verdict.refused.is_some() {
            bytes.clear();
        }
        Ok(bytes)
    }

    /// Prepares one of the session's statements once more; returns the number of the copy.
    pub(super) async fn prepare_copy(
        &mut self,
        session_id: u32,
        text: &[u8],
    ) -> Result<Option<u32>, RelayError> {
        if let Some(id) = self.copies.get(&session_id) {
            return Ok(Some(*id));
        }
        let id = self.prepare(text).await?;
        if let Some(id) = id {
            self.copies.insert(session_id, id);
        }
        Ok(id)
    }

    /// Prepares a statement for whoever uses the connection; returns its number here.
    pub(super) async fn prepare_shared(
        &mut self,
        key: &Arc<StatementKey>,
    ) -> Result<Option<u32>, RelayError> {
        if let Some(id) = self.statements.find(key) {
            return Ok(Some(id));
        }
        if let Some(id) = self.statements.make_room() {
            let mut close = vec![CommandCode::STMT_CLOSE.0];
            close.extend_from_slice(&id.to_le_bytes());
            // it has no reply
            peer::relay::send_payload(&mut self.stream, &close)
                .await
                .map_err(RelayError::To)?;
        }
        let id = self.prepare(&key.text).await?;
        if let Some(id) = id {
            self.statements.insert(Arc::clone(key), id);
        }
        Ok(id)
    }

    async fn prepare(&mut self, text: &[u8]) -> Result<Option<u32>, RelayError> {
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.push(CommandCode::STMT_PREPARE.0);
        payload.extend_from_slice(text);
        peer::relay::send_payload(&mut self.stream, &payload)
            .await
            .map_err(RelayError::To)?;
        let mut prepared = Preparing(None);
        self.drain(Shape::Prepare, &mut prepared).await?;
        Ok(prepared.0.map(|prepared| prepared.statement_id))
    }
}

/// Appends a statement of our own.
pub(super) fn encode_query(sql: &[u8], capabilities: Capabilities, out: &mut Vec<u8>) {
    frame::encode_with(out, 0, |out| {
        out.push(CommandCode::QUERY.0);
        if capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            out.extend_from_slice(&[0, 1]); // no attributes, in one set
        }
        out.extend_from_slice(sql);
    });
}

/// Appends a COM_INIT_DB.
pub(super) fn encode_init_db(schema: &[u8], out: &mut Vec<u8>) {
    frame::encode_with(out, 0, |out| {
        out.push(CommandCode::INIT_DB.0);
        out.extend_from_slice(schema);
    });
}

/// Sees how a command of our own went.
#[derive(Debug)]
pub(super) struct Verdict {
    capabilities: Capabilities,
    pub(super) status: StatusFlags,
    pub(super) state: Vec<u8>,
    pub(super) warnings: u16,
    /// The ERR packet's payload.
    pub(super) refused: Option<Vec<u8>>,
}

impl Verdict {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            status: StatusFlags::default(),
            state: Vec::new(),
            warnings: 0,
            refused: None,
        }
    }
}

impl Observer for Verdict {
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit {
        let payload = packet
            .get(wire::limits::PACKET_HEADER_BYTES..)
            .unwrap_or_default();
        match control {
            Control::Ok(status) => {
                self.status = status;
                if let Ok(ok) = OkPacket::decode(payload, self.capabilities) {
                    self.state.extend_from_slice(ok.state);
                    self.warnings = ok.warnings;
                }
            }
            Control::Err(_) => self.refused = Some(payload.to_vec()),
            Control::Eof(_)
            | Control::LocalInfile
            | Control::ColumnCount(_)
            | Control::Prepared(_)
            | Control::Report => {}
        }
        Edit::Pass
    }
}

struct Preparing(Option<PrepareOk>);

impl Observer for Preparing {
    fn control(&mut self, control: Control, _: &[u8]) -> Edit {
        if let Control::Prepared(prepared) = control {
            self.0 = Some(prepared);
        }
        Edit::Pass
    }
}

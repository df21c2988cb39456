//! One session's connection to one node.
//!
//! A worker's connection is read-only for everybody: `SET SESSION TRANSACTION READ ONLY` binds even an
//! account with every privilege, which the server's `read_only` does not. A statement that was misjudged
//! as a read fails there with 1792 and runs on the manager.

use std::collections::HashMap;
use std::time::Duration;

use peer::connect::{ConnectError, LoginRequest};
use peer::inbox::Command;
use peer::relay::{Edit, Ended, Moved, Observer, Outbox, RelayError};
use peer::stream::Stream;
use tokio::io::AsyncWriteExt;
use wire::command::CommandCode;
use wire::frame;
use wire::reply::{Control, OkPacket, PrepareOk, Progress, Shape};
use wire::{Capabilities, StatusFlags};

use crate::accounts::Account;
use crate::cluster::{Node, NodeId, Role};
use crate::metrics::GaugeGuard;
use crate::session_variables::{SessionVariables, Version};

/// What a manager's connection is told first: report every change of session state, and say now what the
/// lexer needs to know. Assigning a variable to itself makes the server report it.
///
/// MariaDB reports every variable by `*` and refuses a name that it does not have; MySQL passes over such a
/// name, and by `*` would add a `statement_id` to every reply.
fn manager_setup(is_mariadb: bool) -> String {
    let reported = if is_mariadb {
        "*".to_owned()
    } else {
        SessionVariables::reported()
    };
    format!(
        "SET SESSION session_track_schema=ON, session_track_system_variables='{reported}', \
         sql_mode=@@SESSION.sql_mode, character_set_client=@@SESSION.character_set_client"
    )
}

/// What a worker's connection is told first.
const WORKER_SETUP: &str = "SET SESSION TRANSACTION READ ONLY";

/// A connection to a node.
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) stream: Stream,
    pub(super) outbox: Outbox,
    pub(super) capabilities: Capabilities,
    is_mariadb: bool,
    /// Version of the session's variables that this connection has.
    pub(super) variables_version: Version,
    /// Counts the connection while it is open.
    _counted: GaugeGuard,
    /// Current schema of this connection; the manager's is the session's own.
    pub(super) schema: Vec<u8>,
    /// The session's prepared statements that are prepared here too, by the session's number.
    pub(super) statements: HashMap<u32, u32, foldhash::fast::RandomState>,
}

/// What a login needs besides the node.
pub(super) struct Login<'a> {
    pub(super) account: &'a Account,
    pub(super) capabilities: Capabilities,
    pub(super) collation: u8,
    pub(super) schema: &'a [u8],
    pub(super) attributes: &'a [(Vec<u8>, Vec<u8>)],
    pub(super) timeout: Duration,
    pub(super) counted: GaugeGuard,
}

/// What a fresh manager's connection said.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) status: StatusFlags,
    /// State blocks of the replies to login and set-up, one behind the other.
    pub(super) state: Vec<u8>,
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
                    capabilities: login.capabilities,
                    collation: login.collation,
                    attributes: login.attributes,
                    tls: node.peer_tls(),
                },
            )
            .await?;
            let mut opened = Opened {
                status: connection.status,
                state: connection.session_track,
                link: Link {
                    node: id,
                    stream: connection.stream,
                    outbox: Outbox::default(),
                    capabilities: connection.capabilities,
                    is_mariadb: connection.greeting.is_mariadb(),
                    variables_version: Version::default(),
                    _counted: login.counted,
                    schema: login.schema.to_vec(),
                    statements: HashMap::default(),
                },
            };
            let reply = match node.role {
                Role::Manager => {
                    opened
                        .link
                        .verdict(&manager_setup(opened.link.is_mariadb))
                        .await?
                }
                Role::Worker => opened.link.verdict(WORKER_SETUP).await?,
            };
            opened.status = reply.status;
            opened.state.extend_from_slice(&reply.state);
            Ok(opened)
        };
        match tokio::time::timeout(login.timeout, connect).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(ConnectError::Timeout),
        }
    }

    /// COM_RESET_CONNECTION on the manager, and its set-up anew.
    pub(super) async fn reset(&mut self, command: &Command) -> Result<Verdict, ConnectError> {
        peer::relay::send(&mut self.stream, command).await?;
        let mut verdict = Verdict::new(self.capabilities);
        self.drain(Shape::Verdict, &mut verdict).await?;
        match verdict.refused.take() {
            Some(packet) => Err(ConnectError::refused(&packet)),
            None => self.verdict(&manager_setup(self.is_mariadb)).await,
        }
    }

    /// Runs a statement of our own that is answered by OK or ERR.
    async fn verdict(&mut self, sql: &str) -> Result<Verdict, ConnectError> {
        let mut packet = Vec::with_capacity(sql.len() + 8);
        encode_query(sql.as_bytes(), self.capabilities, &mut packet);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
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
    pub(super) async fn value(&mut self, sql: &str) -> Result<Option<Vec<u8>>, ConnectError> {
        let mut packet = Vec::with_capacity(sql.len() + 8);
        encode_query(sql.as_bytes(), self.capabilities, &mut packet);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
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
            return Ok(None);
        }
        Ok(single_value(&bytes, self.capabilities))
    }

    /// Prepares one of the session's statements here as well; returns this connection's number of it.
    pub(super) async fn prepare(&mut self, session_id: u32, text: &[u8]) -> Result<Option<u32>, RelayError> {
        if let Some(id) = self.statements.get(&session_id) {
            return Ok(Some(*id));
        }
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.push(CommandCode::STMT_PREPARE.0);
        payload.extend_from_slice(text);
        peer::relay::send_payload(&mut self.stream, &payload)
            .await
            .map_err(RelayError::To)?;
        let mut prepared = Preparing(None);
        self.drain(Shape::Prepare, &mut prepared).await?;
        let Some(prepared) = prepared.0 else {
            return Ok(None);
        };
        self.statements.insert(session_id, prepared.statement_id);
        Ok(Some(prepared.statement_id))
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
    /// The ERR packet's payload.
    pub(super) refused: Option<Vec<u8>>,
}

impl Verdict {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            status: StatusFlags::default(),
            state: Vec::new(),
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
                }
            }
            Control::Err(_) => self.refused = Some(payload.to_vec()),
            Control::Eof(_) | Control::LocalInfile | Control::ColumnCount(_) | Control::Prepared(_) => {}
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

/// The first cell of the first row of a text result set of one column.
fn single_value(reply: &[u8], capabilities: Capabilities) -> Option<Vec<u8>> {
    let mut packets = Packets(reply);
    packets.next()?; // column count
    packets.next()?; // the column
    if !capabilities.has(Capabilities::DEPRECATE_EOF) {
        packets.next()?;
    }
    let row = packets.next()?;
    if row.first() == Some(&0xfe) {
        return None;
    }
    let mut r = wire::Reader::new(row);
    r.lenenc_bytes(wire::limits::CONTROL_PACKET_BYTES_MAX, "value")
        .ok()
        .map(<[u8]>::to_vec)
}

/// The payloads of small packets, one behind the other.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let header = frame::Header::peek(self.0)?;
        let (packet, rest) = self.0.split_at_checked(header.packet_bytes())?;
        self.0 = rest;
        packet.get(wire::limits::PACKET_HEADER_BYTES..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::reply::TextResultSet;

    #[test]
    fn the_value_of_a_small_result() {
        for capabilities in [Capabilities::NONE, Capabilities::DEPRECATE_EOF] {
            let mut reply = Vec::new();
            let set = TextResultSet::new(&["v"]);
            set.clone()
                .encode(capabilities, StatusFlags::AUTOCOMMIT, &mut reply);
            assert_eq!(single_value(&reply, capabilities), None);
            reply.clear();
            set.row(vec![Some("x".into())])
                .encode(capabilities, StatusFlags::AUTOCOMMIT, &mut reply);
            assert_eq!(single_value(&reply, capabilities), Some(b"x".to_vec()));
        }
    }
}

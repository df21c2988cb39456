//! A client whose every packet the test sees: to compare what comes through the gatekeeper with what the manager
//! itself sends, byte for byte.

use anyhow::{Context, bail, ensure};
use peer::ConnectError;
use peer::connect::{Address, LoginRequest, ServerConnection, TlsPolicy};
use peer::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::command::CommandCode;
use wire::frame;
use wire::reply::{ErrPacket, OkPacket, Piece, PrepareOk, Progress, Shape};
use wire::{Capabilities, StatusFlags};

/// What a modern client can do, without TLS.
pub const MODERN: Capabilities = Capabilities(
    Capabilities::BOOKKEEPING_FLAGS.0
        | Capabilities::MULTI_STATEMENTS.0
        | Capabilities::MULTI_RESULTS.0
        | Capabilities::PS_MULTI_RESULTS.0
        | Capabilities::DEPRECATE_EOF.0
        | Capabilities::LOCAL_FILES.0,
);
/// What a client of the time before DEPRECATE_EOF and session tracking can do.
pub const OLD: Capabilities =
    Capabilities(MODERN.0 & !Capabilities::DEPRECATE_EOF.0 & !Capabilities::SESSION_TRACK.0);

/// A logged-in connection.
pub struct RawClient {
    stream: Stream,
    capabilities: Capabilities,
    /// The server's number of this connection.
    pub connection_id: u32,
    /// What the server said first.
    pub version: Vec<u8>,
    /// State block of the OK that ended the login.
    pub login_state: Vec<u8>,
    unread: Vec<u8>,
    /// The last command asked for a cursor.
    cursor: bool,
}

/// The packets of one reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Every byte, headers included.
    pub bytes: Vec<u8>,
    /// Each packet's sequence number and payload; a payload of 16 MiB or more is several of them.
    pub packets: Vec<(u8, Vec<u8>)>,
    capabilities: Capabilities,
}

impl RawClient {
    /// Logs in.
    ///
    /// # Errors
    /// As [`peer::connect::login`].
    pub async fn login(
        address: &Address,
        user: &str,
        password: &str,
        database: Option<&str>,
        capabilities: Capabilities,
        tls: TlsPolicy<'_>,
    ) -> Result<RawClient, ConnectError> {
        let request = LoginRequest {
            user: user.as_bytes(),
            password: password.as_bytes(),
            database: database.map(str::as_bytes),
            capabilities,
            collation: 45,
            attributes: &[],
            tls,
        };
        Self::login_as(address, request).await
    }

    /// Logs in as somebody special.
    ///
    /// # Errors
    /// As [`peer::connect::login`].
    pub async fn login_as(address: &Address, request: LoginRequest<'_>) -> Result<RawClient, ConnectError> {
        let ServerConnection {
            stream,
            greeting,
            capabilities,
            connection_id,
            session_track,
            ..
        } = peer::connect::login(address, request).await?;
        Ok(RawClient {
            stream,
            capabilities,
            connection_id,
            version: greeting.version,
            login_state: session_track,
            unread: Vec::new(),
            cursor: false,
        })
    }

    /// What it reads from and writes to.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// What both ends agreed on.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Sends a command and reads its reply to the end.
    ///
    /// # Errors
    /// When the connection breaks or the reply is no reply.
    pub async fn ask(&mut self, code: CommandCode, argument: &[u8]) -> anyhow::Result<Reply> {
        self.send(code, argument).await?;
        self.reply(code.reply_shape()).await
    }

    /// COM_QUERY.
    ///
    /// # Errors
    /// As [`RawClient::ask`].
    pub async fn query(&mut self, text: &str) -> anyhow::Result<Reply> {
        self.ask(CommandCode::QUERY, text.as_bytes()).await
    }

    /// COM_STMT_PREPARE; the statement's number and counts.
    ///
    /// # Errors
    /// As [`RawClient::ask`], and when the statement is refused.
    pub async fn prepare(&mut self, text: &str) -> anyhow::Result<PrepareOk> {
        let reply = self.ask(CommandCode::STMT_PREPARE, text.as_bytes()).await?;
        if let Some(error) = reply.error() {
            bail!("{text}: {error:?}");
        }
        let (_, first) = reply.packets.first().context("an empty reply")?;
        Ok(PrepareOk::decode(first)?)
    }

    /// Sends a command and reads nothing.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, code: CommandCode, argument: &[u8]) -> anyhow::Result<()> {
        let mut payload = vec![code.0];
        payload.extend_from_slice(argument);
        self.cursor = wire::command::asks_for_cursor(&payload);
        let mut packets = Vec::new();
        frame::encode(&payload, 0, &mut packets);
        self.send_bytes(&packets).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Reads a reply of that shape. A request for a local file is answered with an empty one.
    ///
    /// # Errors
    /// When the connection breaks or the reply is no reply.
    pub async fn reply(&mut self, shape: Shape) -> anyhow::Result<Reply> {
        let reply = self.next_reply(shape).await?;
        ensure!(
            self.unread.is_empty(),
            "{} bytes after the reply",
            self.unread.len()
        );
        Ok(reply)
    }

    /// Reads the replies to commands that were sent in one go.
    ///
    /// # Errors
    /// As [`RawClient::reply`].
    pub async fn replies(&mut self, codes: &[CommandCode]) -> anyhow::Result<Vec<Reply>> {
        let mut replies = Vec::new();
        for code in codes {
            replies.push(self.next_reply(code.reply_shape()).await?);
        }
        ensure!(self.unread.is_empty(), "bytes after the last reply");
        Ok(replies)
    }

    async fn next_reply(&mut self, shape: Shape) -> anyhow::Result<Reply> {
        let mut progress = Progress::new(shape, self.capabilities).with_cursor(self.cursor);
        let mut bytes = Vec::new();
        let mut need = 0;
        while !progress.is_done() {
            if progress.wants_upload() {
                let mut empty = Vec::new();
                frame::encode(&[], progress.sequence().wrapping_add(1), &mut empty);
                self.send_bytes(&empty).await?;
                progress.upload_sent();
            }
            if self.unread.len() <= need || self.unread.is_empty() {
                self.read_some().await?;
            }
            loop {
                let taken = match progress.next(&self.unread)? {
                    Piece::Bytes(taken) | Piece::Packet(taken, _) => taken,
                    Piece::Incomplete(_) => {
                        need = self.unread.len();
                        break;
                    }
                };
                need = 0;
                bytes.extend(self.unread.drain(..taken));
                if self.unread.is_empty() || progress.is_done() || progress.wants_upload() {
                    break;
                }
            }
        }
        Ok(Reply {
            packets: packets(&bytes)?,
            bytes,
            capabilities: self.capabilities,
        })
    }

    async fn read_some(&mut self) -> anyhow::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let read = self.stream.read(&mut chunk).await?;
        ensure!(read > 0, "the server closed the connection inside a reply");
        self.unread
            .extend_from_slice(chunk.get(..read).unwrap_or_default());
        Ok(())
    }

    /// Reads bytes that are there, whatever they are.
    ///
    /// # Errors
    /// When the connection breaks or ends.
    pub async fn read_bytes(&mut self) -> anyhow::Result<Vec<u8>> {
        self.read_some().await?;
        Ok(std::mem::take(&mut self.unread))
    }

    /// Reads up to `limit` bytes that are there, without understanding them; 0 is the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn read_raw(&mut self, limit: usize) -> anyhow::Result<usize> {
        let mut chunk = vec![0; limit];
        Ok(self.stream.read(&mut chunk).await?)
    }
}

fn packets(mut bytes: &[u8]) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
    let mut packets = Vec::new();
    while let Some(header) = frame::Header::peek(bytes) {
        let packet = bytes.get(..header.packet_bytes()).context("half a packet")?;
        packets.push((header.sequence, packet.get(4..).unwrap_or_default().to_vec()));
        bytes = bytes.get(header.packet_bytes()..).unwrap_or_default();
    }
    ensure!(bytes.is_empty(), "half a header");
    Ok(packets)
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The number.
    pub code: u16,
    /// Five characters.
    pub sql_state: String,
    /// The text.
    pub message: String,
}

impl Reply {
    /// What both ends had agreed on.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The error that ends the reply.
    #[must_use]
    pub fn error(&self) -> Option<Refused> {
        let (_, last) = self.packets.last()?;
        let error = ErrPacket::decode(last).ok()?;
        Some(Refused {
            code: error.code,
            sql_state: String::from_utf8_lossy(&error.sql_state).into_owned(),
            message: String::from_utf8_lossy(error.message).into_owned(),
        })
    }

    /// Status flags of the last packet: OK, or OK in the place of EOF, or EOF.
    ///
    /// # Errors
    /// When the reply ends with none of these.
    pub fn status(&self) -> anyhow::Result<StatusFlags> {
        let (_, last) = self.packets.last().context("an empty reply")?;
        match last.as_slice() {
            [0xfe, _, _, low, high] => Ok(StatusFlags(u16::from_le_bytes([*low, *high]))),
            _ => Ok(OkPacket::decode(last, self.capabilities)?.status),
        }
    }
}

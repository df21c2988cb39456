//! Between a client that was let in and opensrv-mysql.
//!
//! opensrv-mysql can log a client in only in a single step, answers commands that it does not know with OK, closes on
//! texts that are no UTF-8, and panics on parameters that are malformed. So its own login is spoken here, on a pipe
//! inside the process, and of the client's commands it sees those that it is right for: COM_QUERY with text, COM_INIT_DB
//! and COM_PING. The others are answered here.

use std::io;
use std::time::Duration;

use opensrv_mysql::AsyncMysqlIntermediary;
use peer::budget::Budget;
use peer::inbox::{Command, Inbox, InboxError, Intake, Received};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use wire::command::CommandCode;
use wire::frame::Header;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{OkPacket, Piece, Progress, Shape};
use wire::{Capabilities, ServerError, StatusFlags};

use super::door::Guest;
use super::shim::Shim;

/// What the pipe holds in each direction, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// Longest command, in bytes: tools write SELECTs of some kilobytes.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// A client that has begun a command must go on.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that says nothing for so long is gone, as at a server.
const IDLE_MAX: Duration = Duration::from_secs(8 * 60 * 60);

/// Serves until the client leaves.
pub(super) async fn serve(guest: Guest, shim: Shim) -> io::Result<()> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (read, write) = tokio::io::split(theirs);
    let server = AsyncMysqlIntermediary::run_on(shim, read, write);
    let conversation = async {
        let mut conversation = Conversation {
            capabilities: guest.capabilities,
            client: guest.stream,
            inbox: Inbox::default(),
            server: ours,
            budget: Budget::new(COMMAND_BYTES_MAX),
        };
        conversation.log_in().await?;
        conversation.run().await
    };
    tokio::select! {
        ended = server => ended,
        ended = conversation => ended,
    }
}

struct Conversation {
    capabilities: Capabilities,
    client: peer::stream::Stream,
    inbox: Inbox,
    server: DuplexStream,
    budget: Budget,
}

impl Conversation {
    /// opensrv-mysql's own login, of somebody who is let in already.
    async fn log_in(&mut self) -> io::Result<()> {
        self.packet().await?;
        let capabilities = self.capabilities.without(
            Capabilities::SSL
                | Capabilities::CONNECT_WITH_DB
                | Capabilities::PLUGIN_AUTH_LENENC_DATA
                | Capabilities::CONNECT_ATTRS,
        ) | Capabilities::PLUGIN_AUTH
            | Capabilities::SECURE_CONNECTION;
        let lower = u32::try_from(capabilities.0 & u64::from(u32::MAX)).unwrap_or_default();
        let mut payload = lower.to_le_bytes().to_vec();
        payload.extend_from_slice(&(1u32 << 24).to_le_bytes()); // int<4> largest packet
        payload.extend_from_slice(&[45; 1]); // int<1> collation
        payload.extend_from_slice(&[0; 23]);
        payload.extend_from_slice(b"guest\0"); // string<NUL> user
        payload.extend_from_slice(&[1, 1]); // a proof that nobody looks at
        payload.extend_from_slice(b"mysql_native_password\0"); // string<NUL> plugin
        let mut packet = Vec::new();
        wire::frame::encode(&payload, 1, &mut packet);
        self.server.write_all(&packet).await?;
        let verdict = self.packet().await?;
        match verdict.first() {
            Some(0) => Ok(()),
            _ => Err(io::Error::other("the console's own login failed")),
        }
    }

    /// One packet of its login.
    async fn packet(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; PACKET_HEADER_BYTES];
        self.server.read_exact(&mut header).await?;
        let bytes = Header::peek(&header).map_or(0, |header| header.payload_bytes);
        let mut payload = vec![0; bytes];
        self.server.read_exact(&mut payload).await?;
        Ok(payload)
    }

    async fn run(&mut self) -> io::Result<()> {
        loop {
            let intake = Intake {
                bytes_max: COMMAND_BYTES_MAX,
                stream_above_bytes: None,
                budget: &self.budget,
                read_timeout: Some(READ_TIMEOUT),
            };
            let next = self.inbox.command(&mut self.client, intake);
            let command = match tokio::time::timeout(IDLE_MAX, next).await {
                Err(_idle) => return Ok(()),
                Ok(Ok(Received::Whole(command))) => command,
                Ok(Ok(Received::Begun(_)) | Err(InboxError::TooLarge { .. } | InboxError::OverBudget)) => {
                    return self.refuse(&ServerError::packet_too_large()).await;
                }
                // gone, or speaks something else
                Ok(Err(_)) => return Ok(()),
            };
            if command.code() == CommandCode::QUIT {
                return Ok(());
            }
            self.command(&command).await?;
        }
    }

    async fn command(&mut self, command: &Command) -> io::Result<()> {
        let payload = command.payload();
        let is_text = payload
            .get(1..)
            .is_some_and(|text| std::str::from_utf8(text).is_ok());
        match command.code() {
            CommandCode::QUERY | CommandCode::INIT_DB if !is_text => {
                self.refuse(&ServerError::new(1300, b"HY000", "the text is not UTF-8"))
                    .await
            }
            CommandCode::QUERY => self.pass(payload, Shape::Results).await,
            CommandCode::INIT_DB | CommandCode::PING => self.pass(payload, Shape::Verdict).await,
            CommandCode::RESET_CONNECTION => self.ok().await,
            // an empty list of columns: clients ask for it to complete names
            CommandCode::FIELD_LIST | CommandCode::SET_OPTION => self.eof().await,
            CommandCode::STATISTICS => {
                let mut packet = Vec::new();
                wire::frame::encode(b"the admin console of the proxy: SHOW NODES", 1, &mut packet);
                self.send(&packet).await
            }
            CommandCode::STMT_PREPARE => {
                let message = "This command is not supported in the prepared statement protocol yet: \
                               the admin console takes texts";
                self.refuse(&ServerError::new(1295, b"HY000", message)).await
            }
            CommandCode::STMT_CLOSE | CommandCode::STMT_SEND_LONG_DATA => Ok(()),
            _ => self.refuse(&ServerError::unknown_command()).await,
        }
    }

    /// Hands a command on and its reply back.
    async fn pass(&mut self, payload: &[u8], shape: Shape) -> io::Result<()> {
        let mut packet = Vec::new();
        wire::frame::encode(payload, 0, &mut packet);
        self.server.write_all(&packet).await?;
        let mut progress = Progress::new(shape, self.capabilities);
        let mut reply = Vec::new();
        while !progress.is_done() {
            if self.server.read_buf(&mut reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut seen = 0;
            while !progress.is_done() {
                let piece = progress
                    .next(reply.get(seen..).unwrap_or_default())
                    .map_err(io::Error::other)?;
                match piece {
                    Piece::Bytes(0) | Piece::Incomplete(_) => break,
                    Piece::Bytes(bytes) | Piece::Packet(bytes, _) => seen += bytes,
                }
            }
            self.client
                .write_all(reply.get(..seen).unwrap_or_default())
                .await?;
            reply.drain(..seen);
        }
        self.client.flush().await
    }

    async fn refuse(&mut self, error: &ServerError) -> io::Result<()> {
        let mut packet = Vec::new();
        error.encode(1, &mut packet);
        self.send(&packet).await
    }

    async fn ok(&mut self) -> io::Result<()> {
        let mut packet = Vec::new();
        OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(self.capabilities, 1, &mut packet);
        self.send(&packet).await
    }

    async fn eof(&mut self) -> io::Result<()> {
        let mut packet = Vec::new();
        wire::frame::encode(&[0xfe, 0, 0, 2, 0], 1, &mut packet);
        self.send(&packet).await
    }

    async fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.client.write_all(packet).await?;
        self.client.flush().await
    }
}

//! A MySQL server that does what a test says: for the replies and the faults that real servers do not produce at will.
//! It lets everybody in, answers the proxy's own questions as a healthy manager would, and hands everything else to
//! the script.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wire::command::CommandCode;
use wire::frame::{self, Header};
use wire::handshake::{Greeting, HandshakeResponse, Nonce};
use wire::reply::OkPacket;
use wire::{Capabilities, ServerError, StatusFlags};

/// What the script does about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// OK without rows.
    Ok,
    /// An error.
    Err(ServerError),
    /// These bytes, headers included.
    Send(Vec<u8>),
    /// These bytes, then the connection is closed.
    SendAndClose(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// The connection is closed.
    Close,
}

/// A script: the command's code and argument, and what is done.
pub type Script = dyn Fn(CommandCode, &[u8]) -> Act + Send + Sync;

/// A server on a port of its own. It ends when dropped.
#[derive(Debug)]
pub struct ScriptedServer {
    port: u16,
    accepting: JoinHandle<()>,
}

impl ScriptedServer {
    /// Starts it with its script.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start<F>(script: F) -> std::io::Result<ScriptedServer>
    where
        F: Fn(CommandCode, &[u8]) -> Act + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let script: Arc<Script> = Arc::new(script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&script);
                // a client that goes away in the middle is the test's business
                tokio::spawn(async move { drop(serve(stream, &*script).await) });
            }
        });
        Ok(ScriptedServer { port, accepting })
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What it says it can do: all but compression and TLS.
const CAPABILITIES: Capabilities =
    Capabilities(Capabilities::BOOKKEEPING_FLAGS.0 | Capabilities::ROW_FLAGS.0);

async fn serve(mut stream: TcpStream, script: &Script) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let capabilities = greet(&mut stream).await?;
    loop {
        let (_, payload) = read_packet(&mut stream).await?;
        let (code, argument) = payload.split_first().context("an empty command")?;
        let mut out = Vec::new();
        match script(CommandCode(*code), argument) {
            Act::Ok => {
                OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(capabilities, 1, &mut out);
            }
            Act::Err(error) => {
                error.encode(1, &mut out);
            }
            Act::Send(bytes) => out = bytes,
            Act::SendAndClose(bytes) => {
                stream.write_all(&bytes).await?;
                return Ok(stream.shutdown().await?);
            }
            Act::Hang => std::future::pending().await,
            Act::Close => return Ok(()),
        }
        stream.write_all(&out).await?;
    }
}

async fn greet(stream: &mut TcpStream) -> anyhow::Result<Capabilities> {
    let greeting = Greeting {
        version: b"8.0.99-scripted".to_vec(),
        connection_id: 1,
        nonce: Nonce::from_random([7; Nonce::BYTES]),
        capabilities: CAPABILITIES,
        collation: 255,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: b"mysql_native_password".to_vec(),
    };
    let (mut payload, mut packet) = (Vec::new(), Vec::new());
    greeting.encode(&mut payload);
    frame::encode(&payload, 0, &mut packet);
    stream.write_all(&packet).await?;
    let (sequence, payload) = read_packet(stream).await?;
    let response = match HandshakeResponse::decode(&payload) {
        Ok(response) => response,
        Err(error) => bail!("no handshake response: {error}"),
    };
    let capabilities = response.capabilities & CAPABILITIES;
    packet.clear();
    OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(capabilities, sequence.wrapping_add(1), &mut packet);
    stream.write_all(&packet).await?;
    Ok(capabilities)
}

async fn read_packet(stream: &mut TcpStream) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let header = Header::peek(&header).context("half a header")?;
    let mut payload = vec![0; header.payload_bytes];
    stream.read_exact(&mut payload).await?;
    Ok((header.sequence, payload))
}

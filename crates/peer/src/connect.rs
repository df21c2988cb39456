//! The client's role: a login at a server.

use std::io;
use std::path::PathBuf;

use tokio::net::{TcpStream, UnixStream};
use wire::auth::Password;
use wire::compressed::Compression;
use wire::handshake::{
    AwaitVerdict, ClientDone, ClientLogin, ClientStart, ClientStep, Greeting, Identity, TlsWish,
};
use wire::limits::CONTROL_PACKET_BYTES_MAX;
use wire::reply::OkPacket;
use wire::{Capabilities, StatusFlags};

pub use crate::error::ConnectError;
use crate::exchange;
use crate::stream::Stream;
use crate::tls::Connector;

/// `utf8mb4_general_ci`. The lower byte of another collation may be one that a server refuses at a login.
const COLLATION_OF_ALL_SERVERS: u8 = 45;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// Name or number of the host.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// What TLS is wanted.
#[derive(Debug, Clone, Copy)]
pub enum TlsPolicy<'a> {
    /// None.
    Off,
    /// Where it is offered.
    Preferred(&'a Connector),
    /// TLS, or no connection.
    Required(&'a Connector),
}

/// Who logs in, and what for.
#[derive(Clone, Copy)]
pub struct LoginRequest<'a> {
    /// User name.
    pub user: &'a [u8],
    /// Password; may be empty.
    pub password: &'a [u8],
    /// The schema to begin in.
    pub database: Option<&'a [u8]>,
    /// What is wanted; the server may be able to do less. Compression is wanted by its flag.
    pub capabilities: Capabilities,
    /// A collation. A login has one byte for it: one above 255 is asked for by COM_CHANGE_USER behind it.
    pub collation: u16,
    /// What to tell about oneself.
    pub attributes: &'a [(Vec<u8>, Vec<u8>)],
    /// What TLS is wanted.
    pub tls: TlsPolicy<'a>,
}

/// A connection that is logged in.
#[derive(Debug)]
pub struct ServerConnection {
    /// The stream, at the start of a command.
    pub stream: Stream,
    /// What the server said first.
    pub greeting: Greeting,
    /// What both ends can do.
    pub capabilities: Capabilities,
    /// Status flags of the login's OK packet.
    pub status: StatusFlags,
    /// The OK packet's block of session state.
    pub session_track: Vec<u8>,
    /// The server's number of this connection.
    pub connection_id: u32,
}

/// Opens a stream.
pub async fn open(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

/// Opens a stream and logs in. The caller bounds the time.
pub async fn login(address: &Address, request: LoginRequest<'_>) -> Result<ServerConnection, ConnectError> {
    let stream = open(address).await?;
    login_over(stream, request).await
}

/// Logs in over a stream that nothing was read from yet.
pub async fn login_over(
    mut stream: Stream,
    request: LoginRequest<'_>,
) -> Result<ServerConnection, ConnectError> {
    let (wish, connector) = match request.tls {
        TlsPolicy::Off => (TlsWish::Off, None),
        TlsPolicy::Preferred(connector) => (TlsWish::Preferred, Some(connector)),
        TlsPolicy::Required(connector) => (TlsWish::Required, Some(connector)),
    };
    let login = ClientLogin::new(request.identity(), stream.transport(), wish);
    let greeting = exchange::read(&mut stream, CONTROL_PACKET_BYTES_MAX).await?;
    let greeted = match (login.on_greeting(greeting.packet())?, connector) {
        (ClientStart::Refused(payload), _) => return Err(ConnectError::refused(&payload)),
        (ClientStart::StartTls(bytes, greeted), Some(connector)) => {
            exchange::write(&mut stream, &bytes).await?;
            stream = connector.connect(stream).await.map_err(ConnectError::Tls)?;
            greeted
        }
        (ClientStart::Respond(greeted) | ClientStart::StartTls(_, greeted), _) => greeted,
    };
    let mut done = verdict(&mut stream, greeted.respond()).await?;
    if u8::try_from(request.collation).is_err() {
        let transport = stream.transport();
        let again = done.change_user(request.identity(), request.collation, transport);
        done = verdict(&mut stream, again).await?;
    }
    logged_in(stream, done)
}

/// Sends what there is to send, and goes on until the server has decided.
async fn verdict(
    stream: &mut Stream,
    (mut bytes, mut state): (Vec<u8>, AwaitVerdict),
) -> Result<ClientDone, ConnectError> {
    loop {
        if !bytes.is_empty() {
            exchange::write(stream, &bytes).await?;
        }
        let answer = exchange::read(stream, CONTROL_PACKET_BYTES_MAX).await?;
        (bytes, state) = match state.on_packet(answer.packet())? {
            ClientStep::Send(bytes, state) => (bytes, state),
            ClientStep::Wait(state) => (Vec::new(), state),
            ClientStep::Refused(payload) => return Err(ConnectError::refused(&payload)),
            ClientStep::Done(done) => return Ok(done),
        };
    }
}

fn logged_in(stream: Stream, done: ClientDone) -> Result<ServerConnection, ConnectError> {
    let ClientDone {
        greeting,
        capabilities,
        ok,
    } = done;
    let ok = OkPacket::decode(&ok, capabilities)?;
    Ok(ServerConnection {
        stream: match Compression::agreed(capabilities, None) {
            Some(compression) => stream.compressed_for_server(compression),
            None => stream,
        },
        connection_id: greeting.connection_id,
        status: ok.status,
        session_track: ok.state.to_vec(),
        greeting,
        capabilities,
    })
}

impl LoginRequest<'_> {
    fn identity(&self) -> Identity {
        let (collation, capabilities) = match u8::try_from(self.collation) {
            Ok(collation) => (collation, self.capabilities),
            // numbers jump in a compressed reply; the second exchange of this rare login does without
            Err(_) => (
                COLLATION_OF_ALL_SERVERS,
                self.capabilities
                    .without(Capabilities::COMPRESS | Capabilities::ZSTD_COMPRESSION),
            ),
        };
        Identity {
            user: self.user.to_vec(),
            password: Password::new(self.password.to_vec()),
            database: self.database.map(Vec::from),
            capabilities,
            collation,
            attributes: self.attributes.to_vec(),
        }
    }
}

//! A connection's byte stream: TCP, a Unix socket, TLS over either, or compression over any of them. Dispatch by
//! enum: nothing is boxed but TLS and compression, whose state is large and which an idle plain session shall not
//! pay for.

mod compressed;

mod closed;

use std::io::{self, IoSlice};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;
use wire::compressed::Compression;
use wire::handshake::Transport;

pub use self::compressed::Compressed;

/// A byte stream of a MySQL connection.
#[derive(Debug)]
pub enum Stream {
    /// TCP, without TLS.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS.
    Tls(Box<TlsStream<Plain>>),
    /// Compressed packets over one of the others, behind the login.
    Compressed(Box<Compressed>),
}

/// What TLS runs over.
#[derive(Debug)]
pub enum Plain {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// What was agreed on for TLS, for logs and for the next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// As the servers' `Ssl_version` has it: `TLSv1.3`.
    pub version: &'static str,
    /// As the servers' `Ssl_cipher` has it nearly: `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

impl Stream {
    /// Takes over a socket; replies must not wait for more bytes to fill a segment.
    pub fn from_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Stream::Tcp(TcpStream::from_std(stream)?))
    }

    /// Takes over a Unix socket.
    pub fn from_unix(stream: StdUnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Stream::Unix(UnixStream::from_std(stream)?))
    }

    /// What carries the bytes.
    pub fn transport(&self) -> Transport {
        match self {
            Stream::Tcp(_) => Transport::Plain,
            Stream::Unix(_) => Transport::UnixSocket,
            Stream::Tls(_) => Transport::Tls,
            Stream::Compressed(stream) => stream.inner().transport(),
        }
    }

    /// The server's end of a connection on which compression was agreed on; the OK of the login is the last packet
    /// without it. Packets come in pieces as servers cut them, which clients with zlib rely on.
    pub fn compressed_for_client(self, compression: Compression) -> Self {
        Stream::Compressed(Box::new(Compressed::for_client(self, compression)))
    }

    /// The same for a gatekeeper: packets are cut anywhere, and nothing of them waits for the rest.
    pub fn compressed_for_hop(self, compression: Compression) -> Self {
        Stream::Compressed(Box::new(Compressed::for_hop(self, compression)))
    }

    /// The same for the client's end.
    pub fn compressed_for_server(self, compression: Compression) -> Self {
        Stream::Compressed(Box::new(Compressed::for_server(self, compression)))
    }

    /// Whether nobody else can read the bytes: TLS or a Unix socket.
    pub fn is_secure(&self) -> bool {
        self.transport().is_secure()
    }

    /// What was agreed on for TLS.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        let stream = match self {
            Stream::Tls(stream) => stream,
            Stream::Compressed(stream) => return stream.inner().tls_facts(),
            Stream::Tcp(_) | Stream::Unix(_) => return None,
        };
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default();
        let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        Some(TlsFacts {
            version,
            cipher,
            resumed,
        })
    }

    /// Waits until a read would find bytes (or the end), so that a buffer is taken only then. With TLS the
    /// bytes may turn out to be TLS's own, and the read waits on.
    pub async fn readable(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.readable().await,
            Stream::Unix(stream) => stream.readable().await,
            Stream::Tls(stream) => {
                if plaintext_waits(stream) {
                    return Ok(());
                }
                match stream.get_ref().0 {
                    Plain::Tcp(stream) => stream.readable().await,
                    Plain::Unix(stream) => stream.readable().await,
                }
            }
            Stream::Compressed(stream) => stream.readable().await,
        }
    }

    /// The same stream as something that TLS can be laid over; a stream that has TLS has no second.
    pub(crate) fn into_plain(self) -> io::Result<Plain> {
        match self {
            Stream::Tcp(stream) => Ok(Plain::Tcp(stream)),
            Stream::Unix(stream) => Ok(Plain::Unix(stream)),
            Stream::Tls(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS inside TLS")),
            Stream::Compressed(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "TLS inside compression",
            )),
        }
    }
}

/// Whether decrypted bytes wait inside TLS, of which the socket knows nothing.
fn plaintext_waits(stream: &mut TlsStream<Plain>) -> bool {
    let state = match stream {
        TlsStream::Client(stream) => stream.get_mut().1.process_new_packets(),
        TlsStream::Server(stream) => stream.get_mut().1.process_new_packets(),
    };
    // an error is for the read to report
    state.map_or(true, |state| {
        state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()
    })
}

macro_rules! dispatch {
    ($self:ident, $stream:ident => $call:expr; $($variant:path),+) => {
        match $self.get_mut() {
            $($variant($stream) => {
                let $stream = Pin::new($stream);
                $call
            })+
        }
    };
}

macro_rules! stream_traits {
    ($type:ty; $($variant:path),+) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                dispatch!(self, stream => stream.poll_read(cx, buffer); $($variant),+)
            }
        }

        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                dispatch!(self, stream => stream.poll_write(cx, bytes); $($variant),+)
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                dispatch!(self, stream => stream.poll_write_vectored(cx, slices); $($variant),+)
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($variant(stream) => stream.is_write_vectored(),)+
                }
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                dispatch!(self, stream => stream.poll_flush(cx); $($variant),+)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                dispatch!(self, stream => stream.poll_shutdown(cx); $($variant),+)
            }
        }
    };
}

stream_traits!(Stream; Stream::Tcp, Stream::Unix, Stream::Tls, Stream::Compressed);
stream_traits!(Plain; Plain::Tcp, Plain::Unix);

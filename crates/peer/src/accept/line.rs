//! The wire to a client that is not let in yet: numbered packets under one deadline.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use wire::ServerError;
use wire::handshake::{FirstStep, Greeting, Identify, ServerLogin};
use wire::limits::PRE_AUTH_PACKET_BYTES_MAX;

use crate::error::{LoginError, Reason};
use crate::exchange::{self, Received};
use crate::stream::Stream;
use crate::tls::Acceptor;

/// Bytes of a stranger that are read and dropped so that it can read our ERR before the connection goes.
const LINGER_BYTES_MAX: u64 = 64 * 1024;

/// How long a refused client may take to read its ERR, beyond the deadline.
const LINGER: Duration = Duration::from_secs(1);

/// A stream, the number of the next packet on it, and when patience ends.
pub(crate) struct Line<'a> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) sequence: u8,
    pub(crate) deadline: Instant,
}

/// Greets, takes TLS up when the client asks for it, and lets it say who it is.
pub(crate) async fn greet(
    mut stream: Stream,
    greeting: &Greeting,
    acceptor: Option<&Acceptor>,
    deadline: Instant,
) -> Result<(Stream, Box<Identify>), LoginError> {
    let mut bytes = Vec::new();
    let login = ServerLogin::greet(greeting, stream.transport(), &mut bytes);
    let mut line = Line {
        stream: &mut stream,
        sequence: 0,
        deadline,
    };
    line.write(&bytes).await?;
    let login = match line.identify(login).await {
        Ok(FirstStep::Identify(identify)) => return Ok((stream, identify)),
        Ok(FirstStep::StartTls(login)) => login,
        Err(error) => return Err(line.tell(error, None).await),
    };
    let sequence = line.sequence;
    let Some(acceptor) = acceptor else {
        return Err(LoginError::internal("the greeting offers TLS that is not set up"));
    };
    stream = match timeout_at(deadline, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(LoginError::new(Reason::TlsFailed, None, error.to_string())),
        // no words of ours inside somebody's TLS handshake
        Err(_) => {
            return Err(LoginError {
                told: None,
                ..too_late()
            });
        }
    };
    let mut line = Line {
        stream: &mut stream,
        sequence,
        deadline,
    };
    match line.identify(login).await {
        Ok(FirstStep::Identify(identify)) => Ok((stream, identify)),
        Ok(FirstStep::StartTls(_)) => Err(LoginError::internal("TLS was asked for twice")),
        Err(error) => Err(line.tell(error, None).await),
    }
}

impl Line<'_> {
    async fn identify(&mut self, login: ServerLogin) -> Result<FirstStep, LoginError> {
        let packet = self.read().await?;
        Ok(login.on_packet(packet.packet())?)
    }

    /// Reads the next packet.
    pub(crate) async fn read(&mut self) -> Result<Received, LoginError> {
        let read = exchange::read_numbered(self.stream, self.sequence, PRE_AUTH_PACKET_BYTES_MAX);
        let received = timeout_at(self.deadline, read).await.map_err(|_| too_late())??;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(received)
    }

    /// Writes one packet.
    pub(crate) async fn write(&mut self, packet: &[u8]) -> Result<(), LoginError> {
        let written = exchange::write(self.stream, packet);
        timeout_at(self.deadline, written)
            .await
            .map_err(|_| too_late())??;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Waits for something of our own.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, LoginError> {
        timeout_at(self.deadline, work).await.map_err(|_| too_late())
    }

    /// Tells the client why it cannot come in, if there is something to tell.
    pub(crate) async fn tell(self, mut error: LoginError, user: Option<&[u8]>) -> LoginError {
        error.user = user.map(Vec::from);
        let Some(told) = &error.told else { return error };
        let mut bytes = Vec::new();
        if error.before_4_1 {
            told.encode_without_state(self.sequence, &mut bytes);
        } else {
            told.encode(self.sequence, &mut bytes);
        }
        let sent = timeout(LINGER, async {
            exchange::write(self.stream, &bytes).await?;
            self.stream.shutdown().await?;
            if error.reason == Reason::BadHandshake {
                // closing over unread bytes resets the connection, and the reset overtakes our words
                tokio::io::copy(&mut self.stream.take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await?;
            }
            io::Result::Ok(())
        });
        // who does not listen has been told all the same
        let _ = sent.await;
        error
    }
}

/// MySQL says so, MariaDB closes without a word.
fn too_late() -> LoginError {
    LoginError::new(
        Reason::Timeout,
        Some(ServerError::read_timeout()),
        "the client took too long",
    )
}

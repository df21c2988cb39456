//! The server's role: lets a client in, or tells it why not.
//!
//! The final OK is not sent here: the caller opens its own way onward first, and then sends OK or ERR with
//! [`LoggedIn::sequence`]. A login that fails has been answered when [`LoginError`] comes back.
//!
//! Somebody without an account goes through the same exchange as everybody else, against a verifier that
//! no password fits.

mod account;
mod hashing;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::ServerError;
use wire::auth::ServerKey;
use wire::handshake::{
    ChangeUser, FirstStep, Greeting, HandshakeResponse, Identify, Nonce, Proof, ServerLogin, ServerStep,
};
use wire::limits::PRE_AUTH_PACKET_BYTES_MAX;

pub use self::account::{Accounts, Credential};
use self::hashing::Hashing;
pub use crate::error::{LoginError, Reason};
use crate::exchange::{self, Received};
use crate::stream::{Stream, TlsFacts};
use crate::tls::Acceptor;

/// Bytes of a stranger that are read and dropped so that it can read our ERR before the connection goes.
const LINGER_BYTES_MAX: u64 = 64 * 1024;

/// How long that may take.
const LINGER: Duration = Duration::from_secs(1);

/// Random bytes for a greeting.
pub fn fresh_nonce() -> Nonce {
    Nonce::from_random(rand::random())
}

/// What every login needs, shared by all of them.
#[derive(Debug)]
pub struct Authenticator<A> {
    accounts: A,
    settings: Settings,
    /// Against whom somebody without an account proves a password.
    decoy: Arc<Credential>,
    hashing: Hashing,
}

/// What an [`Authenticator`] is told.
#[derive(Debug)]
pub struct Settings {
    /// The key that clients without TLS encrypt their password with.
    pub key: Arc<ServerKey>,
    /// TLS, when it is offered. Greetings must have [`wire::Capabilities::SSL`] just then.
    pub tls: Option<Acceptor>,
    /// Whether a plain connection is refused.
    pub tls_required: bool,
    /// For the whole login.
    pub deadline: Duration,
}

/// A client that has proved who it is, and waits for OK.
#[derive(Debug)]
pub struct LoggedIn {
    /// The stream; no byte behind the login has been read from it.
    pub stream: Stream,
    /// What the client said; its capabilities are those that both ends have, its proof is gone.
    pub response: HandshakeResponse,
    /// Number of the OK or ERR that the caller sends.
    pub sequence: u8,
    /// What was agreed on for TLS.
    pub tls: Option<TlsFacts>,
}

impl<A: Accounts> Authenticator<A> {
    /// For these accounts.
    pub fn new(accounts: A, settings: Settings) -> Self {
        Self {
            accounts,
            settings,
            decoy: Arc::new(Credential::decoy()),
            hashing: Hashing::default(),
        }
    }

    /// The accounts.
    pub fn accounts(&self) -> &A {
        &self.accounts
    }

    /// Greets, and lets the client prove who it is. `host` is what the client's address is called in
    /// error messages.
    pub async fn login(
        &self,
        stream: Stream,
        greeting: &Greeting,
        host: &str,
    ) -> Result<LoggedIn, LoginError> {
        let login = Box::pin(self.greet_and_prove(stream, greeting, host));
        tokio::time::timeout(self.settings.deadline, login)
            .await
            .unwrap_or_else(|_| Err(too_late()))
    }

    /// COM_CHANGE_USER: the client proves who it is from now on; returns the number of the OK or ERR that the
    /// caller sends. `sequence` is the command's plus one.
    pub async fn reauthenticate(
        &self,
        stream: &mut Stream,
        change: &ChangeUser,
        sequence: u8,
        host: &str,
    ) -> Result<u8, LoginError> {
        let (credential, known) = self.find(&change.user);
        let mut line = Line { stream, sequence };
        let exchange = async {
            let step = change.prove(
                &credential.plugins(),
                fresh_nonce(),
                line.stream.transport(),
                sequence,
            )?;
            self.prove(&mut line, step, &credential, known, &change.user, host)
                .await
        };
        let exchange = Box::pin(exchange);
        let result = match tokio::time::timeout(self.settings.deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(too_late()),
        };
        match result {
            Ok(sequence) => Ok(sequence),
            Err(error) => Err(tell(line, error, Some(&change.user)).await),
        }
    }

    async fn greet_and_prove(
        &self,
        stream: Stream,
        greeting: &Greeting,
        host: &str,
    ) -> Result<LoggedIn, LoginError> {
        let (mut stream, identify) = greet(stream, greeting, self.settings.tls.as_ref()).await?;
        let mut line = Line {
            stream: &mut stream,
            sequence: identify.sequence(),
        };
        let user = identify.response.user.clone();
        match self.prove_account(&mut line, *identify, host).await {
            Ok((mut response, sequence)) => {
                response.capabilities = response.capabilities & greeting.capabilities;
                let tls = stream.tls_facts();
                Ok(LoggedIn {
                    stream,
                    response,
                    sequence,
                    tls,
                })
            }
            Err(error) => Err(tell(line, error, Some(&user)).await),
        }
    }

    async fn prove_account(
        &self,
        line: &mut Line<'_>,
        identify: Identify,
        host: &str,
    ) -> Result<(HandshakeResponse, u8), LoginError> {
        if self.settings.tls_required && !identify.transport().is_secure() {
            return Err(tls_required());
        }
        let user = identify.response.user.clone();
        let (credential, known) = self.find(&user);
        let (response, step) = identify.prove(&credential.plugins())?;
        let sequence = self.prove(line, step, &credential, known, &user, host).await?;
        Ok((response, sequence))
    }

    fn find(&self, user: &[u8]) -> (Arc<Credential>, bool) {
        match self.accounts.find(user) {
            Some(credential) => (credential, true),
            None => (Arc::clone(&self.decoy), false),
        }
    }

    /// The exchange from the first proof to the verdict; returns the number of the verdict's packet.
    async fn prove(
        &self,
        line: &mut Line<'_>,
        mut step: ServerStep,
        credential: &Arc<Credential>,
        known: bool,
        user: &[u8],
        host: &str,
    ) -> Result<u8, LoginError> {
        let denied = |reason, password_used| {
            let reason = if known { reason } else { Reason::UnknownUser };
            let told = ServerError::access_denied(user, host, password_used);
            LoginError::new(reason, Some(told), "access denied")
        };
        let (right, sequence) = loop {
            let (bytes, state) = match step {
                ServerStep::Send(bytes, state) => (bytes, state),
                ServerStep::PublicKey(request) => request.send(self.settings.key.public_pem()),
                ServerStep::Verify(Proof::Nothing { .. }) => return Err(denied(Reason::NoPassword, false)),
                ServerStep::Verify(Proof::Native {
                    nonce,
                    response,
                    sequence,
                }) => {
                    break (credential.verify_native(nonce, &response), sequence);
                }
                ServerStep::Verify(Proof::Fast(proof)) if credential.verify_fast(&proof) => {
                    let (bytes, sequence) = proof.accept();
                    line.write(&bytes).await?;
                    break (true, sequence);
                }
                ServerStep::Verify(Proof::Fast(proof)) => proof.full_authentication(),
                ServerStep::Verify(Proof::Full { password, sequence }) => {
                    break (self.hashing.verify(credential, password).await?, sequence);
                }
                ServerStep::Verify(Proof::Encrypted {
                    nonce,
                    block,
                    sequence,
                }) => {
                    // a block that cannot be read costs as much as a wrong password
                    let password = self
                        .settings
                        .key
                        .decrypt_password(nonce, &block)
                        .unwrap_or_default();
                    break (self.hashing.verify(credential, password).await?, sequence);
                }
            };
            line.write(&bytes).await?;
            let answer = line.read().await?;
            step = state.on_packet(answer.packet())?;
        };
        if !right || !known {
            return Err(denied(Reason::WrongPassword, true));
        }
        if credential.require_tls && !line.stream.is_secure() {
            return Err(tls_required());
        }
        Ok(sequence)
    }
}

/// Greets, takes TLS up when the client asks for it, and lets it say who it is.
pub(crate) async fn greet(
    mut stream: Stream,
    greeting: &Greeting,
    acceptor: Option<&Acceptor>,
) -> Result<(Stream, Box<Identify>), LoginError> {
    let mut bytes = Vec::new();
    let login = ServerLogin::greet(greeting, stream.transport(), &mut bytes);
    exchange::write(&mut stream, &bytes).await?;
    let mut line = Line {
        stream: &mut stream,
        sequence: 1,
    };
    let login = match line.identify(login).await {
        Ok(FirstStep::Identify(identify)) => return Ok((stream, identify)),
        Ok(FirstStep::StartTls(login)) => login,
        Err(error) => return Err(tell(line, error, None).await),
    };
    let Some(acceptor) = acceptor else {
        return Err(LoginError::internal("the greeting offers TLS that is not set up"));
    };
    let failed = |error: io::Error| LoginError::new(Reason::TlsFailed, None, error.to_string());
    stream = acceptor.accept(stream).await.map_err(failed)?;
    let mut line = Line {
        stream: &mut stream,
        sequence: 2,
    };
    match line.identify(login).await {
        Ok(FirstStep::Identify(identify)) => Ok((stream, identify)),
        Ok(FirstStep::StartTls(_)) => Err(LoginError::internal("TLS was asked for twice")),
        Err(error) => Err(tell(line, error, None).await),
    }
}

fn tls_required() -> LoginError {
    let told = ServerError::new(
        3159,
        b"HY000",
        "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
    );
    LoginError::new(
        Reason::TlsRequired,
        Some(told),
        "a plain connection where a secure one is required",
    )
}

/// Servers close without a word: MariaDB 10.11 resets the connection, and so does this.
pub(crate) fn too_late() -> LoginError {
    LoginError::new(Reason::Timeout, None, "the client took too long")
}

/// A stream and the number of the next packet on it.
pub(crate) struct Line<'a> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) sequence: u8,
}

impl Line<'_> {
    pub(crate) async fn identify(&mut self, login: ServerLogin) -> Result<FirstStep, LoginError> {
        let packet = self.read().await?;
        Ok(login.on_packet(packet.packet())?)
    }

    async fn read(&mut self) -> Result<Received, LoginError> {
        let received = exchange::read_numbered(self.stream, self.sequence, PRE_AUTH_PACKET_BYTES_MAX).await?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(received)
    }

    /// Writes one packet.
    async fn write(&mut self, packet: &[u8]) -> Result<(), LoginError> {
        exchange::write(self.stream, packet).await?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }
}

/// Tells the client why it cannot come in, if there is something to tell.
pub(crate) async fn tell(line: Line<'_>, mut error: LoginError, user: Option<&[u8]>) -> LoginError {
    error.user = user.map(Vec::from);
    let Some(told) = &error.told else { return error };
    let mut bytes = Vec::new();
    told.encode(line.sequence, &mut bytes);
    let sent = tokio::time::timeout(LINGER, async {
        exchange::write(line.stream, &bytes).await?;
        line.stream.shutdown().await?;
        if error.reason == Reason::BadHandshake {
            // closing over unread bytes resets the connection, and the reset overtakes our words
            tokio::io::copy(&mut line.stream.take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await?;
        }
        io::Result::Ok(())
    });
    // who does not listen has been told all the same
    let _ = sent.await;
    error
}

#[cfg(test)]
mod tests;

//! The server's role: lets a client in, or tells it why not.
//!
//! The final OK is not sent here: the caller opens its own way onward first, and then sends OK or ERR with
//! [`LoggedIn::sequence`]. A login that fails has been answered when [`LoginError`] comes back.
//!
//! Somebody without an account goes through the same exchange as everybody else, against a verifier that
//! no password fits ([`Accounts::decoy`]).

mod account;
mod hashing;
mod line;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wire::ServerError;
use wire::auth::ed25519::Challenge;
use wire::auth::{Plugin, ServerKey};
use wire::handshake::{
    Accepts, ChangeUser, Family, Greeting, HandshakeResponse, Identify, Nonce, Proof, ServerStep,
};

pub use self::account::{Accounts, Credential, Shape};
use self::hashing::Hashing;
pub(crate) use self::line::{Line, greet};
pub use crate::error::{LoginError, Reason};
use crate::stream::{Stream, TlsFacts};
use crate::tls::Acceptor;

/// Random bytes for a greeting.
pub fn fresh_nonce() -> Nonce {
    Nonce::from_random(rand::random())
}

/// What every login needs, shared by all of them.
#[derive(Debug)]
pub struct Authenticator<A> {
    accounts: A,
    settings: Settings,
    hashing: Hashing,
}

/// What an [`Authenticator`] is told.
#[derive(Debug)]
pub struct Settings {
    /// The key that clients without TLS encrypt their password with; none where all accounts are of passwords that we
    /// have ourselves.
    pub key: Option<Arc<ServerKey>>,
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
    /// The info of the OK packet: what the client may check our certificate by, or nothing.
    pub ok_info: Vec<u8>,
}

/// A password that was proved.
struct Proved {
    by: Plugin,
    /// Number of the OK or ERR that follows.
    sequence: u8,
}

impl<A: Accounts> Authenticator<A> {
    /// For these accounts.
    pub fn new(accounts: A, settings: Settings) -> Self {
        Self {
            accounts,
            settings,
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
        // the exchange's state is large and short-lived, the caller's future small and long-lived
        Box::pin(self.greet_and_prove(stream, greeting, host)).await
    }

    /// COM_CHANGE_USER: the client proves who it is from now on; returns the number of the OK or ERR that the
    /// caller sends. `sequence` is the command's plus one. `family` is the greeting's.
    ///
    /// `nonce` is the greeting's: servers repeat it in their switch, and MariaDB's client library answers for
    /// the one that it saw first, whatever the switch says (tried with 3.3.20).
    pub async fn change_user(
        &self,
        stream: &mut Stream,
        change: &ChangeUser,
        (family, nonce): (Family, Nonce),
        sequence: u8,
        host: &str,
    ) -> Result<u8, LoginError> {
        let (credential, known) = self.find(&change.user);
        let mut line = Line {
            stream,
            sequence,
            deadline: self.deadline(),
        };
        let exchange = Box::pin(async {
            let transport = line.stream.transport();
            let plugins = credential.plugins();
            let step = change.prove(accepts(&plugins), family, nonce, transport, sequence)?;
            self.prove(&mut line, step, &credential, known, &change.user, host)
                .await
        });
        match exchange.await {
            Ok(proved) => Ok(proved.sequence),
            Err(error) => Err(line.tell(error, Some(&change.user)).await),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.deadline
    }

    async fn greet_and_prove(
        &self,
        stream: Stream,
        greeting: &Greeting,
        host: &str,
    ) -> Result<LoggedIn, LoginError> {
        let (deadline, acceptor) = (self.deadline(), self.settings.tls.as_ref());
        let (mut stream, identify) = greet(stream, greeting, acceptor, deadline).await?;
        let mut line = Line {
            stream: &mut stream,
            sequence: identify.sequence(),
            deadline,
        };
        let user = identify.response.user.clone();
        let (credential, known) = self.find(&user);
        match self
            .prove_account(&mut line, *identify, &credential, known, host)
            .await
        {
            Ok((mut response, proved)) => {
                response.capabilities = response.capabilities & greeting.capabilities;
                let fingerprint = match &stream {
                    Stream::Tls(_) if greeting.is_mariadb() => acceptor.map(Acceptor::fingerprint),
                    _ => None,
                };
                let ok_info = fingerprint
                    .and_then(|own| credential.certificate_proof(proved.by, greeting.nonce, own))
                    .unwrap_or_default();
                let tls = stream.tls_facts();
                Ok(LoggedIn {
                    stream,
                    response,
                    sequence: proved.sequence,
                    tls,
                    ok_info,
                })
            }
            Err(error) => Err(line.tell(error, Some(&user)).await),
        }
    }

    async fn prove_account(
        &self,
        line: &mut Line<'_>,
        identify: Identify,
        credential: &Arc<Credential>,
        known: bool,
        host: &str,
    ) -> Result<(HandshakeResponse, Proved), LoginError> {
        if self.settings.tls_required && !identify.transport().is_secure() {
            return Err(tls_required());
        }
        let user = identify.response.user.clone();
        let (response, step) = identify.prove(accepts(&credential.plugins()))?;
        let proved = self.prove(line, step, credential, known, &user, host).await?;
        Ok((response, proved))
    }

    fn key(&self) -> Result<&ServerKey, LoginError> {
        self.settings.key.as_deref().ok_or_else(tls_required)
    }

    fn find(&self, user: &[u8]) -> (Arc<Credential>, bool) {
        match self.accounts.find(user) {
            Some(credential) => (credential, true),
            None => (self.accounts.decoy(), false),
        }
    }

    /// The exchange from the first proof to the verdict.
    async fn prove(
        &self,
        line: &mut Line<'_>,
        mut step: ServerStep,
        credential: &Arc<Credential>,
        known: bool,
        user: &[u8],
        host: &str,
    ) -> Result<Proved, LoginError> {
        let denied = |reason, password_used| {
            let reason = if known { reason } else { Reason::UnknownUser };
            let told = ServerError::access_denied(user, host, password_used);
            LoginError::new(reason, Some(told), "access denied")
        };
        let (right, by, sequence) = loop {
            let (bytes, state) = match step {
                ServerStep::Send(bytes, state) => (bytes, state),
                ServerStep::PublicKey(request) => request.send(self.key()?.public_pem()),
                ServerStep::Verify(Proof::Nothing { .. }) => return Err(denied(Reason::NoPassword, false)),
                ServerStep::Verify(Proof::Wrong { .. }) => return Err(denied(Reason::WrongPassword, true)),
                ServerStep::Verify(Proof::Native {
                    nonce,
                    response,
                    sequence,
                }) => {
                    let right = credential.verify_native(nonce, &response);
                    break (right, Plugin::NativePassword, sequence);
                }
                ServerStep::Verify(Proof::Ed25519 {
                    challenge,
                    response,
                    sequence,
                }) => {
                    let right = credential.verify_ed25519(challenge, &response);
                    break (right, Plugin::Ed25519, sequence);
                }
                ServerStep::Verify(Proof::Fast(proof)) if credential.verify_fast(&proof) => {
                    let (bytes, sequence) = proof.accept();
                    line.write(&bytes).await?;
                    break (true, Plugin::CachingSha2, sequence);
                }
                ServerStep::Verify(Proof::Fast(_)) if credential.fast_decides() => {
                    return Err(denied(Reason::WrongPassword, true));
                }
                ServerStep::Verify(Proof::Fast(proof)) => proof.full_authentication(),
                ServerStep::Verify(Proof::Full { password, sequence }) => {
                    let right = line.wait(self.hashing.verify(credential, password)).await??;
                    break (right, Plugin::CachingSha2, sequence);
                }
                ServerStep::Verify(Proof::Encrypted {
                    nonce,
                    block,
                    sequence,
                }) => {
                    // a block that cannot be read costs as much as a wrong password
                    let password = self.key()?.decrypt_password(nonce, &block).unwrap_or_default();
                    let right = line.wait(self.hashing.verify(credential, password)).await??;
                    break (right, Plugin::CachingSha2, sequence);
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
        Ok(Proved { by, sequence })
    }
}

/// What an account can be proved by, in this login.
fn accepts(plugins: &[Plugin]) -> Accepts<'_> {
    Accepts {
        plugins,
        challenge: Challenge(rand::random()),
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

#[cfg(test)]
mod tests;

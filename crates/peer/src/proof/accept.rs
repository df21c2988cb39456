//! The proxy's end.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use wire::compressed::Compression;
use wire::frame;
use wire::handshake::{Greeting, HandshakeResponse};
use wire::reply::OkPacket;
use wire::{Capabilities, ServerError, StatusFlags};

use super::{HopIdentity, PLUGIN, Secret, mac};
use crate::accept::{Line, greet};
use crate::error::{LoginError, Reason};
use crate::exchange;
use crate::stream::Stream;
use crate::tls::Acceptor;

/// The gatekeeper, with a client that it let in.
#[derive(Debug)]
pub struct HopAccepted {
    /// The client; its capabilities are what both ends of the hop have.
    pub identity: HopIdentity,
    /// The answer that the gatekeeper waits for.
    pub pending: Pending,
}

/// The gatekeeper waits for OK or ERR.
#[derive(Debug)]
pub struct Pending {
    stream: Stream,
    capabilities: Capabilities,
    sequence: u8,
    proof: String,
    compression: Option<Compression>,
}

/// Greets, and lets nobody in but the gatekeeper. Anybody else is told so, and counted.
///
/// With an `acceptor` (a mutual one) everything but a Unix socket must take TLS up; with a `secret` it must be
/// proved, whatever the transport. The greeting's plugin is set here.
pub async fn accept(
    stream: Stream,
    greeting: &Greeting,
    secret: Option<&Secret>,
    acceptor: Option<&Acceptor>,
    deadline: Duration,
) -> Result<HopAccepted, LoginError> {
    let greeting = Greeting {
        auth_plugin: PLUGIN.to_vec(),
        ..greeting.clone()
    };
    let deadline = Instant::now() + deadline;
    Box::pin(greet_and_check(stream, &greeting, secret, acceptor, deadline)).await
}

async fn greet_and_check(
    stream: Stream,
    greeting: &Greeting,
    secret: Option<&Secret>,
    acceptor: Option<&Acceptor>,
    deadline: Instant,
) -> Result<HopAccepted, LoginError> {
    let (mut stream, identify) = greet(stream, greeting, acceptor, deadline).await?;
    let sequence = identify.sequence();
    let response = identify.response;
    let proven = match (secret, acceptor) {
        (None, None) => false,
        (_, Some(_)) if !stream.is_secure() => false,
        (None, Some(acceptor)) => acceptor.is_mutual() && matches!(stream, Stream::Tls(_)),
        (Some(_), _) => true,
    };
    let proof = proven.then(|| check(greeting, secret, &response)).flatten();
    let Some((identity, proof)) = proof else {
        let told = ServerError::new(1045, b"28000", "this proxy accepts its gatekeeper only");
        let error = LoginError::new(Reason::NotProven, Some(told), "not proven to be the gatekeeper");
        let line = Line {
            stream: &mut stream,
            sequence,
            deadline,
        };
        return Err(line.tell(error, None).await);
    };
    let pending = Pending {
        stream,
        capabilities: identity.capabilities,
        sequence,
        proof,
        compression: Compression::agreed(identity.capabilities, response.zstd_level),
    };
    Ok(HopAccepted { identity, pending })
}

/// The client and our own proof, if the gatekeeper's is right.
fn check(
    greeting: &Greeting,
    secret: Option<&Secret>,
    response: &HandshakeResponse,
) -> Option<(HopIdentity, String)> {
    let (identity, nonce) = HopIdentity::from_response(response.clone(), greeting.capabilities)?;
    let Some(secret) = secret else {
        return Some((identity, String::new()));
    };
    let expected = mac::of_gatekeeper(secret, greeting.nonce, nonce, response);
    mac::same(expected.as_ref(), &response.auth_response)
        .then(|| (identity, mac::of_proxy(secret, nonce, greeting.nonce)))
}

impl Pending {
    /// The session stands: answers OK with the manager's status flags and block of session state.
    pub async fn succeed(self, status: StatusFlags, session_track: &[u8]) -> io::Result<Stream> {
        let Self {
            mut stream,
            capabilities,
            sequence,
            proof,
            compression,
        } = self;
        let ok = OkPacket {
            info: proof.as_bytes(),
            state: session_track,
            ..OkPacket::plain(status)
        };
        let mut bytes = Vec::new();
        frame::encode_with(&mut bytes, sequence, |out| ok.encode_payload(capabilities, out));
        exchange::write(&mut stream, &bytes).await?;
        Ok(match compression {
            Some(compression) => stream.compressed_for_hop(compression),
            None => stream,
        })
    }

    /// No session: answers ERR, which the gatekeeper passes to its client.
    pub async fn refuse(self, error: &ServerError) -> io::Result<()> {
        let Self {
            mut stream, sequence, ..
        } = self;
        let mut bytes = Vec::new();
        error.encode(sequence, &mut bytes);
        exchange::write(&mut stream, &bytes).await
    }
}

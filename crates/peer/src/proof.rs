//! The proven hop: how gatekeeper and proxy know each other.
//!
//! ```text
//! proxy       Greeting { its nonce, plugin "gatekeeper_proof" }
//! gatekeeper  [SslRequest, TLS with certificates on both sides]
//! gatekeeper  HandshakeResponse { user, schema, flags, attributes, its nonce, proof }
//!             proof = HMAC-SHA256(secret, "gatekeeper" ‖ proxy's nonce ‖ gatekeeper's nonce ‖ response)
//! proxy       OK { info = HMAC-SHA256(secret, "proxy" ‖ gatekeeper's nonce ‖ proxy's nonce) } | ERR
//! ```
//!
//! The secret is never sent, a proof is good for one connection, and nothing in the response can be changed on
//! the way. Without a secret, mutual TLS is the proof.

mod accept;
mod connect;
mod identity;
mod mac;
mod secret;

use wire::ServerError;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::ErrPacket;

pub use self::accept::{HopAccepted, Pending, accept};
pub use self::connect::{HopLogin, connect};
pub use self::identity::{HopConnection, HopIdentity, KillReach};
pub use self::secret::{SECRET_BYTES_MIN, Secret, SecretError};

/// An error that only the hop knows: the session was killed, and its client is to see the end and nothing else, as a
/// server does it. No server has this number.
pub const KILLED: u16 = 0xff10;

/// The packet of [`KILLED`].
pub fn killed() -> ServerError {
    ServerError::new(KILLED, b"70100", "Connection was killed")
}

/// Whether `packets` begin with a packet of [`KILLED`], header included.
pub fn say_killed(packets: &[u8]) -> bool {
    let payload = packets.get(PACKET_HEADER_BYTES..).unwrap_or_default();
    ErrPacket::decode(payload).is_ok_and(|error| error.code == KILLED)
}

/// The plugin's name in greeting and response.
pub const PLUGIN: &[u8] = b"gatekeeper_proof";

#[cfg(test)]
mod tests;

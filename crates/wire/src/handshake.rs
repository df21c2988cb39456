//! The connection phase: who are you, what can you do, prove it.
//!
//! ```text
//! server                                   client
//!   Greeting  ───────────────────────────▶
//!             ◀──────────────  [SslRequest]  (then TLS, then the response again)
//!             ◀──────────────  HandshakeResponse
//!   [AuthSwitchRequest] ─────────────────▶
//!             ◀──────────────  [answer of the plugin]
//!   [AuthMoreData] ──────────────────────▶   caching_sha2_password: fast, full, public key
//!             ◀──────────────  [answer of the plugin]
//!   OK | ERR  ───────────────────────────▶
//! ```
//!
//! One file per packet; [`ServerLogin`] and [`ClientLogin`] are the two ends as state machines
//! without I/O: a step consumes the state, and asks by returning.
//!
//! See <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>.

mod attributes;
mod auth_more;
mod auth_switch;
mod change_user;
mod client_login;
mod greeting;
mod packet;
mod response;
mod server_login;
mod ssl_request;

pub use attributes::Attributes;
pub use auth_more::AuthMoreData;
pub use auth_switch::AuthSwitchRequest;
pub use change_user::ChangeUser;
pub use client_login::{
    AwaitVerdict, ClientDone, ClientGreeted, ClientLogin, ClientStart, ClientStep, Identity, TlsWish,
};
pub use greeting::{Greeting, Nonce};
pub use packet::{Family, HandshakeError, Packet, Transport};
pub use response::HandshakeResponse;
pub use server_login::{
    Accepts, AwaitProof, FastProof, FirstStep, Identify, KeyRequest, Proof, ServerLogin, ServerStep,
};
pub use ssl_request::SslRequest;

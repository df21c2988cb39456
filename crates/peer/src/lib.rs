//! One end of a MySQL conversation: [`wire`] driven over tokio streams and TLS.
//!
//! ```text
//! stream    TCP, Unix socket, TLS, compression over any of them: one type
//! tls       rustls in both roles, a certificate of our own making
//! accept    the server's role: let a client in (gatekeeper)
//! connect   the client's role: log in at a server (proxy)
//! proxy_protocol   what a load balancer says of a client
//! proof     the hop between gatekeeper and proxy, both ends
//! inbox     commands out of a client's stream
//! budget    memory for commands that must be held as a whole
//! rest      commands and files that pass while they come
//! relay     replies, passed on as they arrive
//! ```
//!
//! No policy and no routing.

pub mod accept;
pub mod budget;
pub mod chunk;
pub mod compression;
pub mod connect;
pub mod error;
mod exchange;
pub mod inbox;
pub mod proof;
pub mod proxy_protocol;
pub mod relay;
pub mod rest;
pub mod stream;
pub mod tls;

pub use error::{ConnectError, LoginError, Reason};
pub use stream::Stream;

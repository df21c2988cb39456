//! The MySQL client/server protocol as bytes.
//!
//! What do these bytes mean? This crate answers that and nothing else: no I/O, no async, no clock,
//! no SQL. Every decoder is total: hostile bytes give a [`DecodeError`], never a panic.
//!
//! ```text
//! frame      packets of at most 16 MiB, sequence numbers
//! compressed the layer below, where it was agreed on: headers and numbers
//! handshake  greeting, response, TLS request, auth switch, auth data
//! auth       mysql_native_password, caching_sha2_password, in both roles
//! command    what a client asks
//! reply      what a server answers, and where the answer ends
//! ```
//!
//! Follows the [MySQL protocol pages](https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html)
//! and MariaDB's [client/server protocol](https://mariadb.com/kb/en/clientserver-protocol/).

pub mod auth;
pub mod capabilities;
pub mod command;
pub mod compressed;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod limits;
pub mod reader;
pub mod reply;
pub mod server_error;
pub mod status;
pub mod writer;

pub use capabilities::Capabilities;
pub use error::DecodeError;
pub use reader::Reader;
pub use server_error::ServerError;
pub use status::StatusFlags;

//! Every bound of the protocol layer: its name, its unit, and why.

/// Largest payload of one packet: a three byte length, all ones, says that another packet follows.
pub const PACKET_PAYLOAD_BYTES_MAX: usize = 0xff_ffff;

/// Bytes of a packet header: `int<3>` payload length, `int<1>` sequence number.
pub const PACKET_HEADER_BYTES: usize = 4;

/// Largest packet read from a client that has not logged in. A handshake response with every field
/// at its own limit is smaller; a server's own bound is of this order.
pub const PRE_AUTH_PACKET_BYTES_MAX: usize = 96 * 1024;

/// Longest user name, in bytes: 80 characters in MariaDB (32 in MySQL) of at most four bytes.
pub const USER_NAME_BYTES_MAX: usize = 320;

/// Longest schema name, in bytes: 64 characters of at most four bytes.
pub const SCHEMA_NAME_BYTES_MAX: usize = 256;

/// Longest authentication plugin name, in bytes; the servers' own column holds 64 characters.
pub const PLUGIN_NAME_BYTES_MAX: usize = 256;

/// Longest answer of an authentication plugin, in bytes. An RSA 4096 block has 512.
pub const AUTH_DATA_BYTES_MAX: usize = 4096;

/// All connection attributes of a client together, in bytes; the servers cut at 64 KiB.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 * 1024;

/// Connection attributes of one client, in number. MySQL's own clients send about ten; what is beyond is left out, as
/// servers leave out what is beyond their `performance_schema_session_connect_attrs_size`.
pub const ATTRIBUTES_COUNT_MAX: usize = 256;

/// Longest server version string, in bytes; MariaDB's with distribution suffix has about 60.
pub const VERSION_BYTES_MAX: usize = 256;

/// Largest control packet (OK, ERR, EOF, first packet of a reply) that is held as a whole: an OK
/// packet with session state, of which a GTID set is the largest part that occurs.
pub const CONTROL_PACKET_BYTES_MAX: usize = 1024 * 1024;

/// Most query attributes of one statement; the server counts them in 16 bits.
pub const QUERY_ATTRIBUTES_COUNT_MAX: u64 = 65_535;

/// Most parameters of one prepared statement: `int<2>` in the reply of a prepare.
pub const PARAMETERS_COUNT_MAX: usize = 65_535;

/// Bytes of a compressed packet's header: `int<3>` length of what follows, `int<1>` sequence number, `int<3>`
/// length before compression.
pub const COMPRESSED_HEADER_BYTES: usize = 7;

/// Contents shorter than this many bytes are sent as they are, as servers do: compressed they would be longer.
pub const COMPRESS_BYTES_MIN: usize = 50;

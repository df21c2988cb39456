//! [Compressed packets](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression.html):
//! a layer below the ordinary packets, with lengths and sequence numbers of its own.
//!
//! ```text
//! int<3> length of what follows   int<1> sequence number   int<3> length before compression, 0: not compressed
//! what follows: a stretch of the stream of ordinary packets, cut anywhere
//! ```
//!
//! What is compressed is one stream of zlib or one frame of zstd per packet; both are decoded elsewhere, here are
//! only the layer's own bytes.

mod numbers;
mod walk;

pub use numbers::{ClientNumbers, Outgoing, ServerNumbers};
pub use walk::Walk;

use crate::capabilities::Capabilities;
use crate::limits::COMPRESSED_HEADER_BYTES;

/// The header of one compressed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressedHeader {
    /// Bytes that follow, below 16 MiB.
    pub payload_bytes: usize,
    /// Sequence number of this layer; starts at 0 with each command and wraps.
    pub sequence: u8,
    /// Bytes of the content before it was compressed, below 16 MiB; 0 says that it was not.
    pub uncompressed_bytes: usize,
}

impl CompressedHeader {
    /// The header at the start of `bytes`, or `None` when fewer than seven bytes are there.
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, sequence, x, y, z] = *bytes.first_chunk::<COMPRESSED_HEADER_BYTES>()?;
        Some(Self {
            payload_bytes: u32::from_le_bytes([a, b, c, 0]) as usize,
            sequence,
            uncompressed_bytes: u32::from_le_bytes([x, y, z, 0]) as usize,
        })
    }

    /// The seven bytes of the wire.
    pub fn encode(self) -> [u8; COMPRESSED_HEADER_BYTES] {
        let [a, b, c, ..] = self.payload_bytes.to_le_bytes();
        let [x, y, z, ..] = self.uncompressed_bytes.to_le_bytes();
        [a, b, c, self.sequence, x, y, z]
    }

    /// Whether what follows is compressed.
    pub fn is_compressed(self) -> bool {
        self.uncompressed_bytes > 0
    }
}

/// How both ends of a connection compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zlib, at the level of the servers.
    Zlib,
    /// zstd.
    Zstd {
        /// What our own end compresses with; any level can be decompressed.
        level: ZstdLevel,
    },
}

/// A level of zstd, from 1 (fast) to 22 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZstdLevel(u8);

impl ZstdLevel {
    /// The fastest.
    pub const MIN: ZstdLevel = ZstdLevel(1);
    /// The smallest output.
    pub const MAX: ZstdLevel = ZstdLevel(22);
    /// The clients' default.
    pub const DEFAULT: ZstdLevel = ZstdLevel(3);

    /// The level, or the nearest that there is.
    pub fn nearest(level: u8) -> Self {
        Self(level).clamp(Self::MIN, Self::MAX)
    }

    /// 1 to 22.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Compression {
    /// Both flags.
    pub const FLAGS: Capabilities = Capabilities(Capabilities::COMPRESS.0 | Capabilities::ZSTD_COMPRESSION.0);

    /// What follows from the flags that both ends have: zlib comes before zstd, as in the servers. The level is
    /// the handshake response's.
    pub fn agreed(capabilities: Capabilities, zstd_level: Option<u8>) -> Option<Self> {
        if capabilities.has(Capabilities::COMPRESS) {
            return Some(Self::Zlib);
        }
        if capabilities.has(Capabilities::ZSTD_COMPRESSION) {
            let level = zstd_level.map_or(ZstdLevel::DEFAULT, ZstdLevel::nearest);
            return Some(Self::Zstd { level });
        }
        None
    }

    /// The flag of the handshake.
    pub fn flag(self) -> Capabilities {
        match self {
            Self::Zlib => Capabilities::COMPRESS,
            Self::Zstd { .. } => Capabilities::ZSTD_COMPRESSION,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_as_sent_by_a_client() {
        // COM_QUERY "select ..." of 50 bytes, compressed to 34
        let header = CompressedHeader::peek(&[0x22, 0, 0, 0, 0x32, 0, 0, 0x78, 0x9c]).unwrap();
        let expected = CompressedHeader {
            payload_bytes: 34,
            sequence: 0,
            uncompressed_bytes: 50,
        };
        assert_eq!(header, expected);
        assert!(header.is_compressed());
        assert_eq!(header.encode(), [0x22, 0, 0, 0, 0x32, 0, 0]);
        assert_eq!(CompressedHeader::peek(&[0; 6]), None);
    }

    #[test]
    fn zlib_comes_before_zstd_and_levels_are_bounded() {
        let zstd = Capabilities::ZSTD_COMPRESSION;
        assert_eq!(
            Compression::agreed(zstd | Capabilities::COMPRESS, Some(7)),
            Some(Compression::Zlib)
        );
        for (asked, level) in [
            (None, ZstdLevel::DEFAULT),
            (Some(0), ZstdLevel::MIN),
            (Some(7), ZstdLevel(7)),
            (Some(255), ZstdLevel::MAX),
        ] {
            assert_eq!(
                Compression::agreed(zstd, asked),
                Some(Compression::Zstd { level })
            );
        }
        assert_eq!(Compression::agreed(Capabilities::SSL, Some(7)), None);
    }
}

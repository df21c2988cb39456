//! Ordinary packets in no more than two compressed ones, as servers send them to their clients.
//!
//! A server compresses its buffer of 16 KiB (`net_buffer_length`) when it is full, and what a packet has beyond that as
//! one. Clients rely on it: mysql-connector-python takes a packet out of at most two. So the first piece of a packet
//! goes with the flush that follows it, and the rest when it is there:
//!
//! ```text
//! rest fits into one content      waits there for its end
//! larger, while memory is left    is compressed as it comes, and kept until its end: Large::Gathered
//! otherwise                       passes as it comes, not compressed: Large::AsItIs, which needs no memory
//! ```

use std::io;

use wire::compressed::{CompressedHeader, Walk};
use wire::frame::Header;
use wire::limits::{COMPRESSED_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

use super::output::CONTENT_BYTES_MAX;
use crate::budget::{Budget, Share};
use crate::compression::{COMPRESSOR_BYTES, Compressor};

/// What the sessions of one thread gather of large packets together, in bytes: two of the largest, or some hundreds of
/// 100 KB, at once. What finds no room is not compressed.
pub(super) const GATHERED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Largest rest of a packet that is gathered, in bytes: what cannot be compressed grows by some bytes for each 32 KiB, and
/// its length has three bytes.
const GATHERED_REST_BYTES_MAX: usize = PACKET_PAYLOAD_BYTES_MAX - 16 * 1024;

thread_local! {
    static MEMORY: Budget = Budget::new(GATHERED_BYTES_MAX);
}

/// Where the ordinary packets that are written begin and end, and what was sent of the one at hand.
#[derive(Debug, Default)]
pub(super) struct Whole {
    walk: Walk,
    /// The beginning of the packet at hand is in a compressed packet: the next one has to hold the rest.
    is_cut: bool,
    large: Option<Large>,
}

/// The rest of a large packet.
#[derive(Debug)]
pub(super) enum Large {
    /// Compressed, and kept until it is complete.
    Gathered(Box<Gathered>),
    /// In a compressed packet that is none: its header has gone ahead.
    AsItIs,
}

impl Whole {
    /// Takes bytes up to the end of a header or a payload; returns how many, and the header that ends with them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Option<Header>) {
        if self.walk.payload_bytes() == 0 {
            return self.walk.header(bytes);
        }
        let count = self.walk.payload(bytes.len());
        self.is_cut &= self.walk.payload_bytes() > 0;
        (count, None)
    }

    /// Bytes of a header that has begun. Alone they are of no use, and some clients look for all of it in one piece.
    pub(super) fn header_bytes(&self) -> usize {
        self.walk.header_bytes()
    }

    /// Bytes of the packet at hand that were not taken yet.
    pub(super) fn payload_bytes(&self) -> usize {
        self.walk.payload_bytes()
    }

    /// Whether what is written now must not be cut.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// A compressed packet ends here. True if the rest of the ordinary one goes as it is, from now on.
    pub(super) fn cut(&mut self) -> bool {
        let rest = self.walk.payload_bytes();
        self.is_cut = rest > 0;
        if rest <= CONTENT_BYTES_MAX {
            return false;
        }
        let gathered = Gathered::begin(rest);
        let large = gathered.map_or(Large::AsItIs, |gathered| Large::Gathered(Box::new(gathered)));
        self.large = Some(large);
        self.goes_as_it_is()
    }

    /// Whether the rest of the packet at hand is larger than a content.
    pub(super) fn is_large(&self) -> bool {
        self.large.is_some()
    }

    pub(super) fn goes_as_it_is(&self) -> bool {
        matches!(self.large, Some(Large::AsItIs))
    }

    /// The rest of the packet at hand, if it is larger than a content.
    pub(super) fn large(&mut self) -> Option<&mut Large> {
        self.large.as_mut()
    }

    /// So many bytes of a large packet were taken; returns what was gathered of it when they were its last.
    pub(super) fn taken(&mut self, count: usize) -> Option<Box<Gathered>> {
        self.walk.payload(count);
        if self.walk.payload_bytes() > 0 {
            return None;
        }
        self.is_cut = false;
        match self.large.take()? {
            Large::Gathered(gathered) => Some(gathered),
            Large::AsItIs => None,
        }
    }
}

/// One compressed packet in the making.
#[derive(Debug)]
pub(super) struct Gathered {
    compressor: Compressor,
    /// Room for its header, and what was compressed.
    packet: Vec<u8>,
    content_bytes: usize,
    share: Share,
}

impl Gathered {
    /// For a content of so many bytes, if there is memory for it.
    fn begin(content_bytes: usize) -> Option<Self> {
        if content_bytes > GATHERED_REST_BYTES_MAX {
            return None;
        }
        // as if nothing of it could be compressed: whoever begins can end
        let mut share = MEMORY.with(Share::none);
        let there = share.grow(content_bytes + COMPRESSOR_BYTES);
        there.then(|| Self {
            compressor: Compressor::lease(),
            packet: vec![0; COMPRESSED_HEADER_BYTES],
            content_bytes,
            share,
        })
    }

    pub(super) fn add(&mut self, content: &[u8]) -> io::Result<()> {
        self.compressor.add(content, &mut self.packet)
    }

    /// The packet, and the memory that it has.
    pub(super) fn finish(self, sequence: u8) -> io::Result<(Vec<u8>, Share)> {
        let Self {
            compressor,
            mut packet,
            content_bytes,
            share,
        } = self;
        compressor.finish(&mut packet)?;
        let payload_bytes = packet.len().saturating_sub(COMPRESSED_HEADER_BYTES);
        if payload_bytes > PACKET_PAYLOAD_BYTES_MAX {
            return Err(io::Error::other("a compressed packet has become too long"));
        }
        let header = CompressedHeader {
            payload_bytes,
            sequence,
            uncompressed_bytes: content_bytes,
        };
        if let Some(place) = packet.first_chunk_mut() {
            *place = header.encode();
        }
        Ok((packet, share))
    }
}

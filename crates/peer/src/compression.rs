//! zlib and zstd, one compressed packet at a time.
//!
//! Each packet is compressed by itself, so nothing has to be kept between two of them: compressors and
//! decompressors belong to the thread, and a session has one only while it is inside a packet. Compression of a content
//! that is there is one call; only large packets are compressed as they come, and by zlib alone. Decompression gives
//! out what fits into the reader's buffer and goes on when there is room again: what a packet announces is a bound,
//! never a reason to allocate.

mod compressor;
mod decompress;

use std::cell::RefCell;
use std::io;

use flate2::{Compress, FlushCompress, Status};
use thiserror::Error;
use wire::compressed::{Compression, ZstdLevel};
use wire::limits::COMPRESS_BYTES_MIN;

pub(crate) use self::compressor::{COMPRESSOR_BYTES, Compressor};
pub(crate) use self::decompress::Decompressor;

/// The servers' level of zlib.
const ZLIB_LEVEL: u32 = 6;

/// A compressed packet is none. Travels as the source of an [`io::Error`]: see [`CompressionError::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CompressionError {
    /// Its number does not follow.
    #[error("a compressed packet is out of order")]
    OutOfOrder,
    /// Its content cannot be decompressed, or has not the length that was announced.
    #[error("a compressed packet cannot be decompressed: {0}")]
    Corrupt(&'static str),
}

impl CompressionError {
    /// The error behind a failed read, if it is one of these.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<CompressionError> for io::Error {
    fn from(error: CompressionError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

thread_local! {
    static ZLIB: RefCell<Option<Compress>> = const { RefCell::new(None) };
    static ZSTD: RefCell<Option<(ZstdLevel, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Compresses `content` into `out`; `None` where it would not become shorter, and is to be sent as it is.
pub(crate) fn compress(compression: Compression, content: &[u8], out: &mut [u8]) -> Option<usize> {
    if content.len() < COMPRESS_BYTES_MIN {
        return None;
    }
    let room = out.get_mut(..content.len() - 1)?;
    match compression {
        Compression::Zlib => ZLIB.with_borrow_mut(|zlib| {
            let zlib = zlib.get_or_insert_with(|| Compress::new(flate2::Compression::new(ZLIB_LEVEL), true));
            zlib.reset();
            match zlib.compress(content, room, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => usize::try_from(zlib.total_out()).ok(),
                Ok(Status::Ok | Status::BufError) | Err(_) => None,
            }
        }),
        Compression::Zstd { level } => ZSTD.with_borrow_mut(|zstd| {
            let (_, compressor) = match zstd.take() {
                Some(kept) if kept.0 == level => zstd.insert(kept),
                // another session's level: contexts of the highest ones are large, so one is kept
                _ => zstd.insert((
                    level,
                    zstd::bulk::Compressor::new(i32::from(level.number())).ok()?,
                )),
            };
            compressor.compress_to_buffer(content, room).ok()
        }),
    }
}

#[cfg(test)]
mod tests;

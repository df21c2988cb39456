//! Into one zlib stream, piece by piece.

use std::cell::RefCell;
use std::io;

use flate2::{Compress, FlushCompress, Status};

use super::ZLIB_LEVEL;

/// What one compressor takes, in bytes, roughly.
pub(crate) const COMPRESSOR_BYTES: usize = 384 * 1024;

/// Compressors that a thread keeps for later, in number.
const POOLED_MAX: usize = 2;

/// Room that is made for what comes out, in bytes, at least and at most: it grows with what is there, but never to
/// twice of it.
const ROOM_BYTES: std::ops::RangeInclusive<usize> = 16 * 1024..=1024 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Compress>> = const { RefCell::new(Vec::new()) };
}

/// A stream of zlib that is being written; its memory goes back to its thread's pool when it is dropped.
#[derive(Debug)]
pub(crate) struct Compressor {
    /// None once it is given back.
    zlib: Option<Compress>,
}

impl Compressor {
    pub(crate) fn lease() -> Self {
        let pooled = POOL.with_borrow_mut(Vec::pop);
        let zlib = match pooled {
            Some(mut zlib) => {
                zlib.reset();
                zlib
            }
            None => Compress::new(flate2::Compression::new(ZLIB_LEVEL), true),
        };
        Self { zlib: Some(zlib) }
    }

    /// Appends to `out` what comes out of `content` already.
    pub(crate) fn add(&mut self, content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = content;
        while !rest.is_empty() {
            let (taken, _) = self.run(rest, out, FlushCompress::None)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Appends the end of the stream.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while self.run(&[], out, FlushCompress::Finish)?.1 != Status::StreamEnd {}
        Ok(())
    }

    /// One step; an error if it moves nothing.
    fn run(
        &mut self,
        content: &[u8],
        out: &mut Vec<u8>,
        flush: FlushCompress,
    ) -> io::Result<(usize, Status)> {
        let zlib = self.zlib.as_mut().ok_or(io::ErrorKind::Other)?;
        if out.capacity() == out.len() {
            out.reserve_exact((out.len() / 4).clamp(*ROOM_BYTES.start(), *ROOM_BYTES.end()));
        }
        let (before_in, before_out) = (zlib.total_in(), zlib.total_out());
        let status = zlib.compress_vec(content, out, flush)?;
        let taken = zlib.total_in() - before_in;
        if taken == 0 && zlib.total_out() == before_out && status != Status::StreamEnd {
            return Err(io::Error::other("a compressor stands still"));
        }
        Ok((usize::try_from(taken).unwrap_or(usize::MAX), status))
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        let Some(zlib) = self.zlib.take() else { return };
        // the pool is gone while its thread ends; then the memory just goes too
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED_MAX {
                pool.push(zlib);
            }
        });
    }
}

//! Buffers that exist only while there are bytes in them.
//!
//! A session that waits holds no buffer: a [`Chunk`] is leased from its thread's pool at the moment when
//! a stream has bytes, and goes back when they have been passed on. A session is one task on one thread,
//! so the pool needs no lock.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::budget::{Budget, Share};

/// Bytes of a pooled buffer. One read of a large result fills it; HAProxy's default is 16 KiB.
pub const CHUNK_BYTES: usize = 32 * 1024;

/// Buffers that a thread keeps for later, in number: 2 MiB per shard at most.
const POOLED_CHUNKS_MAX: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes read from a stream and not passed on yet.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Initialised over its whole length.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// What it has of a budget, once it is larger than a pooled buffer.
    share: Option<Share>,
}

impl Chunk {
    /// An empty buffer from the pool.
    pub fn lease() -> Self {
        let pooled = POOL.with_borrow_mut(Vec::pop);
        Self {
            bytes: pooled.unwrap_or_else(|| vec![0; CHUNK_BYTES]),
            start: 0,
            end: 0,
            share: None,
        }
    }

    /// A buffer that holds a copy of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut chunk = Self::lease();
        chunk.reserve(bytes.len());
        if let Some(place) = chunk.bytes.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            chunk.end = bytes.len();
        }
        chunk
    }

    /// Waits until `stream` has bytes; an empty chunk says that it has ended.
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Chunk> {
        std::future::poll_fn(|cx| Self::poll_read(stream, cx)).await
    }

    /// The same as a poll: nothing is leased while the stream has nothing.
    pub fn poll_read<S: AsyncRead + Unpin>(stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        let mut chunk = Self::lease();
        match chunk.poll_more(stream, cx) {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(chunk)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads on behind what is there; 0 says that the stream has ended. Make room first with [`Chunk::reserve`].
    pub async fn read_more<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_more(stream, cx)).await
    }

    /// The same as a poll.
    pub(crate) fn poll_more<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(room) = self.bytes.get_mut(self.end..).filter(|room| !room.is_empty()) else {
            return Poll::Ready(Err(io::Error::other("no room in the buffer")));
        };
        let mut buffer = ReadBuf::new(room);
        match Pin::new(stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len();
                self.end += count;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Makes room so that `total` bytes, counted from the first unread one, fit, and at least one more can
    /// be read. What is there moves to the front.
    pub fn reserve(&mut self, total: usize) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = total.max(self.end + 1);
        if wanted > self.bytes.len() {
            // exactly: a budget may have been asked for it
            self.bytes.reserve_exact(wanted - self.bytes.len());
            self.bytes.resize(wanted, 0);
        }
    }

    /// The same at the expense of a budget; false, and as it was, when that has not enough left.
    #[must_use]
    pub fn reserve_of(&mut self, total: usize, budget: &Budget) -> bool {
        let wanted = total.max(self.len() + 1);
        if wanted > self.bytes.len() {
            let share = self.share.get_or_insert_with(|| Share::none(budget));
            if !share.grow(wanted) {
                return false;
            }
        }
        self.reserve(total);
        true
    }

    /// Takes `count` bytes out, from `position` on.
    pub fn remove(&mut self, position: usize, count: usize) {
        let from = self.end.min(self.start + position + count);
        self.bytes
            .copy_within(from..self.end, from.min(self.start + position));
        self.end -= from - from.min(self.start + position);
    }

    /// Puts bytes in at `position`.
    pub fn insert(&mut self, position: usize, bytes: &[u8]) {
        self.reserve(self.len() + bytes.len());
        let at = self.end.min(self.start + position);
        self.bytes.copy_within(at..self.end, at + bytes.len());
        self.end += bytes.len();
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// The bytes.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The bytes, to be changed in place.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// The first `count` bytes have been passed on.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Cuts off all but the first `count` bytes and returns what was cut, if anything.
    pub fn split_off(&mut self, count: usize) -> Option<Chunk> {
        let rest = self
            .filled()
            .get(count..)
            .filter(|rest| !rest.is_empty())
            .map(Chunk::of)?;
        self.end = self.start + count;
        Some(rest)
    }

    /// Bytes that are there.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no bytes are there.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.bytes.len() != CHUNK_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        // the pool is gone while its thread ends; then the buffer just goes too
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED_CHUNKS_MAX {
                pool.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_read_cut_and_read_on() {
        let mut stream: &[u8] = b"hello world";
        let mut chunk = Chunk::read(&mut stream).await.unwrap();
        let rest = chunk.split_off(5).unwrap();
        assert_eq!((chunk.filled(), rest.filled()), (&b"hello"[..], &b" world"[..]));
        chunk.consume(4);
        chunk.reserve(100_000);
        assert_eq!(chunk.filled(), b"o");
        let mut more: &[u8] = b"k";
        assert_eq!(chunk.read_more(&mut more).await.unwrap(), 1);
        assert_eq!(chunk.filled(), b"ok");
        assert!(Chunk::read(&mut stream).await.unwrap().is_empty());
    }

    #[test]
    fn bytes_are_taken_out_and_put_in() {
        let mut chunk = Chunk::of(b"__hello world");
        chunk.consume(2);
        chunk.remove(3, 5);
        assert_eq!(chunk.filled(), b"helrld");
        chunk.insert(3, b"lo wo");
        assert_eq!(chunk.filled(), b"hello world");
        chunk.insert(11, b"!");
        chunk.remove(11, 9);
        assert_eq!(chunk.filled(), b"hello world");
    }

    #[test]
    fn what_is_larger_than_a_pooled_buffer_is_of_the_budget() {
        let budget = Budget::new(100_000);
        let mut chunk = Chunk::lease();
        assert!(chunk.reserve_of(CHUNK_BYTES, &budget));
        assert_eq!(budget.bytes_left(), 100_000);
        assert!(chunk.reserve_of(60_000, &budget));
        assert_eq!(budget.bytes_left(), 40_000);
        assert!(!chunk.reserve_of(100_001, &budget));
        drop(chunk);
        assert_eq!(budget.bytes_left(), 100_000);
    }

    #[test]
    fn buffers_come_back_to_their_thread() {
        let first = Chunk::lease();
        let place = first.bytes.as_ptr();
        drop(first);
        assert_eq!(Chunk::lease().bytes.as_ptr(), place);
    }
}

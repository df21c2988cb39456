//! The facts of texts, computed once per shape and shard.
//!
//! A session is one task on one thread, so each thread has its own cache and nobody waits for a lock.

use std::cell::RefCell;
use std::sync::Arc;

use statement::{Facts, FactsCache, LexMode, Scan};

/// Bytes of cached facts per shard: some ten thousand shapes of statements.
const FACTS_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

thread_local! {
    static CACHE: RefCell<FactsCache> = RefCell::new(FactsCache::new(FACTS_CACHE_BYTES_MAX));
}

/// What the text would do on a server that reads it in `mode`.
pub fn of(text: &[u8], mode: LexMode) -> (Arc<Facts>, Scan) {
    CACHE.with_borrow_mut(|cache| cache.facts(text, mode))
}

//! Facts by fingerprint: one cache per shard, bounded in bytes, compared by text.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use foldhash::quality::RandomState;
use quick_cache::{Equivalent, Weighter, unsync::Cache};

use crate::{
    facts::Facts,
    fingerprint::{Scan, fingerprint},
    judge,
    scan::LexMode,
    shape::Shape,
};

/// Longest statement whose facts are cached, in bytes of its text.
pub const CACHED_TEXT_BYTES_MAX: usize = 1 << 20;

/// Longest fingerprint that is a cache key, in bytes: a handful of giants must not push out everything else.
pub const CACHED_KEY_BYTES_MAX: usize = 64 << 10;

/// The scratch buffer is given back when one statement made it larger than this.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

/// How often a statement's shape was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Facts were found.
    pub hits: u64,
    /// Facts were computed and kept.
    pub misses: u64,
    /// Facts were computed and could not be kept (a literal decides, too long, a doubt).
    pub uncached: u64,
}

/// Facts of the statement shapes seen lately.
///
/// Not shared between threads: each shard has its own and no lock is taken.
pub struct FactsCache {
    known: Cache<Key, Arc<Facts>, Bytes, RandomState>,
    fingerprint: Vec<u8>,
    counts: CacheCounts,
}

impl FactsCache {
    /// A cache that keeps about `bytes_max` bytes of fingerprints and facts.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let entries = (bytes_max / ENTRY_BYTES).max(16);
        Self {
            known: Cache::with(
                entries,
                bytes_max as u64,
                Bytes,
                RandomState::default(),
                quick_cache::unsync::DefaultLifecycle::default(),
            ),
            fingerprint: Vec::new(),
            counts: CacheCounts::default(),
        }
    }

    /// What `text` would do, in a session whose lexer settings are `mode`.
    pub fn facts(&mut self, text: &[u8], mode: LexMode) -> (Arc<Facts>, Scan) {
        if self.fingerprint.capacity() > BUFFER_BYTES_KEPT {
            self.fingerprint = Vec::new();
        }
        let scan = fingerprint(text, mode, &mut self.fingerprint);
        let cacheable = scan.doubt.is_none()
            && !scan.literals_matter
            && text.len() <= CACHED_TEXT_BYTES_MAX
            && self.fingerprint.len() <= CACHED_KEY_BYTES_MAX;
        if !cacheable {
            self.counts.uncached += 1;
            let facts = judge::of_scanned(text, &self.fingerprint, &scan, mode);
            return (Arc::new(facts.shaped(Shape::of(&self.fingerprint))), scan);
        }
        if let Some(facts) = self.known.get(&KeyRef {
            mode,
            text: &self.fingerprint,
        }) {
            self.counts.hits += 1;
            return (Arc::clone(facts), scan);
        }
        self.counts.misses += 1;
        let facts = judge::of_scanned(text, &self.fingerprint, &scan, mode);
        let text: Arc<[u8]> = self.fingerprint.as_slice().into();
        let facts = Arc::new(facts.shaped(Shape::shared(&text)));
        let key = Key { mode, text };
        self.known.insert(key, Arc::clone(&facts));
        (facts, scan)
    }

    /// The normalised text of the statement last asked for (for digests, logs and audit: it holds no literal).
    #[must_use]
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// Hits and misses so far.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.counts
    }

    /// Number of shapes kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no shape is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[derive(PartialEq, Eq)]
struct Key {
    mode: LexMode,
    text: Arc<[u8]>,
}

struct KeyRef<'a> {
    mode: LexMode,
    text: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef {
            mode: self.mode,
            text: &self.text,
        }
        .hash(state);
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let flags = u8::from(self.mode.ansi_quotes)
            | u8::from(self.mode.no_backslash_escapes) << 1
            | u8::from(self.mode.pipes_as_concat) << 2
            | (self.mode.charset as u8) << 3;
        state.write_u8(flags);
        state.write(self.text);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.text == &*key.text && self.mode == key.mode
    }
}

/// Estimated weight of one entry without its text and lists.
const ENTRY_BYTES: usize = 512;

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<Facts>> for Bytes {
    fn weight(&self, key: &Key, facts: &Arc<Facts>) -> u64 {
        (ENTRY_BYTES + key.text.len() + facts.heap_bytes()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_matter_and_modes_do() {
        let mut cache = FactsCache::new(1 << 20);
        let mode = LexMode::default();
        cache.facts(b"SELECT a FROM t WHERE id = 1", mode);
        cache.facts(b"SELECT  a FROM t WHERE id = 'x' -- again", mode);
        cache.facts(
            b"SELECT a FROM t WHERE id = 1",
            LexMode {
                ansi_quotes: true,
                ..mode
            },
        );
        assert_eq!(
            cache.counts(),
            CacheCounts {
                hits: 1,
                misses: 2,
                uncached: 0
            }
        );
        assert_eq!(cache.fingerprint(), b"SELECT a FROM t WHERE id = ?");
    }

    #[test]
    fn what_depends_on_a_literal_is_not_kept() {
        let mut cache = FactsCache::new(1 << 20);
        for text in ["SET @a = 1", "PREPARE s FROM 'SELECT 1'", "SELECT 'open"] {
            cache.facts(text.as_bytes(), LexMode::default());
        }
        assert_eq!(
            cache.counts(),
            CacheCounts {
                hits: 0,
                misses: 0,
                uncached: 3
            }
        );
        assert!(cache.is_empty());
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let mut cache = FactsCache::new(64 << 10);
        for n in 0..2_000 {
            cache.facts(format!("SELECT a{n} FROM t{n}").as_bytes(), LexMode::default());
        }
        assert!(cache.len() <= (64 << 10) / ENTRY_BYTES, "{}", cache.len());
        assert!(cache.len() > 10);
    }
}

//! The facts of texts, computed once per shape and shard.
//!
//! A session is one task on one thread, so each thread has its own cache and nobody waits for a lock.

use std::cell::RefCell;
use std::sync::Arc;

use metrics::Counter;
use statement::{Facts, FactsCache, LexMode, Scan};

use crate::metrics::Metrics;

/// Bytes of cached facts per shard: some ten thousand shapes of statements.
const FACTS_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One shard's cache, and where its misses are counted. Hits are not: they are all other statements.
struct Shard {
    cache: FactsCache,
    misses: Counter,
    uncached: Counter,
}

thread_local! {
    static SHARD: RefCell<Shard> = RefCell::new(Shard {
        cache: FactsCache::new(FACTS_CACHE_BYTES_MAX),
        misses: Counter::noop(),
        uncached: Counter::noop(),
    });
}

/// The misses of this thread's cache are counted here from now on.
pub fn count(metrics: &Metrics) {
    SHARD.with_borrow_mut(|shard| {
        shard.misses = metrics.facts_misses.clone();
        shard.uncached = metrics.facts_uncached.clone();
    });
}

/// What the text would do on a server that reads it in `mode`.
pub fn of(text: &[u8], mode: LexMode) -> (Arc<Facts>, Scan) {
    SHARD.with_borrow_mut(
        |Shard {
             cache,
             misses,
             uncached,
         }| {
            let before = cache.counts();
            let facts = cache.facts(text, mode);
            let now = cache.counts();
            if now.hits == before.hits {
                misses.increment(now.misses - before.misses);
                uncached.increment(now.uncached - before.uncached);
            }
            facts
        },
    )
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_shape_that_is_not_known_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = metrics::with_local_recorder(&recorder, || Metrics::new(&[]));
        count(&metrics);
        for text in ["SELECT 1", "SELECT 2", "SELECT 'x' FROM t"] {
            of(text.as_bytes(), LexMode::default());
        }
        let text = recorder.handle().render();
        assert!(
            text.contains("proxy_facts_cache_lookups_total{result=\"miss\"} 2"),
            "{text}"
        );
    }
}

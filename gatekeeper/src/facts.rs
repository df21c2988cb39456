//! The facts of texts, computed once per shape and shard.
//!
//! A session is one task on one thread, so each thread has its own cache and nobody waits for a lock.

use std::cell::RefCell;
use std::sync::Arc;

use statement::{Facts, FactsCache, LexMode, Scan};

use crate::metrics::Metrics;

/// Bytes of cached facts on a thread that was not told otherwise: tests.
const BYTES_MAX_DEFAULT: usize = 1024 * 1024;

/// One shard's cache, and where its lookups are counted.
struct Shard {
    cache: FactsCache,
    metrics: Option<Metrics>,
}

thread_local! {
    static SHARD: RefCell<Shard> =
        RefCell::new(Shard { cache: FactsCache::new(BYTES_MAX_DEFAULT), metrics: None });
}

/// Gives this thread a cache of `bytes_max` whose lookups are counted; the first of many calls counts.
pub fn prepare_shard(bytes_max: usize, metrics: &Metrics) {
    SHARD.with_borrow_mut(|shard| {
        if shard.metrics.is_none() {
            *shard = Shard {
                cache: FactsCache::new(bytes_max),
                metrics: Some(metrics.clone()),
            };
        }
    });
}

/// What the text would do on a server that reads it in `mode`.
pub fn of(text: &[u8], mode: LexMode) -> (Arc<Facts>, Scan) {
    SHARD.with_borrow_mut(|Shard { cache, metrics }| {
        let before = cache.counts();
        let facts = cache.facts(text, mode);
        if let Some(metrics) = metrics {
            metrics.cache(before, cache.counts());
        }
        facts
    })
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_shape_is_looked_up_once_and_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = metrics::with_local_recorder(&recorder, Metrics::resolve);
        prepare_shard(1 << 20, &metrics);
        of(b"SELECT 1", LexMode::default());
        prepare_shard(1 << 20, &metrics);
        of(b"SELECT 2", LexMode::default());
        let text = recorder.handle().render();
        assert!(
            text.contains("gatekeeper_facts_cache_lookups_total{result=\"hit\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("gatekeeper_facts_cache_lookups_total{result=\"miss\"} 1"),
            "{text}"
        );
    }
}

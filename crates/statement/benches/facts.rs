//! What it costs to know what a statement does: its shape known, and seen for the first time.
//!
//! `make bench-facts`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use statement::{FactsCache, LexMode, facts};

/// Statements of sysbench and of an application.
const STATEMENTS: [(&str, &str); 4] = [
    ("sysbench point select", "SELECT c FROM sbtest1 WHERE id=50123"),
    (
        "sysbench range",
        "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 50123 AND 50222 ORDER BY c",
    ),
    (
        "sysbench insert",
        "INSERT INTO sbtest1 (id, k, c, pad) VALUES (50123, 49876, '68487932199-96439406143-93774651418-41631865787-\
         96406072701-20604855487-25459966574-28203206787-41238978918-19503783441', \
         '22195207048-70116052123-74140395089-76317954521-98694025897')",
    ),
    (
        "application join",
        "SELECT t.*, tt.*, tr.object_id FROM wp_terms AS t INNER JOIN wp_term_taxonomy AS tt ON t.term_id = tt.term_id \
         INNER JOIN wp_term_relationships AS tr ON tr.term_taxonomy_id = tt.term_taxonomy_id \
         WHERE tt.taxonomy IN ('category', 'post_tag') AND tr.object_id IN (1, 2, 3) ORDER BY t.name ASC",
    ),
];

fn known_shapes(criterion: &mut Criterion) {
    let mode = LexMode::default();
    let mut cache = FactsCache::new(8 << 20);
    // a cache as it is in use: not empty
    for n in 0..2_000 {
        cache.facts(format!("SELECT a{n} FROM t{n} WHERE id = ?").as_bytes(), mode);
    }
    let mut group = criterion.benchmark_group("known");
    for (name, text) in STATEMENTS {
        cache.facts(text.as_bytes(), mode);
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            text.as_bytes(),
            |bencher, text| {
                bencher.iter(|| cache.facts(black_box(text), mode));
            },
        );
    }
    group.finish();
}

fn new_shapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("new");
    for (name, text) in STATEMENTS {
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            text.as_bytes(),
            |bencher, text| {
                bencher.iter(|| facts(black_box(text), LexMode::default()));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, known_shapes, new_shapes);
criterion_main!(benches);

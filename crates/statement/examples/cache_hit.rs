//! Nanoseconds for a statement whose shape is known, and for one seen the first time.
//!
//! `cargo run --release -p statement --example cache_hit`

#![allow(clippy::print_stdout)] // the figures are for the terminal

use std::{hint::black_box, time::Instant};

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

const ROUNDS: u32 = 7;
const CALLS: u32 = 200_000;
const JUDGED: u32 = 2_000;

fn main() {
    let mode = LexMode::default();
    let mut cache = FactsCache::new(8 << 20);
    // a cache as it is in use: not empty
    for n in 0..2_000 {
        cache.facts(format!("SELECT a{n} FROM t{n} WHERE id = ?").as_bytes(), mode);
    }
    for (name, text) in STATEMENTS {
        cache.facts(text.as_bytes(), mode);
        let hit = median(|| {
            per_call(CALLS, || {
                drop(black_box(cache.facts(black_box(text.as_bytes()), mode)));
            })
        });
        let miss = median(|| {
            per_call(JUDGED, || {
                drop(black_box(facts(black_box(text.as_bytes()), mode)));
            })
        });
        println!(
            "{name:24} {:4} bytes   hit {hit:7.0} ns   judged anew {miss:8.0} ns",
            text.len()
        );
    }
    println!("{:?}", cache.counts());
}

/// Mean nanoseconds of one call.
fn per_call(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| measure()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

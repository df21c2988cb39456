//! `digests`: statements of one shape, by node and reason.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::SHA256;

use super::super::table::Value;
use super::columns;
use crate::digests::{Digests, Totals};
use crate::host::Host;

columns! {
    "digest" Text,
    "statement" Text,
    "node" Text,
    "reason" Text,
    "calls" Integer,
    "errors" Integer,
    "rows" Integer,
    "total_ms" Real,
    "min_ms" Real,
    "mean_ms" Real,
    "p50_ms" Real,
    "p95_ms" Real,
    "p99_ms" Real,
    "max_ms" Real,
    "last_seen_seconds" Real,
}

/// Bytes of a digest that are shown: as in the gatekeeper's audit.
const DIGEST_BYTES: usize = 16;

/// The digest of a normalised text. That of a text longer than what is kept of it is of what is kept.
pub(in crate::console) fn digest(text: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&SHA256, text);
    hex::encode(digest.as_ref().get(..DIGEST_BYTES).unwrap_or_default())
}

/// The rows of this moment.
pub(in crate::console) fn rows(host: &Host, digests: &Digests) -> Vec<Vec<Value>> {
    let now = Instant::now();
    let rows = digests.totals.iter().map(|(key, totals)| {
        let text = digests.texts.get(&key.shape);
        let mut row = vec![
            Value::or_null(text.map(|text| Value::Text(digest(text)))),
            text.map_or(Value::text("(all others)"), |text| {
                Value::text(String::from_utf8_lossy(text))
            }),
            super::node_name(host, key.node),
            Value::text(key.reason.as_str()),
        ];
        row.extend(numbers(totals, now));
        row
    });
    rows.collect()
}

fn numbers(totals: &Totals, now: Instant) -> [Value; 11] {
    // a bucket's middle may lie beyond what was measured
    let quantile = |per_mille| {
        let found = totals.times.quantile(per_mille)?;
        Some(Value::milliseconds(found.clamp(totals.time_min, totals.time_max)))
    };
    let mean = u32::try_from(totals.calls)
        .ok()
        .filter(|calls| *calls > 0)
        .map_or(Duration::ZERO, |calls| totals.time / calls);
    [
        Value::count(totals.calls),
        Value::count(totals.errors),
        Value::count(totals.rows),
        Value::milliseconds(totals.time),
        Value::milliseconds(totals.time_min),
        Value::milliseconds(mean),
        Value::or_null(quantile(500)),
        Value::or_null(quantile(950)),
        Value::or_null(quantile(990)),
        Value::milliseconds(totals.time_max),
        Value::or_null(
            totals
                .last
                .map(|last| Value::seconds(now.saturating_duration_since(last))),
        ),
    ]
}

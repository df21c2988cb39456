//! How long statements took, in buckets that grow with the time: each is an eighth of its power of two wide.

use std::time::Duration;

/// Buckets per power of two: a quantile is wrong by a sixteenth at most.
const PARTS_BITS: u32 = 3;
const PARTS: u64 = 1 << PARTS_BITS;

/// Powers of two beyond the first parts: microseconds up to about an hour.
const POWERS: u32 = 29;

/// All buckets. What takes longer than the last counts there.
const BUCKETS: usize = (PARTS as usize) * (POWERS as usize + 1);

/// Counts by duration.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u32; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
        }
    }
}

impl Histogram {
    /// One more that took this long.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(microseconds(duration))) {
            *count = count.saturating_add(1);
        }
    }

    /// Those of another one as well.
    pub fn merge(&mut self, other: &Self) {
        for (count, others) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count = count.saturating_add(*others);
        }
    }

    /// The duration that `per_mille` of all are not above; none when there are none.
    pub fn quantile(&self, per_mille: u64) -> Option<Duration> {
        let all: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let rank = (all * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        self.counts.iter().zip(0u32..).find_map(|(count, index)| {
            seen += u64::from(*count);
            (seen >= rank).then(|| Duration::from_micros(middle(index)))
        })
    }
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[inline]
fn bucket(microseconds: u64) -> usize {
    if microseconds < PARTS {
        return usize::try_from(microseconds).unwrap_or(0);
    }
    let power = microseconds.ilog2();
    let part = (microseconds >> (power - PARTS_BITS)) & (PARTS - 1);
    let index = u64::from(power - PARTS_BITS + 1) * PARTS + part;
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The middle of a bucket.
fn middle(index: u32) -> u64 {
    let parts = 1 << PARTS_BITS;
    let (group, part) = (index / parts, u64::from(index % parts));
    if group == 0 {
        return part;
    }
    let width = 1u64 << (group - 1);
    (PARTS + part) * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_near_the_middle_of_its_bucket() {
        let mut time = 1u64;
        while time < 3_000_000_000 {
            let found = middle(u32::try_from(bucket(time)).unwrap());
            assert!(found.abs_diff(time) * 16 <= time, "{time} is counted as {found}");
            time += time / 7 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_all_that_was_recorded() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(500), None);
        for n in 1..=1000 {
            histogram.record(Duration::from_micros(n * 10));
        }
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        for (per_mille, expected) in [(500, 5_000u64), (950, 9_500), (990, 9_900), (1000, 10_000)] {
            for histogram in [&histogram, &twice] {
                let found = microseconds(histogram.quantile(per_mille).unwrap());
                assert!(found.abs_diff(expected) * 16 <= expected, "{per_mille}: {found}");
            }
        }
    }
}

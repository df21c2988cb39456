//! Numbers that look random and are the same in every run: SplitMix64.

/// A generator; one per table, so that a change in one table leaves the others alone.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// One of the values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let index = usize::try_from(self.next() % values.len() as u64).unwrap_or(0);
        values[index]
    }
}

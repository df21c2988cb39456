//! What statements that differ in their literals alone have in common: their normalised text, and a number to find
//! it by. For digests and logs; what may run where is never decided by it.

use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;

/// Bytes that are kept of a text that no cache keeps: enough to know it again, whatever its length.
pub const UNCACHED_SHAPE_BYTES_MAX: usize = 1024;

/// The same in all threads of a process, and another one in the next: nobody outside can look for texts that collide.
static SEEDS: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The shape of a text. The default is that of a text which nobody has read to its end.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    number: u64,
    text: Option<Arc<[u8]>>,
}

impl Shape {
    /// Of a whole normalised text that somebody keeps anyway.
    pub(crate) fn shared(text: &Arc<[u8]>) -> Self {
        Self {
            number: number_of(text),
            text: Some(Arc::clone(text)),
        }
    }

    /// Of a normalised text that nobody keeps: its beginning is.
    pub(crate) fn of(text: &[u8]) -> Self {
        let kept = text.get(..UNCACHED_SHAPE_BYTES_MAX).unwrap_or(text);
        Self {
            number: number_of(text),
            text: Some(kept.into()),
        }
    }

    /// Hash of the whole text, never 0 but for a text that was not read: alike for the same text in all threads of this
    /// process, and in no other.
    #[inline]
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The normalised text; of one that is not cached only the beginning. None for a text that was not read.
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }
}

fn number_of(text: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    SEEDS.hash_one(text).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_whole_text() {
        let long = vec![b'x'; UNCACHED_SHAPE_BYTES_MAX + 1];
        let shape = Shape::of(&long);
        assert_eq!(shape.text().map(<[u8]>::len), Some(UNCACHED_SHAPE_BYTES_MAX));
        assert_eq!(shape.number(), Shape::shared(&long.into()).number());
        assert_ne!(shape.number(), Shape::of(b"x").number());
    }

    #[test]
    fn a_text_that_nobody_read_has_no_shape() {
        assert_eq!(Shape::default().number(), 0);
        assert!(Shape::default().text().is_none());
        assert_ne!(Shape::of(b"").number(), 0);
    }
}

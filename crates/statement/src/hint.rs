//! Our own hint: `/*+ proxy(strategy=ping) */` or `/*+ proxy(target=manager) */` after the first keyword.

use smallvec::SmallVec;

/// Longest hint comment that is looked at, in bytes.
pub const HINT_BYTES_MAX: usize = 128;

/// A short word of a hint, lower-cased.
pub type HintWord = SmallVec<[u8; 24]>;

/// What a statement asks of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// `strategy=NAME`: the name is the proxy's to judge.
    Strategy(HintWord),
    /// `target=manager`.
    Manager,
    /// `proxy(…)` with anything else inside: to be blanked, and otherwise without meaning.
    Unrecognised,
}

impl Hint {
    /// Reads `/*+ proxy(…) */`. `None`: some other optimizer hint, which is the server's.
    pub(crate) fn of_comment(comment: &[u8]) -> Option<Self> {
        let body = comment.strip_prefix(b"/*+")?.strip_suffix(b"*/")?.trim_ascii();
        let (name, rest) = body.split_at_checked(5)?;
        if !name.eq_ignore_ascii_case(b"proxy") {
            return None;
        }
        let inside = rest.trim_ascii_start().strip_prefix(b"(")?;
        if comment.len() > HINT_BYTES_MAX {
            return Some(Self::Unrecognised);
        }
        let wish = inside.strip_suffix(b")").and_then(Self::of_wish);
        Some(wish.unwrap_or(Self::Unrecognised))
    }

    fn of_wish(wish: &[u8]) -> Option<Self> {
        let equals = wish.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (
            wish.get(..equals)?.trim_ascii(),
            wish.get(equals + 1..)?.trim_ascii(),
        );
        let simple = !value.is_empty()
            && value
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !simple {
            return None;
        }
        if key.eq_ignore_ascii_case(b"strategy") {
            return Some(Self::Strategy(value.iter().map(u8::to_ascii_lowercase).collect()));
        }
        let manager = key.eq_ignore_ascii_case(b"target") && value.eq_ignore_ascii_case(b"manager");
        manager.then_some(Self::Manager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_ours_are_read_and_others_left_alone() {
        let read = |text: &str| Hint::of_comment(text.as_bytes());
        assert_eq!(read("/*+ PROXY( target = Manager )*/"), Some(Hint::Manager));
        assert_eq!(
            read("/*+proxy(strategy=Least-Connections)*/"),
            Some(Hint::Strategy(b"least-connections"[..].into()))
        );
        assert_eq!(read("/*+ proxy(target=worker1) */"), Some(Hint::Unrecognised));
        assert_eq!(read("/*+ proxy( */"), Some(Hint::Unrecognised));
        assert_eq!(read("/*+ MAX_EXECUTION_TIME(1000) */"), None);
        assert_eq!(read("/*+ prox */"), None);
    }
}

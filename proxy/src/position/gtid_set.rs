//! MySQL's positions: sets of GTIDs, kept as intervals of each source, with tags as MySQL 8.3 and later write them.

use std::fmt;

use super::NotAPosition;

/// Most intervals of one source that a bounded set keeps. A session's own writes among those of many others are single
/// numbers; beyond this, the oldest gap between two of them counts as filled: the others will come too.
const INTERVALS_MAX: usize = 16;

/// Largest number that a server gives (GTID_MAX).
const NUMBER_MAX: u64 = i64::MAX as u64;

/// First and last number.
type Interval = (u64, u64);

/// Transactions of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uuid: [u8; 16],
    /// In lower case; empty for none.
    tag: Box<str>,
    /// In order, apart from one another.
    intervals: Vec<Interval>,
}

/// A set of GTIDs, in the order of sources and tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet(Vec<Source>);

impl GtidSet {
    /// Reads `uuid:interval:…`, with tags between the intervals, separated by commas.
    pub fn parse(text: &str) -> Result<Self, NotAPosition> {
        const WHAT: NotAPosition = NotAPosition("GTID set: uuid:number-number");
        let mut set = Self::default();
        for source in text.split(',').map(str::trim).filter(|source| !source.is_empty()) {
            let mut parts = source.split(':').map(str::trim);
            let uuid = parts.next().and_then(uuid).ok_or(WHAT)?;
            let mut tag = String::new();
            let mut intervals = 0;
            for part in parts {
                if let Some(interval) = interval(part) {
                    set.add(uuid, &tag, interval?);
                    intervals += 1;
                } else if is_tag(part) {
                    tag = part.to_ascii_lowercase();
                } else {
                    return Err(WHAT);
                }
            }
            if intervals == 0 {
                return Err(WHAT);
            }
        }
        Ok(set)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of the other's transactions are here.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| {
            self.find(&wanted.uuid, &wanted.tag)
                .is_ok_and(|place| self.0.get(place).is_some_and(|source| source.covers(wanted)))
        })
    }

    /// Adds all of the other's.
    pub fn merge(&mut self, other: &Self) {
        for source in &other.0 {
            for interval in &source.intervals {
                self.add(source.uuid, &source.tag, *interval);
            }
        }
    }

    /// Fills the oldest gaps of sources with too many.
    pub fn bound(&mut self) {
        for source in &mut self.0 {
            while source.intervals.len() > INTERVALS_MAX {
                let (first, _) = source.intervals.remove(0);
                if let Some(next) = source.intervals.first_mut() {
                    next.0 = first;
                }
            }
        }
    }

    fn find(&self, uuid: &[u8; 16], tag: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|source| (&source.uuid, &*source.tag).cmp(&(uuid, tag)))
    }

    fn add(&mut self, uuid: [u8; 16], tag: &str, interval: Interval) {
        match self.find(&uuid, tag) {
            Ok(place) => {
                if let Some(source) = self.0.get_mut(place) {
                    source.add(interval);
                }
            }
            Err(place) => {
                let source = Source {
                    uuid,
                    tag: tag.into(),
                    intervals: vec![interval],
                };
                self.0.insert(place, source);
            }
        }
    }
}

impl Source {
    fn covers(&self, other: &Self) -> bool {
        other.intervals.iter().all(|(first, last)| {
            let behind = self.intervals.partition_point(|(start, _)| start <= first);
            behind
                .checked_sub(1)
                .and_then(|place| self.intervals.get(place))
                .is_some_and(|(_, end)| end >= last)
        })
    }

    fn add(&mut self, (mut first, mut last): Interval) {
        // those that overlap it or touch it become one with it
        let from = self
            .intervals
            .partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self
            .intervals
            .partition_point(|(start, _)| *start <= last.saturating_add(1));
        if let Some(touched) = self.intervals.get(from..to)
            && let (Some((start, _)), Some((_, end))) = (touched.first(), touched.last())
        {
            first = first.min(*start);
            last = last.max(*end);
        }
        self.intervals.splice(from..to.max(from), [(first, last)]);
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let mut uuid = [0; 16];
    let mut digits = text
        .bytes()
        .filter(|byte| *byte != b'-')
        .map(|byte| char::from(byte).to_digit(16));
    for place in &mut uuid {
        let (high, low) = (digits.next()??, digits.next()??);
        *place = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

/// None when it does not begin with a digit: then it may be a tag.
fn interval(part: &str) -> Option<Result<Interval, NotAPosition>> {
    part.starts_with(|first: char| first.is_ascii_digit()).then(|| {
        let number = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if 1 <= first && first <= last && last <= NUMBER_MAX => {
                Ok((first, last))
            }
            _ => Err(NotAPosition("interval of a GTID set")),
        }
    })
}

fn is_tag(part: &str) -> bool {
    const TAG_CHARACTERS_MAX: usize = 32;
    part.len() <= TAG_CHARACTERS_MAX
        && part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, source) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            for (place, byte) in source.uuid.iter().enumerate() {
                let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(f, "{dash}{byte:02x}")?;
            }
            if !source.tag.is_empty() {
                write!(f, ":{}", source.tag)?;
            }
            for (first, last) in &source.intervals {
                write!(f, ":{first}")?;
                if last > first {
                    write!(f, "-{last}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(&text.replace('A', A).replace('B', B)).unwrap()
    }

    #[test]
    fn texts_survive_the_way_back() {
        for (text, back) in [
            ("", ""),
            ("A:1-5", "A:1-5"),
            ("B:3,A:7:1-2:3", "A:1-3:7,B:3"),
            ("A:1-3:tag:4-5:Tag:1", "A:1-3,A:tag:1:4-5"),
            (" A:1 ,\nB:2 ", "A:1,B:2"),
            ("A:1-3:5-9:4", "A:1-9"),
            ("A:5-9:1-20", "A:1-20"),
        ] {
            assert_eq!(set(text), set(back), "{text}");
            assert_eq!(set(text).to_string(), back.replace('A', A).replace('B', B));
        }
    }

    #[test]
    fn a_set_covers_what_is_in_its_intervals() {
        let have = set("A:1-10:20-30,B:5,A:t:1-3");
        for inside in ["", "A:1", "A:10", "A:2-5:20-30", "B:5,A:29", "A:t:2"] {
            assert!(have.covers(&set(inside)), "{inside}");
        }
        for outside in [
            "A:11", "A:10-11", "A:5-25", "A:19-20", "B:4", "B:5-6", "A:u:1", "A:1,B:1",
        ] {
            assert!(!have.covers(&set(outside)), "{outside}");
        }
    }

    #[test]
    fn a_bounded_set_never_asks_for_less() {
        let mut own = GtidSet::default();
        for number in (1..=100).map(|number| number * 7) {
            own.merge(&set(&format!("A:{number}")));
            let before = own.clone();
            own.bound();
            assert!(own.covers(&before));
        }
        assert_eq!(
            own.0.first().map(|source| source.intervals.len()),
            Some(INTERVALS_MAX)
        );
        assert!(
            !own.covers(&set("A:1")) && own.covers(&set("A:8")),
            "gaps are filled from the oldest on"
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "A",
            "A:",
            "A:0",
            "A:5-4",
            "A:1-",
            "A:-1",
            "A:1:tag",
            "A:1'",
            "1234:1",
            "A:9223372036854775808",
            "A:+1",
            "A::1",
        ] {
            let text = text.replace('A', A);
            if text.ends_with(":tag") {
                assert!(
                    GtidSet::parse(&text).is_ok(),
                    "a tag without numbers says nothing"
                );
                continue;
            }
            assert!(GtidSet::parse(&text).is_err(), "{text}");
        }
    }
}

//! Everything that is wrong with a config, collected, so that it is mended in one go.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `[proxy] address`, `users.toml: user "app"`.
    pub place: String,
    /// What, as a sentence without its full stop.
    pub sentence: String,
    /// What to write, where that is known.
    pub suggestion: Option<String>,
}

/// A collector of [`Problem`]s; an error once there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a problem.
    pub fn add(&mut self, place: impl Into<String>, sentence: impl Into<String>) {
        self.0.push(Problem {
            place: place.into(),
            sentence: sentence.into(),
            suggestion: None,
        });
    }

    /// Notes a problem and the way out.
    pub fn suggest(
        &mut self,
        place: impl Into<String>,
        sentence: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        self.0.push(Problem {
            place: place.into(),
            sentence: sentence.into(),
            suggestion: Some(suggestion.into()),
        });
    }

    /// The value of `result`, or its error noted at `place`.
    pub fn take<T, E: fmt::Display>(&mut self, place: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(place, error.to_string())).ok()
    }

    /// Adds all that another part found.
    pub fn append(&mut self, mut others: Problems) {
        self.0.append(&mut others.0);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// `Ok` when nothing is wrong.
    pub fn finish(self) -> Result<(), Problems> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.sentence)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            all => {
                write!(f, "{} problems", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_shown_at_once_in_order() {
        let mut problems = Problems::new();
        problems.add("[listen]", "neither tcp nor socket is given");
        problems.suggest("shards", "0 threads carry nobody", "leave it out");
        let shown = problems.finish().unwrap_err().to_string();
        assert_eq!(
            shown,
            "2 problems\n  [listen]: neither tcp nor socket is given\n  shards: 0 threads carry nobody; leave it out"
        );
    }

    #[test]
    fn no_problem_is_no_error() {
        let mut problems = Problems::new();
        assert_eq!(problems.take("x", "5".parse::<u8>()), Some(5));
        assert_eq!(problems.clone().finish(), Ok(()));
        assert_eq!(problems.take("x", "y".parse::<u8>()), None);
        assert_eq!(
            problems.finish().unwrap_err().to_string(),
            "x: invalid digit found in string"
        );
    }
}

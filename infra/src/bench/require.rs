//! `--require pair/haproxy2=1.2`: a bound on CPU per query that makes the benchmark fail when it is passed.

use std::str::FromStr;

use super::summary::{Series, Subject};

/// Bounds hold under load only: with a single thread wake-ups outweigh the work.
const THREADS_MIN: u32 = 8;
/// The profile in which the hops' own cost is largest beside the server's.
const PROFILE: &str = "point-select";

/// At most so many times another path's CPU per query.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    subject: Subject,
    base: Subject,
    ratio_max: f64,
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not like pair/haproxy2=1.2");
        let (names, ratio) = text.split_once('=').ok_or_else(wrong)?;
        let (subject, base) = names.split_once('/').ok_or_else(wrong)?;
        let named = |name: &str| Subject::named(name).ok_or_else(|| format!("`{name}` is no path"));
        let ratio_max: f64 = ratio.parse().map_err(|_| wrong())?;
        if !ratio_max.is_finite() || ratio_max <= 0.0 {
            return Err(wrong());
        }
        Ok(Self {
            subject: named(subject)?,
            base: named(base)?,
            ratio_max,
        })
    }
}

/// One requirement in one series.
pub(super) struct Finding {
    pub(super) holds: bool,
    pub(super) sentence: String,
}

impl Requirement {
    /// Looks it up in every series that it is about; a benchmark that could not tell does not pass.
    pub(super) fn find(&self, all: &[Series<'_>]) -> Vec<Finding> {
        let names = format!("{}/{}", self.subject.name(), self.base.name());
        let findings: Vec<_> = all
            .iter()
            .filter(|series| series.profile == PROFILE && series.threads >= THREADS_MIN)
            .map(|series| {
                let ratio = series.cpu_ratio(self.subject, self.base);
                let (holds, said) = match ratio {
                    Some(ratio) => (ratio <= self.ratio_max, format!("{ratio:.2}")),
                    None => (false, "not measured".to_owned()),
                };
                let verdict = if holds { "holds" } else { "FAILS" };
                let Self { ratio_max, .. } = self;
                let threads = series.threads;
                Finding {
                    holds,
                    sentence: format!(
                        "{verdict}: CPU per query {names} is {said}, at most {ratio_max} required \
                         ({PROFILE}, {threads} threads)"
                    ),
                }
            })
            .collect();
        if findings.is_empty() {
            let sentence =
                format!("FAILS: {names} needs a run of {PROFILE} with {THREADS_MIN} threads or more");
            return vec![Finding {
                holds: false,
                sentence,
            }];
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        path::HopPath,
        summary::{series, tests::run},
    };

    fn runs() -> Vec<crate::bench::measure::Run> {
        vec![
            run(HopPath::Haproxy2, 1, 1.0, &[("haproxy", 30.0)]),
            run(HopPath::Pair, 1, 1.0, &[("gatekeeper", 18.0), ("proxy", 15.0)]),
        ]
    }

    #[test]
    fn a_bound_is_read_or_refused_with_an_example() {
        assert!("pair/haproxy2=1.2".parse::<Requirement>().is_ok());
        assert!("proxy/relay2-unix=0.5".parse::<Requirement>().is_ok());
        for text in [
            "pair",
            "pair/haproxy2",
            "pair=1",
            "pair/haproxy2=x",
            "pair/haproxy2=-1",
            "pair/haproxy2=NaN",
        ] {
            assert!(
                text.parse::<Requirement>()
                    .unwrap_err()
                    .contains("pair/haproxy2=1.2"),
                "{text}"
            );
        }
        assert_eq!(
            "pear/haproxy2=1".parse::<Requirement>().unwrap_err(),
            "`pear` is no path"
        );
    }

    #[test]
    fn a_bound_holds_up_to_its_value_and_fails_above() {
        let runs = runs();
        let all = series(&runs);
        let holds = |text: &str| text.parse::<Requirement>().unwrap().find(&all)[0].holds;
        assert!(holds("pair/haproxy2=1.2"));
        assert!(holds("proxy/haproxy2=0.5"));
        assert!(!holds("pair/haproxy2=1.05"));
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let mut runs = runs();
        let bound: Requirement = "pair/relay2-unix=1.15".parse().unwrap();
        assert!(!bound.find(&series(&runs))[0].holds);
        for run in &mut runs {
            run.threads = 1;
        }
        let bound: Requirement = "pair/haproxy2=1.2".parse().unwrap();
        let findings = bound.find(&series(&runs));
        assert_eq!(findings.len(), 1);
        assert!(!findings[0].holds && findings[0].sentence.contains("8 threads or more"));
    }
}

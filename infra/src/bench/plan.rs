//! Which runs, in which order, and how long that takes. Pure.
//!
//! For every profile and thread count all paths are run in turn, round after round (A B C A B C), so that
//! whatever drifts on the machine meanwhile hits every path alike.

use std::{fmt::Write as _, time::Duration};

use anyhow::bail;

use super::{limits, path::HopPath, profile::Profile};

/// What was asked for, checked.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) profiles: Vec<Profile>,
    pub(super) threads: Vec<u32>,
    pub(super) rounds: u32,
    /// As asked for; `HopPath::measured` gives those that sysbench runs on.
    pub(super) paths: Vec<HopPath>,
}

/// One run of sysbench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) profile: &'a Profile,
    pub(super) threads: u32,
    /// From 1; 0 warms up and is not kept.
    pub(super) round: u32,
    pub(super) path: HopPath,
    pub(super) seconds: u32,
}

impl Plan {
    /// Checks every bound and reports all that are passed at once.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        if self.paths.is_empty() || self.threads.is_empty() || self.profiles.is_empty() {
            wrong.push("at least one profile, one path and one number of threads are needed".to_owned());
        }
        for threads in &self.threads {
            if !(1..=limits::THREADS_MAX).contains(threads) {
                wrong.push(format!(
                    "threads {threads}: 1 to {} are possible",
                    limits::THREADS_MAX
                ));
            }
        }
        if !(1..=limits::REPEAT_MAX).contains(&self.rounds) {
            wrong.push(format!(
                "repeat {}: 1 to {} are possible",
                self.rounds,
                limits::REPEAT_MAX
            ));
        }
        for profile in &self.profiles {
            let seconds = profile.settings.seconds;
            if !(1..=limits::SECONDS_MAX).contains(&seconds) {
                wrong.push(format!(
                    "seconds {seconds}: 1 to {} are possible",
                    limits::SECONDS_MAX
                ));
            }
        }
        if wrong.is_empty() && self.duration() > limits::TOTAL_MAX {
            wrong.push(format!(
                "this would take {}; the limit is {}",
                duration_text(self.duration()),
                duration_text(limits::TOTAL_MAX)
            ));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            bail!("{}", wrong.join("\n"))
        }
    }

    /// All runs in their order, warm-ups included.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let paths = HopPath::measured(&self.paths);
        let mut steps = Vec::new();
        for profile in &self.profiles {
            let warm_up = profile.settings.warm_up_seconds;
            for threads in &self.threads {
                for round in u32::from(warm_up == 0)..=self.rounds {
                    let seconds = if round == 0 {
                        warm_up
                    } else {
                        profile.settings.seconds
                    };
                    steps.extend(paths.iter().map(|path| Step {
                        profile,
                        threads: *threads,
                        round,
                        path: *path,
                        seconds,
                    }));
                }
            }
        }
        steps
    }

    /// How long all runs take.
    pub(super) fn duration(&self) -> Duration {
        duration_of(&self.steps())
    }

    /// What will be run, for people.
    pub(super) fn listing(&self) -> String {
        let mut text = String::new();
        let steps = self.steps();
        let measured = steps.iter().filter(|step| step.round > 0).count();
        for profile in &self.profiles {
            let settings = &profile.settings;
            let _ = writeln!(
                text,
                "profile {:<14} {} ({} table(s) of {} rows, {} s a run)",
                profile.name, settings.description, settings.tables, settings.rows, settings.seconds
            );
        }
        for path in &self.paths {
            let _ = writeln!(text, "path    {:<14} {}", path.name(), path.describe());
        }
        let threads: Vec<_> = self.threads.iter().map(u32::to_string).collect();
        let _ = writeln!(
            text,
            "threads {}, {} round(s), paths in turn within a round",
            threads.join(", "),
            self.rounds
        );
        let _ = writeln!(
            text,
            "{measured} measured runs and {} warm-ups: about {}",
            steps.len() - measured,
            duration_text(duration_of(&steps))
        );
        text
    }
}

/// How long these runs take.
pub(super) fn duration_of(steps: &[Step<'_>]) -> Duration {
    steps
        .iter()
        .map(|step| Duration::from_secs(u64::from(step.seconds)) + limits::RUN_OVERHEAD)
        .sum()
}

/// `1 h 05 min`, `3 min 20 s`, `45 s`.
pub(super) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        format!("{hours} h {minutes:02} min")
    } else if minutes > 0 {
        format!("{minutes} min {:02} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::profile;

    fn plan() -> Plan {
        Plan {
            profiles: vec![profile::load("point-select").unwrap()],
            threads: vec![8],
            rounds: 2,
            paths: vec![HopPath::Direct, HopPath::Haproxy2, HopPath::Proxy, HopPath::Pair],
        }
    }

    #[test]
    fn paths_take_turns_within_a_round() {
        let plan = plan();
        let order: Vec<_> = plan
            .steps()
            .iter()
            .map(|step| (step.round, step.path.name(), step.seconds))
            .collect();
        let turn = |round, seconds| ["direct", "haproxy2", "pair"].map(|path| (round, path, seconds));
        assert_eq!(order, [turn(0, 1), turn(1, 10), turn(2, 10)].concat());
    }

    #[test]
    fn without_a_warm_up_the_first_round_is_measured() {
        let mut plan = plan();
        plan.profiles[0].settings.warm_up_seconds = 0;
        assert_eq!(plan.steps().len(), 6);
        assert!(plan.steps().iter().all(|step| step.round > 0));
    }

    #[test]
    fn all_passed_bounds_are_reported_at_once() {
        let mut plan = plan();
        plan.threads = vec![0, 5000];
        plan.rounds = 51;
        let message = plan.check().unwrap_err().to_string();
        for part in ["threads 0", "threads 5000", "repeat 51"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_benchmark_of_days_is_refused() {
        let mut plan = plan();
        plan.rounds = 50;
        plan.profiles[0].settings.seconds = 600;
        assert!(plan.check().unwrap_err().to_string().contains("25 h"));
        plan.profiles[0].settings.seconds = 10;
        assert!(plan.check().is_ok());
    }

    #[test]
    fn the_listing_says_how_many_runs_and_how_long() {
        assert!(
            plan()
                .listing()
                .contains("6 measured runs and 3 warm-ups: about 1 min 06 s"),
            "{}",
            plan().listing()
        );
    }
}

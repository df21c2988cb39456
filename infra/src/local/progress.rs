//! What the operator sees while a cluster comes up: a moving line per server on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A spinner that shows the latest step.
    Terminal,
    /// One line per finished step, on stderr.
    Lines,
    /// Nowhere: tests.
    Silent,
}

impl Progress {
    /// A terminal's progress on a terminal, lines in a log.
    #[must_use]
    pub fn detect() -> Progress {
        if std::io::stderr().is_terminal() {
            Progress::Terminal
        } else {
            Progress::Lines
        }
    }

    /// Begins a step; it is finished by `Step::done` and abandoned when dropped.
    #[must_use]
    pub fn step(self, what: impl Into<String>) -> Step {
        let what = what.into();
        let bar = (self == Progress::Terminal).then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Step {
            progress: self,
            what,
            began: Instant::now(),
            bar,
        }
    }
}

/// One thing that takes a while.
#[derive(Debug)]
pub struct Step {
    progress: Progress,
    what: String,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Ends the step and leaves its line.
    pub fn done(self) {
        let line = format!("  {} ({:.1} s)", self.what, self.began.elapsed().as_secs_f32());
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.progress != Progress::Silent {
            eprintln!("{line}");
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

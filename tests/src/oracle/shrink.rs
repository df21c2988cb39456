//! A program that differs, made as short as it still differs.

use std::time::{Duration, Instant};

use super::program::Program;
use super::run::{Difference, Stand};

/// What a worker has not yet may be there a moment later: a shorter program gets this many chances to differ.
const ATTEMPTS: usize = 4;
/// Shorter than a test may take; a program that is not minimal by then is shown as it is.
const SHRINK_WAIT_MAX: Duration = Duration::from_secs(20);

/// Takes away what can be taken away: halves, then ever smaller parts, then single lines.
pub(crate) async fn shrink(
    stand: &mut Stand<'_>,
    program: &Program,
    found: Difference,
) -> anyhow::Result<(Program, Difference)> {
    let began = Instant::now();
    // nothing after the difference has a part in it
    let mut best = program.with_lines(&(0..=found.line).collect::<Vec<_>>());
    let mut difference = found;
    let mut part = best.lines.len().div_ceil(2);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < best.lines.len() && began.elapsed() < SHRINK_WAIT_MAX {
            let keep: Vec<usize> = (0..best.lines.len())
                .filter(|index| !(start..start + part).contains(index))
                .collect();
            let candidate = best.with_lines(&keep);
            match Box::pin(differs(stand, &candidate)).await? {
                Some(now) if !candidate.lines.is_empty() => {
                    best = candidate.with_lines(&(0..=now.line).collect::<Vec<_>>());
                    difference = now;
                    shorter = true;
                }
                _ => start += part,
            }
        }
        if began.elapsed() >= SHRINK_WAIT_MAX || (part == 1 && !shorter) {
            return Ok((best, difference));
        }
        part = part.div_ceil(2).max(1);
    }
}

async fn differs(stand: &mut Stand<'_>, program: &Program) -> anyhow::Result<Option<Difference>> {
    for _ in 0..ATTEMPTS {
        if let Some(difference) = Box::pin(stand.run(program)).await? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

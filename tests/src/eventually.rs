//! Waiting for what will be true, with a bound and without guessing how long it takes.

use std::time::Duration;

use anyhow::Context;

/// Longer than anything here takes on a busy machine; only a failing test waits this long.
pub const SOON: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// Asks again and again until the answer is `Ok`.
///
/// # Errors
/// The last answer, when none was `Ok` within `bound`.
pub async fn eventually<T, F, Fut>(what: &str, bound: Duration, mut probe: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let deadline = tokio::time::Instant::now() + bound;
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match probe().await {
            Ok(answer) => return Ok(answer),
            Err(error) if tokio::time::Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("waited {bound:?} in vain: {what}"));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_first_good_answer_ends_the_wait() {
        let asked = Cell::new(0);
        let answer = eventually("three", SOON, || {
            asked.set(asked.get() + 1);
            let now = asked.get();
            async move {
                if now == 3 {
                    Ok(now)
                } else {
                    anyhow::bail!("not yet")
                }
            }
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_wait_in_vain_says_what_for_and_why() {
        let never = eventually("rain", Duration::from_millis(50), || async {
            anyhow::bail!("the sun shines") as anyhow::Result<()>
        });
        let error = format!("{:#}", never.await.unwrap_err());
        assert!(
            error.contains("rain") && error.contains("the sun shines"),
            "{error}"
        );
    }
}

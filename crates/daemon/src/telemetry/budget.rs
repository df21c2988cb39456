//! How much may be logged: a hostile client that can cause lines must not fill a disk or slow a shard.
//!
//! Per second and for the whole process: at most N ordinary lines, of which one place in the code gets
//! at most a quarter, and at most N audit lines. What is left out is counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::logs::AUDIT_TARGET;

/// One place in the code gets at most this part of the budget, so that it cannot silence the others.
const CALLSITE_PART: u32 = 4;
const WINDOW: Duration = Duration::from_secs(1);

/// A filter that lets a bounded number of lines through.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines_per_second_max: u32,
    window: Mutex<Window>,
    left_out: LeftOut,
}

/// Lines that were not written, since the start of the process.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) ordinary: AtomicU64,
    pub(super) audit: AtomicU64,
}

/// The current second. Callsites are as many as the program has, so the map is bounded.
#[derive(Debug)]
struct Window {
    began: Instant,
    ordinary: u32,
    audit: u32,
    callsites: HashMap<Identifier, u32>,
}

impl Budget {
    pub(super) fn new(lines_per_second_max: u32) -> Self {
        let window = Window {
            began: Instant::now(),
            ordinary: 0,
            audit: 0,
            callsites: HashMap::new(),
        };
        Self(Arc::new(Shared {
            lines_per_second_max,
            window: Mutex::new(window),
            left_out: LeftOut::default(),
        }))
    }

    pub(super) fn left_out(&self) -> &LeftOut {
        &self.0.left_out
    }

    fn spend(&self, metadata: &Metadata<'_>, now: Instant) -> bool {
        let max = self.0.lines_per_second_max;
        let mut window = self.0.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            *window = Window {
                began: now,
                ordinary: 0,
                audit: 0,
                callsites: std::mem::take(&mut window.callsites),
            };
            window.callsites.clear();
        }
        if metadata.target() == AUDIT_TARGET {
            if window.audit >= max {
                self.0.left_out.audit.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            window.audit += 1;
            return true;
        }
        let callsite_max = (max / CALLSITE_PART).max(1);
        let total = window.ordinary;
        let callsite = window.callsites.entry(metadata.callsite()).or_default();
        if total >= max || *callsite >= callsite_max {
            self.0.left_out.ordinary.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        *callsite += 1;
        window.ordinary += 1;
        true
    }
}

impl<S: Subscriber> Filter<S> for Budget {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.spend(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, Registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn written(budget: &Budget, log: impl FnOnce()) -> u64 {
        let count = Count::default();
        with_default(
            Registry::default().with(count.clone().with_filter(budget.clone())),
            log,
        );
        count.0.load(Ordering::Relaxed)
    }

    #[test]
    fn one_noisy_place_gets_a_quarter_and_the_rest_is_counted() {
        let budget = Budget::new(8);
        let lines = written(&budget, || {
            for _ in 0..10 {
                tracing::info!("noise");
            }
            tracing::info!("signal");
        });
        assert_eq!(lines, 3);
        assert_eq!(budget.left_out().ordinary.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn noise_does_not_silence_the_audit() {
        let budget = Budget::new(4);
        let lines = written(&budget, || {
            for _ in 0..6 {
                tracing::info!("noise");
                tracing::info!(target: AUDIT_TARGET, "refused");
            }
        });
        assert_eq!(lines, 1 + 4);
        assert_eq!(budget.left_out().audit.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_new_second_brings_a_new_budget() {
        use tracing::callsite::Callsite;

        let callsite =
            tracing::callsite! { name: "line", kind: tracing::metadata::Kind::EVENT, fields: message };
        let (budget, began) = (Budget::new(1), Instant::now());
        let spend = |after_ms| budget.spend(callsite.metadata(), began + Duration::from_millis(after_ms));
        assert_eq!(
            [0, 1, 900, 2_000, 2_001].map(spend),
            [true, false, false, true, false]
        );
    }
}

//! Threads that carry sessions: each has a runtime of its own, a session stays where it was born.
//!
//! No work is stolen and nothing is shared on the way of a statement. A new session goes to the shard
//! that carries the fewest.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A set of threads, each driving a single-threaded runtime.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
    /// `true`, or its end, stops the threads.
    stop: watch::Sender<bool>,
    /// Each thread says here that it is gone.
    gone: Mutex<mpsc::Receiver<()>>,
}

#[derive(Debug)]
struct Shard {
    runtime: Handle,
    live: Arc<AtomicUsize>,
}

impl Shards {
    /// Starts `count` threads, named `NAME-0`, `NAME-1`, …
    pub fn start(count: NonZero<usize>, name: &str) -> io::Result<Self> {
        let (gone_sender, gone) = mpsc::channel();
        let (stop, stopped) = watch::channel(false);
        let shards = (0..count.get())
            .map(|index| Shard::start(format!("{name}-{index}"), stopped.clone(), gone_sender.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            shards,
            stop,
            gone: Mutex::new(gone),
        })
    }

    /// As many as there are cores for this process.
    pub fn count_default() -> NonZero<usize> {
        thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
    }

    /// How many shards there are.
    pub fn count(&self) -> usize {
        self.shards.len()
    }

    /// Live sessions of each shard.
    pub fn loads(&self) -> impl Iterator<Item = usize> {
        self.shards.iter().map(|shard| shard.live.load(Ordering::Relaxed))
    }

    /// Runs a session where the fewest are. It counts until it ends, however it ends.
    pub fn spawn_on_least_loaded<F>(&self, session: F) -> Option<JoinHandle<()>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shard = self
            .shards
            .iter()
            .min_by_key(|shard| shard.live.load(Ordering::Relaxed))?;
        Some(shard.spawn(session))
    }

    /// Asks every shard's thread, between two steps of its sessions. A shard that has stopped gives no answer.
    pub async fn on_each<T, F>(&self, ask: F) -> Vec<T>
    where
        T: Send + 'static,
        F: Fn() -> T + Clone + Send + 'static,
    {
        let asked: Vec<_> = self
            .shards
            .iter()
            .map(|shard| {
                let ask = ask.clone();
                shard.runtime.spawn(async move { ask() })
            })
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.extend(answer.await);
        }
        answers
    }

    /// Stops all threads; sessions that still run are dropped at their next await. Returns how many
    /// shards had not stopped after `wait`.
    pub fn shutdown(&self, wait: Duration) -> usize {
        let deadline = Instant::now() + wait;
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.send_replace(true);
        let stopped = (0..self.shards.len())
            .take_while(|_| {
                gone.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    .is_ok()
            })
            .count();
        self.shards.len() - stopped
    }
}

impl Shard {
    fn start(name: String, mut stopped: watch::Receiver<bool>, gone: mpsc::Sender<()>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(name).spawn(move || {
            // an error is the sender's end, which says the same
            let _ = runtime.block_on(stopped.wait_for(|stop| *stop));
            drop(runtime);
            let _ = gone.send(());
        })?;
        Ok(Self {
            runtime: handle,
            live: Arc::default(),
        })
    }

    fn spawn<F>(&self, session: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let live = Live::count(&self.live);
        // boxed first: a future that is captured and then awaited would be kept twice
        let session = Box::pin(session);
        self.runtime.spawn(async move {
            let _live = live;
            session.await;
        })
    }
}

/// Counts one session for as long as it exists.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn count(live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(live))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn shards(count: usize) -> Shards {
        Shards::start(NonZero::new(count).unwrap(), "test").unwrap()
    }

    #[tokio::test]
    async fn sessions_spread_evenly() {
        let shards = shards(3);
        for _ in 0..30 {
            shards.spawn_on_least_loaded(pending());
        }
        assert_eq!(shards.loads().collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(shards.shutdown(Duration::from_secs(5)), 0);
    }

    #[tokio::test]
    async fn an_ended_session_makes_room_even_when_it_panicked() {
        let shards = shards(2);
        shards.spawn_on_least_loaded(pending());
        shards
            .spawn_on_least_loaded(async { panic!("in a session") })
            .unwrap()
            .await
            .unwrap_err();
        shards.spawn_on_least_loaded(async {}).unwrap().await.unwrap();
        assert_eq!(shards.loads().collect::<Vec<_>>(), [1, 0]);
    }

    #[tokio::test]
    async fn a_session_stays_on_its_own_thread_with_timers() {
        let shards = shards(2);
        let names = Arc::new(Mutex::new(Vec::new()));
        let session = |names: Arc<Mutex<Vec<String>>>| async move {
            for _ in 0..3 {
                let name = thread::current().name().unwrap().to_owned();
                names.lock().unwrap().push(name);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        shards.spawn_on_least_loaded(pending());
        shards
            .spawn_on_least_loaded(session(Arc::clone(&names)))
            .unwrap()
            .await
            .unwrap();
        assert_eq!(*names.lock().unwrap(), ["test-1", "test-1", "test-1"]);
    }

    #[tokio::test]
    async fn each_shard_answers_for_itself() {
        let shards = shards(3);
        let name = || thread::current().name().unwrap().to_owned();
        assert_eq!(shards.on_each(name).await, ["test-0", "test-1", "test-2"]);
    }

    #[tokio::test]
    async fn shutdown_drops_what_still_runs() {
        let shards = shards(1);
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        shards.spawn_on_least_loaded(async move {
            let _inside = inside;
            pending::<()>().await;
        });
        assert_eq!(shards.shutdown(Duration::from_secs(5)), 0);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

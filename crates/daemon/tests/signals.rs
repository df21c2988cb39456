//! Signals reach the whole process: this file is a process of its own.

use std::time::Duration;

use daemon::drain::Drain;
use daemon::signal::{Signals, StopNow};
use nix::sys::signal::{Signal, raise};
use tokio::sync::watch;
use tokio::time::timeout;

#[tokio::test]
async fn hang_up_reloads_the_first_stop_drains_the_second_stops_now() {
    let (drain, (reload, mut reloaded)) = (Drain::new(), watch::channel(0));
    let signals = tokio::spawn(Signals::install().unwrap().run(drain.clone(), reload));
    let patience = Duration::from_secs(5);

    raise(Signal::SIGHUP).unwrap();
    timeout(patience, reloaded.changed()).await.unwrap().unwrap();
    assert_eq!(*reloaded.borrow(), 1);
    assert!(!drain.is_draining());

    raise(Signal::SIGTERM).unwrap();
    timeout(patience, drain.started()).await.unwrap();
    assert!(!signals.is_finished());

    raise(Signal::SIGINT).unwrap();
    assert_eq!(timeout(patience, signals).await.unwrap().unwrap(), StopNow);
}

//! One event, one JSON line on stderr, written by a thread of its own: a reader of stderr that stops
//! reading stops that thread and nobody else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use super::budget::Budget;

/// Events of this target are the audit: they have a budget of their own.
pub const AUDIT_TARGET: &str = "audit";

/// Environment variable that overrides the configured level.
const LEVEL_VARIABLE: &str = "RUST_LOG";
/// Longest line that is written, in bytes; a longer one is left out and counted.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Lines that wait for stderr at most: with the line above this bounds their memory to 16 MiB.
const LINES_WAITING_MAX: usize = 1024;
/// How often lines that were left out are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the process waits for stderr.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(1);

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// A level or a filter, `info,peer=debug`.
    pub level: String,
    /// Lines per second at most, ordinary and audit each.
    pub lines_per_second_max: u32,
}

/// Logs cannot be started.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The level is none.
    #[error("{0:?} is no log level or filter: {1}")]
    Level(String, ParseError),
    /// The process logs already.
    #[error("logs have been started before: {0}")]
    Twice(#[from] TryInitError),
    /// No thread for the writer.
    #[error("cannot start the thread that writes logs: {0}")]
    Thread(#[from] io::Error),
}

/// Keeps the logs going; dropped, it writes what is still waiting.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    budget: Budget,
    finished: Mutex<Receiver<()>>,
}

impl Logs {
    /// Starts them for the whole process.
    pub fn start(options: &LogOptions) -> Result<Self, LogsError> {
        let budget = Budget::new(options.lines_per_second_max);
        let (logs, subscriber) = Self::build(options, budget, io::stderr())?;
        subscriber.try_init()?;
        Ok(logs)
    }

    /// Says whether `level` would be understood.
    pub fn check_level(level: &str) -> Result<(), LogsError> {
        filter(level).map(drop)
    }

    /// Lines left out since the start, audit among them.
    pub fn left_out(&self) -> u64 {
        let left_out = self.budget.left_out();
        left_out.ordinary.load(Ordering::Relaxed)
            + left_out.audit.load(Ordering::Relaxed)
            + self.lines.stuck.load(Ordering::Relaxed)
    }

    fn build(
        options: &LogOptions,
        budget: Budget,
        out: impl Write + Send + 'static,
    ) -> Result<(Self, impl tracing::Subscriber + Send + Sync + 'static), LogsError> {
        let level = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| options.level.clone());
        let level = filter(&level)?;
        let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
        let lines = Lines {
            sender,
            stuck: Arc::default(),
        };
        let (say_finished, finished) = sync_channel(1);
        let reporter = Reporter::new(budget.clone(), Arc::clone(&lines.stuck));
        thread::Builder::new().name("logs".to_owned()).spawn(move || {
            write_lines(&receiver, out, reporter);
            let _ = say_finished.send(());
        })?;
        let format = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(lines.clone())
            .with_filter(budget.clone());
        Ok((
            Self {
                lines,
                budget,
                finished: Mutex::new(finished),
            },
            Registry::default().with(level).with(format),
        ))
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if self.lines.sender.try_send(Message::End).is_ok() {
            // when stderr is stuck, so be it
            let finished = self.finished.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = finished.recv_timeout(FLUSH_WAIT_MAX);
        }
    }
}

fn filter(level: &str) -> Result<EnvFilter, LogsError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| LogsError::Level(level.to_owned(), error))
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

/// Makes a writer per event.
#[derive(Debug, Clone)]
struct Lines {
    sender: SyncSender<Message>,
    /// Lines that found the queue full or were too long.
    stuck: Arc<AtomicU64>,
}

/// One line as it is formatted; sent when dropped.
struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            bytes: Vec::new(),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        let sent = line.len() <= LINE_BYTES_MAX
            && !matches!(
                self.lines.sender.try_send(Message::Line(line)),
                Err(TrySendError::Full(_))
            );
        if !sent {
            self.lines.stuck.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The writer's thread. Errors of stderr have nobody to be told to.
fn write_lines(receiver: &Receiver<Message>, mut out: impl Write, mut reporter: Reporter) {
    loop {
        match receiver.recv_timeout(REPORT_INTERVAL) {
            Ok(Message::Line(line)) => {
                let _ = out.write_all(&line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
        reporter.report_when_due(&mut out);
    }
    reporter.report(&mut out);
}

/// Says how many lines were left out, once a second at most.
struct Reporter {
    budget: Budget,
    stuck: Arc<AtomicU64>,
    /// Ordinary and audit lines that have been reported.
    reported: (u64, u64),
    next: Instant,
}

impl Reporter {
    fn new(budget: Budget, stuck: Arc<AtomicU64>) -> Self {
        Self {
            budget,
            stuck,
            reported: (0, 0),
            next: Instant::now() + REPORT_INTERVAL,
        }
    }

    fn report_when_due(&mut self, out: &mut impl Write) {
        if Instant::now() >= self.next {
            self.report(out);
        }
    }

    fn report(&mut self, out: &mut impl Write) {
        self.next = Instant::now() + REPORT_INTERVAL;
        let left_out = self.budget.left_out();
        let ordinary = left_out.ordinary.load(Ordering::Relaxed) + self.stuck.load(Ordering::Relaxed);
        let audit = left_out.audit.load(Ordering::Relaxed);
        let (ordinary_before, audit_before) = std::mem::replace(&mut self.reported, (ordinary, audit));
        if (ordinary, audit) == (ordinary_before, audit_before) {
            return;
        }
        let mut time = String::new();
        // a String takes everything
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let _ = writeln!(
            out,
            r#"{{"timestamp":"{time}","level":"WARN","message":"log lines left out","lines":{},"audit_lines":{},"target":"daemon::telemetry"}}"#,
            ordinary - ordinary_before,
            audit - audit_before,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::MutexGuard;

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock().unwrap()
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(lines_per_second_max: u32, log: impl FnOnce()) -> Vec<String> {
        let out = Out::default();
        let options = LogOptions {
            level: "info".to_owned(),
            lines_per_second_max,
        };
        let (logs, subscriber) =
            Logs::build(&options, Budget::new(lines_per_second_max), out.clone()).unwrap();
        with_default(subscriber, log);
        drop(logs);
        let text = String::from_utf8(out.lock().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_event_is_one_json_line_with_its_fields() {
        let lines = logged(100, || {
            tracing::info!(connection_id = 7, "two\nlines");
            tracing::debug!("below the level");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with('{') && lines[0].ends_with('}'), "{lines:?}");
        assert!(lines[0].contains(r#""connection_id":7"#), "{lines:?}");
        assert!(lines[0].contains(r#""message":"two\nlines""#), "{lines:?}");
    }

    #[test]
    fn what_is_left_out_is_reported() {
        let lines = logged(4, || (0..10).for_each(|_| tracing::warn!("again")));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[1].contains(r#""message":"log lines left out","lines":9,"audit_lines":0"#),
            "{lines:?}"
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_left_out() {
        let lines = logged(4, || tracing::info!(text = "x".repeat(LINE_BYTES_MAX)));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(r#""lines":1"#), "{lines:?}");
    }

    #[test]
    fn a_stuck_reader_stops_nobody() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (let_go, stuck) = sync_channel(0);
        let many = 10 * LINES_WAITING_MAX as u32;
        let options = LogOptions {
            level: "info".to_owned(),
            lines_per_second_max: many * 4,
        };
        let (logs, subscriber) =
            Logs::build(&options, Budget::new(options.lines_per_second_max), Stuck(stuck)).unwrap();
        with_default(subscriber, || (0..many).for_each(|_| tracing::info!("line")));
        assert!(logs.left_out() >= u64::from(many) - LINES_WAITING_MAX as u64 - 1);
        drop(let_go);
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        assert!(Logs::check_level("info,peer=debug").is_ok());
        let message = Logs::check_level("peer=loud").unwrap_err().to_string();
        assert!(
            message.starts_with("\"peer=loud\" is no log level or filter"),
            "{message}"
        );
    }
}

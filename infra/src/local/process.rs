//! One server process that outlives the command that started it.
//!
//! It gets a process group of its own (so that ^C on the command does not reach it), its output goes to a log,
//! and its pid to a file. Before a signal is sent, /proc must show that the pid still is this very process: its
//! command line names the configuration file in the cluster's directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::Instant;

/// A server that got SIGTERM may take this long to write its pages back.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// After SIGKILL only the kernel's own work is left.
const KILL_WAIT_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// How much of a log an error message quotes.
const LOG_TAIL_LINES: usize = 25;
const LOG_TAIL_BYTES: u64 = 16 * 1024;

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM, a bounded wait, SIGTERM once more, then SIGKILL.
    Gracefully,
    /// SIGKILL: what a crash looks like.
    AtOnce,
}

/// A process as the cluster's directory describes it, running or not.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    /// The name that messages use: `worker1`, `proxy`.
    pub(crate) name: String,
    /// The configuration file, which stands in its command line and proves that a pid is ours.
    pub(crate) config: PathBuf,
    pub(crate) pid_file: PathBuf,
    pub(crate) log: PathBuf,
}

impl Process {
    /// The pid, if the process runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(&self.pid_file)
            .ok()?
            .trim()
            .parse()
            .ok()?;
        self.owns(pid).then_some(pid)
    }

    fn owns(&self, pid: u32) -> bool {
        let Ok(command_line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        if command_line.is_empty() {
            // a zombie has no program any more; a process that has just been started has no arguments yet
            return std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        }
        let config = self.config.as_os_str().as_encoded_bytes();
        command_line.split(|byte| *byte == 0).any(|argument| {
            argument
                .strip_suffix(config)
                .is_some_and(|before| before.is_empty() || before.ends_with(b"="))
        })
    }

    /// True when it runs and the program on disk is the one that runs: not built anew, not another build.
    pub(crate) fn runs(&self, program: &Path) -> bool {
        // the kernel adds " (deleted)" to the name of a program that was replaced
        let running = self
            .pid()
            .and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
        running.is_some() && running == program.canonicalize().ok()
    }

    /// Starts `program` with `arguments`, one of which names [`Process::config`].
    pub(crate) fn start(&self, program: &Path, arguments: &[String]) -> anyhow::Result<Running> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("{}: cannot open {}", self.name, self.log.display()))?;
        let log_start = log.metadata().map_or(0, |facts| facts.len());
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{}: cannot start {}", self.name, program.display()))?;
        let pid = child.id().context("a process that was just started has no pid")?;
        std::fs::write(&self.pid_file, format!("{pid}\n"))
            .with_context(|| format!("{}: cannot write {}", self.name, self.pid_file.display()))?;
        Ok(Running {
            process: self.clone(),
            child,
            log_start,
        })
    }

    /// Stops the process, if it runs, and forgets its pid. Its ports are free when this returns.
    pub(crate) async fn stop(&self, how: Stop) -> anyhow::Result<()> {
        if let Some(alive) = self.pid().and_then(Alive::of) {
            self.end(alive, how).await?;
        }
        let _ = std::fs::remove_file(&self.pid_file);
        Ok(())
    }

    async fn end(&self, alive: Alive, how: Stop) -> anyhow::Result<()> {
        if how == Stop::Gracefully {
            // a server that is still starting may miss the first; a service that drains takes the second as "now"
            for _ in 0..2 {
                self.signal(alive, Signal::SIGTERM)?;
                // a suspended process takes no SIGTERM before it continues
                self.signal(alive, Signal::SIGCONT)?;
                if alive.gone_within(STOP_WAIT_MAX / 2).await {
                    return Ok(());
                }
            }
        }
        self.signal(alive, Signal::SIGKILL)?;
        if !alive.gone_within(KILL_WAIT_MAX).await {
            bail!("{}: process {} survived SIGKILL", self.name, alive.pid);
        }
        Ok(())
    }

    fn signal(&self, alive: Alive, signal: Signal) -> anyhow::Result<()> {
        if alive.is_gone() {
            return Ok(());
        }
        match kill(Pid::from_raw(i32::try_from(alive.pid)?), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("{}: cannot send {signal} to {}", self.name, alive.pid))
            }
        }
    }

    /// The last lines of the log from `start` on, indented for an error message.
    pub(crate) fn log_tail(&self, start: u64) -> String {
        let tail = read_tail(&self.log, start).unwrap_or_default();
        let lines: Vec<&str> = tail.lines().collect();
        let shown = lines
            .get(lines.len().saturating_sub(LOG_TAIL_LINES)..)
            .unwrap_or_default();
        if shown.is_empty() {
            return format!("its log {} is empty", self.log.display());
        }
        let mut text = format!("the end of its log {}:", self.log.display());
        for line in shown {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text
    }
}

/// Runs a program that ends by itself. When the wait is given up, the program and whatever it started are killed: an
/// initialisation that goes on alone would fill a directory that nobody wants any more.
pub(crate) async fn run_to_end(command: &mut Command) -> std::io::Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let mut group = Group(
        child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw),
    );
    let output = child.wait_with_output().await;
    group.0 = None;
    output
}

/// A process group that dies with this value.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // the only error left is that it has ended already
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// A process told apart from a later one with the same number. A dying process loses its command line long before it
/// closes its sockets, so the wait for its end needs more than [`Process::pid`].
#[derive(Debug, Clone, Copy)]
struct Alive {
    pid: u32,
    /// Start in the kernel's ticks since boot.
    born: u64,
}

impl Alive {
    fn of(pid: u32) -> Option<Alive> {
        let (_, born) = state_and_start(pid)?;
        Some(Alive { pid, born })
    }

    /// True once the process and every thread of it have ended; a zombie alone holds nothing any more.
    fn is_gone(self) -> bool {
        match state_and_start(self.pid) {
            Some((_, born)) if born != self.born => true,
            Some(('Z', _)) => std::fs::read_dir(format!("/proc/{}/task", self.pid))
                .map_or(true, |threads| threads.count() <= 1),
            Some(_) => false,
            None => true,
        }
    }

    async fn gone_within(self, wait_max: Duration) -> bool {
        let deadline = Instant::now() + wait_max;
        while !self.is_gone() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        true
    }
}

/// Fields 3 and 22 of `/proc/PID/stat`, counted behind the name, which may hold blanks and parentheses.
fn state_and_start(pid: u32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn read_tail(log: &Path, start: u64) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(LOG_TAIL_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A process that was just started and has not said yet that it is ready.
pub(crate) struct Running {
    process: Process,
    child: tokio::process::Child,
    log_start: u64,
}

impl Running {
    /// Calls `probe` until it succeeds; fails when the process ends before that, or at the deadline, with the
    /// probe's last complaint and the tail of the log.
    pub(crate) async fn ready<T, F, Fut>(mut self, wait_max: Duration, mut probe: F) -> anyhow::Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = anyhow::Result<T>>,
    {
        let name = self.process.name.clone();
        let deadline = Instant::now() + wait_max;
        loop {
            let complaint = match probe().await {
                Ok(answer) => return Ok(answer),
                Err(complaint) => complaint,
            };
            if let Some(status) = self.child.try_wait()? {
                let _ = std::fs::remove_file(&self.process.pid_file);
                bail!(
                    "{name} ended while starting ({status}); {}",
                    self.process.log_tail(self.log_start)
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{name} was not ready within {} s ({complaint:#}); {}",
                    wait_max.as_secs(),
                    self.process.log_tail(self.log_start)
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(dir: &Path) -> Process {
        Process {
            name: "sleeper".to_owned(),
            config: dir.join("sleeper.cnf"),
            pid_file: dir.join("pid"),
            log: dir.join("log"),
        }
    }

    /// A shell that waits, with the configuration's path among its arguments.
    fn start(process: &Process, script: &str) -> Running {
        let arguments = ["-c", script, &format!("--config={}", process.config.display())]
            .map(str::to_owned)
            .to_vec();
        process.start(Path::new("/bin/sh"), &arguments).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_found_by_its_pid_file_and_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let process = process(dir.path());
        let running = start(&process, "while :; do sleep 0.05; done");
        assert_eq!(process.pid(), running.child.id());
        process.stop(Stop::Gracefully).await.unwrap();
        assert_eq!(process.pid(), None);
        assert!(!process.pid_file.exists());
    }

    #[tokio::test]
    async fn a_pid_that_now_belongs_to_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let process = process(dir.path());
        std::fs::write(&process.pid_file, std::process::id().to_string()).unwrap();
        assert_eq!(process.pid(), None);
        process.stop(Stop::AtOnce).await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_is_given_up_takes_its_children_along() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("grandchild");
        let script = format!("sh -c 'echo $$ > {}; exec sleep 60' & wait", pid_file.display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        let grandchild = tokio::select! {
            _ = run_to_end(&mut command) => panic!("it should still run"),
            pid = async {
                loop {
                    match std::fs::read_to_string(&pid_file).unwrap_or_default().trim().parse::<u32>() {
                        Ok(pid) => break pid,
                        Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
                    }
                }
            } => pid,
        };
        let alive = || {
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while alive() && Instant::now() < deadline {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        assert!(!alive(), "process {grandchild} is still there");
    }

    #[tokio::test]
    async fn a_process_that_dies_while_starting_is_reported_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let process = process(dir.path());
        let running = start(&process, "echo out of luck; exit 3");
        let probe = || async { anyhow::bail!("no answer") };
        let error = running
            .ready::<(), _, _>(Duration::from_secs(10), probe)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sleeper ended while starting") && text.contains("out of luck"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_process_that_never_gets_ready_is_reported_with_the_last_complaint() {
        let dir = tempfile::tempdir().unwrap();
        let process = process(dir.path());
        let running = start(&process, "while :; do sleep 0.05; done");
        let probe = || async { anyhow::bail!("no answer") };
        let error = running
            .ready::<(), _, _>(Duration::from_millis(100), probe)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
        process.stop(Stop::AtOnce).await.unwrap();
    }
}

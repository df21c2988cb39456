//! CPU time of processes and of the machine, from `/proc`.

use anyhow::{Context, bail};

/// `/proc` counts in ticks of this many microseconds (USER_HZ is 100 on every Linux that this runs on).
const TICK_US: u64 = 10_000;

/// User and system time of a process with all its threads, those that ended included.
pub(super) fn of_process(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let line = std::fs::read_to_string(&path).with_context(|| format!("process {pid} is gone ({path})"))?;
    process_us(&line).with_context(|| format!("failed to read {path}"))
}

/// What all processors together spent busy, since the machine started.
pub(super) fn of_machine() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat").context("failed to read /proc/stat")?;
    machine_us(&stat).context("failed to read /proc/stat")
}

/// Of all children of ours that ended and were waited for.
pub(super) fn of_ended_children() -> anyhow::Result<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| {
        let (seconds, micros) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_usec()));
        seconds.unwrap_or(0) * 1_000_000 + micros.unwrap_or(0)
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// `pid (name) state ppid … utime stime …`: fields 14 and 15. The name may hold blanks and parentheses.
fn process_us(line: &str) -> anyhow::Result<u64> {
    let (_, fields) = line.rsplit_once(')').context("no process name")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> anyhow::Result<u64> { Ok(fields.next().context("the line is short")?.parse()?) };
    Ok((ticks()? + ticks()?) * TICK_US)
}

/// `cpu user nice system idle iowait irq softirq steal …`: everything but idle and iowait. Time that the host took
/// away (steal) is included: it is missing from our runs just as much.
fn machine_us(stat: &str) -> anyhow::Result<u64> {
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("cpu "))
        .context("no line `cpu`")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else {
        bail!("the line `cpu` is short")
    };
    Ok((user + nice + system + irq + softirq + steal) * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_line_is_read_behind_the_last_parenthesis() {
        let line = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 3 0 100 0 0";
        assert_eq!(process_us(line).unwrap(), 1_680_000);
        assert!(process_us("4711 (cut) S 1 2").is_err());
        assert!(process_us("").is_err());
    }

    #[test]
    fn the_machine_is_busy_except_when_idle_or_waiting_for_disks() {
        let stat = "cpu  10 1 20 1000 500 3 4 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(machine_us(stat).unwrap(), 430_000);
        assert!(machine_us("cpu  10 1 20\n").is_err());
        assert!(machine_us("intr 1\n").is_err());
    }

    #[test]
    fn our_own_work_is_seen_in_our_own_time() {
        let pid = std::process::id();
        let (before, machine_before) = (of_process(pid).unwrap(), of_machine().unwrap());
        let started = std::time::Instant::now();
        let mut sum = 0u64;
        while of_process(pid).unwrap() < before + 5 * TICK_US && started.elapsed().as_secs() < 30 {
            sum = (0..100_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert_ne!(sum, 1, "the loop must not be optimised away");
        assert!(of_process(pid).unwrap() >= before + 5 * TICK_US);
        assert!(of_machine().unwrap() > machine_before);
    }
}

//! One run of sysbench: its command line, its end, and what its report says.

use std::{fmt::Write as _, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{limits, profile::Settings};

/// sysbench's `--db-ps-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreparedStatements {
    /// Server-side prepared statements wherever the script has them.
    Auto,
    /// Text protocol.
    Disable,
}

impl PreparedStatements {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Disable => "disable",
        }
    }
}

/// Where sysbench connects and as whom.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
}

/// What sysbench reports at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) queries: u64,
    pub(super) qps: f64,
    pub(super) transactions: u64,
    /// Out of its histogram, whose steps are 2 % wide.
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: f64,
    pub(super) average_ms: f64,
    pub(super) max_ms: f64,
    pub(super) seconds: f64,
    /// Deadlocks and the like, which sysbench repeats.
    pub(super) ignored_errors: u64,
    pub(super) reconnects: u64,
}

/// The part of sysbench's command line that runs of a series share.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) prepared: PreparedStatements,
    pub(super) schema: &'a str,
    /// For the password's file: it must not stand in a command line that everybody on the machine can read.
    pub(super) scratch: &'a Path,
}

impl Bench<'_> {
    /// Creates and fills the tables.
    pub(super) async fn prepare(self, target: &Target) -> anyhow::Result<()> {
        self.call(target, &[], "prepare", limits::PREPARE_TIMEOUT)
            .await
            .map(|_| ())
    }

    /// Runs for `seconds` with `threads` connections.
    pub(super) async fn run(self, target: &Target, threads: u32, seconds: u32) -> anyhow::Result<Report> {
        let arguments = [
            format!("--threads={threads}"),
            format!("--time={seconds}"),
            "--events=0".to_owned(),
            "--percentile=95".to_owned(),
            "--histogram=on".to_owned(),
        ];
        let bound = Duration::from_secs(u64::from(seconds)) + limits::RUN_GRACE;
        let output = self.call(target, &arguments, "run", bound).await?;
        parse(&output).context("sysbench's report cannot be read")
    }

    async fn call(
        self,
        target: &Target,
        more: &[String],
        verb: &str,
        bound: Duration,
    ) -> anyhow::Result<String> {
        let secret = self.scratch.join("sysbench.cnf");
        write_secret(&secret, &target.password)?;
        let mut command = Command::new("sysbench");
        command
            .arg(&self.settings.script)
            .arg(format!("--config-file={}", secret.display()))
            .arg("--db-driver=mysql")
            .arg(format!("--mysql-host={}", target.host))
            .arg(format!("--mysql-port={}", target.port))
            .arg(format!("--mysql-user={}", target.user))
            .arg(format!("--mysql-db={}", self.schema))
            .arg(format!("--tables={}", self.settings.tables))
            .arg(format!("--table-size={}", self.settings.rows))
            .arg(format!("--db-ps-mode={}", self.prepared.word()))
            .args(
                self.settings
                    .options
                    .iter()
                    .map(|(key, value)| format!("--{key}={value}")),
            )
            .args(more)
            .arg(verb)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(bound, command.output())
            .await
            .with_context(|| format!("sysbench {verb} did not end within {} s", bound.as_secs()))?
            .context("failed to start sysbench (is the package `sysbench` installed?)")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let complaint = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
        bail!("sysbench {verb} failed: {}", complaint_of(&complaint));
    }
}

/// The version sysbench names, for the results.
pub(super) async fn version() -> anyhow::Result<String> {
    let output = Command::new("sysbench")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await;
    let output = output.context("failed to start sysbench (is the package `sysbench` installed?)")?;
    let said = String::from_utf8_lossy(&output.stdout);
    // "sysbench 1.0.20 (using system LuaJIT …)" or "sysbench 1.0.20"
    Ok(said.split_whitespace().nth(1).unwrap_or("unknown").to_owned())
}

fn write_secret(path: &Path, password: &str) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};

    // sysbench's option file knows no quoting for these
    if password
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || "#\"'\\".contains(c))
    {
        bail!("sysbench cannot take a password with blanks, quotes, backslashes or `#`");
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to write {}", path.display()))?;
    writeln!(file, "mysql-password={password}").context("failed to write sysbench's option file")
}

/// Each thread complains for itself: distinct lines with an error, cut to a bound.
fn complaint_of(output: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in output.lines().map(str::trim) {
        let speaks = line.contains("FATAL") || line.contains("error") || line.contains("ALERT");
        if speaks && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > limits::ERROR_BYTES_MAX {
            text.push_str(" …");
            break;
        }
        let _ = write!(text, "{}{line}", if text.is_empty() { "" } else { " | " });
    }
    if text.is_empty() {
        "it did not say why".to_owned()
    } else {
        text
    }
}

fn parse(output: &str) -> anyhow::Result<Report> {
    let after = |label: &str| {
        output
            .lines()
            .find_map(|line| line.trim().strip_prefix(label))
            .map(str::trim)
            .with_context(|| format!("`{label}` is missing"))
    };
    // "41080  (20360.39 per sec.)"
    let count_and_rate = |label: &str| -> anyhow::Result<(u64, f64)> {
        let (count, rate) = after(label)?
            .split_once('(')
            .with_context(|| format!("`{label}` has no rate"))?;
        let rate = rate.split_whitespace().next().unwrap_or_default();
        Ok((count.trim().parse()?, rate.parse()?))
    };
    let number = |label: &str| -> anyhow::Result<f64> {
        after(label)?
            .trim_end_matches('s')
            .parse()
            .with_context(|| format!("`{label}` is not a number"))
    };
    let (queries, qps) = count_and_rate("queries:")?;
    if queries == 0 {
        bail!("no query was run");
    }
    Ok(Report {
        queries,
        qps,
        transactions: count_and_rate("transactions:")?.0,
        p50_ms: median(output),
        p95_ms: number("95th percentile:")?,
        average_ms: number("avg:")?,
        max_ms: number("max:")?,
        seconds: number("total time:")?,
        ignored_errors: count_and_rate("ignored errors:")?.0,
        reconnects: count_and_rate("reconnects:")?.0,
    })
}

/// The value that half of the events did not pass, when there is a histogram: `0.144 |**    17` and so on, rising.
fn median(output: &str) -> Option<f64> {
    let steps: Vec<(f64, u64)> = output
        .lines()
        .filter_map(|line| {
            let (value, rest) = line.split_once('|')?;
            Some((
                value.trim().parse().ok()?,
                rest.split_whitespace().last()?.parse().ok()?,
            ))
        })
        .collect();
    let all: u64 = steps.iter().map(|(_, count)| count).sum();
    let mut passed = 0;
    steps.into_iter().find_map(|(value, count)| {
        passed += count;
        (2 * passed >= all).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printed by sysbench 1.0.20.
    const OUTPUT: &str = "sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)

Running the test with following options:
Number of threads: 8
Initializing random number generator from current time


Initializing worker threads...

Threads started!

SQL statistics:
    queries performed:
        read:                            28756
        write:                           8216
        other:                           4108
        total:                           41080
    transactions:                        2054   (1018.02 per sec.)
    queries:                             41080  (20360.39 per sec.)
    ignored errors:                      3      (1.49 per sec.)
    reconnects:                          0      (0.00 per sec.)

General statistics:
    total time:                          2.0173s
    total number of events:              2054

Latency (ms):
         min:                                    0.98
         avg:                                    7.82
         max:                                   20.79
         95th percentile:                       13.95
         sum:                                16056.79

Threads fairness:
    events (avg/stddev):           256.7500/6.32
    execution time (avg/stddev):   2.0071/0.01
";

    #[test]
    fn a_report_is_read_as_1_0_20_prints_it() {
        assert_eq!(
            parse(OUTPUT).unwrap(),
            Report {
                queries: 41080,
                qps: 20360.39,
                transactions: 2054,
                p50_ms: None,
                p95_ms: 13.95,
                average_ms: 7.82,
                max_ms: 20.79,
                seconds: 2.0173,
                ignored_errors: 3,
                reconnects: 0,
            }
        );
    }

    #[test]
    fn the_median_is_read_from_the_histogram() {
        let histogram = "Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.144 |                                         1
       0.149 |*                                        3
       0.152 |****************************************  40
      21.108 |***                                      6
";
        assert_eq!(median(histogram), Some(0.152));
        assert_eq!(
            parse(&format!("{histogram}\n{OUTPUT}")).unwrap().p50_ms,
            Some(0.152)
        );
        assert_eq!(median(&histogram.replace(" 6\n", " 600\n")), Some(21.108));
    }

    #[test]
    fn a_report_without_queries_or_cut_short_is_an_error() {
        assert!(parse("").is_err());
        let (head, _) = OUTPUT.split_once("Latency").unwrap();
        assert!(parse(head).unwrap_err().to_string().contains("95th percentile:"));
        let none = OUTPUT.replace("41080  (20360.39", "0  (0.00");
        assert_eq!(parse(&none).unwrap_err().to_string(), "no query was run");
    }

    #[test]
    fn what_thirty_threads_complain_of_is_said_once() {
        let refused = "FATAL: error 2002: Can't connect to server on '127.0.0.1' (115)\n";
        let text = complaint_of(&format!("Initializing worker threads...\n{}", refused.repeat(30)));
        assert_eq!(text, refused.trim());
        assert_eq!(complaint_of("nothing of note"), "it did not say why");
        let many: String = (0..500).map(|n| format!("FATAL: error {n}\n")).collect();
        assert!(complaint_of(&many).len() < 2 * limits::ERROR_BYTES_MAX);
    }

    #[test]
    fn the_password_is_in_a_private_file_and_odd_ones_are_refused() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sysbench.cnf");
        write_secret(&path, "p4ss=word").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "mysql-password=p4ss=word\n"
        );
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for odd in ["a b", "a#b", "a\nb", "a\"b"] {
            assert!(write_secret(&path, odd).is_err(), "{odd:?}");
        }
    }
}

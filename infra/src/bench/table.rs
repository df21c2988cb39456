//! The table that a benchmark ends with.

use std::fmt::Write as _;

use super::summary::Row;

const HEAD: [&str; 10] = [
    "path",
    "qps",
    "p95 ms",
    "CPU µs/query",
    "qps/direct",
    "CPU/haproxy",
    "CPU/haproxy2",
    "CPU/relay2-unix",
    "others",
    "errors",
];

/// One block per profile and number of threads.
pub(super) fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut block: Option<(&str, u32)> = None;
    for row in rows {
        if block != Some((&row.profile, row.threads)) {
            block = Some((&row.profile, row.threads));
            let plural = if row.threads == 1 { "" } else { "s" };
            let _ = writeln!(text, "\n{}, {} thread{plural}", row.profile, row.threads);
            line(&mut text, &HEAD.map(str::to_owned));
        }
        line(&mut text, &cells(row));
    }
    text
}

fn cells(row: &Row) -> [String; 10] {
    // the processes of the pair stand below it
    let part = matches!(row.name.as_str(), "gatekeeper" | "proxy");
    let ratio = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    [
        if part {
            format!("  {}", row.name)
        } else {
            row.name.clone()
        },
        row.qps.map_or_else(String::new, thousands),
        row.p95_ms.map_or_else(String::new, |ms| format!("{ms:.2}")),
        row.cpu_us_per_query
            .map_or_else(|| "–".to_owned(), |us| format!("{us:.1}")),
        if part {
            String::new()
        } else {
            ratio(row.qps_to_direct)
        },
        ratio(row.cpu_to_haproxy),
        ratio(row.cpu_to_haproxy2),
        ratio(row.cpu_to_relay2_unix),
        row.others_share
            .map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
        if part { String::new() } else { errors(row) },
    ]
}

fn errors(row: &Row) -> String {
    match (row.failed, row.ignored_errors) {
        (0, ignored) => ignored.to_string(),
        (failed, ignored) => format!("{ignored}, {failed} of {} runs failed", failed + row.runs),
    }
}

fn line(text: &mut String, cells: &[String; 10]) {
    let mut line = String::new();
    for (index, (cell, head)) in cells.iter().zip(HEAD).enumerate() {
        let width = head.chars().count().max(8);
        let _ = match index {
            0 => write!(line, "  {cell:<14}"),
            _ => write!(line, "  {cell:>width$}"),
        };
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// `31250` as `31,250`.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        path::HopPath,
        summary::{rows, tests::run},
    };

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0.4, 999.0, 1000.0, 31_250.4, 1_234_567.0].map(thousands),
            ["0", "999", "1,000", "31,250", "1,234,567"]
        );
    }

    #[test]
    fn the_pair_is_followed_by_its_two_processes_and_columns_line_up() {
        let runs = [
            run(HopPath::Haproxy2, 1, 30_000.0, &[("haproxy", 30.0)]),
            run(
                HopPath::Pair,
                1,
                29_000.0,
                &[("gatekeeper", 15.0), ("proxy", 12.0)],
            ),
        ];
        let text = render(&rows(&runs));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "point-select, 8 threads");
        let column = lines[2].find("CPU/haproxy2").unwrap() + "CPU/haproxy2".len();
        for (line, ratio) in lines[3..].iter().zip(["1.00", "0.90", "0.50", "0.40"]) {
            let shown: String = line.chars().take(lines[2][..column].chars().count()).collect();
            assert!(shown.ends_with(ratio), "{line}");
        }
        assert!(lines[5].starts_with("    gatekeeper") && lines[6].starts_with("    proxy"));
    }

    #[test]
    fn failed_runs_are_not_hidden() {
        let mut failed = run(HopPath::Direct, 1, 1.0, &[]);
        failed.figures = None;
        assert!(render(&rows(&[failed])).contains("0, 1 of 1 runs failed"));
    }
}

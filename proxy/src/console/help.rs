//! `HELP`: what there is.

use super::table::Answer;
use super::tables::Table;

/// What steers, and what it does.
const ORDERS: &[(&str, &str)] = &[
    (
        "SET strategy = 'NAME'",
        "the strategy of all sessions that have not chosen their own, until the proxy is started again",
    ),
    (
        "DRAIN NODE name",
        "no new reads to this worker; sessions give up their connections there; kept until RESUME or a restart",
    ),
    ("RESUME NODE name", "the worker serves again, if it is healthy"),
    (
        "KILL SESSION id",
        "ends a client's session and what it runs; the id is that of SHOW SESSIONS",
    ),
    ("RESET DIGESTS", "begins the table digests anew"),
    (
        "HELP",
        "this; SHOW HELP or HELP CONTENTS where the client takes HELP for its own",
    ),
];

/// The statements in one line, for an error.
pub(super) fn short() -> String {
    let shows = Table::ALL.map(|table| format!("SHOW {}", table.name().to_ascii_uppercase()));
    let orders = ORDERS.iter().map(|(statement, _)| (*statement).to_owned());
    let all: Vec<String> = shows
        .into_iter()
        .chain(["SELECT … FROM a table".to_owned()])
        .chain(orders)
        .collect();
    all.join(", ")
}

/// The answer to `HELP`.
pub(super) fn answer() -> Answer {
    let shows = Table::ALL.into_iter().map(|table| {
        vec![
            format!(
                "SHOW {} [WHERE …] [ORDER BY …] [LIMIT n]",
                table.name().to_ascii_uppercase()
            ),
            format!("each row: {}", table.meaning()),
        ]
    });
    let select = vec![
        "SELECT … FROM nodes|sessions|pools|digests|routes|config".to_owned(),
        "the same tables as SQLite reads them: WHERE, JOIN, GROUP BY, ORDER BY, LIMIT".to_owned(),
    ];
    let orders = ORDERS
        .iter()
        .map(|(statement, meaning)| vec![(*statement).to_owned(), (*meaning).to_owned()]);
    Answer::of_texts(&["statement", "meaning"], shows.chain([select]).chain(orders))
}

/// The answer to `HELP 'contents'`, in the form that stock clients print as one text.
pub(super) fn topic() -> Answer {
    let rows = answer().rows.into_iter().map(|row| {
        let texts = row.into_iter().map(|value| match value {
            super::table::Value::Text(text) => text,
            _ => String::new(),
        });
        texts.collect::<Vec<_>>().join("\n    ")
    });
    let all = rows.collect::<Vec<_>>().join("\n");
    let row = vec!["contents".to_owned(), all, String::new()];
    Answer::of_texts(&["name", "description", "example"], [row])
}

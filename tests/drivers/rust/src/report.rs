//! Runs tasks and prints one JSON line for each: what came out, in a form that can be compared byte for byte.

use std::fmt::Write as _;

use anyhow::Context;
use serde_json::{Value, json};

/// A value with more bytes than this is printed as its length and a sum.
const SHOWN_BYTES_MAX: usize = 200;

/// Where to connect, and which tasks to run.
pub struct Report {
    target: Value,
    only: Vec<String>,
}

impl Report {
    /// From the JSON file that names the target.
    pub fn read(file: &str, only: Vec<String>) -> anyhow::Result<Report> {
        let target = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        Ok(Report { target, only })
    }

    /// A word of the target: host, user, password, schema, engine.
    pub fn word(&self, name: &str) -> &str {
        self.target[name].as_str().unwrap_or_default()
    }

    /// The other user: its name, its password.
    pub fn other(&self) -> (&str, &str) {
        let word = |name: &str| self.target["other"][name].as_str().unwrap_or_default();
        (word("user"), word("password"))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.target["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0)
    }

    /// Whether this side can do TLS.
    pub fn tls(&self) -> bool {
        self.target["tls"] == true
    }

    /// What the server takes in one statement: MySQL more than one packet of 16 MiB, MariaDB (by default) not that much.
    pub fn large_blob(&self) -> Vec<u8> {
        let tens = if self.word("engine") == "mysql" {
            2_000_000
        } else {
            1_200_000
        };
        b"driver_10_".repeat(tens)
    }

    /// Runs a task, if it is one of those asked for.
    pub async fn task<E: std::fmt::Display>(&self, name: &str, work: impl AsyncFnOnce() -> Result<Value, E>) {
        if self.is_asked_for(name) {
            self.print(name, work().await);
        }
    }

    /// The same for what blocks.
    pub fn blocking_task<E: std::fmt::Display>(&self, name: &str, work: impl FnOnce() -> Result<Value, E>) {
        if self.is_asked_for(name) {
            self.print(name, work());
        }
    }

    fn is_asked_for(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|asked| asked == name)
    }

    fn print<E: std::fmt::Display>(&self, name: &str, result: Result<Value, E>) {
        let (outcome, result) = match result {
            Ok(value) => ("ok", value),
            Err(error) => ("error", json!(format!("{error:#}"))),
        };
        let line = json!({"task": name, "outcome": outcome, "result": result}).to_string();
        println!("{}", line.replace(&format!(":{}", self.port()), ":PORT"));
    }
}

/// Bytes as text where they are text, in hexadecimal digits where not, summed where they are many.
pub fn shown(bytes: &[u8]) -> Value {
    if bytes.len() > SHOWN_BYTES_MAX {
        // FNV-1a: enough to see that two runs differ
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        return json!(format!("bytes:{}:{sum:016x}", bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!(bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })),
    }
}

/// How something that must not succeed ends.
pub fn refused<T, E: std::fmt::Display>(result: Result<T, E>) -> Value {
    match result {
        Ok(_) => json!("succeeded"),
        Err(error) => json!(format!("{error:#}")),
    }
}

/// A file with lines for LOAD DATA LOCAL, and its name.
pub fn file_with_rows(name: &str, rows: u32) -> anyhow::Result<String> {
    let text: String = (0..rows)
        .map(|number| format!("{number}\tline {number} é\n"))
        .collect();
    let path = std::env::current_dir()?.join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("a folder that is no text")?.to_owned())
}

/// One column of each type that every driver can read.
pub const EVERY_TYPE: &str = "id INT PRIMARY KEY AUTO_INCREMENT, t_tiny TINYINT, t_bool BOOLEAN, t_small SMALLINT UNSIGNED, \
    t_medium MEDIUMINT, t_big BIGINT, t_ubig BIGINT UNSIGNED, t_zero INT(8) ZEROFILL, t_decimal DECIMAL(30,10), t_float FLOAT, \
    t_double DOUBLE, t_bit BIT(10), t_date DATE, t_time TIME(6), t_datetime DATETIME(6), t_timestamp TIMESTAMP NULL, t_year YEAR, \
    t_char CHAR(10), t_varchar VARCHAR(100), t_binary BINARY(4), t_varbinary VARBINARY(100), t_blob BLOB, t_text TEXT, \
    t_enum ENUM('a','b'), t_set SET('x','y','z'), t_json JSON, t_point GEOMETRY NULL";

/// A row of [`EVERY_TYPE`], without its id.
pub const EVERY_VALUE: &str = "-128, 1, 65535, -8388608, -9223372036854775808, 18446744073709551615, 42, \
    12345678901234567890.0123456789, 1.5, 2.718281828459045, b'1000000001', '2024-02-29', '-838:59:58.5', \
    '2001-02-03 04:05:06.070809', '2038-01-19 03:14:07', 2155, 'char', 'naïve 你 😀 ''\"\\\\', X'0001FEFF', X'00FF', \
    REPEAT('blob', 300), REPEAT('text ', 20), 'b', 'x,z', '{\"a\": [1, 2.5, null]}', POINT(1.5, -2)";

/// Texts that fail, each in its own way.
pub const FAILING: [&str; 9] = [
    "SELEC 1",
    "SELECT * FROM no_such_table",
    "SELECT no_such_column FROM counted",
    "INSERT INTO counted (id) VALUES (1)",
    "CALL no_such_procedure()",
    "SET no_such_variable = 1",
    "USE no_such_schema",
    "CREATE TABLE counted (a INT)",
    "",
];

//! `/metrics`, `/live`, `/ready` as a monitoring system sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// An answer by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// The text.
    pub body: String,
}

/// GET `base` + `path`, where base is `http://HOST:PORT`.
///
/// # Errors
/// When there is no answer.
pub async fn http_get(base: &str, path: &str) -> anyhow::Result<Answer> {
    let host = base
        .strip_prefix("http://")
        .with_context(|| format!("{base} is no http address"))?;
    let ask = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER_WAIT_MAX, ask)
        .await
        .with_context(|| format!("no answer from {base}{path}"))?
        .with_context(|| format!("no answer from {base}{path}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a head")?;
    let status = head
        .split(' ')
        .nth(1)
        .context("an answer without a status")?
        .parse()?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}

/// One sample of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `gatekeeper_connections`.
    pub name: String,
    /// Name and value of each label.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let (_, value) = self.labels.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

/// Everything that a process counts, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// In the order of the page.
    pub samples: Vec<Sample>,
    /// Names that have a TYPE.
    pub families: BTreeSet<String>,
}

impl Scrape {
    /// Reads `/metrics` of the process at `base`.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub async fn of(base: &str) -> anyhow::Result<Scrape> {
        let answer = http_get(base, "/metrics").await?;
        ensure!(
            answer.status == 200,
            "{base}/metrics: {} {}",
            answer.status,
            answer.body
        );
        Scrape::parse(&answer.body)
    }

    /// Reads the text of a page.
    ///
    /// # Errors
    /// Names the line that is not in Prometheus' format.
    pub fn parse(text: &str) -> anyhow::Result<Scrape> {
        let mut scrape = Scrape::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                scrape
                    .families
                    .extend(family.split(' ').next().map(str::to_owned));
            } else if !line.starts_with('#') {
                scrape
                    .samples
                    .push(sample(line).with_context(|| format!("not a sample: {line:?}"))?);
            }
        }
        Ok(scrape)
    }

    /// The sum over every sample of that name which has all these labels; `None` where there is none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample, (name, value): &(&str, &str)| sample.label(name) == Some(*value);
        self.samples
            .iter()
            .filter(|sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
            .map(|sample| sample.value)
            .reduce(|sum, value| sum + value)
    }
}

/// `name{label="value",…} 1`
fn sample(line: &str) -> anyhow::Result<Sample> {
    let (series, value) = line.rsplit_once(' ').context("no value")?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').context("an open brace")?),
        None => (series, ""),
    };
    let readable = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(readable) {
        bail!("{name:?} is no name");
    }
    let mut pairs = Vec::new();
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once("=\"").context("a label without a value")?;
        pairs.push((key.to_owned(), value.trim_end_matches('"').to_owned()));
    }
    let value = match value {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        number => number.parse()?,
    };
    Ok(Sample {
        name: name.to_owned(),
        labels: pairs,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_summed() {
        let page = "# HELP a_total x\n# TYPE a_total counter\na_total{kind=\"b\",node=\"c d\"} 2\na_total{kind=\"e\"} 3\n\nb 0.5\n";
        let scrape = Scrape::parse(page).unwrap();
        assert_eq!(scrape.value("a_total", &[]), Some(5.0));
        assert_eq!(scrape.value("a_total", &[("node", "c d")]), Some(2.0));
        assert_eq!(scrape.value("a_total", &[("node", "x")]), None);
        assert_eq!(scrape.value("b", &[]), Some(0.5));
        assert!(scrape.families.contains("a_total"));
        assert!(Scrape::parse("<html>").is_err());
    }
}

//! What is counted. Handles are resolved once, at the start: nothing is looked up by name on a statement's
//! path. Names and meanings: `describe` below.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram};
use metrics::{Unit, gauge, histogram};
use peer::accept::Reason;
use statement::CacheCounts;

use crate::policy::Rule;

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It passed.
    Allowed,
    /// It passed, and would not have with mode `enforce`.
    Detected(Rule),
    /// It did not.
    Refused(Rule),
}

/// What went wrong, other than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No room for another connection (1040).
    TooManyConnections,
    /// The proxy cannot be reached.
    ProxyUnreachable,
    /// The proxy did not let the session in.
    ProxyRefused,
    /// The proxy went away while a session was open.
    ProxyLost,
    /// The client sent what is no MySQL.
    ClientProtocol,
    /// The client went away in the middle of something.
    ClientLost,
    /// The client did not take its bytes in time.
    ClientSlow,
    /// The client was silent for too long.
    ClientIdle,
    /// The client sent a statement beyond the limit.
    StatementTooLarge,
    /// No memory was left for a statement (`statement-memory-bytes-max`).
    StatementMemory,
    /// A server asked for a file of a client that may send none.
    LocalFileRefused,
    /// A mistake of ours.
    Internal,
}

impl ErrorKind {
    /// Every kind there is.
    pub const ALL: [ErrorKind; 12] = [
        Self::TooManyConnections,
        Self::ProxyUnreachable,
        Self::ProxyRefused,
        Self::ProxyLost,
        Self::ClientProtocol,
        Self::ClientLost,
        Self::ClientSlow,
        Self::ClientIdle,
        Self::StatementTooLarge,
        Self::StatementMemory,
        Self::LocalFileRefused,
        Self::Internal,
    ];

    /// As a label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::ProxyUnreachable => "proxy_unreachable",
            Self::ProxyRefused => "proxy_refused",
            Self::ProxyLost => "proxy_lost",
            Self::ClientProtocol => "client_protocol",
            Self::ClientLost => "client_lost",
            Self::ClientSlow => "client_slow",
            Self::ClientIdle => "client_idle",
            Self::StatementTooLarge => "statement_too_large",
            Self::StatementMemory => "statement_memory",
            Self::LocalFileRefused => "local_file_refused",
            Self::Internal => "internal",
        }
    }
}

/// All handles. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    connections: Gauge,
    connections_total: Counter,
    allowed: Counter,
    detected: [Counter; Rule::ALL.len()],
    refused: [Counter; Rule::ALL.len()],
    errors: [Counter; ErrorKind::ALL.len()],
    auth_failures: [Counter; Reason::ALL.len()],
    handshake_timeouts: Counter,
    statement_duration: Histogram,
    client_received_bytes: Counter,
    client_sent_bytes: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_uncached: Counter,
    users_reloads: Counter,
    users_reload_failures: Counter,
    log_lines_left_out: Counter,
    greeting_age_seconds: Gauge,
}

impl Metrics {
    /// Resolves every handle with the recorder that is installed now, so that each number is there, as zero,
    /// before it is counted for the first time.
    pub fn resolve() -> Self {
        describe();
        let statements = |verdict: &'static str, rule: &'static str| counter!("gatekeeper_statements_total", "verdict" => verdict, "rule" => rule);
        let cache =
            |result: &'static str| counter!("gatekeeper_facts_cache_lookups_total", "result" => result);
        Self {
            connections: gauge!("gatekeeper_connections"),
            connections_total: counter!("gatekeeper_connections_total"),
            allowed: statements("allow", "none"),
            detected: Rule::ALL.map(|rule| statements("detect", rule.name())),
            refused: Rule::ALL.map(|rule| statements("refuse", rule.name())),
            errors: ErrorKind::ALL.map(|kind| counter!("gatekeeper_errors_total", "kind" => kind.label())),
            auth_failures: Reason::ALL
                .map(|reason| counter!("gatekeeper_auth_failures_total", "reason" => reason.label())),
            handshake_timeouts: counter!("gatekeeper_handshake_timeouts_total"),
            statement_duration: histogram!("gatekeeper_statement_duration_seconds"),
            client_received_bytes: counter!("gatekeeper_client_received_bytes_total"),
            client_sent_bytes: counter!("gatekeeper_client_sent_bytes_total"),
            cache_hits: cache("hit"),
            cache_misses: cache("miss"),
            cache_uncached: cache("uncached"),
            users_reloads: counter!("gatekeeper_users_reloads_total", "result" => "ok"),
            users_reload_failures: counter!("gatekeeper_users_reloads_total", "result" => "failed"),
            log_lines_left_out: counter!("gatekeeper_log_lines_left_out_total"),
            greeting_age_seconds: gauge!("gatekeeper_greeting_age_seconds"),
        }
    }

    /// A connection is there until the guard is dropped.
    pub fn connection(&self) -> ConnectionCounted {
        self.connections_total.increment(1);
        self.connections.increment(1.0);
        ConnectionCounted(self.connections.clone())
    }

    /// A statement, or another command, was judged.
    #[inline]
    pub fn judged(&self, judged: Judged) {
        let counter = match judged {
            Judged::Allowed => Some(&self.allowed),
            Judged::Detected(rule) => of(&self.detected, &Rule::ALL, rule),
            Judged::Refused(rule) => of(&self.refused, &Rule::ALL, rule),
        };
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Something went wrong.
    pub fn error(&self, kind: ErrorKind) {
        if let Some(counter) = of(&self.errors, &ErrorKind::ALL, kind) {
            counter.increment(1);
        }
    }

    /// A login failed.
    pub fn auth_failure(&self, reason: Reason) {
        if let Some(counter) = of(&self.auth_failures, &Reason::ALL, reason) {
            counter.increment(1);
        }
        if reason == Reason::Timeout {
            self.handshake_timeouts.increment(1);
        }
    }

    /// A statement that passed took this long, from its last byte in to its last byte out.
    #[inline]
    pub fn statement_took(&self, duration: Duration) {
        self.statement_duration.record(duration.as_secs_f64());
    }

    /// Bytes came from a client.
    #[inline]
    pub fn client_received(&self, bytes: u64) {
        self.client_received_bytes.increment(bytes);
    }

    /// Bytes went to a client.
    #[inline]
    pub fn client_sent(&self, bytes: u64) {
        self.client_sent_bytes.increment(bytes);
    }

    /// What a shard's cache has counted since `before`.
    pub fn cache(&self, before: CacheCounts, now: CacheCounts) {
        for (counter, before, now) in [
            (&self.cache_hits, before.hits, now.hits),
            (&self.cache_misses, before.misses, now.misses),
            (&self.cache_uncached, before.uncached, now.uncached),
        ] {
            if now > before {
                counter.increment(now - before);
            }
        }
    }

    /// The users file was read again.
    pub fn users_reloaded(&self, ok: bool) {
        let counter = if ok {
            &self.users_reloads
        } else {
            &self.users_reload_failures
        };
        counter.increment(1);
    }

    /// Log lines that were left out since the start.
    pub fn log_lines_left_out(&self, since_start: u64) {
        self.log_lines_left_out.absolute(since_start);
    }

    /// How old the facts of the greeting are.
    pub fn greeting_age(&self, age: Duration) {
        self.greeting_age_seconds.set(age.as_secs_f64());
    }
}

/// The handle of one value of a closed set; both arrays have the set's order.
fn of<'a, T: Copy + PartialEq>(handles: &'a [Counter], all: &[T], value: T) -> Option<&'a Counter> {
    let index = all.iter().position(|known| *known == value)?;
    handles.get(index)
}

/// A connection that is counted.
#[derive(Debug)]
pub struct ConnectionCounted(Gauge);

impl Drop for ConnectionCounted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Tells the recorder what each number means.
fn describe() {
    let count = |name: &'static str, help: &'static str| describe_counter!(name, Unit::Count, help);
    describe_gauge!("gatekeeper_connections", Unit::Count, "Client connections now");
    count("gatekeeper_connections_total", "Client connections accepted");
    count(
        "gatekeeper_statements_total",
        "Statements and commands judged, by verdict and rule",
    );
    count(
        "gatekeeper_errors_total",
        "What went wrong, other than refusals, by kind",
    );
    count("gatekeeper_auth_failures_total", "Logins that failed, by reason");
    count("gatekeeper_handshake_timeouts_total", "Logins that took too long");
    describe_histogram!(
        "gatekeeper_statement_duration_seconds",
        Unit::Seconds,
        "Time of a statement that passed, from its last byte in to its reply's last byte out"
    );
    describe_counter!(
        "gatekeeper_client_received_bytes_total",
        Unit::Bytes,
        "Bytes from clients"
    );
    describe_counter!(
        "gatekeeper_client_sent_bytes_total",
        Unit::Bytes,
        "Bytes to clients"
    );
    count(
        "gatekeeper_facts_cache_lookups_total",
        "Statement shapes looked up, by result",
    );
    count(
        "gatekeeper_users_reloads_total",
        "Times that the users file was read again, by result",
    );
    count(
        "gatekeeper_log_lines_left_out_total",
        "Log lines left out by the log budget",
    );
    describe_gauge!(
        "gatekeeper_greeting_age_seconds",
        Unit::Seconds,
        "Age of what is known of the servers behind the proxy"
    );
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// What a scrape shows after `count`.
    fn scraped(count: impl FnOnce(&Metrics)) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || count(&Metrics::resolve()));
        recorder.handle().render()
    }

    #[test]
    fn every_number_is_there_before_it_is_counted() {
        let text = scraped(|_| {});
        for rule in Rule::ALL {
            let line = format!("gatekeeper_statements_total{{verdict=\"refuse\",rule=\"{rule}\"}} 0");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        for kind in ErrorKind::ALL {
            assert!(text.contains(&format!("gatekeeper_errors_total{{kind=\"{}\"}} 0", kind.label())));
        }
        assert!(text.contains("gatekeeper_connections 0"));
    }

    #[test]
    fn what_happens_is_counted_where_it_belongs() {
        let text = scraped(|metrics| {
            let _one = metrics.connection();
            drop(metrics.connection());
            metrics.judged(Judged::Allowed);
            metrics.judged(Judged::Refused(Rule::Truncate));
            metrics.judged(Judged::Detected(Rule::Truncate));
            metrics.judged(Judged::Refused(Rule::UnknownCommand));
            metrics.auth_failure(Reason::Timeout);
            metrics.error(ErrorKind::Internal);
            metrics.cache(
                CacheCounts {
                    hits: 1,
                    misses: 1,
                    uncached: 0,
                },
                CacheCounts {
                    hits: 5,
                    misses: 1,
                    uncached: 2,
                },
            );
        });
        for line in [
            "gatekeeper_connections_total 2",
            "gatekeeper_statements_total{verdict=\"allow\",rule=\"none\"} 1",
            "gatekeeper_statements_total{verdict=\"refuse\",rule=\"truncate\"} 1",
            "gatekeeper_statements_total{verdict=\"detect\",rule=\"truncate\"} 1",
            "gatekeeper_statements_total{verdict=\"refuse\",rule=\"unknown-command\"} 1",
            "gatekeeper_auth_failures_total{reason=\"timeout\"} 1",
            "gatekeeper_handshake_timeouts_total 1",
            "gatekeeper_errors_total{kind=\"internal\"} 1",
            "gatekeeper_facts_cache_lookups_total{result=\"hit\"} 4",
            "gatekeeper_facts_cache_lookups_total{result=\"uncached\"} 2",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line} is not in\n{text}"
            );
        }
    }
}

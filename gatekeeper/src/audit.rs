//! Who logged in, who was not let in, what was refused: one JSON line each, under the audit's own log budget.
//!
//! Never a literal and never a secret: a statement appears as the digest of its fingerprint, which is the
//! same for all statements of one shape.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use daemon::telemetry::AUDIT_TARGET;
use peer::accept::Reason;

use crate::gate::ConnectionId;
use crate::policy::Refusal;

/// Longest user name or address in a line, in bytes: strangers choose them.
const FIELD_BYTES_MAX: usize = 320;

/// Whom a line is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The user, as the client sent it.
    pub user: &'a [u8],
    /// Where the client comes from.
    pub client_address: &'a str,
}

/// The shape of a statement, as 16 bytes of a digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Of a fingerprint.
    pub fn of(fingerprint: &[u8]) -> Self {
        let mut bytes = [0; 16];
        for (byte, digested) in bytes.iter_mut().zip(digest(&SHA256, fingerprint).as_ref()) {
            *byte = *digested;
        }
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A client is in.
pub fn logged_in(subject: Subject<'_>, tls: bool) {
    let (user, client_address) = fields(&subject);
    tracing::info!(
        target: AUDIT_TARGET,
        connection_id = subject.connection_id.number(),
        user = %user,
        client_address,
        tls,
        "logged in"
    );
}

/// A client is not let in.
pub fn login_failed(subject: Subject<'_>, reason: Reason) {
    let (user, client_address) = fields(&subject);
    tracing::warn!(
        target: AUDIT_TARGET,
        connection_id = subject.connection_id.number(),
        user = %user,
        client_address,
        reason = reason.label(),
        "login failed"
    );
}

/// A statement or command was refused.
pub fn refused(subject: Subject<'_>, refusal: &Refusal, statement: Option<Digest>) {
    refusal_line(subject, refusal, statement, "refused");
}

/// A statement or command passed that mode `enforce` would have refused.
pub fn detected(subject: Subject<'_>, refusal: &Refusal, statement: Option<Digest>) {
    refusal_line(subject, refusal, statement, "detected");
}

fn refusal_line(subject: Subject<'_>, refusal: &Refusal, statement: Option<Digest>, what: &'static str) {
    let (user, client_address) = fields(&subject);
    tracing::warn!(
        target: AUDIT_TARGET,
        connection_id = subject.connection_id.number(),
        user = %user,
        client_address,
        rule = refusal.rule().name(),
        detail = refusal.detail().as_deref(),
        statement_digest = statement.map(tracing::field::display),
        "{what}"
    );
}

fn fields<'a>(subject: &Subject<'a>) -> (Printable<'a>, &'a str) {
    let address = subject.client_address;
    let address = address.get(..FIELD_BYTES_MAX).unwrap_or(address);
    (
        Printable(subject.user.get(..FIELD_BYTES_MAX).unwrap_or(subject.user)),
        address,
    )
}

/// Bytes of a stranger as text, without what a terminal would obey.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        text.chars()
            .try_for_each(|character| match character.is_control() {
                true => write!(f, "{}", character.escape_default()),
                false => write!(f, "{character}"),
            })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use statement::{LexMode, facts};
    use tracing::subscriber::with_default;

    use super::*;
    use crate::config::{GatekeeperNumber, PolicyMode, PolicyName};
    use crate::gate::ConnectionIds;
    use crate::policy::{Profile, Verdict, decide};

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn line(write: impl FnOnce(Subject<'_>)) -> serde_json::Value {
        let out = Out::default();
        let writer = out.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        let ids = ConnectionIds::new(GatekeeperNumber::new(1).unwrap());
        let subject = Subject {
            connection_id: ids.next().id(),
            user: b"a\x1bpp",
            client_address: "192.0.2.7:4242",
        };
        with_default(subscriber, || write(subject));
        serde_json::from_slice(&out.0.lock().unwrap()).unwrap()
    }

    #[test]
    fn a_refusal_says_who_and_why_but_not_what_was_written() {
        let sql = b"DELETE FROM secrets -- hunter2";
        let profile = Profile {
            policy: PolicyName::Strict,
            mode: PolicyMode::Enforce,
            replication: false,
        };
        let Verdict::Refuse(refusal) = decide(&facts(sql, LexMode::default()), profile) else {
            panic!("not refused")
        };
        let line = line(|subject| refused(subject, &refusal, Some(Digest::of(b"DELETE FROM secrets"))));
        assert_eq!(line["target"], "audit");
        assert_eq!(line["message"], "refused");
        assert_eq!(line["rule"], "delete-without-where");
        assert_eq!(line["user"], "a\\u{1b}pp");
        assert_eq!(line["client_address"], "192.0.2.7:4242");
        assert_eq!(line["connection_id"], 0x4100_0001);
        assert_eq!(line["statement_digest"].as_str().unwrap().len(), 32);
        assert!(!line.to_string().contains("hunter2"));
    }

    #[test]
    fn a_failed_login_says_why() {
        let line = line(|subject| login_failed(subject, Reason::WrongPassword));
        assert_eq!(
            (&line["reason"], &line["message"]),
            (&"wrong_password".into(), &"login failed".into())
        );
    }
}

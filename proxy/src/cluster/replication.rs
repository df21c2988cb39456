//! What a node's answers say about its replication, in either engine's words. Pure.
//!
//! | engine | statement | columns |
//! |---|---|---|
//! | MariaDB | `SHOW ALL SLAVES STATUS` | `Slave_IO_Running`, `Slave_SQL_Running`, `Seconds_Behind_Master`, `Master_Host`, `Master_Port`, `Master_Server_Id` |
//! | MySQL from 8.0.22 | `SHOW REPLICA STATUS` | the same with `Replica_…` and `Source_…`, and `Source_UUID` |
//! | MySQL before | `SHOW SLAVE STATUS` | as MariaDB, and `Master_UUID` |
//!
//! Lag comes in whole seconds, and as NULL while it cannot be known. It is measured by the applier
//! against the newest change that has been *received*: with a receiver that hangs it stays at 0. That is
//! why both threads must run, and why "connecting" is not running.

use std::time::Duration;

use super::health::Exclusion;
use super::node::Role;

/// A row as pairs of column name and text; NULL is None.
pub(super) type StatusRow = Vec<(String, Option<String>)>;

/// What one check has learned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Observation {
    /// `read_only` or `super_read_only`.
    pub(super) read_only: bool,
    /// Who it is.
    pub(super) identity: Identity,
    /// Sources that it replicates from; none when the monitor's account may not ask.
    pub(super) sources: Option<Vec<Source>>,
}

/// Who a server is, to those that replicate from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Identity {
    /// `server_id`; 0 is not known.
    pub(super) server_id: u32,
    /// `server_uuid`; MariaDB has none.
    pub(super) uuid: Option<String>,
}

impl Identity {
    /// From the texts of both.
    pub(super) fn of(server_id: Option<&str>, uuid: Option<&str>) -> Self {
        Self {
            server_id: server_id.and_then(|id| id.parse().ok()).unwrap_or(0),
            uuid: uuid.map(str::to_ascii_lowercase).filter(|uuid| !uuid.is_empty()),
        }
    }
}

/// Whom a replica means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SourceName {
    /// As the replica was told.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the source has said; nothing is known before the first connection.
    pub(super) identity: Identity,
}

/// One source that a node replicates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Who it is.
    pub(super) of: SourceName,
    /// Neither receives nor applies, because somebody said so: an error stops one of them, a source that is down none.
    pub(super) is_stopped: bool,
    /// Receives changes.
    pub(super) receives: bool,
    /// Applies what it received.
    pub(super) applies: bool,
    /// How far behind, when that is known.
    pub(super) lag: Option<Duration>,
}

impl Source {
    /// Reads a row of the status; columns that are missing count as "no".
    pub(super) fn from_row(row: &StatusRow) -> Self {
        let text = |names: [&str; 2]| {
            row.iter()
                .find(|(column, _)| names.iter().any(|name| column.eq_ignore_ascii_case(name)))
                .and_then(|(_, text)| text.as_deref())
        };
        let runs = |names| text(names).is_some_and(|state| state.eq_ignore_ascii_case("yes"));
        let is_off = |names| text(names).is_some_and(|state| state.eq_ignore_ascii_case("no"));
        let uuid = text(["Master_UUID", "Source_UUID"]);
        Self {
            of: SourceName {
                host: text(["Master_Host", "Source_Host"])
                    .unwrap_or_default()
                    .to_owned(),
                port: text(["Master_Port", "Source_Port"])
                    .and_then(|port| port.parse().ok())
                    .unwrap_or(0),
                identity: Identity::of(text(["Master_Server_Id", "Source_Server_Id"]), uuid),
            },
            is_stopped: is_off(["Slave_IO_Running", "Replica_IO_Running"])
                && is_off(["Slave_SQL_Running", "Replica_SQL_Running"]),
            receives: runs(["Slave_IO_Running", "Replica_IO_Running"]),
            applies: runs(["Slave_SQL_Running", "Replica_SQL_Running"]),
            lag: text(["Seconds_Behind_Master", "Seconds_Behind_Source"])
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }
    }
}

impl Observation {
    /// The largest lag of all sources; none when one of them does not know its own.
    pub(super) fn lag(&self) -> Option<Duration> {
        let sources = self.sources.iter().flatten();
        let lags: Option<Vec<Duration>> = sources.map(|source| source.lag).collect();
        lags?.into_iter().max()
    }

    /// Whether a node of this role may serve.
    pub(super) fn judge(&self, role: Role, lag_max: Duration) -> Result<(), Exclusion> {
        if role == Role::Manager {
            return Ok(());
        }
        let Some(sources) = &self.sources else {
            return Err(Exclusion::StateUnknown);
        };
        if sources.is_empty() {
            return Err(Exclusion::NotReplicating);
        }
        if !sources.iter().all(|source| source.receives) {
            return Err(Exclusion::ReceiverStopped);
        }
        if !sources.iter().all(|source| source.applies) {
            return Err(Exclusion::ApplierStopped);
        }
        if !self.read_only {
            return Err(Exclusion::NotReadOnly);
        }
        match self.lag() {
            Some(lag) if lag <= lag_max => Ok(()),
            // both threads run and the lag is not known: no promise can be made
            _ => Err(Exclusion::Lagging),
        }
    }
}

/// Which of the two a server is, by `VERSION()` and `@@version_comment`: packagers change the one or the other.
pub(super) fn is_mariadb(version: &str, comment: &str) -> bool {
    [version, comment]
        .iter()
        .any(|text| text.to_ascii_lowercase().contains("mariadb"))
}

/// Whether a server variable is on. MariaDB from 12 knows more values of `read_only` than ON and OFF.
pub(super) fn is_on(text: &str) -> bool {
    !(text == "0" || text.eq_ignore_ascii_case("off") || text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG_MAX: Duration = Duration::from_secs(10);

    fn row(pairs: &[(&str, Option<&str>)]) -> StatusRow {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.map(str::to_owned)))
            .collect()
    }

    fn mariadb(io: &str, sql: &str, lag: Option<&str>) -> Source {
        Source::from_row(&row(&[
            ("Connection_name", Some("")),
            ("Slave_IO_Running", Some(io)),
            ("Slave_SQL_Running", Some(sql)),
            ("Seconds_Behind_Master", lag),
        ]))
    }

    fn judged(sources: Vec<Source>) -> Result<(), Exclusion> {
        Observation {
            read_only: true,
            sources: Some(sources),
            ..Observation::default()
        }
        .judge(Role::Worker, LAG_MAX)
    }

    #[test]
    fn a_worker_with_both_threads_and_little_lag_serves() {
        assert_eq!(judged(vec![mariadb("Yes", "Yes", Some("10"))]), Ok(()));
    }

    #[test]
    fn only_one_that_neither_receives_nor_applies_is_stopped() {
        for (io, sql, stopped) in [
            ("No", "No", true),
            ("No", "Yes", false),
            ("Yes", "No", false),
            ("Connecting", "No", false),
            ("Connecting", "Yes", false),
        ] {
            assert_eq!(mariadb(io, sql, None).is_stopped, stopped, "{io} {sql}");
        }
    }

    #[test]
    fn the_newer_column_names_mean_the_same() {
        let source = Source::from_row(&row(&[
            ("Replica_IO_Running", Some("Yes")),
            ("Replica_SQL_Running", Some("Yes")),
            ("Seconds_Behind_Source", Some("3")),
        ]));
        assert_eq!(source, mariadb("Yes", "Yes", Some("3")));
    }

    #[test]
    fn a_source_is_known_by_where_it_is_and_who_it_says_it_is() {
        let source = Source::from_row(&row(&[
            ("Source_Host", Some("db1")),
            ("Source_Port", Some("3307")),
            ("Source_Server_Id", Some("7")),
            ("Source_UUID", Some("3E11FA47-71CA-11E1-9E33-C80AA9429562")),
        ]));
        let identity = Identity::of(Some("7"), Some("3e11fa47-71ca-11e1-9e33-c80aa9429562"));
        assert_eq!((&*source.of.host, source.of.port), ("db1", 3307));
        assert_eq!(source.of.identity, identity);
        let unknown = Source::from_row(&row(&[
            ("Source_Server_Id", Some("0")),
            ("Source_UUID", Some("")),
        ]));
        assert_eq!(unknown.of, SourceName::default());
    }

    #[test]
    fn a_worker_that_may_not_be_asked_does_not_serve() {
        let observation = Observation {
            read_only: true,
            ..Observation::default()
        };
        assert_eq!(
            observation.judge(Role::Worker, LAG_MAX),
            Err(Exclusion::StateUnknown)
        );
    }

    #[test]
    fn each_way_to_fall_behind_has_its_reason() {
        for (io, sql, lag, reason) in [
            ("No", "Yes", Some("0"), Exclusion::ReceiverStopped),
            ("Connecting", "Yes", Some("0"), Exclusion::ReceiverStopped),
            ("Preparing", "Yes", None, Exclusion::ReceiverStopped),
            ("Yes", "No", None, Exclusion::ApplierStopped),
            ("Yes", "Yes", Some("11"), Exclusion::Lagging),
            ("Yes", "Yes", None, Exclusion::Lagging),
            ("Yes", "Yes", Some("soon"), Exclusion::Lagging),
        ] {
            assert_eq!(
                judged(vec![mariadb(io, sql, lag)]),
                Err(reason),
                "{io} {sql} {lag:?}"
            );
        }
    }

    #[test]
    fn a_worker_without_a_source_does_not_serve() {
        assert_eq!(judged(Vec::new()), Err(Exclusion::NotReplicating));
    }

    #[test]
    fn one_stopped_source_of_two_is_enough() {
        let good = mariadb("Yes", "Yes", Some("0"));
        assert_eq!(
            judged(vec![good.clone(), mariadb("Yes", "No", None)]),
            Err(Exclusion::ApplierStopped)
        );
        assert_eq!(
            judged(vec![mariadb("Yes", "Yes", Some("60")), good]),
            Err(Exclusion::Lagging)
        );
    }

    #[test]
    fn a_worker_that_can_be_written_to_does_not_serve() {
        let observation = Observation {
            read_only: false,
            sources: Some(vec![mariadb("Yes", "Yes", Some("0"))]),
            ..Observation::default()
        };
        assert_eq!(
            observation.judge(Role::Worker, LAG_MAX),
            Err(Exclusion::NotReadOnly)
        );
    }

    #[test]
    fn a_manager_needs_no_replication() {
        assert_eq!(Observation::default().judge(Role::Manager, LAG_MAX), Ok(()));
    }

    #[test]
    fn read_only_is_read_in_every_spelling() {
        for on in ["1", "ON", "on", "NO_LOCK", "NO_LOCK_NO_ADMIN"] {
            assert!(is_on(on), "{on}");
        }
        for off in ["0", "OFF", "off", ""] {
            assert!(!is_on(off), "{off}");
        }
    }
}

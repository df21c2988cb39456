//! The option file of one MySQL or MariaDB server.
//!
//! One template for every node, wherever it runs: what differs between engines, versions and roles is
//! decided here and nowhere else.

use std::path::Path;

use crate::local::engine::{Engine, Server};

/// What a node does in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The primary: takes every write.
    Manager,
    /// A replica of the manager: serves reads.
    Worker,
}

/// The facts from which an option file is made.
#[derive(Debug, Clone)]
pub struct MyCnf<'a> {
    /// The program that will read the file.
    pub server: &'a Server,
    /// Manager or worker.
    pub role: Role,
    /// Unique in the cluster; GTIDs of MariaDB carry it.
    pub server_id: u32,
    /// The address to listen on.
    pub bind_address: &'a str,
    /// The TCP port to listen on.
    pub port: u16,
    /// Where the tables live.
    pub data_dir: &'a Path,
    /// The server's Unix socket.
    pub socket: &'a Path,
    /// Written by the server once it runs.
    pub pid_file: &'a Path,
    /// A folder for temporary files, so that two servers on a machine never meet in /tmp.
    pub tmp_dir: &'a Path,
    /// `user=`: needed when the server is started as root, and only then.
    pub run_as: Option<&'a str>,
    /// Buffer pool in MiB.
    pub buffer_pool_mib: u32,
    /// Certificate and key for a server that does not make its own.
    pub certificate: Option<Certificate<'a>>,
    /// Options of the operator's own; each replaces the template's option of the same name.
    pub overrides: &'a [(String, String)],
}

/// PEM files of a server's TLS.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// What clients are shown.
    pub certificate: &'a Path,
    /// Its private key.
    pub key: &'a Path,
}

impl MyCnf<'_> {
    /// The whole file, one `[mysqld]` group.
    #[must_use]
    pub fn render(&self) -> String {
        let mut options = self.template();
        for (name, value) in self.overrides {
            let wanted = normalised(name);
            options.retain(|(present, _)| normalised(present) != wanted);
            options.push((name.clone(), value.clone()));
        }
        let mut text = String::from(
            "# Rendered by infra: edits are lost at the next `up`; use --set mysqld.KEY=VALUE.\n[mysqld]\n",
        );
        for (name, value) in &options {
            text.push_str(&format!("{name} = {}\n", quoted(value)));
        }
        text
    }

    fn template(&self) -> Vec<(String, String)> {
        let mut options: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: String| options.push((name.to_owned(), value));
        if let Some(user) = self.run_as {
            put("user", user.to_owned());
        }
        put("datadir", self.data_dir.display().to_string());
        put("socket", self.socket.display().to_string());
        put("pid-file", self.pid_file.display().to_string());
        put("tmpdir", self.tmp_dir.display().to_string());
        put("bind-address", self.bind_address.to_owned());
        put("port", self.port.to_string());
        put("skip-name-resolve", "ON".to_owned());
        put("max-connections", "1000".to_owned());
        put("innodb-buffer-pool-size", format!("{}M", self.buffer_pool_mib));

        // A sandbox's promise: it survives the death of a process, not the death of the machine.
        put("innodb-flush-log-at-trx-commit", "2".to_owned());
        put("sync-binlog", "0".to_owned());

        if let Some(tls) = self.certificate {
            put("ssl-cert", tls.certificate.display().to_string());
            put("ssl-key", tls.key.display().to_string());
        }

        put("server-id", self.server_id.to_string());
        put("log-bin", "binlog".to_owned());
        put("relay-log", "relay".to_owned());
        // A manager that comes back is noticed within seconds and not within the minute of the default.
        put(
            if self.server.says_replica() {
                "replica-net-timeout"
            } else {
                "slave-net-timeout"
            },
            "10".to_owned(),
        );
        put(
            if self.server.says_replica() {
                "log-replica-updates"
            } else {
                "log-slave-updates"
            },
            "ON".to_owned(),
        );
        match self.server.engine {
            Engine::Mariadb => {
                put("binlog-format", "ROW".to_owned());
                put("innodb-log-file-size", "48M".to_owned());
            }
            Engine::Mysql => {
                put("gtid-mode", "ON".to_owned());
                put("enforce-gtid-consistency", "ON".to_owned());
                // ROW is the default of every supported version; from 8.0.34 on, naming it is deprecated.
                if self.server.version < (8, 0, 34) {
                    put("binlog-format", "ROW".to_owned());
                }
                put("mysqlx", "0".to_owned());
                put("secure-file-priv", "NULL".to_owned());
            }
        }
        if self.role == Role::Worker {
            put("read-only", "ON".to_owned());
            if self.server.engine == Engine::Mysql {
                put("super-read-only", "ON".to_owned());
            }
        }
        options
    }
}

/// Servers read `a-b` and `a_b` as one name, and `loose-` as a prefix that changes nothing but the error.
fn normalised(name: &str) -> String {
    let plain = name.trim().to_ascii_lowercase().replace('-', "_");
    plain.strip_prefix("loose_").unwrap_or(&plain).to_owned()
}

/// An option file's value: `#` begins a comment and a backslash an escape.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\n', "\\n");
    if escaped.contains(['#', '"', '\'', ' ', '\t']) {
        format!("\"{}\"", escaped.replace('"', "\\\""))
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn rendered(
        engine: Engine,
        version: (u16, u16, u16),
        role: Role,
        overrides: &[(String, String)],
    ) -> String {
        let server = Server {
            engine,
            version: version.into(),
            program: PathBuf::from("/usr/sbin/mysqld"),
        };
        MyCnf {
            server: &server,
            role,
            server_id: 7,
            bind_address: "127.0.0.1",
            port: 3310,
            data_dir: Path::new("/c/data"),
            socket: Path::new("/c/s"),
            pid_file: Path::new("/c/pid"),
            tmp_dir: Path::new("/c/tmp"),
            run_as: None,
            buffer_pool_mib: 128,
            certificate: (engine == Engine::Mariadb).then_some(Certificate {
                certificate: Path::new("/c/cert.pem"),
                key: Path::new("/c/key.pem"),
            }),
            overrides,
        }
        .render()
    }

    #[test]
    fn a_worker_of_mysql_refuses_writes_even_from_root() {
        let text = rendered(Engine::Mysql, (9, 7, 4), Role::Worker, &[]);
        assert!(
            text.contains("\nread-only = ON\n") && text.contains("\nsuper-read-only = ON\n"),
            "{text}"
        );
        assert!(!rendered(Engine::Mysql, (9, 7, 4), Role::Manager, &[]).contains("read-only"));
    }

    #[test]
    fn options_that_a_version_does_not_know_are_left_out() {
        let new = rendered(Engine::Mysql, (9, 7, 4), Role::Manager, &[]);
        assert!(
            !new.contains("binlog-format") && new.contains("log-replica-updates"),
            "{new}"
        );
        let old = rendered(Engine::Mysql, (8, 0, 20), Role::Manager, &[]);
        assert!(
            old.contains("binlog-format = ROW") && old.contains("log-slave-updates"),
            "{old}"
        );
        let maria = rendered(Engine::Mariadb, (10, 11, 19), Role::Worker, &[]);
        assert!(
            !maria.contains("gtid-mode") && !maria.contains("super-read-only"),
            "{maria}"
        );
    }

    #[test]
    fn a_server_that_makes_no_certificate_is_given_one() {
        let maria = rendered(Engine::Mariadb, (10, 11, 19), Role::Worker, &[]);
        assert!(
            maria.contains("\nssl-cert = /c/cert.pem\nssl-key = /c/key.pem\n"),
            "{maria}"
        );
        assert!(!rendered(Engine::Mysql, (9, 7, 4), Role::Manager, &[]).contains("ssl-cert"));
    }

    #[test]
    fn an_override_replaces_the_option_however_it_is_spelled() {
        let overrides = [
            ("secure_file_priv".to_owned(), String::new()),
            ("loose_max-connections".to_owned(), "50".to_owned()),
        ];
        let text = rendered(Engine::Mysql, (9, 7, 4), Role::Manager, &overrides);
        assert!(
            text.contains("\nsecure_file_priv = \n") && !text.contains("secure-file-priv"),
            "{text}"
        );
        assert!(
            text.contains("\nloose_max-connections = 50\n") && !text.contains("1000"),
            "{text}"
        );
    }

    #[test]
    fn values_that_the_file_would_misread_are_quoted() {
        assert_eq!(quoted("SET NAMES 'x' # no"), "\"SET NAMES 'x' # no\"");
        assert_eq!(quoted(r"a\b"), r"a\\b");
        assert_eq!(quoted("128M"), "128M");
    }
}

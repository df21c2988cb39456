//! The database accounts of a cluster. They are made on the manager and reach the workers by replication.

use super::engine::Engine;
use super::record::Passwords;

/// The account that the proxy's monitor logs in with.
pub(crate) const MONITOR: &str = "monitor";
/// The account that workers read the manager's log with.
pub(crate) const REPLICATION: &str = "replication";

/// Statements that create every account, or bring an existing one up to date.
///
/// `app` may do everything in `sakila`, `sbtest` and schemas named `app_…` or `test_…` (which it may create), and
/// nothing global. `guarded` and `dba` may do everything.
pub(crate) fn statements(engine: Engine, passwords: &Passwords) -> Vec<String> {
    let mut statements = Vec::new();
    let mut account = |name: &str, password: &str, grants: &[&str]| {
        let plugin = match engine {
            Engine::Mariadb => "IDENTIFIED VIA mysql_native_password USING PASSWORD",
            Engine::Mysql => "IDENTIFIED WITH caching_sha2_password BY",
        };
        let secret = match engine {
            Engine::Mariadb => format!("('{password}')"),
            Engine::Mysql => format!("'{password}'"),
        };
        statements.push(format!(
            "CREATE USER IF NOT EXISTS '{name}'@'%' {plugin} {secret}"
        ));
        statements.extend(
            grants
                .iter()
                .map(|grant| grant.replace("$", &format!("'{name}'@'%'"))),
        );
    };
    for (name, user) in &passwords.users {
        let grants: &[&str] = match name.as_str() {
            "app" => &[
                "GRANT ALL PRIVILEGES ON `sakila`.* TO $",
                "GRANT ALL PRIVILEGES ON `sbtest`.* TO $",
                "GRANT ALL PRIVILEGES ON `app\\_%`.* TO $",
                "GRANT ALL PRIVILEGES ON `test\\_%`.* TO $",
            ],
            "dba" => &["GRANT ALL PRIVILEGES ON *.* TO $ WITH GRANT OPTION"],
            _ => &["GRANT ALL PRIVILEGES ON *.* TO $"],
        };
        account(name, &user.database, grants);
    }
    let (monitor, replication): (&[&str], &[&str]) = match engine {
        Engine::Mariadb => (
            &["GRANT REPLICA MONITOR, BINLOG MONITOR, PROCESS ON *.* TO $"],
            &["GRANT REPLICATION SLAVE ON *.* TO $"],
        ),
        Engine::Mysql => (
            &[
                "GRANT REPLICATION CLIENT, PROCESS ON *.* TO $",
                "GRANT SELECT ON performance_schema.* TO $",
            ],
            &["GRANT REPLICATION SLAVE ON *.* TO $"],
        ),
    };
    account(MONITOR, &passwords.monitor, monitor);
    account(REPLICATION, &passwords.replication, replication);
    statements.push("CREATE DATABASE IF NOT EXISTS sbtest".to_owned());
    statements
}

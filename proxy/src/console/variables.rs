//! What clients and tools ask of a server's variables when they begin.

use super::VERSION;

/// Name and value of each that there is, but [`STRATEGY`].
const KNOWN: &[(&str, &str)] = &[
    ("auto_increment_increment", "1"),
    ("autocommit", "1"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8mb3"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_database", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("default_storage_engine", "MEMORY"),
    ("error_count", "0"),
    ("event_scheduler", "OFF"),
    ("foreign_key_checks", "1"),
    ("have_openssl", "YES"),
    ("have_ssl", "YES"),
    ("hostname", "proxy"),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("license", "MIT"),
    ("lower_case_file_system", "OFF"),
    ("lower_case_table_names", "1"),
    ("max_allowed_packet", "67108864"),
    ("max_execution_time", "2000"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "30"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("profiling", "0"),
    ("protocol_version", "10"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("read_only", "1"),
    ("sql_auto_is_null", "0"),
    ("sql_mode", ""),
    ("sql_safe_updates", "0"),
    ("sql_select_limit", "18446744073709551615"),
    ("system_time_zone", "UTC"),
    ("time_zone", "SYSTEM"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("transaction_read_only", "1"),
    ("tx_isolation", "REPEATABLE-READ"),
    ("tx_read_only", "1"),
    ("unique_checks", "1"),
    ("version", VERSION),
    ("version_comment", "admin console of the proxy"),
    ("version_compile_machine", std::env::consts::ARCH),
    ("version_compile_os", std::env::consts::OS),
    ("wait_timeout", "28800"),
    ("warning_count", "0"),
];

/// The one that is ours: the strategy of all sessions that have chosen none.
pub(super) const STRATEGY: &str = "strategy";

/// A variable's value; none for one that is not known here.
pub(super) fn value(name: &str) -> Option<&'static str> {
    let found = KNOWN.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    found.map(|(_, value)| *value)
}

/// All of them.
pub(super) fn all() -> &'static [(&'static str, &'static str)] {
    KNOWN
}

/// Whether a client may set it: it then changes nothing.
pub(super) fn may_be_set(name: &str) -> bool {
    value(name).is_some() || name.to_ascii_lowercase().starts_with("session_track")
}

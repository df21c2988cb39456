//! What becomes of which variable. A name that stands nowhere here pins the session: fail closed.
//!
//! Variables of both engines and all their versions in one table: a server reports only those it has.

/// How a value is written, and which values are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits, one point, one sign.
    Number,
    /// ON or OFF.
    Switch,
    /// OFF is replayed; ON makes a read depend on what the session has written.
    OffOnly,
    /// A quoted string.
    Text,
    /// A quoted name; empty is NULL.
    CharacterSet,
}

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Replayed {
        name: &'static str,
        rank: usize,
        kind: Kind,
    },
    Ignored,
    Pinning,
}

/// The character set of results.
pub(super) const RESULTS: &str = "character_set_results";

/// What `SET NAMES` sets.
pub(super) const SET_BY_NAMES: [&str; 4] = [
    "character_set_client",
    "character_set_connection",
    RESULTS,
    "collation_connection",
];

/// Whether `SET NAMES` sets the variable.
pub(super) fn is_set_by_names(name: &str) -> bool {
    SET_BY_NAMES.contains(&name)
}

/// In the order in which they are set: `character_set_connection` also sets `collation_connection`.
const REPLAYED: &[(&str, Kind)] = &[
    ("character_set_client", Kind::CharacterSet),
    ("character_set_connection", Kind::CharacterSet),
    ("character_set_results", Kind::CharacterSet),
    ("character_set_collations", Kind::Text),
    ("default_collation_for_utf8mb4", Kind::Text),
    ("collation_connection", Kind::Text),
    ("sql_mode", Kind::Text),
    ("old_mode", Kind::Text),
    ("time_zone", Kind::Text),
    ("lc_time_names", Kind::Text),
    ("lc_messages", Kind::Text),
    ("optimizer_switch", Kind::Text),
    ("date_format", Kind::Text),
    ("datetime_format", Kind::Text),
    ("time_format", Kind::Text),
    ("big_tables", Kind::Switch),
    ("cte_max_recursion_depth", Kind::Number),
    ("default_week_format", Kind::Number),
    ("div_precision_increment", Kind::Number),
    ("eq_range_index_dive_limit", Kind::Number),
    ("group_concat_max_len", Kind::Number),
    ("histogram_generation_max_mem_size", Kind::Number),
    ("join_buffer_size", Kind::Number),
    ("join_cache_level", Kind::Number),
    ("lock_wait_timeout", Kind::Number),
    ("max_error_count", Kind::Number),
    ("max_execution_time", Kind::Number),
    ("max_heap_table_size", Kind::Number),
    ("max_join_size", Kind::Number),
    ("max_length_for_sort_data", Kind::Number),
    ("max_recursive_iterations", Kind::Number),
    ("max_seeks_for_key", Kind::Number),
    ("max_sort_length", Kind::Number),
    ("max_statement_time", Kind::Number),
    ("net_read_timeout", Kind::Number),
    ("net_write_timeout", Kind::Number),
    ("net_buffer_length", Kind::Number),
    ("optimizer_prune_level", Kind::Number),
    ("optimizer_search_depth", Kind::Number),
    ("optimizer_use_condition_selectivity", Kind::Number),
    ("range_alloc_block_size", Kind::Number),
    ("range_optimizer_max_mem_size", Kind::Number),
    ("read_buffer_size", Kind::Number),
    ("read_rnd_buffer_size", Kind::Number),
    ("regexp_stack_limit", Kind::Number),
    ("regexp_time_limit", Kind::Number),
    ("sort_buffer_size", Kind::Number),
    ("sql_select_limit", Kind::Number),
    ("tmp_memory_table_size", Kind::Number),
    ("tmp_table_size", Kind::Number),
    ("low_priority_updates", Kind::Switch),
    ("new", Kind::Switch),
    ("show_create_table_verbosity", Kind::Switch),
    ("sql_auto_is_null", Kind::OffOnly),
    ("sql_big_selects", Kind::Switch),
    ("sql_buffer_result", Kind::Switch),
    ("sql_notes", Kind::Switch),
    ("sql_quote_show_create", Kind::Switch),
    ("sql_safe_updates", Kind::Switch),
    ("sql_warnings", Kind::Switch),
    ("windowing_use_high_precision", Kind::Switch),
    ("resultset_metadata", Kind::Text),
];

/// They matter to writes, to transactions, to `@@…` (which the manager answers), or to the client's own
/// connection, and to nothing that a worker is asked.
const IGNORED: &[&str] = &[
    // transactions and writes stay on the manager; their state is followed by status flags
    "autocommit",
    "completion_type",
    "transaction_isolation",
    "tx_isolation",
    "transaction_read_only",
    "tx_read_only",
    "auto_increment_increment",
    "auto_increment_offset",
    "binlog_alter_two_phase",
    "binlog_annotate_row_events",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_value_options",
    "binlog_rows_query_log_events",
    "bulk_insert_buffer_size",
    "check_constraint_checks",
    "default_storage_engine",
    "default_tmp_storage_engine",
    "default_table_encryption",
    "default_password_lifetime",
    "enforce_storage_engine",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "generated_random_password_length",
    "identity",
    "innodb_lock_wait_timeout",
    "innodb_strict_mode",
    "innodb_table_locks",
    "insert_id",
    "last_insert_id",
    "query_alloc_block_size",
    "query_prealloc_size",
    "sql_generate_invisible_primary_key",
    "sql_if_exists",
    "sql_log_bin",
    "sql_log_off",
    "sql_require_primary_key",
    "storage_engine",
    "system_versioning_alter_history",
    "system_versioning_insert_history",
    "transaction_alloc_block_size",
    "transaction_prealloc_size",
    "unique_checks",
    "updatable_views_with_limit",
    // follow the current schema, or shape new schemas and files
    "character_set_database",
    "character_set_filesystem",
    "character_set_server",
    "collation_database",
    "collation_server",
    // the client's own connection; a worker's is the proxy's business
    "interactive_timeout",
    "idle_transaction_timeout",
    "idle_readonly_transaction_timeout",
    "idle_write_transaction_timeout",
    "net_retry_count",
    "wait_timeout",
    // positions in the manager's history and what is told about it
    "last_gtid",
    "pseudo_replica_mode",
    "pseudo_slave_mode",
    "pseudo_thread_id",
    "session_track_gtids",
    "session_track_schema",
    "session_track_state_change",
    "session_track_system_variables",
    "session_track_transaction_info",
    "profiling",
    "profiling_history_size",
    "warning_count",
    "error_count",
];

/// Names that begin like this are positions in the manager's history.
const IGNORED_PREFIX: &[u8] = b"gtid_";

pub(super) fn fate(name: &[u8]) -> Fate {
    let named = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if let Some((rank, (name, kind))) = REPLAYED.iter().enumerate().find(|(_, (known, _))| named(known)) {
        return Fate::Replayed {
            name,
            rank,
            kind: *kind,
        };
    }
    let is_position = name
        .split_at_checked(IGNORED_PREFIX.len())
        .is_some_and(|(head, _)| head.eq_ignore_ascii_case(IGNORED_PREFIX));
    if is_position || IGNORED.iter().any(|known| named(known)) {
        Fate::Ignored
    } else {
        Fate::Pinning
    }
}

/// Replayed variables that MySQL does not have: it would warn of such names.
const MARIADB_ONLY: [&str; 11] = [
    "character_set_collations",
    "date_format",
    "datetime_format",
    "join_cache_level",
    "max_recursive_iterations",
    "max_statement_time",
    "new",
    "old_mode",
    "optimizer_use_condition_selectivity",
    "time_format",
    "tmp_memory_table_size",
];

/// What servers are asked to report: all that is replayed, and what a client is told by default. Names that a
/// server does not have it passes over.
pub(super) fn reported() -> String {
    let names: Vec<&str> = REPLAYED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !MARIADB_ONLY.contains(name))
        .chain(["autocommit"])
        .collect();
    names.join(",")
}

/// The kind of the replayed variable at a rank.
pub(super) fn kind(rank: usize) -> Kind {
    REPLAYED.get(rank).map_or(Kind::Text, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_has_two_fates() {
        let mut names: Vec<&str> = REPLAYED
            .iter()
            .map(|(name, _)| *name)
            .chain(IGNORED.iter().copied())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.iter().all(|name| {
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        }));
    }

    #[test]
    fn names_are_found_in_any_case_and_strangers_pin() {
        assert_eq!(fate(b"AutoCommit"), Fate::Ignored);
        assert_eq!(fate(b"gtid_next"), Fate::Ignored);
        assert!(matches!(
            fate(b"SQL_MODE"),
            Fate::Replayed {
                name: "sql_mode",
                kind: Kind::Text,
                ..
            }
        ));
        for stranger in [
            &b"timestamp"[..],
            b"rand_seed1",
            b"debug",
            b"",
            b"sql_mode ",
            b"gtid",
            b"\xff",
        ] {
            assert_eq!(fate(stranger), Fate::Pinning, "{stranger:?}");
        }
    }
}

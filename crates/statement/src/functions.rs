//! What calling a function means for where a statement may run.
//!
//! A closed list: what is not on it is [`FunctionClass::Unknown`], be it stored, loadable or newer than we are.

mod keyword;
mod pure;

/// What a word before a parenthesis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionClass {
    /// A built-in whose answer follows from its arguments, the data and the session's settings.
    Pure,
    /// A built-in that has an effect or depends on the node or the session.
    Manager,
    /// A built-in that asks for what the previous statement left.
    Previous,
    /// Part of the grammar, no function.
    Keyword,
    /// Anything else.
    Unknown,
}

/// Built-ins with an effect, or with an answer of the node's or the session's own.
const MANAGER: [&str; 51] = [
    "ASYNCHRONOUS_CONNECTION_FAILOVER_ADD_MANAGED",
    "ASYNCHRONOUS_CONNECTION_FAILOVER_ADD_SOURCE",
    "ASYNCHRONOUS_CONNECTION_FAILOVER_DELETE_MANAGED",
    "ASYNCHRONOUS_CONNECTION_FAILOVER_DELETE_SOURCE",
    "ASYNCHRONOUS_CONNECTION_FAILOVER_RESET",
    "BINLOG_GTID_POS",
    "CONNECTION_ID",
    "CURRENT_ROLE",
    "CURRENT_USER",
    "GET_LOCK",
    "GROUP_REPLICATION_DISABLE_MEMBER_ACTION",
    "GROUP_REPLICATION_ENABLE_MEMBER_ACTION",
    "GROUP_REPLICATION_GET_COMMUNICATION_PROTOCOL",
    "GROUP_REPLICATION_GET_WRITE_CONCURRENCY",
    "GROUP_REPLICATION_RESET_MEMBER_ACTIONS",
    "GROUP_REPLICATION_SET_AS_PRIMARY",
    "GROUP_REPLICATION_SET_COMMUNICATION_PROTOCOL",
    "GROUP_REPLICATION_SET_WRITE_CONCURRENCY",
    "GROUP_REPLICATION_SWITCH_TO_MULTI_PRIMARY_MODE",
    "GROUP_REPLICATION_SWITCH_TO_SINGLE_PRIMARY_MODE",
    "ICU_VERSION",
    "IS_FREE_LOCK",
    "IS_USED_LOCK",
    "KEYRING_KEY_FETCH",
    "KEYRING_KEY_GENERATE",
    "KEYRING_KEY_REMOVE",
    "KEYRING_KEY_STORE",
    "LASTVAL",
    "LAST_INSERT_ID",
    "LOAD_FILE",
    "MASTER_GTID_WAIT",
    "MASTER_POS_WAIT",
    "NEXTVAL",
    "PS_CURRENT_THREAD_ID",
    "PS_THREAD_ID",
    "RELEASE_ALL_LOCKS",
    "RELEASE_LOCK",
    "ROLES_GRAPHML",
    "SERVICE_GET_READ_LOCKS",
    "SERVICE_GET_WRITE_LOCKS",
    "SERVICE_RELEASE_LOCKS",
    "SESSION_USER",
    "SETVAL",
    "SOURCE_POS_WAIT",
    "SYSTEM_USER",
    "SYS_EXEC",
    "USER",
    "UUID_SHORT",
    "WAIT_FOR_EXECUTED_GTID_SET",
    "WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS",
    "WSREP_SYNC_WAIT_UPTO_GTID",
];

/// Built-ins that ask for what the previous statement left.
const PREVIOUS: [&str; 2] = ["FOUND_ROWS", "ROW_COUNT"];

/// Built-ins that are such only when `(` follows their name directly; with a blank the server looks for a
/// stored function of that name (unless `sql_mode` has `IGNORE_SPACE`).
const GLUED: [&str; 26] = [
    "ADDDATE",
    "BIT_AND",
    "BIT_OR",
    "BIT_XOR",
    "COUNT",
    "CURDATE",
    "CURTIME",
    "DATE_ADD",
    "DATE_SUB",
    "EXTRACT",
    "GROUP_CONCAT",
    "MAX",
    "MID",
    "MIN",
    "NOW",
    "POSITION",
    "STD",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUBDATE",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "SYSDATE",
    "VARIANCE",
];

/// Classifies the upper-cased word before a `(`; `spaced`: a blank stands between them.
pub(crate) fn classify(name: &str, spaced: bool) -> FunctionClass {
    let among = |list: &[&str]| list.binary_search(&name).is_ok();
    if among(&PREVIOUS) {
        FunctionClass::Previous
    } else if among(&MANAGER) {
        FunctionClass::Manager
    } else if spaced && among(&GLUED) {
        FunctionClass::Unknown
    } else if among(pure::PURE) {
        FunctionClass::Pure
    } else if among(keyword::KEYWORDS) {
        FunctionClass::Keyword
    } else {
        FunctionClass::Unknown
    }
}

/// Functions of the grammar that need no parentheses.
pub(crate) fn is_bare_manager_function(name: &str) -> bool {
    matches!(
        name,
        "CURRENT_USER" | "CURRENT_ROLE" | "SESSION_USER" | "SYSTEM_USER"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_for_the_search() {
        assert!(MANAGER.is_sorted() && PREVIOUS.is_sorted() && GLUED.is_sorted());
        assert!(pure::PURE.is_sorted() && keyword::KEYWORDS.is_sorted());
        let twice = |list: &[&str]| {
            list.iter()
                .any(|name| MANAGER.contains(name) || PREVIOUS.contains(name))
        };
        assert!(!twice(pure::PURE) && !twice(keyword::KEYWORDS));
    }

    #[test]
    fn only_known_built_ins_are_pure() {
        assert_eq!(classify("COUNT", false), FunctionClass::Pure);
        assert_eq!(classify("COUNT", true), FunctionClass::Unknown);
        assert_eq!(classify("ST_DISTANCE_SPHERE", true), FunctionClass::Pure);
        assert_eq!(classify("GET_LOCK", false), FunctionClass::Manager);
        assert_eq!(classify("FOUND_ROWS", false), FunctionClass::Previous);
        assert_eq!(classify("MY_FUNCTION", false), FunctionClass::Unknown);
        assert_eq!(classify("IN", true), FunctionClass::Keyword);
    }
}

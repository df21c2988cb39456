use statement::{FactsCache, LexMode};

use super::*;

const IDLE: StatusFlags = StatusFlags::AUTOCOMMIT;
const OPEN: StatusFlags = StatusFlags(StatusFlags::IN_TRANS.0 | StatusFlags::AUTOCOMMIT.0);

/// Runs texts as a manager would report them: text, flags of its reply.
fn after(steps: &[(&str, StatusFlags)]) -> Transaction {
    let mut cache = FactsCache::new(1 << 16);
    let mut transaction = Transaction::default();
    for (text, status) in steps {
        let (facts, _) = cache.facts(text.as_bytes(), LexMode::default());
        transaction.on_status(*status);
        for statement in facts.statements() {
            transaction.on_success(statement);
        }
    }
    transaction
}

#[test]
fn a_new_session_has_autocommit_and_no_transaction() {
    assert_eq!(after(&[("SELECT 1", IDLE)]), Transaction::default());
}

#[test]
fn begin_opens_and_commit_closes() {
    let open = after(&[("BEGIN", OPEN)]);
    assert!(open.open && open.autocommit && !open.read_only);
    assert_eq!(
        after(&[("BEGIN", OPEN), ("COMMIT", IDLE)]),
        Transaction::default()
    );
}

#[test]
fn a_read_only_transaction_is_open_too() {
    let read_only = OPEN | StatusFlags::IN_TRANS_READONLY;
    let transaction = after(&[("START TRANSACTION READ ONLY", read_only)]);
    assert!(transaction.open && transaction.read_only);
}

#[test]
fn without_autocommit_no_transaction_is_open_yet() {
    let transaction = after(&[("SET autocommit = 0", StatusFlags::default())]);
    assert!(!transaction.autocommit && !transaction.open);
}

#[test]
fn a_set_transaction_waits_for_the_next_transaction() {
    const SET: (&str, StatusFlags) = ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", IDLE);
    assert!(after(&[SET]).one_shot);
    assert!(
        after(&[SET, ("SELECT 1", IDLE)]).one_shot,
        "without a table there is no transaction"
    );
    assert!(after(&[SET, ("SET NAMES utf8mb4", IDLE)]).one_shot);
    assert!(after(&[SET, ("BEGIN", OPEN)]).one_shot);
    assert!(!after(&[SET, ("BEGIN", OPEN), ("COMMIT", IDLE)]).one_shot);
    assert!(!after(&[SET, ("SELECT * FROM t", IDLE)]).one_shot);
    assert!(!after(&[SET, ("DELETE FROM t WHERE id = 1", IDLE)]).one_shot);
}

#[test]
fn what_autocommit_ends_leaves_its_kind_to_the_next_transaction() {
    let inside = StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
    let ended = [
        ("SET autocommit = 0", StatusFlags::default()),
        ("START TRANSACTION READ ONLY", inside),
        ("SET autocommit = 1", IDLE),
    ];
    assert!(after(&ended).one_shot);
    let [off, begun, on] = ended;
    assert!(!after(&[off, begun, on, ("SELECT * FROM t", IDLE)]).one_shot);
    assert!(!after(&[off, begun, ("COMMIT", StatusFlags::default()), on]).one_shot);
}

#[test]
fn the_sessions_isolation_level_is_kept() {
    for (text, serializable) in [
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", true),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", false),
        ("SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE", false),
        ("SET SESSION TRANSACTION READ ONLY", false),
        ("SET transaction_isolation = 'SERIALIZABLE'", true),
        ("SET tx_isolation = 'repeatable-read'", false),
        (
            "SET SESSION transaction_isolation = CONCAT('SERIAL', 'IZABLE')",
            true,
        ),
        ("SET GLOBAL transaction_isolation = 'SERIALIZABLE'", false),
    ] {
        assert_eq!(after(&[(text, IDLE)]).serializable, serializable, "{text}");
    }
    let back = ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", IDLE);
    assert!(
        !after(&[
            ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", IDLE),
            back
        ])
        .serializable
    );
}

//! Every outcome, from the text of a statement to the node.

use statement::{FactsCache, LexMode};

use super::*;
use crate::cluster::view::tests::a_view;

const MANAGER: NodeId = NodeId(0);

/// A plain read, as far as the statement is concerned.
const READ: &str = "SELECT c FROM sbtest.sbtest1 WHERE id = 7";

fn session() -> SessionView {
    SessionView::fresh(Capabilities::DEPRECATE_EOF)
}

fn routed(text: &str, session: &SessionView, cluster: &ClusterView, strategy: Strategy) -> Route {
    let (facts, scan) = FactsCache::new(1 << 16).facts(text.as_bytes(), LexMode::default());
    let hint = scan.hint.as_ref().and_then(|(hint, _)| RouteHint::of(hint));
    route(
        &facts,
        &SessionView { hint, ..*session },
        (cluster, &Loads::new(cluster.nodes().count())),
        strategy,
        1 << 31,
    )
}

/// Under `random` with two healthy workers, where a plain read leaves the manager.
fn reason(text: &str, session: &SessionView) -> Reason {
    let cluster = a_view(&["manager", "worker1", "worker2"]);
    let route = routed(text, session, &cluster, Strategy::Random);
    assert_eq!(route.role, cluster.role(route.target));
    assert_eq!(
        route.role == Role::Worker,
        route.reason == Reason::StrategyRandom,
        "{text}: {route:?}"
    );
    route.reason
}

#[test]
fn a_plain_read_goes_to_a_worker() {
    for text in [
        READ,
        "SELECT 1",
        "select count(*), max(upper(name)) from t join u using (id) group by x order by 1 limit 3",
        "(SELECT a FROM t) UNION (SELECT a FROM u)",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "SELECT NOW(), VERSION()",
        "SHOW TABLES",
        "SHOW CREATE TABLE t",
        "DESCRIBE t",
        "EXPLAIN SELECT * FROM t",
    ] {
        assert_eq!(reason(text, &session()), Reason::StrategyRandom, "{text}");
    }
}

#[test]
fn a_statement_that_is_no_read_goes_to_the_manager() {
    for (text, expected) in [
        ("INSERT INTO t VALUES (1)", Reason::Write),
        ("UPDATE t SET a = 1 WHERE id = 2", Reason::Write),
        ("DELETE FROM t WHERE id = 2", Reason::Write),
        ("REPLACE INTO t VALUES (1)", Reason::Write),
        (
            "WITH x AS (SELECT 1) DELETE FROM t WHERE id IN (SELECT * FROM x)",
            Reason::Write,
        ),
        ("CREATE TABLE t (a INT)", Reason::Definition),
        ("TRUNCATE t", Reason::Definition),
        ("CALL p()", Reason::Call),
        ("FLUSH TABLES", Reason::Administration),
        ("KILL 7", Reason::Administration),
        ("SET NAMES utf8mb4", Reason::SessionState),
        ("USE sakila", Reason::SessionState),
        ("SET sql_mode = ''", Reason::SessionState),
        ("BEGIN", Reason::TransactionControl),
        ("COMMIT", Reason::TransactionControl),
        (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            Reason::TransactionControl,
        ),
        ("LOCK TABLES t READ", Reason::TablesLocked),
        ("UNLOCK TABLES", Reason::TablesLocked),
        ("FROBNICATE t", Reason::UnknownStatement),
        ("SELECT 'no end", Reason::UnknownStatement),
        ("EXECUTE s", Reason::UnknownStatement),
        ("", Reason::EmptyStatement),
        ("SELECT 1; SELECT 2", Reason::MultiStatement),
    ] {
        assert_eq!(reason(text, &session()), expected, "{text}");
    }
}

#[test]
fn a_read_that_only_the_manager_can_answer_goes_there() {
    for (text, expected) in [
        ("SELECT * FROM t WHERE id = 1 FOR UPDATE", Reason::LockingRead),
        ("SELECT * FROM t LOCK IN SHARE MODE", Reason::LockingRead),
        ("SELECT @a", Reason::UserVariables),
        ("SELECT @@hostname", Reason::SystemVariables),
        ("SELECT GET_LOCK('a', 1)", Reason::FunctionWithEffect),
        ("SELECT LAST_INSERT_ID()", Reason::FunctionWithEffect),
        ("SELECT a_function_of_theirs(1)", Reason::FunctionWithEffect),
        ("SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", Reason::FoundRows),
        ("SELECT * FROM information_schema.processlist", Reason::NodeLocal),
        ("SHOW PROCESSLIST", Reason::NodeLocal),
        ("SHOW GLOBAL STATUS", Reason::NodeLocal),
    ] {
        assert_eq!(reason(text, &session()), expected, "{text}");
    }
    let to_file = reason("SELECT * FROM t INTO OUTFILE '/tmp/x'", &session());
    assert!(matches!(to_file, Reason::WritesFile | Reason::Write), "{to_file}");
}

#[test]
fn the_sessions_state_keeps_a_read_on_the_manager() {
    let fresh = session();
    for (state, expected) in [
        (
            SessionView {
                in_transaction: true,
                ..fresh
            },
            Reason::InTransaction,
        ),
        (
            SessionView {
                autocommit: false,
                ..fresh
            },
            Reason::AutocommitOff,
        ),
        (
            SessionView {
                temporary_tables: true,
                ..fresh
            },
            Reason::TemporaryTables,
        ),
        (
            SessionView {
                locked_tables: true,
                ..fresh
            },
            Reason::TablesLocked,
        ),
        (
            SessionView {
                serializable: true,
                ..fresh
            },
            Reason::Serializable,
        ),
        (
            SessionView {
                one_shot_transaction: true,
                ..fresh
            },
            Reason::OneShotTransaction,
        ),
        (
            SessionView {
                pinned: Some(Pin::Variable),
                ..fresh
            },
            Reason::SessionPinned,
        ),
        (
            SessionView {
                cursor: true,
                ..fresh
            },
            Reason::Cursor,
        ),
        (
            SessionView {
                long_data: true,
                ..fresh
            },
            Reason::LongData,
        ),
    ] {
        assert_eq!(reason(READ, &state), expected);
    }
}

#[test]
fn what_follows_a_statement_follows_it_to_its_node() {
    let cluster = a_view(&["manager", "worker1", "worker2"]);
    for text in ["SHOW WARNINGS", "SELECT FOUND_ROWS()"] {
        let after_a_read = SessionView {
            previous_target: Some(NodeId(2)),
            ..session()
        };
        let route = routed(text, &after_a_read, &cluster, Strategy::Random);
        assert_eq!((route.target, route.role), (NodeId(2), Role::Worker), "{text}");
        assert_eq!(route.reason, Reason::FollowsPrevious);
        let first = routed(text, &session(), &cluster, Strategy::Random);
        assert_eq!(
            (first.target, first.reason),
            (MANAGER, Reason::FollowsPrevious),
            "{text}"
        );
    }
}

#[test]
fn each_strategy_chooses_in_its_way() {
    let cluster = a_view(&["manager", "worker1", "worker2 nearest", "worker3 lagging"]);
    for (strategy, target, expected) in [
        (Strategy::Direct, MANAGER, Reason::StrategyDirect),
        (Strategy::Random, NodeId(2), Reason::StrategyRandom),
        (Strategy::Ping, NodeId(2), Reason::LowestLatency),
        (Strategy::RoundRobin, NodeId(1), Reason::RoundRobin),
        (Strategy::LeastConnections, NodeId(2), Reason::LeastConnections),
        (Strategy::Adaptive, NodeId(2), Reason::Adaptive),
    ] {
        let route = routed(READ, &session(), &cluster, strategy);
        assert_eq!(
            (route.target, route.reason, route.strategy),
            (target, expected, strategy)
        );
    }
}

#[test]
fn without_a_healthy_worker_the_manager_serves_reads() {
    let cluster = a_view(&["manager", "worker1 down", "worker2 lagging"]);
    for strategy in [Strategy::Random, Strategy::Ping] {
        let route = routed(READ, &session(), &cluster, strategy);
        assert_eq!((route.target, route.reason), (MANAGER, Reason::NoHealthyWorker));
    }
    let direct = routed(READ, &session(), &cluster, Strategy::Direct);
    assert_eq!(direct.reason, Reason::StrategyDirect);
}

#[test]
fn a_worker_that_can_do_less_than_the_session_negotiated_is_passed_over() {
    let cluster = a_view(&["manager", "worker1 old"]);
    let route = routed(READ, &session(), &cluster, Strategy::Random);
    assert_eq!(
        (route.target, route.reason),
        (MANAGER, Reason::WorkerLacksCapability)
    );
    let modest = SessionView::fresh(Capabilities::NONE);
    assert_eq!(
        routed(READ, &modest, &cluster, Strategy::Random).reason,
        Reason::StrategyRandom
    );
}

#[test]
fn a_hint_chooses_for_a_read() {
    let cluster = a_view(&["manager", "worker1 nearest", "worker2"]);
    let hinted = |hint: &str| {
        let text = format!("SELECT /*+ proxy({hint}) */ c FROM t");
        let route = routed(&text, &session(), &cluster, Strategy::Random);
        (route.target, route.strategy, route.reason)
    };
    assert_eq!(
        hinted("target=manager"),
        (MANAGER, Strategy::Random, Reason::HintManager)
    );
    assert_eq!(
        hinted("strategy=ping"),
        (NodeId(1), Strategy::Ping, Reason::HintStrategy)
    );
    assert_eq!(
        hinted("strategy=direct"),
        (MANAGER, Strategy::Direct, Reason::HintStrategy)
    );
    // what names nothing has no effect
    assert_eq!(
        hinted("strategy=fastest"),
        (NodeId(2), Strategy::Random, Reason::StrategyRandom)
    );
    assert_eq!(
        hinted("target=worker1"),
        (NodeId(2), Strategy::Random, Reason::StrategyRandom)
    );
}

#[test]
fn no_hint_sends_a_write_to_a_worker() {
    let cluster = a_view(&["manager", "worker1 nearest"]);
    for text in [
        "INSERT /*+ proxy(strategy=ping) */ INTO t VALUES (1)",
        "UPDATE /*+ proxy(strategy=random) */ t SET a = 1 WHERE id = 1",
        "SELECT /*+ proxy(strategy=random) */ * FROM t FOR UPDATE",
    ] {
        let route = routed(text, &session(), &cluster, Strategy::Random);
        assert_eq!((route.target, route.role), (MANAGER, Role::Manager), "{text}");
    }
    let in_transaction = SessionView {
        in_transaction: true,
        ..session()
    };
    let read = "SELECT /*+ proxy(strategy=random) */ * FROM t";
    assert_eq!(
        routed(read, &in_transaction, &cluster, Strategy::Random).target,
        MANAGER
    );
}

#[test]
fn a_statement_stays_on_its_worker_while_that_is_healthy() {
    let session = SessionView {
        worker: Some(NodeId(1)),
        ..session()
    };
    let target = |nodes: &[&str], strategy| routed(READ, &session, &a_view(nodes), strategy).target;
    assert_eq!(
        routed(
            READ,
            &self::session(),
            &a_view(&["manager", "worker1", "worker2"]),
            Strategy::Random
        )
        .target,
        NodeId(2)
    );
    assert_eq!(
        target(&["manager", "worker1", "worker2"], Strategy::Random),
        NodeId(1)
    );
    assert_eq!(
        target(&["manager", "worker1 lagging", "worker2"], Strategy::Random),
        NodeId(2)
    );
    assert_eq!(
        target(&["manager", "worker1", "worker2"], Strategy::Direct),
        MANAGER
    );
}

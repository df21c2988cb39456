//! Where a statement runs, and why. Synchronous, pure, without allocation.
//!
//! ```text
//!   facts ─┐
//!   session├─▶ a read that any node may answer, in a session that any node may carry?
//!   cluster│      no  ─▶ the manager, or the node of the previous statement
//!   draw  ─┘      yes ─▶ the strategy ─▶ a healthy worker, or the manager where there is none
//! ```
//!
//! Whatever is not surely a read goes to the manager. The order of the rules is the order of this file:
//! the statement's own nature first, then the session's state, then what the client wishes.

pub mod reason;

use statement::{
    Effect, Facts, Hint, ManagerOnly, ReadScope, SessionChange, StatementFacts, TransactionStep,
};
use wire::Capabilities;

pub use reason::Reason;

use crate::cluster::{ClusterView, Loads, NodeId, Role};
use crate::strategy::{
    Candidates, Strategy, adaptive, direct, least_connections, lowest_latency, random, round_robin,
};

/// A decision with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The node.
    pub target: NodeId,
    /// Its role.
    pub role: Role,
    /// The strategy in force, whether or not it was asked.
    pub strategy: Strategy,
    /// Why there.
    pub reason: Reason,
}

/// What the session's past means for the next statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionView {
    /// A transaction is open, read-only ones included.
    pub in_transaction: bool,
    /// Autocommit is on.
    pub autocommit: bool,
    /// The session has made temporary tables.
    pub temporary_tables: bool,
    /// LOCK TABLES is in force.
    pub locked_tables: bool,
    /// The current schema is one that each node keeps for itself.
    pub node_schema: bool,
    /// Reads lock what they see: isolation level SERIALIZABLE, or one that is not known.
    pub serializable: bool,
    /// A SET TRANSACTION waits for the next transaction.
    pub one_shot_transaction: bool,
    /// The session holds something that no other connection can be given.
    pub pinned: Option<Pin>,
    /// Where the previous statement ran.
    pub previous_target: Option<NodeId>,
    /// The statement is executed with a cursor, whose rows are fetched later from the same node.
    pub cursor: bool,
    /// Parameters of the statement have been sent ahead (COM_STMT_SEND_LONG_DATA).
    pub long_data: bool,
    /// The worker that the strategy's choice gives way to, as long as it is healthy: it knows more of the statement.
    pub worker: Option<NodeId>,
    /// Flags that shape rows; a node that has fewer cannot serve this session.
    pub capabilities: Capabilities,
    /// What the statement itself asks of the proxy.
    pub hint: Option<RouteHint>,
}

/// Why a session cannot leave the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pin {
    /// A session variable that cannot be set on a worker without doubt.
    Variable,
    /// Something ran whose effect on the session cannot be seen (CALL, text EXECUTE, unknown statements).
    UnseenState,
    /// The session has taken on another role.
    ActiveRole,
    /// An open HANDLER.
    OpenHandler,
    /// The server reads texts in a way that our lexer cannot follow.
    UnreadableTexts,
}

impl Pin {
    /// The name in logs and in what users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pin::Variable => "variable",
            Pin::UnseenState => "unseen-state",
            Pin::ActiveRole => "active-role",
            Pin::OpenHandler => "open-handler",
            Pin::UnreadableTexts => "unreadable-texts",
        }
    }
}

/// A statement's own wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteHint {
    /// `proxy(target=manager)`.
    Manager,
    /// `proxy(strategy=…)`.
    Strategy(Strategy),
}

impl RouteHint {
    /// What a hint means; none for one that names nothing we know, which then has no effect.
    pub fn of(hint: &Hint) -> Option<Self> {
        match hint {
            Hint::Manager => Some(RouteHint::Manager),
            Hint::Strategy(name) => {
                let name = std::str::from_utf8(name).ok()?;
                name.parse().ok().map(RouteHint::Strategy)
            }
            Hint::Unrecognised => None,
        }
    }
}

impl SessionView {
    /// A session that has done nothing yet.
    pub fn fresh(capabilities: Capabilities) -> Self {
        Self {
            in_transaction: false,
            autocommit: true,
            temporary_tables: false,
            locked_tables: false,
            node_schema: false,
            serializable: false,
            one_shot_transaction: false,
            pinned: None,
            previous_target: None,
            cursor: false,
            long_data: false,
            worker: None,
            capabilities,
            hint: None,
        }
    }

    fn strategy(&self, of_session: Strategy) -> Strategy {
        match self.hint {
            Some(RouteHint::Strategy(strategy)) => strategy,
            Some(RouteHint::Manager) | None => of_session,
        }
    }
}

/// Decides. `strategy` is the session's, `draw` a uniform random number that the caller has drawn.
pub fn route(
    facts: &Facts,
    session: &SessionView,
    (cluster, loads): (&ClusterView, &Loads),
    strategy: Strategy,
    draw: u32,
) -> Route {
    let strategy = session.strategy(strategy);
    let (target, reason) = match reason_to_stay(facts, session) {
        Some(Reason::FollowsPrevious) => (
            session.previous_target.unwrap_or(cluster.manager()),
            Reason::FollowsPrevious,
        ),
        Some(reason) => (cluster.manager(), reason),
        None => choose(session, (cluster, loads), strategy, draw),
    };
    Route {
        target,
        role: cluster.role(target),
        strategy,
        reason,
    }
}

/// Why this statement cannot go to just any node; none when the strategy may choose.
fn reason_to_stay(facts: &Facts, session: &SessionView) -> Option<Reason> {
    let Some(statement) = facts.single() else {
        return Some(Reason::MultiStatement);
    };
    reason_of_effect(statement)
        .or_else(|| reason_of_session(session))
        .or(match session.hint {
            Some(RouteHint::Manager) => Some(Reason::HintManager),
            Some(RouteHint::Strategy(_)) | None => None,
        })
}

fn reason_of_effect(statement: &StatementFacts) -> Option<Reason> {
    match &statement.effect {
        Effect::Read => reason_of_scope(statement.scope()),
        Effect::Write => Some(Reason::Write),
        Effect::Definition => Some(Reason::Definition),
        Effect::Transaction(step) => Some(match step {
            TransactionStep::Begin { .. }
            | TransactionStep::Commit(_)
            | TransactionStep::Rollback(_)
            | TransactionStep::Savepoint
            | TransactionStep::RollbackToSavepoint
            | TransactionStep::ReleaseSavepoint
            | TransactionStep::SetTransaction { .. }
            | TransactionStep::Xa => Reason::TransactionControl,
        }),
        Effect::Session(change) => Some(match change {
            SessionChange::LockTables | SessionChange::UnlockTables => Reason::TablesLocked,
            SessionChange::Execute { .. } | SessionChange::ExecuteImmediate => Reason::UnknownStatement,
            SessionChange::Use(_)
            | SessionChange::SetNames { .. }
            | SessionChange::SetCharacterSet(_)
            | SessionChange::SetVariables(_)
            | SessionChange::SetRole
            | SessionChange::Prepare { .. }
            | SessionChange::Deallocate { .. }
            | SessionChange::Handler => Reason::SessionState,
        }),
        Effect::Administration(_) => Some(Reason::Administration),
        Effect::Call => Some(Reason::Call),
        // answered by the proxy; should one come here, the manager refuses it
        Effect::Proxy(_) | Effect::Unknown(_) => Some(Reason::UnknownStatement),
        Effect::Empty => Some(Reason::EmptyStatement),
    }
}

fn reason_of_scope(scope: ReadScope) -> Option<Reason> {
    match scope {
        ReadScope::AnyNode => None,
        ReadScope::PreviousNode => Some(Reason::FollowsPrevious),
        ReadScope::NotARead => Some(Reason::UnknownStatement),
        ReadScope::Manager(why) => Some(match why {
            ManagerOnly::LocksRows => Reason::LockingRead,
            ManagerOnly::WritesFile => Reason::WritesFile,
            ManagerOnly::UserVariables => Reason::UserVariables,
            ManagerOnly::SystemVariables => Reason::SystemVariables,
            ManagerOnly::UnknownFunction | ManagerOnly::ManagerFunction => Reason::FunctionWithEffect,
            ManagerOnly::FoundRows => Reason::FoundRows,
            ManagerOnly::NodeSchema | ManagerOnly::NodeState => Reason::NodeLocal,
        }),
    }
}

fn reason_of_session(session: &SessionView) -> Option<Reason> {
    [
        (session.pinned.is_some(), Reason::SessionPinned),
        (session.locked_tables, Reason::TablesLocked),
        (session.node_schema, Reason::NodeLocal),
        (session.in_transaction, Reason::InTransaction),
        (!session.autocommit, Reason::AutocommitOff),
        (session.one_shot_transaction, Reason::OneShotTransaction),
        (session.serializable, Reason::Serializable),
        (session.temporary_tables, Reason::TemporaryTables),
        (session.cursor, Reason::Cursor),
        (session.long_data, Reason::LongData),
    ]
    .into_iter()
    .find_map(|(holds, reason)| holds.then_some(reason))
}

fn choose(
    session: &SessionView,
    (cluster, loads): (&ClusterView, &Loads),
    strategy: Strategy,
    draw: u32,
) -> (NodeId, Reason) {
    let candidates = || Candidates::new(cluster, loads);
    let (worker, reason) = match strategy {
        Strategy::Direct => (Some(direct::choose(cluster)), Reason::StrategyDirect),
        Strategy::Random => (random::choose(candidates(), draw), Reason::StrategyRandom),
        Strategy::Ping => (lowest_latency::choose(cluster), Reason::LowestLatency),
        Strategy::RoundRobin => (round_robin::choose(candidates()), Reason::RoundRobin),
        Strategy::LeastConnections => (
            least_connections::choose(candidates(), draw),
            Reason::LeastConnections,
        ),
        Strategy::Adaptive => (adaptive::choose(candidates(), draw), Reason::Adaptive),
    };
    let Some(worker) = worker else {
        return (cluster.manager(), Reason::NoHealthyWorker);
    };
    let worker = match session.worker {
        Some(known) if worker != cluster.manager() && cluster.healthy_workers().contains(&known) => known,
        _ => worker,
    };
    if worker != cluster.manager() && !cluster.can_serve(worker, session.capabilities) {
        return (cluster.manager(), Reason::WorkerLacksCapability);
    }
    match session.hint {
        Some(RouteHint::Strategy(_)) => (worker, Reason::HintStrategy),
        Some(RouteHint::Manager) | None => (worker, reason),
    }
}

#[cfg(test)]
mod tests;

//! Why a statement ran where it ran: one closed set for log, metric label, PROXY SHOW ROUTE and tests.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a statement ran where it ran.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason there is, in the order of [`Reason::index`].
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];

            /// The name that users, logs and metrics see.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// It changes rows.
    Write = "write",
    /// It changes a definition.
    Definition = "definition",
    /// It calls a procedure.
    Call = "call",
    /// It concerns the server.
    Administration = "administration",
    /// It changes the session.
    SessionState = "session-state",
    /// It begins, ends or shapes a transaction.
    TransactionControl = "transaction-control",
    /// It is not surely a read.
    UnknownStatement = "unknown-statement",
    /// It holds blanks and comments only.
    EmptyStatement = "empty-statement",
    /// Several statements in one text.
    MultiStatement = "multi-statement",
    /// It locks the rows that it reads.
    LockingRead = "locking-read",
    /// It writes a file on the server.
    WritesFile = "writes-file",
    /// It uses `@variables`.
    UserVariables = "user-variables",
    /// It reads `@@variables`.
    SystemVariables = "system-variables",
    /// It calls a function that may have an effect, or whose answer depends on node or session.
    FunctionWithEffect = "function-with-effect",
    /// It counts rows for a later FOUND_ROWS.
    FoundRows = "found-rows",
    /// It reads what each node keeps for itself.
    NodeLocal = "node-local",
    /// It asks for what the previous statement left behind.
    FollowsPrevious = "follows-previous",
    /// The session holds something that no other connection can be given.
    SessionPinned = "session-pinned",
    /// LOCK TABLES is in force, or it is what the statement does.
    TablesLocked = "tables-locked",
    /// A transaction is open.
    InTransaction = "in-transaction",
    /// Autocommit is off.
    AutocommitOff = "autocommit-off",
    /// A SET TRANSACTION waits for the next transaction.
    OneShotTransaction = "one-shot-transaction",
    /// The isolation level is SERIALIZABLE.
    Serializable = "serializable",
    /// The session has temporary tables.
    TemporaryTables = "temporary-tables",
    /// It is executed with a cursor.
    Cursor = "cursor",
    /// Its parameters have been sent ahead.
    LongData = "long-data",
    /// A hint asks for the manager.
    HintManager = "hint-manager",
    /// A hint chose the strategy.
    HintStrategy = "hint-strategy",
    /// Strategy `direct`.
    StrategyDirect = "strategy-direct",
    /// Strategy `random`.
    StrategyRandom = "strategy-random",
    /// Strategy `ping`.
    LowestLatency = "lowest-latency",
    /// Strategy `round-robin`.
    RoundRobin = "round-robin",
    /// Strategy `least-connections`.
    LeastConnections = "least-connections",
    /// Strategy `adaptive`.
    Adaptive = "adaptive",
    /// No worker may serve.
    NoHealthyWorker = "no-healthy-worker",
    /// The chosen worker cannot do what the session negotiated.
    WorkerLacksCapability = "worker-lacks-capability",
    /// The chosen worker could not be reached or brought to the session's state.
    WorkerFailed = "worker-failed",
    /// A worker refused the read, and nothing of it had been delivered.
    RetriedOnManager = "retried-on-manager",
    /// The chosen worker may be behind what the session has read; the worker that showed it is asked again.
    StaysForConsistency = "stays-for-consistency",
    /// The chosen worker lacks what the session has written or read.
    NotCaughtUp = "not-caught-up",
    /// Where the session stands in the manager's history could not be found out.
    PositionUnknown = "position-unknown",
    /// The prepared statement exists on the manager alone.
    PreparedOnManager = "prepared-on-manager",
    /// A command that is no statement.
    Command = "command",
}

impl Reason {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in [`Reason::ALL`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_stands_at_its_index_under_a_name_of_its_own() {
        let mut names = std::collections::HashSet::new();
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            let name = reason.to_string();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{name}"
            );
            assert!(names.insert(name));
        }
    }
}

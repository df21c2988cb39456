//! A read on a worker is not older than what the session has seen ([`super::causality`]).
//!
//! ```text
//!  route: worker2
//!    │ the session has last read on another node ──▶ where does the manager stand now? ── no answer ─▶ that node again
//!    │ worker2 covers the token ─────────────────▶ go                                  └─ (the manager's: the manager)
//!    │ another healthy worker does ──────────────▶ go there
//!    │ it may get there in time ─────────────────▶ go, with a wait in front of the read ── in vain ─▶ the manager
//!    └ it has been waited for in vain, or lags ──▶ the manager
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use peer::connect::ConnectError;
use peer::relay::RelayError;
use statement::Facts;

use super::Session;
use super::causality::{Causality, Seen, Standing};
use super::link::Link;
use super::worker::hung;
use crate::cluster::{NodeId, Positions, Role};
use crate::consistency::Consistency;
use crate::position::Position;
use crate::route::{Reason, Route};

/// What a wait answers when the worker has caught up; anything else is a time-out or a mistake.
const CAUGHT_UP: &[u8] = b"0";

impl Session {
    /// The manager's last question, for what is seen now.
    #[inline]
    pub(super) fn mark(&self) -> u64 {
        self.host
            .cluster
            .positions(self.manager.node)
            .map_or(0, Positions::mark)
    }

    /// The manager's reply to a statement has ended. `in_transaction`: one was open when it began.
    pub(super) fn seen_on_manager(&mut self, facts: Option<&Facts>, in_transaction: bool) {
        let positions = self.host.cluster.positions(self.manager.node);
        let mark = positions.map_or(0, Positions::mark);
        let one_order = positions.is_some_and(Positions::has_one_order);
        let at = (self.manager.node, mark);
        self.state
            .causality
            .manager_answered(facts, at, in_transaction, one_order);
    }

    /// Whether the route's worker could show something older than the session has seen.
    #[inline]
    pub(super) fn may_read_back(&self, route: &Route) -> bool {
        if route.role == Role::Manager || route.reason == Reason::FollowsPrevious {
            return false;
        }
        let causality = &self.state.causality;
        match self.consistency {
            Consistency::Eventual => false,
            Consistency::Session => {
                causality.seen().is_some_and(|seen| seen.node != route.target)
                    || causality.awaited(route.target).is_some()
            }
            Consistency::Global => true,
        }
    }

    /// The same route, or another where the worker would show something older than the session has seen. `bound`: the worker
    /// that it should go to whatever the strategy says, which is waited for rather than that another is taken.
    pub(super) async fn consistent(&mut self, route: Route, bound: Option<NodeId>) -> Route {
        let manager = self.on_manager_for(route, Reason::NotCaughtUp);
        if self.consistency == Consistency::Global {
            // all that anybody was told so far
            let mark = self.mark();
            self.state.causality.answered(self.manager.node, mark);
        }
        let mut route = route;
        if let Some(seen) = self.state.causality.seen()
            && seen.node != route.target
            && !self.resolve(seen).await
        {
            let view = self.host.cluster.view();
            let may_stay = view.healthy_workers().contains(&seen.node);
            if !may_stay {
                return self.on_manager_for(route, Reason::PositionUnknown);
            }
            route.target = seen.node;
            route.reason = Reason::StaysForConsistency;
        }
        match self.standing(route.target) {
            Standing::Covers => route,
            Standing::Unknown | Standing::Behind
                if bound != Some(route.target)
                    && let Some(other) = self.other_worker(route.target) =>
            {
                Route {
                    target: other,
                    reason: Reason::NotCaughtUp,
                    ..route
                }
            }
            Standing::Unknown if !self.is_hopeless(route.target) => route,
            Standing::Unknown | Standing::Behind => manager,
        }
    }

    /// Finds out where the manager stands, which is behind everything that the session has seen.
    async fn resolve(&mut self, seen: Seen) -> bool {
        let Some(positions) = self.host.cluster.positions(self.manager.node) else {
            return false;
        };
        let latest = positions.latest();
        let now = Instant::now();
        let sample = if latest.number > seen.mark {
            Some(latest)
        } else if seen.node == self.manager.node || self.state.causality.may_switch(now) {
            // who does not answer this could not answer the read in the worker's place either
            positions
                .after(seen.mark, self.host.config.limits.connect_timeout)
                .await
        } else {
            None
        };
        let Some(position) = sample.and_then(|sample| sample.position) else {
            return false;
        };
        self.state.causality.resolve(&position, now);
        true
    }

    /// Whether a worker has what the session has seen; a worker of which that is not known is asked, for the next time.
    fn standing(&mut self, node: NodeId) -> Standing {
        let Some(positions) = self.host.cluster.positions(node) else {
            return Standing::Behind;
        };
        let sample = positions.latest();
        let position = sample.position.as_ref();
        let standing = self.state.causality.standing(node, position, Instant::now());
        if standing != Standing::Covers {
            positions.want();
        }
        standing
    }

    /// A healthy worker that is known to have what this one may lack.
    fn other_worker(&mut self, but: NodeId) -> Option<NodeId> {
        let view = self.host.cluster.view();
        let wanted = self.capabilities & wire::Capabilities::ROW_FLAGS;
        let now = Instant::now();
        let Self { state, host, .. } = self;
        view.healthy_workers().iter().copied().find(|node| {
            let sample = host.cluster.positions(*node).map(Positions::latest);
            *node != but
                && view.can_serve(*node, wanted)
                && state
                    .causality
                    .standing(*node, sample.and_then(|sample| sample.position).as_ref(), now)
                    == Standing::Covers
        })
    }

    /// A worker that says it is further behind than a read would wait.
    fn is_hopeless(&self, node: NodeId) -> bool {
        let view = self.host.cluster.view();
        let lag = view.node(node).and_then(|view| view.lag);
        lag.is_none_or(|lag| lag > self.host.config.consistency_wait)
    }

    fn on_manager_for(&self, route: Route, reason: Reason) -> Route {
        Route {
            target: self.manager.node,
            role: Role::Manager,
            reason,
            ..route
        }
    }

    /// A position that holds everything that the session has seen; none where the manager does not tell.
    pub(super) async fn token(&mut self) -> Option<Arc<Position>> {
        if let Some(seen) = self.state.causality.seen() {
            let positions = self.host.cluster.positions(self.manager.node)?;
            let sample = positions
                .after(seen.mark, self.host.config.limits.connect_timeout)
                .await?;
            self.state.causality.resolve(&sample.position?, Instant::now());
        }
        self.state.causality.token().cloned()
    }

    /// The statement that a worker's connection runs in front of a read, when it must.
    pub(super) fn wait_for_worker(&self, node: NodeId) -> Option<String> {
        if self.consistency == Consistency::Eventual {
            return None;
        }
        let awaited = self.state.causality.awaited(node)?;
        Some(awaited.wait_statement(self.host.config.consistency_wait))
    }

    /// Reads how the wait went. An error means that the read behind it must not be shown.
    pub(super) async fn confirm_wait(&mut self, link: &mut Link) -> Result<(), RelayError> {
        self.host.metrics.consistency_waits.increment(1);
        let node = link.node;
        let nothing = AtomicBool::new(false);
        let limit = self.host.config.consistency_wait + self.host.config.limits.connect_timeout;
        let row = tokio::select! {
            biased;
            row = link.read_row() => row,
            () = hung(&self.host.cluster, node, &nothing) => Err(ConnectError::Timeout),
            () = tokio::time::sleep(limit) => Err(ConnectError::Timeout),
        };
        let answer = row
            .ok()
            .flatten()
            .and_then(|row| row.into_iter().next().flatten());
        let causality: &mut Causality = &mut self.state.causality;
        if answer.as_deref() == Some(CAUGHT_UP) {
            causality.caught_up(node);
            return Ok(());
        }
        causality.left_behind(node, Instant::now());
        self.host.metrics.consistency_timeouts.increment(1);
        let late = io::Error::new(io::ErrorKind::TimedOut, "the worker did not catch up in time");
        Err(RelayError::From(late))
    }
}

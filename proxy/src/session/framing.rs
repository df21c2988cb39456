//! The client's own `session_track_…` values, put in place around the few statements that can see them
//! ([`super::trackers`]).

use peer::connect::ConnectError;
use peer::inbox::Command;
use peer::relay::{self, Moved, RelayError};
use statement::Facts;
use wire::StatusFlags;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{OkPacket, Progress, Shape};

use super::link::Link;
use super::run::OnManager;
use super::trackers::{self, Afterwards, Held, VALUES, Values};
use super::watch::ManagerWatch;
use super::{Flow, Session};
use crate::session_variables::SessionVariables;

impl Session {
    /// Whether a statement needs anything before or after it; where not, this is all that it costs.
    #[inline]
    pub(super) fn needs_frame(&self, facts: &Facts) -> bool {
        self.state.trackers.held != Held::Ours || self.state.trackers.are_seen_by(facts)
    }

    /// Puts in place what the statement must find; says what follows it.
    pub(super) async fn frame(&mut self, facts: &Facts) -> Result<Afterwards, ConnectError> {
        let trackers = &self.state.trackers;
        if !trackers.are_seen_by(facts) {
            if trackers::must_be_reported(facts) {
                self.restore().await?;
            }
            return Ok(trackers::after_unseen(facts));
        }
        let afterwards = trackers.after_seen(facts);
        if afterwards == Afterwards::Pin {
            self.restore().await?;
        } else {
            self.expose().await?;
        }
        Ok(afterwards)
    }

    /// What follows a statement that ran.
    pub(super) fn framed(&mut self, afterwards: Afterwards) {
        match afterwards {
            Afterwards::Nothing => {}
            Afterwards::Changed => self.state.trackers.held = Held::Clients,
            Afterwards::Unsure => self.state.trackers.doubt(),
            // its reply was held back, and all is in place again
            Afterwards::Report => {}
            Afterwards::Pin => {
                self.state.trackers.doubt();
                self.state.pin_unseen();
            }
        }
    }

    /// The client's values, in the place of ours.
    async fn expose(&mut self) -> Result<(), ConnectError> {
        if self.state.trackers.held == Held::Unsure {
            self.look().await?;
        }
        if self.state.trackers.held == Held::Ours {
            let set = format!("SET SESSION {}", self.state.trackers.client().assignments());
            self.manager.verdict(&set).await?;
            self.state.trackers.held = Held::Clients;
        }
        Ok(())
    }

    /// Our values, in the place of the client's; theirs are asked for first.
    pub(super) async fn restore(&mut self) -> Result<(), ConnectError> {
        match self.state.trackers.held {
            Held::Ours => return Ok(()),
            Held::Unsure => return self.look().await,
            Held::Clients => {}
        }
        let values = self.values().await?;
        self.state.trackers.learn(values);
        self.put_ours("").await.map(drop)
    }

    /// A routine ran: are ours still in place? If not, what is there is the client's wish.
    async fn look(&mut self) -> Result<(), ConnectError> {
        let found = self.values().await?;
        let is_mariadb = self.manager.is_mariadb();
        if self.state.trackers.compare(found, is_mariadb) {
            self.put_ours("").await?;
        }
        self.state.trackers.held = Held::Ours;
        Ok(())
    }

    /// Sets ours, and what else is to be set; returns the state block of the reply.
    async fn put_ours(&mut self, and: &str) -> Result<Vec<u8>, ConnectError> {
        let ours = self.state.trackers.client().ours(self.manager.is_mariadb());
        let set = format!("SET SESSION {}{and}", ours.assignments());
        let verdict = self.manager.verdict(&set).await?;
        self.state.trackers.held = Held::Ours;
        self.state.learn(&verdict.state);
        Ok(verdict.state)
    }

    async fn values(&mut self) -> Result<Values, ConnectError> {
        let found = self.manager.found_rows().await?;
        let row = self.manager.row(VALUES).await?;
        self.manager.find_again(found).await?;
        row.and_then(Values::of_row).ok_or(ConnectError::Timeout)
    }

    /// A SET of the trackers and of other variables: the server reports the others only afterwards, and the client
    /// gets its reply when that is known, for the gatekeeper must know it before the next statement comes.
    pub(super) async fn run_reporting(&mut self, command: &Command, facts: &Facts) -> OnManager {
        let mut reply = Vec::new();
        let mut watch = ManagerWatch::new(&mut self.state, self.capabilities, self.manager.is_mariadb);
        let mut progress = Progress::new(Shape::Results, self.capabilities);
        let link: &mut Link = &mut self.manager;
        let relayed = async {
            relay::send(&mut link.stream, command)
                .await
                .map_err(RelayError::From)?;
            let to = Some(&mut reply);
            let mut moved = Moved::default();
            link.outbox
                .relay(&mut link.stream, to, &mut progress, &mut watch, &mut moved)
                .await
        }
        .await;
        let error = watch.error;
        if let Err(error) = relayed {
            let flow = self.manager_lost(&error, Moved::default(), Some(facts)).await;
            return OnManager::of(flow);
        }
        let reported = match self.values().await {
            Ok(values) => {
                self.state.trackers.learn(values);
                self.put_ours(&self_assignments(facts)).await
            }
            Err(error) => Err(error),
        };
        let state = match reported {
            Ok(state) => state,
            Err(error) => {
                let flow = self.manager_failed(&error).await;
                return OnManager::of(flow);
            }
        };
        self.state.collation_is_stale = true;
        self.state.leavings.all_on(self.manager.node);
        self.state.previous = Some(self.manager.node);
        self.seen_on_manager(Some(facts), true);
        self.state.error = error;
        if error.is_none() {
            self.state.ran(facts);
        }
        let flow = match with_report(&reply, &state, self.capabilities) {
            Some(packet) => self.answer(&packet).await,
            None => self.answer(&reply).await,
        };
        OnManager::of(flow)
    }

    /// A statement of our own did not go through on the manager's connection: the session ends.
    pub(super) async fn manager_failed(&mut self, error: &ConnectError) -> Flow {
        tracing::warn!(%error, "failed to arrange a session's trackers on the manager");
        self.lost(Moved::default(), false).await;
        Flow::End
    }
}

/// Assigning a variable to itself makes the server report it. Not those whose assignment changes another one.
fn self_assignments(facts: &Facts) -> String {
    let mut names = vec!["sql_mode", "character_set_client"];
    for name in trackers::assigned(facts) {
        // by its name a set gets its default collation, which is seen in columns: only where the client did the same
        if matches!(name, b"character_set_results" | b"character_set_client")
            && !names.contains(&"character_set_results")
        {
            names.push("character_set_results");
        }
        if let Some(name) = SessionVariables::replayed(name)
            && !name.starts_with("character_set")
            && !name.starts_with("collation")
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
        .iter()
        .map(|name| format!(", {name}=@@SESSION.{name}"))
        .collect()
}

/// The OK packet of a reply with what the gatekeeper must know; none when it is no OK.
fn with_report(reply: &[u8], state: &[u8], capabilities: wire::Capabilities) -> Option<Vec<u8>> {
    let payload = reply.get(PACKET_HEADER_BYTES..)?;
    let sequence = wire::frame::Header::peek(reply)?.sequence;
    let ok = OkPacket::decode(payload, capabilities).ok()?;
    let mut merged = ok.state.to_vec();
    trackers::hide(state, &mut merged);
    let mut packet = Vec::new();
    let status = ok.status | StatusFlags::SESSION_STATE_CHANGED;
    OkPacket {
        state: &merged,
        status,
        ..ok
    }
    .encode(capabilities, sequence, &mut packet);
    Some(packet)
}

//! KILL, in every form that names a connection by a number.
//!
//! ```text
//! number ─▶ registry ─▶ the victim's thread on the manager ─▶ KILL on the killer's own connection
//!                                                                │ the server checks: own, or with the privilege
//!                          answer ◀─ the victim's worker ◀─ OK ──┘
//! ```
//!
//! Servers know their own numbers only, so the client's number is replaced on its way there and put back in the
//! server's errors. What the victim reads from a worker is reached on the killer's own connection to that worker,
//! under the killer's account, after another look: a read that has ended meanwhile is not stopped by the KILL that
//! was meant for it, nor is the next one.

use std::sync::Arc;

use peer::inbox::Command;
use peer::proof::{self, KillReach};
use peer::relay::{self, Moved, RelayError};
use statement::{Administration, Effect, Facts, Kill, KillEnds, KillVictim};
use wire::command::{CommandCode, Execute};
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{ErrPacket, Progress, Shape};
use wire::{Capabilities, ServerError};

use super::run::Needs;
use super::watch::ManagerWatch;
use super::{Flow, Session, leavings};
use crate::cluster::NodeId;
use crate::session_registry::{Listed, Reading, ThreadId};

/// A number that no server reaches: a KILL of it is answered as one of a connection that is not there.
const NOBODY: u32 = u32::MAX;

/// Unknown thread; not the owner of it.
const ABOUT_A_THREAD: [u16; 2] = [1094, 1095];

/// How a server answers the KILL of one's own connection: MySQL's query was interrupted, MariaDB's connection killed.
const OWN_END: [u16; 2] = [1317, 1927];

/// What was asked for, and by which number.
#[derive(Clone, Copy)]
struct Order {
    ends: KillEnds,
    number: u64,
}

/// What is done with a KILL.
enum Rewritten {
    /// This runs in its place.
    Run(Order, Option<(Arc<Listed>, ThreadId)>, Command),
    /// The number is no client's, and this session may name any.
    AsItIs,
}

/// Whether a text does nothing but KILL.
pub(super) fn is_kill(facts: &Facts) -> bool {
    facts
        .single()
        .is_some_and(|statement| statement.effect == Effect::Administration(Administration::Kill))
}

impl Session {
    /// A text that only kills, begins at `start` of the command's payload.
    pub(super) async fn kill_by_text(&mut self, mut command: Command, start: usize, facts: &Facts) -> Flow {
        let payload = command.payload();
        let (head, text) = payload.split_at_checked(start).unwrap_or_default();
        match self.rewritten(head, text, None).await {
            Some(Rewritten::Run(order, victim, command)) => self.kill(order, victim, command, facts).await,
            Some(Rewritten::AsItIs) => self.as_it_is(&mut command, facts).await,
            None => self.kill_unclear(command, facts).await,
        }
    }

    /// COM_STMT_EXECUTE of a KILL: as a text, with the victim's number of this moment in it.
    pub(super) async fn kill_by_execution(&mut self, mut command: Command, id: u32) -> Flow {
        let Some((_, prepared)) = self.prepared.find(id) else {
            return self.on_manager(&mut command, Shape::Results, None).await;
        };
        let facts = Arc::clone(&prepared.facts);
        let parameter = Execute::decode(command.payload(), prepared.parameters, self.capabilities)
            .ok()
            .and_then(|execute| execute.sole_integer(prepared.types.as_deref()));
        let text = prepared.text.clone().unwrap_or_default();
        let mut head = vec![CommandCode::QUERY.0];
        if self.capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            head.extend_from_slice(&[0, 1]); // no attributes, in one set
        }
        match self.rewritten(&head, &text, parameter).await {
            Some(Rewritten::Run(order, victim, command)) => self.kill(order, victim, command, &facts).await,
            Some(Rewritten::AsItIs) => self.as_it_is(&mut command, &facts).await,
            None => self.kill_unclear(command, &facts).await,
        }
    }

    /// A KILL with the manager's number in it; none when it cannot be told whom it means.
    async fn rewritten(&mut self, head: &[u8], text: &[u8], parameter: Option<u64>) -> Option<Rewritten> {
        let kill = Kill::of(text, self.state.mode)?;
        let number = self.number_of(&kill, text, parameter).await?;
        let order = Order {
            ends: kill.ends,
            number,
        };
        let with = |thread: u32| {
            let text = kill.with_number(text, u64::from(thread));
            Command::of_payload(&[head, &text].concat())
        };
        Some(match self.victim(number) {
            Some((victim, thread)) => Rewritten::Run(order, Some((victim, thread)), with(thread.0)),
            None if self.kill_reach == KillReach::Sessions => Rewritten::Run(order, None, with(NOBODY)),
            None => Rewritten::AsItIs,
        })
    }

    /// COM_PROCESS_KILL: a number of four bytes.
    pub(super) async fn kill_by_command(&mut self, mut command: Command) -> Flow {
        let Some(number) = command.payload().get(1..).and_then(|rest| rest.first_chunk()) else {
            return self.on_manager(&mut command, Shape::Verdict, None).await;
        };
        let number = u32::from_le_bytes(*number);
        let order = Order {
            ends: KillEnds::Connection,
            number: u64::from(number),
        };
        let victim = self.victim(order.number);
        let thread = match &victim {
            Some((_, thread)) => thread.0,
            None if self.kill_reach == KillReach::Sessions => NOBODY,
            None => number,
        };
        let mut payload = vec![CommandCode::PROCESS_KILL.0];
        payload.extend_from_slice(&thread.to_le_bytes());
        let facts = statement::facts(b"KILL 0", self.state.mode);
        self.kill(order, victim, Command::of_payload(&payload), &facts)
            .await
    }

    /// The number that a KILL means; none when only the server can say.
    async fn number_of(&mut self, kill: &Kill, text: &[u8], parameter: Option<u64>) -> Option<u64> {
        match kill.victim {
            KillVictim::Number(number) => Some(number),
            KillVictim::Expression => {
                let operand = text.get(kill.operand.clone())?;
                let ask = [b"SELECT COALESCE(CAST((", operand, b") AS UNSIGNED), 0)"].concat();
                let found = self.manager.found_rows().await.ok()?;
                let answer = self.manager.value(&ask).await.ok()?;
                self.manager.find_again(found).await.ok()?;
                let answer = answer?;
                std::str::from_utf8(&answer).ok()?.parse().ok()
            }
            KillVictim::Parameter => parameter,
            KillVictim::User(_) | KillVictim::Unclear => None,
        }
    }

    /// The live session that a number means, and its thread on the manager.
    fn victim(&self, number: u64) -> Option<(Arc<Listed>, ThreadId)> {
        let manager = self.manager.node;
        let asker = self.registered.listed();
        let victim = self.host.sessions.find(number, asker, manager)?;
        let thread = victim.thread_on(manager)?;
        Some((victim, thread))
    }

    /// A KILL of which the server alone knows whom it hits.
    async fn kill_unclear(&mut self, mut command: Command, facts: &Facts) -> Flow {
        if self.kill_reach == KillReach::Sessions {
            return self.refuse_unclear_kill().await;
        }
        self.as_it_is(&mut command, facts).await
    }

    pub(super) async fn refuse_unclear_kill(&mut self) -> Flow {
        self.refuse(&unclear_kill()).await
    }

    async fn as_it_is(&mut self, command: &mut Command, facts: &Facts) -> Flow {
        let route = self.route(facts, Needs::default());
        Box::pin(self.run(command, Shape::Results, facts, route)).await
    }

    /// Runs a KILL whose number is the manager's, then reaches the victim's worker, then answers.
    async fn kill(
        &mut self,
        order: Order,
        victim: Option<(Arc<Listed>, ThreadId)>,
        command: Command,
        facts: &Facts,
    ) -> Flow {
        let route = self.route(facts, Needs::default());
        let begun = self.begins(facts, route.target);
        let reading = victim.as_ref().and_then(|(victim, _)| victim.reading());
        let ends_session = order.ends == KillEnds::Connection;
        if let Some((victim, _)) = victim.as_ref().filter(|_| ends_session) {
            // before the server closes its connection, so that the victim knows why
            victim.set_killed(true);
        }
        let (mut reply, error) = match self.ask_manager(&command, facts).await {
            Ok(answered) => answered,
            Err(flow) => return flow,
        };
        let ended = leavings::Ended {
            failed: error.is_some(),
            ..leavings::Ended::default()
        };
        self.ran(facts, route, begun, ended);
        let thread = victim.as_ref().map_or(NOBODY, |(_, thread)| thread.0);
        match (&victim, error) {
            (_, Some(code)) if ABOUT_A_THREAD.contains(&code) => {
                if let Some((victim, _)) = &victim {
                    victim.set_killed(false);
                }
                reply = reworded(&reply, thread, order.number);
            }
            (Some((victim, _)), None) => self.reach_workers(order.ends, victim, reading).await,
            _ => {}
        }
        let is_own = victim.is_some_and(|(victim, _)| Arc::ptr_eq(&victim, self.registered.listed()));
        if is_own && ends_session && error.is_none_or(|code| OWN_END.contains(&code)) {
            return self.end_killed_by_itself(reply).await;
        }
        self.answer(&reply).await
    }

    /// The server closes behind its answer, so no other command is taken. The gatekeeper hears of it with the answer,
    /// before its client can have sent the next.
    async fn end_killed_by_itself(&mut self, mut answer: Vec<u8>) -> Flow {
        proof::killed().encode(0, &mut answer);
        self.answer(&answer).await;
        relay::linger(&mut self.client).await;
        Flow::End
    }

    /// A command on the manager, its reply kept: one packet or a few small ones.
    async fn ask_manager(
        &mut self,
        command: &Command,
        facts: &Facts,
    ) -> Result<(Vec<u8>, Option<u16>), Flow> {
        let mut watch = ManagerWatch::new(&mut self.state, self.capabilities, self.manager.is_mariadb);
        let mut progress = Progress::new(Shape::Verdict, self.capabilities);
        let (mut reply, mut moved) = (Vec::new(), Moved::default());
        let link = &mut self.manager;
        let relayed = async {
            relay::send(&mut link.stream, command)
                .await
                .map_err(RelayError::From)?;
            link.outbox
                .relay(
                    &mut link.stream,
                    Some(&mut reply),
                    &mut progress,
                    &mut watch,
                    &mut moved,
                )
                .await
        }
        .await;
        let error = watch.error;
        self.state.previous = Some(self.manager.node);
        self.state.leavings.all_on(self.manager.node);
        match relayed {
            Ok(_) => Ok((reply, error)),
            Err(error) => Err(self.manager_lost(&error, Moved::default(), Some(facts)).await),
        }
    }

    /// What the victim has on workers ends as well.
    async fn reach_workers(&mut self, ends: KillEnds, victim: &Arc<Listed>, reading: Option<Reading>) {
        if Arc::ptr_eq(victim, self.registered.listed()) {
            return; // it runs this KILL, and nothing on a worker
        }
        if ends == KillEnds::Query {
            let Some(reading) = reading.filter(|reading| victim.reading() == Some(*reading)) else {
                return; // it ran on the manager, or has ended
            };
            victim.stop(reading);
        }
        for node in victim.nodes() {
            let concerned = match (ends, reading) {
                (KillEnds::Query, Some(reading)) => reading.is_on(node),
                (KillEnds::Query, None) => false,
                // only what it reads from: any other worker's connection may serve somebody else by now
                (KillEnds::Connection, Some(reading)) => reading.is_on(node),
                (KillEnds::Connection, None) => false,
            };
            if concerned {
                self.kill_on_worker(node, ends, victim, reading).await;
            }
        }
    }

    /// KILL on one worker, if the victim's connection there still is what it was.
    async fn kill_on_worker(
        &mut self,
        node: NodeId,
        ends: KillEnds,
        victim: &Listed,
        reading: Option<Reading>,
    ) {
        let Some(mut link) = self.worker(node).await else {
            return;
        };
        // the way there may have taken a while
        let goes_on = ends == KillEnds::Connection || victim.reading() == reading;
        let Some(thread) = victim.thread_on(node).filter(|_| goes_on) else {
            return self.put_back(link);
        };
        let what = match ends {
            KillEnds::Query => "QUERY",
            KillEnds::Connection => "CONNECTION",
        };
        let sql = format!("KILL {what} {}", thread.0);
        let limit = self.host.config.limits.connect_timeout;
        match tokio::time::timeout(limit, link.verdict(&sql)).await {
            Ok(Ok(_)) => self.put_back(link),
            // gone meanwhile, or not ours to kill there: the connection is as good as before
            Ok(Err(error)) if error.server_error().is_some() => {
                tracing::debug!(%error, "a worker refused a KILL");
                self.put_back(link);
            }
            Ok(Err(error)) => tracing::warn!(%error, "failed to reach a worker with a KILL"),
            Err(_elapsed) => tracing::warn!("a worker did not answer a KILL in time"),
        }
    }

    /// A text that holds a KILL among other things, or hides it: nothing that this session may send.
    pub(super) fn may_not_kill_so(&self, facts: &Facts) -> bool {
        self.kill_reach == KillReach::Sessions && facts.kills_somebody_unclear()
    }
}

/// A KILL that a session may not send.
pub(super) fn unclear_kill() -> ServerError {
    let message = "Access denied; KILL of anything but a client's connection by its number needs a user without \
                   statement policy";
    ServerError::new(1227, b"42000", message)
}

/// The server's error with the client's own number in it.
fn reworded(reply: &[u8], thread: u32, number: u64) -> Vec<u8> {
    let (header, payload) = reply.split_at_checked(PACKET_HEADER_BYTES).unwrap_or_default();
    let (Some(&sequence), Ok(error)) = (header.last(), ErrPacket::decode(payload)) else {
        return reply.to_vec();
    };
    let head_bytes = payload.len().saturating_sub(error.message.len());
    let thread = thread.to_string();
    let mut message = Vec::with_capacity(error.message.len() + 8);
    let mut rest = error.message;
    while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
        let (before, from) = rest.split_at(start);
        let digits = from.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (found, behind) = from.split_at(digits);
        message.extend_from_slice(before);
        if found == thread.as_bytes() {
            message.extend_from_slice(number.to_string().as_bytes());
        } else {
            message.extend_from_slice(found);
        }
        rest = behind;
    }
    message.extend_from_slice(rest);
    let mut packet = Vec::with_capacity(reply.len() + 16);
    wire::frame::encode_with(&mut packet, sequence, |out| {
        out.extend_from_slice(payload.get(..head_bytes).unwrap_or_default());
        out.extend_from_slice(&message);
    });
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_clients_number() {
        let mut reply = Vec::new();
        ServerError::new(1095, b"HY000", "You are not owner of thread 17").encode(1, &mut reply);
        let mut wanted = Vec::new();
        ServerError::new(1095, b"HY000", "You are not owner of thread 1090519047").encode(1, &mut wanted);
        assert_eq!(reworded(&reply, 17, 1_090_519_047), wanted);
        assert_eq!(reworded(&reply, 7, 1_090_519_047), reply, "another number stays");
        assert_eq!(reworded(b"\x01", 7, 1), b"\x01");
    }
}

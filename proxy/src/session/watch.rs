//! Watches a reply on its way home: learns from the manager's, and holds back a worker's refusal.

use std::sync::atomic::{AtomicBool, Ordering};

use peer::relay::{Edit, Observer};
use wire::frame::Header;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{Control, OkPacket, PrepareOk};
use wire::{Capabilities, StatusFlags};

use super::state::SessionState;

/// Watches a reply of the manager.
#[derive(Debug)]
pub(super) struct ManagerWatch<'a> {
    pub(super) state: &'a mut SessionState,
    pub(super) capabilities: Capabilities,
    pub(super) prepared: Option<PrepareOk>,
    pub(super) error: Option<u16>,
}

impl Observer for ManagerWatch<'_> {
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit {
        match control {
            Control::Ok(status) => {
                self.state.status(status);
                if status.has(StatusFlags::SESSION_STATE_CHANGED) {
                    let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
                    if let Ok(ok) = OkPacket::decode(payload, self.capabilities) {
                        self.state.learn(ok.state);
                        return self.sorted(&ok, packet);
                    }
                }
            }
            Control::Eof(status) => self.state.status(status),
            Control::Err(code) => self.error = Some(code),
            Control::Prepared(prepared) => self.prepared = Some(prepared),
            Control::LocalInfile | Control::ColumnCount(_) | Control::Report => {}
        }
        Edit::Pass
    }
}

impl<'a> ManagerWatch<'a> {
    /// Of a reply that begins.
    pub(super) fn new(state: &'a mut SessionState, capabilities: Capabilities) -> Self {
        Self {
            state,
            capabilities,
            prepared: None,
            error: None,
        }
    }

    /// The client's part of the state apart from ours.
    fn sorted(&self, ok: &OkPacket<'_>, packet: &[u8]) -> Edit {
        let Some(state) = self.state.trackers.sort(ok.state) else {
            return Edit::Pass;
        };
        let sequence = Header::peek(packet).map_or(1, |header| header.sequence);
        let mut packet = Vec::new();
        OkPacket { state: &state, ..*ok }.encode(self.capabilities, sequence, &mut packet);
        Edit::Replace(packet)
    }
}

/// Watches a reply of a worker: nothing of its session is the client's.
///
/// An error in the place of a reply is held back, and the manager is asked: only its errors are the cluster's.
/// The worker may be behind (a table that is not there yet), be read-only for what was misjudged as a read
/// (1290, 1792, 1836), or be going down.
#[derive(Debug)]
pub(super) struct WorkerWatch<'a> {
    /// Something of the reply goes to the client.
    delivered: &'a AtomicBool,
    /// The error that was held back.
    pub(super) refusal: Option<u16>,
}

impl Observer for WorkerWatch<'_> {
    fn control(&mut self, control: Control, _: &[u8]) -> Edit {
        if let Control::Err(code) = control
            && !self.delivered.load(Ordering::Relaxed)
            && !is_the_clients_own_end(code)
        {
            self.refusal = Some(code);
            return Edit::Withhold;
        }
        self.delivered.store(true, Ordering::Relaxed);
        Edit::Pass
    }
}

impl<'a> WorkerWatch<'a> {
    /// Of a reply of which nothing was delivered yet.
    pub(super) fn new(delivered: &'a AtomicBool) -> Self {
        Self {
            delivered,
            refusal: None,
        }
    }

    /// Whether the connection is as good as before the error.
    pub(super) fn connection_is_good(&self) -> bool {
        self.refusal.is_some_and(|code| !ends_the_connection(code))
    }
}

/// The statement was stopped on purpose (KILL QUERY, a time limit): to run it again would undo that.
fn is_the_clients_own_end(code: u16) -> bool {
    matches!(code, 1317 | 1969 | 3024)
}

/// The worker goes down, or has ended our connection: shutdown, killed, idle.
fn ends_the_connection(code: u16) -> bool {
    matches!(code, 1053 | 1079 | 1927 | 3169 | 4031)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_error_is_held_back_until_something_was_delivered() {
        for code in [1146, 1792, 1053] {
            let delivered = AtomicBool::new(false);
            let mut watch = WorkerWatch::new(&delivered);
            assert!(matches!(watch.control(Control::Err(code), &[]), Edit::Withhold));
            assert_eq!(watch.connection_is_good(), code != 1053);
        }
        let delivered = AtomicBool::new(false);
        let mut watch = WorkerWatch::new(&delivered);
        assert!(matches!(watch.control(Control::ColumnCount(1), &[]), Edit::Pass));
        assert!(matches!(watch.control(Control::Err(1146), &[]), Edit::Pass));
    }

    #[test]
    fn a_read_that_was_stopped_is_not_run_again() {
        let delivered = AtomicBool::new(false);
        let mut watch = WorkerWatch::new(&delivered);
        assert!(matches!(watch.control(Control::Err(1317), &[]), Edit::Pass));
    }
}

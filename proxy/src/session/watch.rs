//! Watches a reply on its way home: learns from the manager's, and holds back a worker's refusal.

use peer::relay::{Edit, Observer};
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{Control, OkPacket, PrepareOk};
use wire::{Capabilities, StatusFlags};

use super::state::SessionState;

/// Errors by which a worker refuses what writes: `--read-only`, a read-only transaction, read-only mode.
const REFUSED_WRITES: [u16; 3] = [1290, 1792, 1836];

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
                    }
                }
            }
            Control::Eof(status) => self.state.status(status),
            Control::Err(code) => self.error = Some(code),
            Control::Prepared(prepared) => self.prepared = Some(prepared),
            Control::LocalInfile | Control::ColumnCount(_) => {}
        }
        Edit::Pass
    }
}

/// Watches a reply of a worker: nothing of its session is the client's.
#[derive(Debug, Default)]
pub(super) struct WorkerWatch {
    delivered: bool,
    /// The error that was held back.
    pub(super) refusal: Option<u16>,
}

impl Observer for WorkerWatch {
    fn control(&mut self, control: Control, _: &[u8]) -> Edit {
        if let Control::Err(code) = control
            && !self.delivered
            && (REFUSED_WRITES.contains(&code) || is_about_the_connection(code))
        {
            self.refusal = Some(code);
            return Edit::Withhold;
        }
        self.delivered = true;
        Edit::Pass
    }
}

impl WorkerWatch {
    /// Whether the connection is as good as before the refusal.
    pub(super) fn refusal_is_of_the_statement(&self) -> bool {
        self.refusal.is_some_and(|code| REFUSED_WRITES.contains(&code))
    }
}

/// Errors that speak of the worker or our connection to it, not of the statement: shutdown, killed,
/// handshake lost, disconnected for being idle.
fn is_about_the_connection(code: u16) -> bool {
    matches!(code, 1053 | 1927 | 3169 | 4031)
}

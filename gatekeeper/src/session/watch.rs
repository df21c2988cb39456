//! Watches a reply on its way to the client: learns how the server reads texts from now on, and shows the
//! client only what is its own.

use peer::relay::{Edit, Observer};
use wire::frame::Header;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{Control, OkPacket};
use wire::{Capabilities, StatusFlags};

use super::client_view::ClientView;
use super::reading::Reading;

/// The watcher of one reply.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    pub(super) reading: &'a mut Reading,
    pub(super) view: ClientView,
    /// What the hop to the proxy has agreed on.
    pub(super) hop: Capabilities,
    /// The session was reset: the reply says anew how texts are read.
    pub(super) reset: bool,
    pub(super) status: Option<StatusFlags>,
    pub(super) error: Option<u16>,
    /// A server asked for a file that the client may not be asked for.
    pub(super) file_refused: bool,
}

impl Observer for Watch<'_> {
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit {
        match control {
            Control::Ok(status) => {
                self.status = Some(status);
                if status.has(StatusFlags::SESSION_STATE_CHANGED) {
                    return self.state_changed(packet);
                }
            }
            Control::Eof(status) => self.status = Some(status),
            Control::Err(peer::proof::KILLED) => return Edit::Withhold,
            Control::Err(code) => self.error = Some(code),
            // a server that asks all the same would have any file that the client's user may read
            Control::LocalInfile if !self.hop.has(Capabilities::LOCAL_FILES) => {
                self.file_refused = true;
                return Edit::Withhold;
            }
            Control::LocalInfile | Control::ColumnCount(_) | Control::Prepared(_) | Control::Report => {}
        }
        Edit::Pass
    }
}

impl Watch<'_> {
    fn state_changed(&mut self, packet: &[u8]) -> Edit {
        let sequence = Header::peek(packet).map_or(1, |header| header.sequence);
        let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
        let Ok(ok) = OkPacket::decode(payload, self.hop) else {
            *self.reading = Reading::unknown();
            return Edit::Pass;
        };
        if self.reset {
            *self.reading = Reading::of_login(ok.state);
        } else {
            self.reading.learn(ok.state);
        }
        self.view.edit(&ok, sequence).map_or(Edit::Pass, Edit::Replace)
    }
}

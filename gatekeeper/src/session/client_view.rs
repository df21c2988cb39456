//! What of an OK packet the client may see: its own capabilities, its own trackers.
//!
//! The inner hops always track session state, for us. A client without SESSION_TRACK gets none of it; one
//! with it gets what a server tracks by default, or all once it has set `session_track_…` itself.

use wire::reply::{OkPacket, SessionChange};
use wire::{Capabilities, StatusFlags};

/// Variables that servers track when nobody asks for others.
const TRACKED_BY_DEFAULT: [&[u8]; 6] = [
    b"time_zone",
    b"autocommit",
    b"character_set_client",
    b"character_set_results",
    b"character_set_connection",
    b"redirect_url",
];

/// One client's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientView {
    capabilities: Capabilities,
    /// The client has chosen its trackers itself: the server sends what it wants.
    chosen: bool,
}

impl ClientView {
    /// A client that has just logged in.
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            chosen: false,
        }
    }

    /// The client has set `session_track_…`.
    pub(super) fn trackers_chosen(&mut self) {
        self.chosen = true;
    }

    /// The OK packet as this client gets it, when that is not what the server sent.
    pub(super) fn edit(&self, ok: &OkPacket<'_>, sequence: u8) -> Option<Vec<u8>> {
        if !ok.status.has(StatusFlags::SESSION_STATE_CHANGED) {
            return None;
        }
        let tracks = self.capabilities.has(Capabilities::SESSION_TRACK);
        if tracks && self.chosen {
            return None;
        }
        let mut state = Vec::new();
        if tracks {
            ok.changes()
                .flatten()
                .filter(is_tracked_by_default)
                .for_each(|change| change.encode(&mut state));
        }
        let mut packet = Vec::new();
        OkPacket { state: &state, ..*ok }.encode(self.capabilities, sequence, &mut packet);
        Some(packet)
    }
}

/// We ask servers for more variables than they report by themselves, and for nothing else.
fn is_tracked_by_default(change: &SessionChange<'_>) -> bool {
    match change {
        SessionChange::Variable { name, .. } => TRACKED_BY_DEFAULT.contains(name),
        SessionChange::Schema(_)
        | SessionChange::State(_)
        | SessionChange::Gtids(_)
        | SessionChange::TransactionCharacteristics(_)
        | SessionChange::TransactionState(_)
        | SessionChange::Other { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(state: &[u8]) -> OkPacket<'_> {
        OkPacket {
            state,
            ..OkPacket::plain(StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED)
        }
    }

    fn state() -> Vec<u8> {
        let mut state = Vec::new();
        SessionChange::TransactionState(b"T_______").encode(&mut state);
        SessionChange::Variable {
            name: b"sql_mode",
            value: b"",
        }
        .encode(&mut state);
        SessionChange::Variable {
            name: b"time_zone",
            value: b"UTC",
        }
        .encode(&mut state);
        state
    }

    #[test]
    fn without_session_track_nothing_is_left() {
        let packet = ClientView::new(Capabilities::NONE)
            .edit(&ok(&state()), 1)
            .unwrap();
        assert_eq!(packet, [7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn with_session_track_the_defaults_are_left() {
        let packet = ClientView::new(Capabilities::SESSION_TRACK)
            .edit(&ok(&state()), 1)
            .unwrap();
        let seen = OkPacket::decode(&packet[4..], Capabilities::SESSION_TRACK).unwrap();
        let changes: Vec<_> = seen.changes().flatten().collect();
        let time_zone = SessionChange::Variable {
            name: b"time_zone",
            value: b"UTC",
        };
        assert_eq!(changes, [SessionChange::TransactionState(b"T_______"), time_zone]);
    }

    #[test]
    fn a_client_that_chose_its_trackers_gets_what_the_server_sends() {
        let mut view = ClientView::new(Capabilities::SESSION_TRACK);
        view.trackers_chosen();
        assert_eq!(view.edit(&ok(&state()), 1), None);
    }

    #[test]
    fn an_ok_without_changes_passes_untouched() {
        let ok = OkPacket::plain(StatusFlags::AUTOCOMMIT);
        assert_eq!(ClientView::new(Capabilities::NONE).edit(&ok, 1), None);
    }
}

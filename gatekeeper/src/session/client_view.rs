//! What of an OK packet the client may see.
//!
//! The inner hops always track session state, for us. The proxy has sorted it: what the client's own
//! `session_track_…` ask for stands there as a server would send it, what only we need stands in an entry of
//! its own. That entry ends here; a client without SESSION_TRACK gets nothing of the rest either.

use wire::reply::{OkPacket, StateEntry};
use wire::{Capabilities, StatusFlags};

/// One client's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientView {
    capabilities: Capabilities,
}

impl ClientView {
    /// A client that has just logged in.
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self { capabilities }
    }

    /// The OK packet as this client gets it, when that is not what the proxy sent.
    pub(super) fn edit(self, ok: &OkPacket<'_>, sequence: u8) -> Option<Vec<u8>> {
        if !ok.status.has(StatusFlags::SESSION_STATE_CHANGED) {
            return None;
        }
        let tracks = self.capabilities.has(Capabilities::SESSION_TRACK);
        let is_ours = |entry: Result<StateEntry<'_>, _>| entry.is_ok_and(|entry| entry.is_unshown());
        if tracks && !StateEntry::all(ok.state).any(is_ours) {
            return None;
        }
        let mut packet = Vec::new();
        let state = if tracks { shown(ok.state) } else { Vec::new() };
        OkPacket { state: &state, ..*ok }.encode(self.capabilities, sequence, &mut packet);
        Some(packet)
    }
}

/// The entries that are the client's.
pub(super) fn shown(state: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for entry in StateEntry::all(state).flatten() {
        if !entry.is_unshown() {
            entry.encode(&mut shown);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::reply::SessionChange;

    fn ok(state: &[u8]) -> OkPacket<'_> {
        OkPacket {
            state,
            ..OkPacket::plain(StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED)
        }
    }

    const TIME_ZONE: SessionChange<'_> = SessionChange::Variable {
        name: b"time_zone",
        value: b"UTC",
    };

    fn state() -> Vec<u8> {
        let mut hidden = Vec::new();
        SessionChange::Variable {
            name: b"sql_mode",
            value: b"",
        }
        .encode(&mut hidden);
        let mut state = Vec::new();
        SessionChange::TransactionState(b"T_______").encode(&mut state);
        SessionChange::Unshown(&hidden).encode(&mut state);
        TIME_ZONE.encode(&mut state);
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
    fn with_session_track_all_is_left_but_our_own_entry() {
        let packet = ClientView::new(Capabilities::SESSION_TRACK)
            .edit(&ok(&state()), 1)
            .unwrap();
        let seen = OkPacket::decode(&packet[4..], Capabilities::SESSION_TRACK).unwrap();
        let changes: Vec<_> = seen.changes().flatten().collect();
        assert_eq!(changes, [SessionChange::TransactionState(b"T_______"), TIME_ZONE]);
    }

    #[test]
    fn what_holds_nothing_of_ours_passes_untouched() {
        let mut state = Vec::new();
        TIME_ZONE.encode(&mut state);
        let view = ClientView::new(Capabilities::SESSION_TRACK);
        assert_eq!(view.edit(&ok(&state), 1), None);
        // a server may say that something changed, and not what
        assert_eq!(view.edit(&ok(&[]), 1), None);
        let plain = OkPacket::plain(StatusFlags::AUTOCOMMIT);
        assert_eq!(ClientView::new(Capabilities::NONE).edit(&plain, 1), None);
    }
}

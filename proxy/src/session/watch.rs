//! Watches a reply on its way home: learns from the manager's, and holds back a worker's refusal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use peer::relay::{Edit, Observer};
use wire::frame::Header;
use wire::limits::PACKET_HEADER_BYTES;
use wire::reply::{Control, EofPacket, OkPacket, PrepareOk};
use wire::{Capabilities, StatusFlags};

use super::executing::Executing;
use super::leavings::Ended;
use super::state::SessionState;
use super::trackers::Meanwhile;

/// Watches a reply of the manager.
#[derive(Debug)]
pub(super) struct ManagerWatch<'a> {
    pub(super) state: &'a mut SessionState,
    pub(super) capabilities: Capabilities,
    is_mariadb: bool,
    /// Before the reply.
    autocommit: bool,
    /// The server may change the schema while the statement runs.
    pub(super) visits_schema: bool,
    /// Variables that have other values while the statement runs.
    pub(super) for_statement: Vec<&'a [u8]>,
    pub(super) prepared: Option<PrepareOk>,
    pub(super) error: Option<u16>,
    /// Warnings that the reply counts.
    pub(super) warnings: u16,
    /// Rows that the reply says were changed.
    pub(super) affected_rows: u64,
    /// What it must count instead: the previous statement's, which ran on another node.
    pub(super) counts_instead: Option<u16>,
}

impl Observer for ManagerWatch<'_> {
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit {
        match control {
            Control::Ok(status) => {
                self.state.status(status);
                let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
                if let Ok(ok) = OkPacket::decode(payload, self.capabilities) {
                    self.warnings = ok.warnings;
                    self.affected_rows = self.affected_rows.saturating_add(ok.affected_rows);
                    if status.has(StatusFlags::SESSION_STATE_CHANGED) {
                        self.state.learn_but(ok.state, &self.for_statement);
                    }
                    return self.edited(&ok, packet);
                }
            }
            Control::Eof(status) => {
                self.state.status(status);
                self.warnings = eof_warnings(packet);
                let warnings = self.counts_instead.unwrap_or(self.warnings);
                let shown = self.without_state(self.state.executing.shown(status));
                if warnings != self.warnings || shown != status {
                    return Edit::Replace(eof_with(packet, warnings, shown));
                }
            }
            Control::Err(code) => self.error = Some(code),
            Control::Prepared(prepared) => self.prepared = Some(prepared),
            Control::ColumnCount(columns) => self.state.executing.finds(columns),
            Control::LocalInfile | Control::Report => {}
        }
        Edit::Pass
    }
}

impl<'a> ManagerWatch<'a> {
    /// Of a reply that begins.
    pub(super) fn new(state: &'a mut SessionState, capabilities: Capabilities, is_mariadb: bool) -> Self {
        let autocommit = state.status.has(StatusFlags::AUTOCOMMIT);
        Self {
            state,
            capabilities,
            is_mariadb,
            autocommit,
            visits_schema: false,
            for_statement: Vec::new(),
            prepared: None,
            error: None,
            warnings: 0,
            affected_rows: 0,
            counts_instead: None,
        }
    }

    /// The flags of a packet that has no state block, for the client.
    fn without_state(&self, status: StatusFlags) -> StatusFlags {
        let meanwhile = Meanwhile {
            schema: self.visits_schema || self.state.executing.is_of_another_time,
            autocommit: status.has(StatusFlags::AUTOCOMMIT) != self.autocommit,
        };
        self.state.trackers.shown_without_state(status, meanwhile)
    }

    /// The client's part of the state apart from ours, and the warnings that are its previous statement's.
    fn edited(&self, ok: &OkPacket<'_>, packet: &[u8]) -> Edit {
        let sorted = (!ok.state.is_empty())
            .then(|| self.state.trackers.sort(ok.state))
            .flatten();
        let warnings = self.counts_instead.unwrap_or(ok.warnings);
        let mut status = self.state.executing.shown(ok.status);
        // MySQL says so to everybody who chains a transaction
        if ok.state.is_empty() && self.is_mariadb {
            status = self.without_state(status);
        }
        if sorted.is_none() && warnings == ok.warnings && status == ok.status {
            return Edit::Pass;
        }
        let state = sorted.as_deref().unwrap_or(ok.state);
        let sequence = Header::peek(packet).map_or(1, |header| header.sequence);
        let mut packet = Vec::new();
        OkPacket {
            state,
            warnings,
            status,
            ..*ok
        }
        .encode(self.capabilities, sequence, &mut packet);
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
    /// When the reply began.
    pub(super) answered: Option<Instant>,
    /// The error that was held back.
    pub(super) refusal: Option<u16>,
    /// What the reply leaves.
    pub(super) ended: Ended,
    /// The prepared statement that is executed.
    pub(super) executing: Executing,
    /// The client does not track the schema, which is all that a read can change: to that of its statement, and back.
    pub(super) hides_schema: bool,
    /// The reply tells of it.
    has_state: bool,
    capabilities: Capabilities,
    /// The session's transaction flags, when they are not those of a connection at rest: a worker knows of no
    /// transaction.
    transaction: Option<StatusFlags>,
}

/// The flags that tell of the session's transaction.
const TRANSACTION_FLAGS: StatusFlags =
    StatusFlags(StatusFlags::AUTOCOMMIT.0 | StatusFlags::IN_TRANS.0 | StatusFlags::IN_TRANS_READONLY.0);

impl Observer for WorkerWatch<'_> {
    fn control(&mut self, control: Control, packet: &[u8]) -> Edit {
        self.answered.get_or_insert_with(Instant::now);
        match control {
            Control::Ok(_) => {
                let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
                let ok = OkPacket::decode(payload, self.capabilities);
                self.ended.warnings = ok.as_ref().map_or(0, |ok| ok.warnings);
                self.has_state = ok.is_ok_and(|ok| !ok.state.is_empty());
            }
            Control::Eof(_) => self.ended.warnings = eof_warnings(packet),
            Control::Err(_) => self.ended.failed = true,
            Control::ColumnCount(columns) => self.executing.finds(columns),
            Control::LocalInfile | Control::Prepared(_) | Control::Report => {}
        }
        if let Control::Err(code) = control
            && !self.delivered.load(Ordering::Relaxed)
            && !is_the_clients_own_end(code)
        {
            self.refusal = Some(code);
            return Edit::Withhold;
        }
        if control == Control::LocalInfile {
            // what loads data is a write, and the manager's
            return Edit::Withhold;
        }
        self.delivered.store(true, Ordering::Relaxed);
        match control {
            Control::Ok(status) | Control::Eof(status)
                if self.shown(status) != status || self.hides_schema && self.has_state =>
            {
                self.with_flags(control, packet)
            }
            _ => Edit::Pass,
        }
    }
}

impl<'a> WorkerWatch<'a> {
    /// Of a reply of which nothing was delivered yet.
    pub(super) fn new(delivered: &'a AtomicBool, capabilities: Capabilities, session: StatusFlags) -> Self {
        let flags = StatusFlags(session.0 & TRANSACTION_FLAGS.0);
        Self {
            executing: Executing::default(),
            hides_schema: false,
            has_state: false,
            transaction: (flags != StatusFlags::AUTOCOMMIT).then_some(flags),
            delivered,
            answered: None,
            refusal: None,
            ended: Ended::default(),
            capabilities,
        }
    }

    /// The session's own transaction flags in the place of the worker's, and what the statement's client knows of it.
    fn shown(&self, status: StatusFlags) -> StatusFlags {
        let status = self.executing.shown(status);
        let status = if self.hides_schema {
            status.without(StatusFlags::SESSION_STATE_CHANGED)
        } else {
            status
        };
        self.transaction.map_or(status, |flags| {
            StatusFlags(status.0 & !TRANSACTION_FLAGS.0 | flags.0)
        })
    }

    /// The packet with these flags.
    fn with_flags(&self, control: Control, packet: &[u8]) -> Edit {
        let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
        let mut edited = Vec::new();
        match control {
            Control::Ok(status) => {
                let Ok(ok) = OkPacket::decode(payload, self.capabilities) else {
                    return Edit::Pass;
                };
                let sequence = Header::peek(packet).map_or(1, |header| header.sequence);
                let status = self.shown(status);
                let state = if self.hides_schema { &[] } else { ok.state };
                OkPacket { status, state, ..ok }.encode(self.capabilities, sequence, &mut edited);
            }
            Control::Eof(status) => {
                edited = eof_with(packet, eof_warnings(packet), self.shown(status));
            }
            Control::Err(_)
            | Control::LocalInfile
            | Control::ColumnCount(_)
            | Control::Prepared(_)
            | Control::Report => {
                return Edit::Pass;
            }
        }
        Edit::Replace(edited)
    }

    /// Whether the connection is as good as before the error.
    pub(super) fn connection_is_good(&self) -> bool {
        self.refusal.is_some_and(|code| !ends_the_connection(code))
    }
}

/// The warnings that an EOF packet counts.
fn eof_warnings(packet: &[u8]) -> u16 {
    let payload = packet.get(PACKET_HEADER_BYTES..).unwrap_or_default();
    EofPacket::decode(payload).map_or(0, |eof| eof.warnings)
}

/// An EOF packet with another count and other flags.
fn eof_with(packet: &[u8], warnings: u16, status: StatusFlags) -> Vec<u8> {
    let mut edited = packet.to_vec();
    let fields = edited.get_mut(PACKET_HEADER_BYTES + 1..);
    if let Some([a, b, c, d, ..]) = fields {
        [*a, *b] = warnings.to_le_bytes();
        [*c, *d] = status.0.to_le_bytes();
    }
    edited
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
            let mut watch = WorkerWatch::new(&delivered, Capabilities::NONE, StatusFlags::AUTOCOMMIT);
            assert!(matches!(watch.control(Control::Err(code), &[]), Edit::Withhold));
            assert_eq!(watch.connection_is_good(), code != 1053);
        }
        let delivered = AtomicBool::new(false);
        let mut watch = WorkerWatch::new(&delivered, Capabilities::NONE, StatusFlags::AUTOCOMMIT);
        assert!(matches!(watch.control(Control::ColumnCount(1), &[]), Edit::Pass));
        assert!(matches!(watch.control(Control::Err(1146), &[]), Edit::Pass));
    }

    #[test]
    fn a_visit_to_another_schema_is_told_to_who_tracks_it() {
        let mut block = Vec::new();
        wire::reply::SessionChange::Schema(b"s").encode(&mut block);
        let flags = StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED;
        let capabilities = Capabilities::SESSION_TRACK | Capabilities::DEPRECATE_EOF;
        let (mut packet, mut plain) = (Vec::new(), Vec::new());
        let ok = OkPacket {
            state: &block,
            ..OkPacket::plain(flags)
        };
        ok.encode(capabilities, 5, &mut packet);
        OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(capabilities, 5, &mut plain);
        let delivered = AtomicBool::new(false);
        let mut watch = WorkerWatch::new(&delivered, capabilities, StatusFlags::AUTOCOMMIT);
        assert!(matches!(watch.control(Control::Ok(flags), &packet), Edit::Pass));
        watch.hides_schema = true;
        let edit = watch.control(Control::Ok(flags), &packet);
        assert!(matches!(edit, Edit::Replace(edited) if edited == plain));
    }

    #[test]
    fn an_eof_packet_of_the_manager_has_the_warnings_of_the_previous_statement() {
        let mut state = SessionState::default();
        let mut watch = ManagerWatch::new(&mut state, Capabilities::NONE, true);
        watch.counts_instead = Some(0x0304);
        let packet = [5, 0, 0, 1, 0xfe, 1, 0, 2, 0];
        let edit = watch.control(Control::Eof(StatusFlags::AUTOCOMMIT), &packet);
        assert!(matches!(edit, Edit::Replace(edited) if edited == [5, 0, 0, 1, 0xfe, 4, 3, 2, 0]));
        watch.counts_instead = None;
        let edit = watch.control(Control::Eof(StatusFlags::AUTOCOMMIT), &packet);
        assert!(matches!(edit, Edit::Pass));
    }

    #[test]
    fn an_ok_packet_without_a_state_block_tells_of_no_change() {
        let mut state = SessionState::default();
        let flags = StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED;
        let packet = [9, 0, 0, 1, 0, 0, 0, 2, 0x40, 0, 0, 0, 0];
        let mut watch = ManagerWatch::new(&mut state, Capabilities::SESSION_TRACK, true);
        let edit = watch.control(Control::Ok(flags), &packet);
        assert!(matches!(edit, Edit::Replace(edited) if edited == [7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]));
    }

    #[test]
    fn a_change_of_columns_is_told_once_wherever_the_statement_runs() {
        let delivered = AtomicBool::new(false);
        let packet = [5, 0, 0, 1, 0xfe, 0, 0, 2, 0];
        let told = [5, 0, 0, 1, 0xfe, 0, 0, 2, 4];
        let (plain, changed) = (
            StatusFlags::AUTOCOMMIT,
            StatusFlags::AUTOCOMMIT | StatusFlags::METADATA_CHANGED,
        );
        let mut watch = WorkerWatch::new(&delivered, Capabilities::NONE, StatusFlags::AUTOCOMMIT);
        watch.executing.columns = Some(1);
        watch.control(Control::ColumnCount(2), &[]);
        let edit = watch.control(Control::Eof(plain), &packet);
        assert!(matches!(edit, Edit::Replace(edited) if edited == told));
        watch.executing.columns = Some(2);
        let edit = watch.control(Control::Eof(changed), &told);
        assert!(matches!(edit, Edit::Replace(edited) if edited == packet));
        assert!(matches!(watch.control(Control::Eof(plain), &packet), Edit::Pass));
    }

    #[test]
    fn an_eof_packet_tells_of_changes_only_who_asked_for_them() {
        let mut state = SessionState::default();
        let flags = StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED;
        let packet = [5, 0, 0, 1, 0xfe, 0, 0, 2, 0x40];
        let mut watch = ManagerWatch::new(&mut state, Capabilities::NONE, true);
        let edit = watch.control(Control::Eof(flags), &packet);
        assert!(matches!(edit, Edit::Replace(edited) if edited == [5, 0, 0, 1, 0xfe, 0, 0, 2, 0]));
        state.trackers.held = super::super::trackers::Held::Clients;
        let mut watch = ManagerWatch::new(&mut state, Capabilities::NONE, true);
        assert!(matches!(watch.control(Control::Eof(flags), &packet), Edit::Pass));
    }

    #[test]
    fn a_read_that_was_stopped_is_not_run_again() {
        let delivered = AtomicBool::new(false);
        let mut watch = WorkerWatch::new(&delivered, Capabilities::NONE, StatusFlags::AUTOCOMMIT);
        assert!(matches!(watch.control(Control::Err(1317), &[]), Edit::Pass));
    }
}

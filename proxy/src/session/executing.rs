//! The prepared statement that is executed now, as its client knows it, wherever it runs. Pure.

use wire::StatusFlags;

/// What the client knows of it, and what the reply has told so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Executing {
    /// Columns of its result; none where nobody follows them.
    pub(super) columns: Option<u16>,
    /// Columns of the reply, as soon as it has told.
    pub(super) found: Option<u16>,
    /// It may be of another schema than the current one, so that the server changes to that and back again.
    pub(super) is_of_another_time: bool,
}

impl Executing {
    /// A reply begins to tell of its columns.
    pub(super) fn finds(&mut self, columns: u64) {
        self.found = u16::try_from(columns).ok();
    }

    /// The flags of its reply. A server sets METADATA_CHANGED once, when its own preparation had another number of
    /// columns; each node has prepared at another time, and none of them when the client did.
    pub(super) fn shown(&self, status: StatusFlags) -> StatusFlags {
        match (self.columns, self.found) {
            (Some(known), Some(found)) if known != found => status | StatusFlags::METADATA_CHANGED,
            (Some(_), Some(_)) => status.without(StatusFlags::METADATA_CHANGED),
            _ => status,
        }
    }
}

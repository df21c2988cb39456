//! [Changes of session state](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html#sect_protocol_basic_ok_packet_sessinfo)
//! inside an OK packet.

use crate::limits::CONTROL_PACKET_BYTES_MAX;
use crate::writer::Writer;
use crate::{DecodeError, Reader};

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange<'a> {
    /// A system variable has a new value.
    Variable {
        /// Its name.
        name: &'a [u8],
        /// Its value as text.
        value: &'a [u8],
    },
    /// The current schema changed; empty when there is none.
    Schema(&'a [u8]),
    /// Something of the session's state changed.
    State(&'a [u8]),
    /// GTIDs of the transaction.
    Gtids(&'a [u8]),
    /// Statements that would restart the transaction.
    TransactionCharacteristics(&'a [u8]),
    /// Eight characters of transaction state.
    TransactionState(&'a [u8]),
    /// Changes that the client must not see: an entry of our own, on the hop between proxy and gatekeeper only.
    Unshown(&'a [u8]),
    /// A tracker that is not known here.
    Other {
        /// Its type.
        tracker: u8,
        /// Its data.
        data: &'a [u8],
    },
}

/// Iterates over the changes of one OK packet.
#[derive(Debug, Clone)]
pub struct SessionChanges<'a> {
    entries: Reader<'a>,
    /// The rest of an entry with several variables: MariaDB puts all into one.
    variables: Reader<'a>,
}

const SYSTEM_VARIABLES: u8 = 0;
const SCHEMA: u8 = 1;
const STATE_CHANGE: u8 = 2;
const GTIDS: u8 = 3;
const TRANSACTION_CHARACTERISTICS: u8 = 4;
const TRANSACTION_STATE: u8 = 5;
/// Ours: no server has a tracker of this number.
const UNSHOWN: u8 = 0xff;

/// One entry of a state block, undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateEntry<'a> {
    /// Its type.
    pub tracker: u8,
    /// Its data, without their length.
    pub data: &'a [u8],
}

impl<'a> StateEntry<'a> {
    /// The entries of a state block, in their order; a broken one ends it with an error.
    pub fn all(state: &'a [u8]) -> impl Iterator<Item = Result<StateEntry<'a>, DecodeError>> {
        let mut r = Reader::new(state);
        std::iter::from_fn(move || {
            if r.is_empty() {
                return None;
            }
            let entry = Self::read(&mut r);
            if entry.is_err() {
                r = Reader::new(&[]);
            }
            Some(entry)
        })
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let tracker = r.u8("tracker type")?; // int<1>
        let data = r.lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "tracker data")?; // string<lenenc>
        Ok(Self { tracker, data })
    }

    /// Whether it holds system variables: one on MySQL, all that changed on MariaDB.
    pub fn is_variables(&self) -> bool {
        self.tracker == SYSTEM_VARIABLES
    }

    /// Whether it tells the current schema.
    pub fn is_schema(&self) -> bool {
        self.tracker == SCHEMA
    }

    /// Whether it is the hop's own ([`SessionChange::Unshown`]).
    pub fn is_unshown(&self) -> bool {
        self.tracker == UNSHOWN
    }

    /// The changes that it tells of.
    pub fn changes(&self) -> SessionChanges<'a> {
        if self.is_variables() {
            SessionChanges {
                entries: Reader::new(&[]),
                variables: Reader::new(self.data),
            }
        } else {
            SessionChanges::new(&[])
        }
    }

    /// Appends the entry as it is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.tracker);
        out.put_lenenc_bytes(self.data);
    }

    /// Appends an entry with those variables; nothing when there is none.
    pub fn encode_variables<'v>(variables: impl Iterator<Item = (&'v [u8], &'v [u8])>, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        for (name, value) in variables {
            data.put_lenenc_bytes(name);
            data.put_lenenc_bytes(value);
        }
        if !data.is_empty() {
            out.put_u8(SYSTEM_VARIABLES);
            out.put_lenenc_bytes(&data);
        }
    }
}

impl<'a> SessionChanges<'a> {
    /// Over the state block of an OK packet.
    pub fn new(state: &'a [u8]) -> Self {
        Self {
            entries: Reader::new(state),
            variables: Reader::new(&[]),
        }
    }

    fn variable(&mut self) -> Result<SessionChange<'a>, DecodeError> {
        let name = self
            .variables
            .lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "variable name")?;
        let value = self
            .variables
            .lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "variable value")?;
        Ok(SessionChange::Variable { name, value })
    }

    fn entry(&mut self) -> Result<SessionChange<'a>, DecodeError> {
        let tracker = self.entries.u8("tracker type")?; // int<1>
        let data = self
            .entries
            .lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "tracker data")?; // string<lenenc>
        let mut r = Reader::new(data);
        let mut text = |field| r.lenenc_bytes(CONTROL_PACKET_BYTES_MAX, field);
        Ok(match tracker {
            SYSTEM_VARIABLES => {
                self.variables = Reader::new(data);
                return self.variable();
            }
            UNSHOWN => SessionChange::Unshown(data),
            SCHEMA => SessionChange::Schema(text("schema")?),
            STATE_CHANGE => SessionChange::State(text("state")?),
            GTIDS => SessionChange::Gtids(data),
            TRANSACTION_CHARACTERISTICS => {
                SessionChange::TransactionCharacteristics(text("characteristics")?)
            }
            TRANSACTION_STATE => SessionChange::TransactionState(text("transaction state")?),
            tracker => SessionChange::Other { tracker, data },
        })
    }
}

impl<'a> Iterator for SessionChanges<'a> {
    type Item = Result<SessionChange<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.variables.is_empty() {
            let change = self.variable();
            if change.is_err() {
                *self = Self::new(&[]);
            }
            return Some(change);
        }
        if self.entries.is_empty() {
            return None;
        }
        let change = self.entry();
        if change.is_err() {
            *self = Self::new(&[]);
        }
        Some(change)
    }
}

impl SessionChange<'_> {
    /// Appends the change as an entry of its own.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        let tracker = match *self {
            SessionChange::Variable { name, value } => {
                data.put_lenenc_bytes(name);
                data.put_lenenc_bytes(value);
                SYSTEM_VARIABLES
            }
            SessionChange::Schema(text) => {
                data.put_lenenc_bytes(text);
                SCHEMA
            }
            SessionChange::State(text) => {
                data.put_lenenc_bytes(text);
                STATE_CHANGE
            }
            SessionChange::Gtids(bytes) => {
                data.put_bytes(bytes);
                GTIDS
            }
            SessionChange::TransactionCharacteristics(text) => {
                data.put_lenenc_bytes(text);
                TRANSACTION_CHARACTERISTICS
            }
            SessionChange::TransactionState(text) => {
                data.put_lenenc_bytes(text);
                TRANSACTION_STATE
            }
            SessionChange::Unshown(bytes) => {
                data.put_bytes(bytes);
                UNSHOWN
            }
            SessionChange::Other { tracker, data: bytes } => {
                data.put_bytes(bytes);
                tracker
            }
        };
        out.put_u8(tracker);
        out.put_lenenc_bytes(&data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_variables_in_one_entry_as_mariadb_sends_them() {
        let mut state = vec![0, 8];
        state.extend(b"\x01a\x011\x01b\x012");
        SessionChange::Schema(b"s").encode(&mut state);
        let changes: Vec<_> = SessionChanges::new(&state).collect::<Result<_, _>>().unwrap();
        assert_eq!(
            changes,
            [
                SessionChange::Variable {
                    name: b"a",
                    value: b"1"
                },
                SessionChange::Variable {
                    name: b"b",
                    value: b"2"
                },
                SessionChange::Schema(b"s"),
            ]
        );
    }

    #[test]
    fn a_broken_block_ends_with_an_error_once() {
        // the second: a variable's name is cut, and something is left behind the cut
        for block in [&[0, 200, 1][..], &[0, 4, 0xfb, 0, 1, b'a']] {
            let mut changes = SessionChanges::new(block);
            assert!(matches!(changes.next(), Some(Err(_))));
            assert_eq!(changes.next(), None);
        }
    }
}

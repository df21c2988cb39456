//! [OK packet](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html),
//! also in the place of EOF (marker `0xfe`) under DEPRECATE_EOF.

use super::session_state::SessionChanges;
use crate::limits::CONTROL_PACKET_BYTES_MAX;
use crate::writer::Writer;
use crate::{Capabilities, DecodeError, Reader, StatusFlags};

/// Success, with what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OkPacket<'a> {
    /// First byte: `0x00`, or `0xfe` in the place of EOF.
    pub marker: u8,
    /// Rows changed (or found, under FOUND_ROWS).
    pub affected_rows: u64,
    /// First generated AUTO_INCREMENT value of the statement.
    pub last_insert_id: u64,
    /// Status flags.
    pub status: StatusFlags,
    /// Warnings of the statement.
    pub warnings: u16,
    /// Text such as `Rows matched: 1  Changed: 1  Warnings: 0`.
    pub info: &'a [u8],
    /// The changes of session state, undecoded; empty when the flag is not set.
    pub state: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// First byte of the payload.
    pub const MARKER: u8 = 0x00;

    /// Decodes a payload as sent to a connection with `capabilities`.
    pub fn decode(payload: &'a [u8], capabilities: Capabilities) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        let marker = r.u8("marker")?;
        if marker != Self::MARKER && marker != 0xfe {
            return Err(DecodeError::Invalid("marker"));
        }
        let affected_rows = r.lenenc("affected rows")?; // int<lenenc>
        let last_insert_id = r.lenenc("last insert id")?; // int<lenenc>
        let status = StatusFlags(r.u16("status flags")?); // int<2>
        let warnings = r.u16("warnings")?; // int<2>
        let (mut info, mut state) = (&[][..], &[][..]);
        if !r.is_empty() {
            // The manual has string<EOF> here without SESSION_TRACK; every server sends a length.
            info = r.lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "info")?; // string<lenenc>
        }
        if capabilities.has(Capabilities::SESSION_TRACK)
            && status.has(StatusFlags::SESSION_STATE_CHANGED)
            && !r.is_empty()
        {
            state = r.lenenc_bytes(CONTROL_PACKET_BYTES_MAX, "session state")?; // string<lenenc>
        }
        r.finish()?;
        Ok(Self {
            marker,
            affected_rows,
            last_insert_id,
            status,
            warnings,
            info,
            state,
        })
    }

    /// What the OK packet says of the session's state.
    pub fn changes(&self) -> SessionChanges<'a> {
        SessionChanges::new(self.state)
    }

    /// Appends the payload for a connection with `capabilities`; without SESSION_TRACK the state goes.
    pub fn encode_payload(&self, capabilities: Capabilities, out: &mut Vec<u8>) {
        let tracked = capabilities.has(Capabilities::SESSION_TRACK) && !self.state.is_empty();
        let mut status = self.status.without(StatusFlags::SESSION_STATE_CHANGED);
        if tracked {
            status = status | StatusFlags::SESSION_STATE_CHANGED;
        }
        out.put_u8(self.marker);
        out.put_lenenc(self.affected_rows);
        out.put_lenenc(self.last_insert_id);
        out.put_u16(status.0);
        out.put_u16(self.warnings);
        if tracked || !self.info.is_empty() {
            out.put_lenenc_bytes(self.info);
        }
        if tracked {
            out.put_lenenc_bytes(self.state);
        }
    }

    /// Appends the whole packet; returns the sequence number that follows.
    pub fn encode(&self, capabilities: Capabilities, sequence: u8, out: &mut Vec<u8>) -> u8 {
        crate::frame::encode_with(out, sequence, |out| self.encode_payload(capabilities, out))
    }

    /// A plain OK with the given status and nothing else.
    pub fn plain(status: StatusFlags) -> OkPacket<'static> {
        OkPacket {
            marker: Self::MARKER,
            affected_rows: 0,
            last_insert_id: 0,
            status,
            warnings: 0,
            info: &[],
            state: &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::SessionChange;

    /// `USE test` on MariaDB 10.11 with SESSION_TRACK.
    const USE_SCHEMA: &[u8] = &[
        0x00, 0, 0, 0x02, 0x40, 0, 0, 0x00, 0x07, 0x01, 0x05, 0x04, b't', b'e', b's', b't',
    ];

    #[test]
    fn a_change_of_schema_is_read() {
        let ok = OkPacket::decode(USE_SCHEMA, Capabilities::SESSION_TRACK).unwrap();
        let changes: Vec<_> = ok.changes().collect::<Result<_, _>>().unwrap();
        assert_eq!(changes, [SessionChange::Schema(b"test")]);
    }

    #[test]
    fn without_session_track_the_state_and_its_flag_go() {
        let ok = OkPacket::decode(USE_SCHEMA, Capabilities::SESSION_TRACK).unwrap();
        let mut out = Vec::new();
        ok.encode_payload(Capabilities::NONE, &mut out);
        assert_eq!(out, [0, 0, 0, 2, 0, 0, 0]);
        out.clear();
        ok.encode_payload(Capabilities::SESSION_TRACK, &mut out);
        assert_eq!(out, USE_SCHEMA);
    }

    #[test]
    fn an_info_text_is_kept() {
        let payload = b"\x00\x01\x00\x02\x00\x00\x00\x28Rows matched: 1  Changed: 1  Warnings: 0";
        let ok = OkPacket::decode(payload, Capabilities::NONE).unwrap();
        assert_eq!(
            (ok.affected_rows, ok.info),
            (1, &b"Rows matched: 1  Changed: 1  Warnings: 0"[..])
        );
        let mut out = Vec::new();
        ok.encode_payload(Capabilities::NONE, &mut out);
        assert_eq!(out, payload);
    }
}

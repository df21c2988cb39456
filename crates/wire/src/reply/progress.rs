//! Walks over the packets of a reply as its bytes arrive, in pieces of any size, and knows where it ends.
//!
//! ```text
//!            ┌────────────── MORE_RESULTS ───────────────┐
//!  First ──OK/ERR──▶ Done                                │
//!    │ ──0xfb──▶ Upload ──(client's packets)──▶ First    │
//!    └─count──▶ Columns ─▶ ColumnsEnd ─▶ Rows ──OK/EOF───┴─▶ Done
//! ```
//!
//! It never looks into columns or rows: they are counted by their headers and pass as bytes.
//! See <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>.

use super::{EofPacket, ErrPacket, OkPacket, PrepareOk};
use crate::frame::Header;
use crate::limits::{CONTROL_PACKET_BYTES_MAX, PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};
use crate::{Capabilities, DecodeError, Reader, StatusFlags};

/// What kind of reply a command gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// OK, ERR, a request for a local file, or result sets: COM_QUERY and COM_STMT_EXECUTE.
    Results,
    /// The reply of COM_STMT_PREPARE.
    Prepare,
    /// OK, EOF or ERR alone.
    Verdict,
    /// Column definitions or rows up to OK, EOF or ERR: COM_FIELD_LIST and COM_STMT_FETCH.
    Rows,
    /// One packet of text: COM_STATISTICS.
    Text,
    /// Events of the binary log, without end unless by ERR or EOF: COM_BINLOG_DUMP and COM_BINLOG_DUMP_GTID.
    Events,
    /// No reply at all: COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA, COM_QUIT.
    Nothing,
}

/// A packet that decides something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// An OK packet, also in the place of EOF.
    Ok(StatusFlags),
    /// An EOF packet after columns or rows.
    Eof(StatusFlags),
    /// An error, which ends the reply.
    Err(u16),
    /// The server asks for a local file; the client's packets come next.
    LocalInfile,
    /// A result set begins, with that many column definitions: none where the client does without.
    ColumnCount(u64),
    /// MariaDB says how far a long statement is; the reply goes on.
    Report,
    /// A statement has been prepared.
    Prepared(PrepareOk),
}

/// What the next bytes of a reply are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// That many bytes pass as they are.
    Bytes(usize),
    /// A whole control packet, header and payload, of that many bytes.
    Packet(usize, Control),
    /// A packet must be seen whole, and is not yet: that many bytes are needed, counted from here.
    Incomplete(usize),
}

/// The state of one reply.
#[derive(Debug, Clone)]
pub struct Progress {
    state: State,
    capabilities: Capabilities,
    /// Bytes of the current packet that have not come yet.
    skip: usize,
    /// The current payload goes on in the next packet.
    continued: bool,
    /// Sequence number of the last packet whose header was seen.
    sequence: u8,
    /// The command asked for a cursor.
    cursor: bool,
    /// The rows are a procedure's OUT parameters.
    out_parameters: bool,
    /// Rows whose header was seen.
    rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Verdict,
    Prepare,
    Upload,
    /// Column definitions still to come, at least one.
    Columns(u64),
    ColumnsEnd,
    Rows,
    /// Events of the binary log: each begins with 0x00.
    Events,
    /// Packets still to come, at least one, that nobody looks at.
    Plain(u64),
    Done,
}

impl Progress {
    /// The reply to a command, on a connection with `capabilities`.
    pub fn new(shape: Shape, capabilities: Capabilities) -> Self {
        let state = match shape {
            Shape::Results => State::First,
            Shape::Prepare => State::Prepare,
            Shape::Verdict => State::Verdict,
            Shape::Rows => State::Rows,
            Shape::Text => State::Plain(1),
            Shape::Events => State::Events,
            Shape::Nothing => State::Done,
        };
        Self {
            state,
            capabilities,
            skip: 0,
            continued: false,
            sequence: 0,
            cursor: false,
            out_parameters: false,
            rows: 0,
        }
    }

    /// Whether the command asked for a cursor: then a reply without DEPRECATE_EOF may end behind its columns. A
    /// procedure's own cursor sets the same flag, and its rows follow.
    #[must_use]
    pub fn with_cursor(mut self, cursor: bool) -> Self {
        self.cursor = cursor;
        self
    }

    /// Whether the last byte of the reply has been seen.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state == State::Done && self.skip == 0 && !self.continued
    }

    /// Whether the server waits for the client's file.
    #[inline]
    pub fn wants_upload(&self) -> bool {
        self.state == State::Upload
    }

    /// Whether what was consumed so far ends with a whole payload.
    #[inline]
    pub fn is_between_packets(&self) -> bool {
        self.skip == 0 && !self.continued
    }

    /// Whether the next packet is the first of a result: of a reply, or of what follows in it.
    #[inline]
    pub fn awaits_result(&self) -> bool {
        self.state == State::First && self.is_between_packets()
    }

    /// Sequence number of the last packet whose header was seen.
    #[inline]
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Rows of all its result sets so far.
    #[inline]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The client's file has been sent; the reply goes on.
    pub fn upload_sent(&mut self) {
        if self.state == State::Upload {
            self.state = State::First;
        }
    }

    /// Looks at the next bytes of the reply. After [`Piece::Bytes`] and [`Piece::Packet`] the caller
    /// goes on behind them; after [`Piece::Incomplete`] it comes again with the same bytes and more.
    #[inline]
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, DecodeError> {
        let mut position = self.skip.min(input.len());
        self.skip -= position;
        loop {
            if self.skip > 0 || self.is_stopped() {
                return Ok(Piece::Bytes(position));
            }
            let rest = input.get(position..).unwrap_or_default();
            let Some(header) = Header::peek(rest) else {
                return Ok(pause(position, PACKET_HEADER_BYTES));
            };
            if !self.continued && self.decides(header) {
                let Some(first) = rest.get(PACKET_HEADER_BYTES) else {
                    return Ok(pause(position, PACKET_HEADER_BYTES + 1));
                };
                if self.is_control(header, *first) {
                    if position > 0 {
                        return Ok(Piece::Bytes(position));
                    }
                    return self.control(header, rest);
                }
            }
            if !self.continued {
                self.plain_packet_begins();
            }
            self.continued = header.continues();
            self.sequence = header.sequence;
            let here = header.packet_bytes().min(rest.len());
            self.skip = header.packet_bytes() - here;
            position += here;
        }
    }

    fn is_stopped(&self) -> bool {
        match self.state {
            State::Done | State::Upload => !self.continued,
            _ => false,
        }
    }

    /// Whether the first payload byte is needed to know what the packet is.
    #[inline]
    fn decides(&self, header: Header) -> bool {
        match self.state {
            State::Columns(_) | State::Plain(_) | State::Done | State::Upload => false,
            State::First
            | State::Verdict
            | State::Prepare
            | State::ColumnsEnd
            | State::Rows
            | State::Events => header.payload_bytes > 0,
        }
    }

    #[inline]
    fn is_control(&self, header: Header, first: u8) -> bool {
        match self.state {
            State::Rows => match first {
                ErrPacket::MARKER => true,
                EofPacket::MARKER if self.capabilities.has(Capabilities::DEPRECATE_EOF) => {
                    header.payload_bytes < PACKET_PAYLOAD_BYTES_MAX
                }
                EofPacket::MARKER => header.payload_bytes < EofPacket::PAYLOAD_BYTES_MAX,
                _ => false,
            },
            State::Events => matches!(first, ErrPacket::MARKER | EofPacket::MARKER),
            _ => true,
        }
    }

    fn plain_packet_begins(&mut self) {
        self.state = match self.state {
            State::Columns(count) if count > 1 => State::Columns(count - 1),
            State::Columns(_) if self.capabilities.has(Capabilities::DEPRECATE_EOF) => State::Rows,
            State::Columns(_) => State::ColumnsEnd,
            State::Plain(count) if count > 1 => State::Plain(count - 1),
            State::Plain(_) => State::Done,
            State::Rows => {
                self.rows += 1;
                State::Rows
            }
            state => state,
        };
    }

    fn control(&mut self, header: Header, rest: &[u8]) -> Result<Piece, DecodeError> {
        let bytes = header.packet_bytes();
        if bytes > CONTROL_PACKET_BYTES_MAX {
            return Err(DecodeError::TooLong {
                field: "control packet",
                max: CONTROL_PACKET_BYTES_MAX,
            });
        }
        let Some(payload) = rest.get(PACKET_HEADER_BYTES..bytes) else {
            return Ok(Piece::Incomplete(bytes));
        };
        let control = self.decode(payload)?;
        self.sequence = header.sequence;
        let before = self.state;
        self.state = self.after(control);
        // MariaDB repeats the flag behind the rows; nothing but the procedure's OK follows them
        self.out_parameters = match control {
            Control::Eof(status) => before == State::ColumnsEnd && status.has(StatusFlags::PS_OUT_PARAMS),
            _ => false,
        };
        Ok(Piece::Packet(bytes, control))
    }

    fn decode(&self, payload: &[u8]) -> Result<Control, DecodeError> {
        let first = payload.first().copied().ok_or(DecodeError::Truncated("packet"))?;
        if first == ErrPacket::MARKER {
            return match ErrPacket::decode(payload)?.code {
                ErrPacket::PROGRESS_REPORT if self.capabilities.has(Capabilities::MARIADB_PROGRESS) => {
                    Ok(Control::Report)
                }
                code => Ok(Control::Err(code)),
            };
        }
        let short_eof = first == EofPacket::MARKER && payload.len() < EofPacket::PAYLOAD_BYTES_MAX;
        match self.state {
            State::Prepare => Ok(Control::Prepared(PrepareOk::decode(payload)?)),
            State::ColumnsEnd => Ok(Control::Eof(EofPacket::decode(payload)?.status)),
            State::Rows if !self.capabilities.has(Capabilities::DEPRECATE_EOF) => {
                Ok(Control::Eof(EofPacket::decode(payload)?.status))
            }
            // COM_SET_OPTION, COM_DEBUG and the end of MariaDB's events are an EOF of five bytes, whatever was negotiated
            State::Verdict | State::Events if short_eof && payload.len() == 5 => {
                Ok(Control::Eof(EofPacket::decode(payload)?.status))
            }
            State::Verdict | State::Rows | State::Events => self.ok(payload),
            _ if first == OkPacket::MARKER && payload.len() >= 7 => self.ok(payload),
            _ if first == 0xfb => Ok(Control::LocalInfile),
            _ => column_count(payload, self.capabilities),
        }
    }

    fn ok(&self, payload: &[u8]) -> Result<Control, DecodeError> {
        Ok(Control::Ok(OkPacket::decode(payload, self.capabilities)?.status))
    }

    fn after(&self, control: Control) -> State {
        let result_ended = |status: StatusFlags| {
            // MySQL says only in front of OUT parameters that the procedure's OK follows
            if status.has(StatusFlags::MORE_RESULTS) || self.out_parameters {
                State::First
            } else {
                State::Done
            }
        };
        match control {
            Control::Err(_) => State::Done,
            Control::Report => self.state,
            Control::Ok(_) | Control::Eof(_) if self.state == State::Events => State::Done,
            Control::LocalInfile => State::Upload,
            Control::ColumnCount(0) if self.capabilities.has(Capabilities::DEPRECATE_EOF) => State::Rows,
            Control::ColumnCount(0) => State::ColumnsEnd,
            Control::ColumnCount(count) => State::Columns(count),
            Control::Eof(status) if self.state == State::ColumnsEnd => {
                if self.cursor && status.has(StatusFlags::CURSOR_EXISTS) {
                    result_ended(status)
                } else {
                    State::Rows
                }
            }
            Control::Ok(status) | Control::Eof(status) => result_ended(status),
            Control::Prepared(prepared) => {
                let eof = u64::from(!self.capabilities.has(Capabilities::DEPRECATE_EOF));
                let described = u64::from(prepared.described);
                let packets = |count: u16| {
                    if count == 0 {
                        0
                    } else {
                        u64::from(count) * described + eof
                    }
                };
                match packets(prepared.parameters) + packets(prepared.columns) {
                    0 => State::Done,
                    count => State::Plain(count),
                }
            }
        }
    }
}

fn pause(position: usize, needed: usize) -> Piece {
    if position > 0 {
        Piece::Bytes(position)
    } else {
        Piece::Incomplete(needed)
    }
}

fn column_count(payload: &[u8], capabilities: Capabilities) -> Result<Control, DecodeError> {
    let mut r = Reader::new(payload);
    let count = r.lenenc("column count")?; // int<lenenc>
    let mut metadata_follows = true;
    if capabilities.has(Capabilities::OPTIONAL_RESULTSET_METADATA) {
        // the manual has it in front of the count; servers send it behind
        metadata_follows = r.u8("metadata follows")? != 0; // int<1>
    }
    r.finish()?;
    Ok(Control::ColumnCount(if metadata_follows { count } else { 0 }))
}

#[cfg(test)]
mod tests;

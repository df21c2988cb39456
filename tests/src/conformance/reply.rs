//! Reads a reply to its end, and says of each packet what it is.

use anyhow::Context;
use wire::Capabilities;

use super::conversation::Shape;
use super::packets::{Fields, Framed, Wire, frame};

/// A packet of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    pub(crate) framed: Framed,
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Greeting,
    Ok,
    Err,
    Eof,
    ColumnCount,
    Column,
    TextRow,
    BinaryRow,
    Prepared,
    LocalInfile,
    Text,
    Progress,
}

const MORE_RESULTS: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;
const OUT_PARAMETERS: u16 = 0x1000;

/// The packets of one reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) packets: Vec<Packet>,
    /// The server closed the connection.
    pub(crate) closed: bool,
    /// Something that is no reply.
    pub(crate) trouble: Option<String>,
}

/// Reads one reply of that shape. A file that the server asks for is sent.
pub(crate) async fn read(
    wire: &mut Wire,
    shape: Shape,
    capabilities: Capabilities,
    file: &[u8],
) -> anyhow::Result<Reply> {
    let mut reader = Reader {
        wire,
        capabilities,
        file,
        cursor: shape == Shape::Cursor,
        out_parameters: false,
        reply: Reply::default(),
    };
    // `None` is the end of the connection, which the reply says
    let _ended = match shape {
        Shape::Nothing => Some(()),
        Shape::TextResults => reader.results(Kind::TextRow).await?,
        Shape::BinaryResults | Shape::Cursor => reader.results(Kind::BinaryRow).await?,
        Shape::Prepared => reader.prepared().await?,
        Shape::Verdict | Shape::ChangeUser => reader.verdict().await?,
        Shape::Columns => reader.rows(Kind::Column).await?.map(drop),
        Shape::BinaryRows => reader.rows(Kind::BinaryRow).await?.map(drop),
        Shape::Text => {
            let first = reader.packet().await?;
            first.map(|framed| {
                let kind = match framed.payload.first() {
                    Some(0xff) => Kind::Err,
                    _ => Kind::Text,
                };
                reader.keep(kind, framed);
            })
        }
    };
    Ok(reader.reply)
}

struct Reader<'a> {
    wire: &'a mut Wire,
    capabilities: Capabilities,
    file: &'a [u8],
    /// The client asked for a cursor.
    cursor: bool,
    /// The rows are a procedure's OUT parameters, whose end on MySQL does not say that an OK follows.
    out_parameters: bool,
    reply: Reply,
}

impl Reader<'_> {
    async fn packet(&mut self) -> anyhow::Result<Option<Framed>> {
        let framed = self.wire.read().await?;
        self.reply.closed |= framed.is_none();
        Ok(framed)
    }

    fn keep(&mut self, kind: Kind, framed: Framed) {
        self.reply.packets.push(Packet { kind, framed });
    }

    fn has(&self, flag: Capabilities) -> bool {
        self.capabilities.has(flag)
    }

    async fn verdict(&mut self) -> anyhow::Result<Option<()>> {
        let Some(framed) = self.packet().await? else {
            return Ok(None);
        };
        let kind = match framed.payload.first() {
            Some(0xff) => Kind::Err,
            Some(0xfe) if framed.payload.len() < 9 => Kind::Eof,
            _ => Kind::Ok,
        };
        self.keep(kind, framed);
        Ok(Some(()))
    }

    async fn results(&mut self, row: Kind) -> anyhow::Result<Option<()>> {
        loop {
            let Some(framed) = self.packet().await? else {
                return Ok(None);
            };
            let payload = framed.payload.as_slice();
            let status = match payload.first() {
                Some(0xff) if payload.get(1..3) == Some(&[0xff, 0xff]) => {
                    self.keep(Kind::Progress, framed);
                    continue;
                }
                Some(0xff) => {
                    self.keep(Kind::Err, framed);
                    return Ok(Some(()));
                }
                Some(0xfb) => {
                    self.send_file(framed.sequence).await?;
                    self.keep(Kind::LocalInfile, framed);
                    continue;
                }
                Some(0x00 | 0xfe) if payload.len() >= 7 => {
                    let status = ok_status(payload);
                    self.keep(Kind::Ok, framed);
                    status
                }
                _ => {
                    let Some(status) = self.result_set(framed, row).await? else {
                        return Ok(None);
                    };
                    status
                }
            };
            if status & MORE_RESULTS == 0 {
                return Ok(Some(()));
            }
        }
    }

    async fn send_file(&mut self, sequence: u8) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let mut next = sequence.wrapping_add(1);
        if !self.file.is_empty() {
            next = frame(self.file, next, &mut bytes);
        }
        frame(&[], next, &mut bytes);
        self.wire.write(&bytes).await
    }

    /// The status flags of its end.
    async fn result_set(&mut self, framed: Framed, row: Kind) -> anyhow::Result<Option<u16>> {
        let mut fields = Fields(&framed.payload);
        let mut metadata = true;
        if self.has(Capabilities::OPTIONAL_RESULTSET_METADATA) {
            metadata = fields.int(1).context("no metadata flag")? != 0;
        }
        let count = fields.lenenc().context("no column count")?;
        if self.has(Capabilities::MARIADB_CACHE_METADATA) {
            metadata = fields.int(1).context("no metadata flag")? != 0;
        }
        self.keep(Kind::ColumnCount, framed);
        for _ in 0..if metadata { count } else { 0 } {
            let Some(column) = self.packet().await? else {
                return Ok(None);
            };
            self.keep(Kind::Column, column);
        }
        if !self.has(Capabilities::DEPRECATE_EOF) {
            let Some(eof) = self.packet().await? else {
                return Ok(None);
            };
            let status = eof_status(&eof.payload);
            self.out_parameters = status & OUT_PARAMETERS != 0;
            self.keep(Kind::Eof, eof);
            // a procedure's own cursor sets the flag too, and its rows follow
            if status & CURSOR_EXISTS != 0 && self.cursor {
                return Ok(Some(status));
            }
        }
        self.rows(row).await
    }

    /// The status flags of the end; those of an error are none.
    async fn rows(&mut self, row: Kind) -> anyhow::Result<Option<u16>> {
        loop {
            let Some(framed) = self.packet().await? else {
                return Ok(None);
            };
            let modern = self.has(Capabilities::DEPRECATE_EOF);
            match framed.payload.first() {
                Some(0xff) if framed.payload.get(1..3) == Some(&[0xff, 0xff]) => {
                    self.keep(Kind::Progress, framed);
                }
                Some(0xff) => {
                    self.keep(Kind::Err, framed);
                    return Ok(Some(0));
                }
                Some(0xfe) if modern && framed.parts == 1 && framed.payload.len() >= 7 => {
                    let status = ok_status(&framed.payload);
                    self.keep(Kind::Ok, framed);
                    return Ok(Some(status));
                }
                // COM_FIELD_LIST's end on MariaDB, whatever was negotiated
                Some(0xfe) if framed.payload.len() < 9 => {
                    let status = eof_status(&framed.payload);
                    self.keep(Kind::Eof, framed);
                    let more = if self.out_parameters { MORE_RESULTS } else { 0 };
                    return Ok(Some(status | more));
                }
                _ => self.keep(row, framed),
            }
        }
    }

    async fn prepared(&mut self) -> anyhow::Result<Option<()>> {
        let Some(framed) = self.packet().await? else {
            return Ok(None);
        };
        if framed.payload.first() == Some(&0xff) {
            self.keep(Kind::Err, framed);
            return Ok(Some(()));
        }
        let mut fields = Fields(framed.payload.get(5..).unwrap_or_default());
        let columns = fields.int(2).context("no column count")?;
        let parameters = fields.int(2).context("no parameter count")?;
        let _ = (fields.int(1), fields.int(2));
        let metadata = if self.has(Capabilities::OPTIONAL_RESULTSET_METADATA) {
            fields.int(1).unwrap_or(1) != 0
        } else {
            true
        };
        self.keep(Kind::Prepared, framed);
        for count in [parameters, columns] {
            if count == 0 || !metadata {
                continue;
            }
            for _ in 0..count {
                let Some(column) = self.packet().await? else {
                    return Ok(None);
                };
                self.keep(Kind::Column, column);
            }
            if !self.has(Capabilities::DEPRECATE_EOF) {
                let Some(eof) = self.packet().await? else {
                    return Ok(None);
                };
                self.keep(Kind::Eof, eof);
            }
        }
        Ok(Some(()))
    }
}

fn ok_status(payload: &[u8]) -> u16 {
    let mut fields = Fields(payload);
    let status = (|| {
        fields.int(1)?;
        fields.lenenc()?;
        fields.lenenc()?;
        fields.int(2)
    })();
    status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
}

fn eof_status(payload: &[u8]) -> u16 {
    match payload {
        [_, _, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

//! A small text result set of our own making, for the answers to `PROXY …` statements.

use super::OkPacket;
use crate::frame::encode_with;
use crate::writer::Writer;
use crate::{Capabilities, StatusFlags};

/// Collation id of `utf8mb4_general_ci`, which both engines know.
const UTF8MB4_GENERAL_CI: u16 = 45;
/// Column type VAR_STRING.
const VAR_STRING: u8 = 0xfd;

/// Column names and rows of text.
#[derive(Debug, Clone, Default)]
pub struct TextResultSet {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Option<String>>>,
}

impl TextResultSet {
    /// A result set without rows.
    pub fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; `None` is NULL. Cells beyond the columns are dropped, missing ones are NULL.
    pub fn row(mut self, cells: Vec<Option<String>>) -> Self {
        self.rows.push(cells);
        self
    }

    /// Appends all packets of the reply, the first with sequence number 1.
    pub fn encode(&self, capabilities: Capabilities, status: StatusFlags, out: &mut Vec<u8>) {
        let deprecate_eof = capabilities.has(Capabilities::DEPRECATE_EOF);
        let mut sequence = encode_with(out, 1, |out| {
            out.put_lenenc(self.columns.len() as u64);
            if capabilities.has(Capabilities::OPTIONAL_RESULTSET_METADATA) {
                out.put_u8(1); // the definitions follow, whatever the client has chosen
            }
        });
        for name in &self.columns {
            sequence = encode_with(out, sequence, |out| column(name, capabilities, out));
        }
        if !deprecate_eof {
            sequence = eof(status, sequence, out);
        }
        for row in &self.rows {
            sequence = encode_with(out, sequence, |out| {
                for index in 0..self.columns.len() {
                    match row.get(index).and_then(Option::as_deref) {
                        Some(text) => out.put_lenenc_bytes(text.as_bytes()),
                        None => out.put_u8(0xfb),
                    }
                }
            });
        }
        if deprecate_eof {
            OkPacket {
                marker: 0xfe,
                ..OkPacket::plain(status)
            }
            .encode(capabilities, sequence, out);
        } else {
            eof(status, sequence, out);
        }
    }
}

fn column(name: &str, capabilities: Capabilities, out: &mut Vec<u8>) {
    out.put_lenenc_bytes(b"def"); // catalog
    for text in ["", "", "", name, ""] {
        out.put_lenenc_bytes(text.as_bytes()); // schema, table, original table, name, original name
    }
    if capabilities.has(Capabilities::MARIADB_EXTENDED_METADATA) {
        out.put_lenenc_bytes(b""); // no more to say of the type
    }
    out.put_lenenc(0x0c); // bytes of what follows
    out.put_u16(UTF8MB4_GENERAL_CI);
    out.put_u32(1024); // column length
    out.put_u8(VAR_STRING);
    out.put_u16(0); // flags
    out.put_u8(0); // decimals
    out.put_u16(0); // filler
}

fn eof(status: StatusFlags, sequence: u8, out: &mut Vec<u8>) -> u8 {
    encode_with(out, sequence, |out| {
        out.put_u8(0xfe);
        out.put_u16(0);
        out.put_u16(status.0);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_says_as_much_as_was_agreed_on() {
        let encoded = |capabilities| {
            let mut out = Vec::new();
            TextResultSet::new(&["node"]).encode(capabilities, StatusFlags::AUTOCOMMIT, &mut out);
            out
        };
        let plain = encoded(Capabilities::NONE);
        let extended = encoded(Capabilities::MARIADB_EXTENDED_METADATA);
        // header, catalog, three empty names, the name, an empty one
        let behind_names = 5 + 4 + 4 + 3 + 5 + 1;
        assert_eq!(plain[behind_names], 0x0c);
        assert_eq!(extended[behind_names..behind_names + 2], [0, 0x0c]);
    }
}

//! A step's command as bytes.

use std::collections::HashMap;

use anyhow::Context;
use wire::Capabilities;

use super::conversation::{Request, Shape};
use super::packets::{put_lenenc, put_lenenc_bytes};
use super::value::{self, Content, Value};

/// A prepared statement of the conversation.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) number: u32,
    pub(crate) parameters: u16,
}

/// What a command is made of beside itself.
pub(crate) struct Around<'a> {
    pub(crate) capabilities: Capabilities,
    pub(crate) statements: &'a HashMap<String, Statement>,
    /// Attributes for the next query or execution.
    pub(crate) attributes: &'a [(String, String)],
    pub(crate) bytes: &'a dyn Fn(&str) -> anyhow::Result<Vec<u8>>,
}

/// The number of the last prepared statement, as MariaDB's clients write it before they know it.
const LAST_PREPARED: u32 = 0xffff_ffff;
const PARAMETER_COUNT_AVAILABLE: u8 = 8;
const SEND_TYPES: u16 = 128;

impl Around<'_> {
    fn number(&self, name: &str) -> anyhow::Result<u32> {
        if name == "last" {
            return Ok(LAST_PREPARED);
        }
        match self.statements.get(name) {
            Some(statement) => Ok(statement.number),
            None => name.parse().with_context(|| format!("no statement {name}")),
        }
    }

    fn has(&self, flag: Capabilities) -> bool {
        self.capabilities.has(flag)
    }

    /// The payload, and how it is answered. COM_CHANGE_USER is made elsewhere.
    pub(crate) fn payload(&self, request: &Request) -> anyhow::Result<(Vec<u8>, Shape)> {
        Ok(match request {
            Request::Query(text) => (self.query(text)?, Shape::TextResults),
            Request::Prepare { text, .. } => (self.with_text(0x16, text)?, Shape::Prepared),
            Request::Execute {
                name,
                options,
                values,
            } => {
                let cursor = options.iter().any(|option| option != "again");
                let shape = if cursor {
                    Shape::Cursor
                } else {
                    Shape::BinaryResults
                };
                (self.execute(name, options, values)?, shape)
            }
            Request::Bulk { name, rows } => (self.bulk(name, rows)?, Shape::BinaryResults),
            Request::Fetch { name, rows } => {
                let mut payload = self.of_statement(0x1c, name)?;
                payload.extend(rows.to_le_bytes());
                (payload, Shape::BinaryRows)
            }
            Request::LongData {
                name,
                parameter,
                text,
            } => {
                let mut payload = self.of_statement(0x18, name)?;
                payload.extend(parameter.to_le_bytes());
                payload.extend((self.bytes)(text)?);
                (payload, Shape::Nothing)
            }
            Request::ResetStatement(name) => (self.of_statement(0x1a, name)?, Shape::Verdict),
            Request::CloseStatement(name) => (self.of_statement(0x19, name)?, Shape::Nothing),
            Request::InitDb(name) => (self.with_text(0x02, name)?, Shape::Verdict),
            Request::FieldList { table, wild } => {
                let mut payload = self.with_text(0x04, table)?;
                payload.push(0);
                payload.extend((self.bytes)(wild)?);
                (payload, Shape::Columns)
            }
            Request::Raw { bytes, shape } => {
                let payload = (self.bytes)(bytes)?;
                let shape = shape.unwrap_or_else(|| usual_shape(&payload));
                (payload, shape)
            }
            Request::ChangeUser { .. } => anyhow::bail!("a change of user is an exchange"),
        })
    }

    fn with_text(&self, code: u8, text: &str) -> anyhow::Result<Vec<u8>> {
        let mut payload = vec![code];
        payload.extend((self.bytes)(text)?);
        Ok(payload)
    }

    fn of_statement(&self, code: u8, name: &str) -> anyhow::Result<Vec<u8>> {
        let mut payload = vec![code];
        payload.extend(self.number(name)?.to_le_bytes());
        Ok(payload)
    }

    fn attributes(&self) -> anyhow::Result<Vec<(Vec<u8>, Value)>> {
        let mut attributes = Vec::new();
        for (name, text) in self.attributes {
            for value in value::parse(text, self.bytes)? {
                attributes.push(((self.bytes)(name)?, value));
            }
        }
        Ok(attributes)
    }

    fn query(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let mut payload = vec![0x03];
        if self.has(Capabilities::QUERY_ATTRIBUTES) {
            let attributes = self.attributes()?;
            put_lenenc(attributes.len(), &mut payload);
            put_lenenc(1, &mut payload);
            if !attributes.is_empty() {
                put_values(&attributes, true, true, &mut payload);
            }
        }
        payload.extend((self.bytes)(text)?);
        Ok(payload)
    }

    /// `options`: `cursor`, `again` (types were sent before), `scrollable`, `for-update`.
    fn execute(&self, name: &str, options: &[String], values: &str) -> anyhow::Result<Vec<u8>> {
        let has = |option: &str| options.iter().any(|given| given == option);
        let mut payload = self.of_statement(0x17, name)?;
        let mut values: Vec<(Vec<u8>, Value)> = value::parse(values, self.bytes)?
            .into_iter()
            .map(|value| (Vec::new(), value))
            .collect();
        let named = self.has(Capabilities::QUERY_ATTRIBUTES);
        values.extend(if named { self.attributes()? } else { Vec::new() });
        let mut flags = u8::from(has("cursor"));
        flags |= if has("for-update") { 2 } else { 0 };
        flags |= if has("scrollable") { 4 } else { 0 };
        flags |= if named { PARAMETER_COUNT_AVAILABLE } else { 0 };
        payload.push(flags);
        payload.extend(1u32.to_le_bytes());
        let expects = self
            .statements
            .get(name)
            .is_some_and(|statement| statement.parameters > 0);
        if named && (expects || !values.is_empty()) {
            put_lenenc(values.len(), &mut payload);
        } else if named {
            put_lenenc(0, &mut payload);
        }
        if !values.is_empty() {
            put_values(&values, named, !has("again"), &mut payload);
        }
        Ok(payload)
    }

    /// Rows of values, separated by `|`.
    fn bulk(&self, name: &str, rows: &str) -> anyhow::Result<Vec<u8>> {
        let mut payload = self.of_statement(0xfa, name)?;
        payload.extend(SEND_TYPES.to_le_bytes());
        for (index, row) in rows.split('|').enumerate() {
            let values = value::parse(row.trim(), self.bytes)?;
            if index == 0 {
                payload.extend(values.iter().flat_map(|value| value.kind));
            }
            for value in &values {
                let (indicator, bytes) = match &value.content {
                    Content::Bytes(bytes) => (0, bytes.as_slice()),
                    Content::Null | Content::Sent => (1, &[][..]),
                    Content::Default => (2, &[][..]),
                    Content::Ignore => (3, &[][..]),
                };
                payload.push(indicator);
                payload.extend_from_slice(bytes);
            }
        }
        Ok(payload)
    }
}

fn put_values(values: &[(Vec<u8>, Value)], named: bool, types: bool, payload: &mut Vec<u8>) {
    let mut nulls = vec![0u8; values.len().div_ceil(8)];
    for (index, (_, value)) in values.iter().enumerate() {
        if let (Content::Null, Some(byte)) = (&value.content, nulls.get_mut(index / 8)) {
            *byte |= 1 << (index % 8);
        }
    }
    payload.extend(nulls);
    payload.push(u8::from(types));
    if types {
        for (name, value) in values {
            payload.extend(value.kind);
            if named {
                put_lenenc_bytes(name, payload);
            }
        }
    }
    for (_, value) in values {
        if let Content::Bytes(bytes) = &value.content {
            payload.extend_from_slice(bytes);
        }
    }
}

/// How the command of that code is answered.
fn usual_shape(payload: &[u8]) -> Shape {
    match payload.first() {
        Some(0x03 | 0x0a) => Shape::TextResults,
        Some(0x17 | 0xfa) => Shape::BinaryResults,
        Some(0x16) => Shape::Prepared,
        Some(0x04) => Shape::Columns,
        Some(0x1c) => Shape::BinaryRows,
        Some(0x09) => Shape::Text,
        Some(0x01 | 0x18 | 0x19) => Shape::Nothing,
        _ => Shape::Verdict,
    }
}

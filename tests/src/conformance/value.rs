//! Values of parameters and attributes, typed as the binary protocol has them.
//!
//! `long 5, string 'it''s', date '2024-02-29', blob ⟨00ff⟩, long null, sent blob`: a type and a value, separated by
//! commas. `sent` is a parameter that COM_STMT_SEND_LONG_DATA has brought.

use anyhow::{Context, bail, ensure};

use super::packets::put_lenenc_bytes;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// Type, and 0x80 in the second byte for unsigned.
    pub(crate) kind: [u8; 2],
    pub(crate) content: Content,
}

/// What stands in the place of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Null,
    /// Came by COM_STMT_SEND_LONG_DATA.
    Sent,
    /// MariaDB's bulk: the column's default.
    Default,
    /// MariaDB's bulk: leave the column as it is.
    Ignore,
    Bytes(Vec<u8>),
}

const TYPES: &[(&str, u8)] = &[
    ("decimal", 0),
    ("tiny", 1),
    ("short", 2),
    ("long", 3),
    ("float", 4),
    ("double", 5),
    ("null", 6),
    ("timestamp", 7),
    ("longlong", 8),
    ("int24", 9),
    ("date", 10),
    ("time", 11),
    ("datetime", 12),
    ("year", 13),
    ("varchar", 15),
    ("bit", 16),
    ("vector", 242),
    ("json", 245),
    ("newdecimal", 246),
    ("enum", 247),
    ("set", 248),
    ("tinyblob", 249),
    ("mediumblob", 250),
    ("longblob", 251),
    ("blob", 252),
    ("varstring", 253),
    ("string", 254),
    ("geometry", 255),
];

/// Reads values separated by commas. `bytes` makes bytes of a template.
pub(crate) fn parse(
    text: &str,
    bytes: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<Value>> {
    split(text)?
        .into_iter()
        .map(|one| value(one, bytes).with_context(|| one.to_owned()))
        .collect()
}

/// At commas outside of quotes.
fn split(text: &str) -> anyhow::Result<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut quoted, mut start) = (false, 0);
    for (index, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text.get(start..index).unwrap_or_default().trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    ensure!(!quoted, "a quote without its end");
    let last = text.get(start..).unwrap_or_default().trim();
    if !(last.is_empty() && parts.is_empty()) {
        parts.push(last);
    }
    Ok(parts)
}

fn value(text: &str, bytes: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Value> {
    let (word, literal) = text.split_once(' ').unwrap_or((text, "null"));
    let literal = literal.trim();
    if word == "sent" {
        return Ok(Value {
            kind: kind(literal)?,
            content: Content::Sent,
        });
    }
    let kind = kind(word)?;
    let content = match literal {
        "null" => Content::Null,
        "default" => Content::Default,
        "ignore" => Content::Ignore,
        literal => Content::Bytes(encode(kind, &unquote(literal, bytes)?)?),
    };
    Ok(Value { kind, content })
}

fn kind(word: &str) -> anyhow::Result<[u8; 2]> {
    if let Some(number) = word.strip_prefix("type") {
        return Ok([number.parse()?, 0]);
    }
    let (name, sign) = match word.strip_prefix("unsigned-") {
        Some(name) => (name, 0x80),
        None => (word, 0),
    };
    let known = TYPES.iter().find(|(known, _)| *known == name);
    let (_, number) = known.with_context(|| format!("no type {word}"))?;
    Ok([*number, sign])
}

fn unquote(literal: &str, bytes: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    match literal
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        Some(inside) => bytes(&inside.replace("''", "'")),
        None => bytes(literal),
    }
}

fn encode([kind, sign]: [u8; 2], literal: &[u8]) -> anyhow::Result<Vec<u8>> {
    let text = || std::str::from_utf8(literal).context("no text");
    let int = |bytes: usize| -> anyhow::Result<Vec<u8>> {
        let number = if sign == 0 {
            text()?.parse::<i64>()?.to_le_bytes()
        } else {
            text()?.parse::<u64>()?.to_le_bytes()
        };
        Ok(number.into_iter().take(bytes).collect())
    };
    match kind {
        1 => int(1),
        2 | 13 => int(2),
        3 | 9 => int(4),
        8 => int(8),
        4 => Ok(text()?.parse::<f32>()?.to_le_bytes().to_vec()),
        5 => Ok(text()?.parse::<f64>()?.to_le_bytes().to_vec()),
        7 | 10 | 12 => moment(text()?),
        11 => duration(text()?),
        6 => bail!("a null has no value"),
        _ => {
            let mut encoded = Vec::new();
            put_lenenc_bytes(literal, &mut encoded);
            Ok(encoded)
        }
    }
}

/// `2024-02-29[ 23:59:58[.123456]]`, in as few bytes as it takes.
fn moment(text: &str) -> anyhow::Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(vec![0]);
    }
    let (date, time) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split('-');
    let mut next = || parts.next().context("a date is Y-M-D");
    let mut body = next()?.parse::<u16>()?.to_le_bytes().to_vec();
    body.extend([next()?.parse::<u8>()?, next()?.parse::<u8>()?]);
    if !time.is_empty() {
        body.extend(clock(time)?);
    }
    with_length(&body)
}

/// `[-]D hh:mm:ss[.ffffff]`
fn duration(text: &str) -> anyhow::Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(vec![0]);
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (1, rest),
        None => (0, text),
    };
    let (days, time) = rest.split_once(' ').context("a time is D hh:mm:ss")?;
    let mut body = vec![negative];
    body.extend(days.parse::<u32>()?.to_le_bytes());
    body.extend(clock(time)?);
    with_length(&body)
}

fn clock(text: &str) -> anyhow::Result<Vec<u8>> {
    let (time, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut bytes = time.split(':').map(str::parse).collect::<Result<Vec<u8>, _>>()?;
    ensure!(bytes.len() == 3, "a time is hh:mm:ss");
    if !fraction.is_empty() {
        bytes.extend(format!("{fraction:0<6}").parse::<u32>()?.to_le_bytes());
    }
    Ok(bytes)
}

fn with_length(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![u8::try_from(body.len())?];
    bytes.extend_from_slice(body);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> anyhow::Result<Vec<u8>> {
        Ok(text.as_bytes().to_vec())
    }

    #[test]
    fn values_become_the_manuals_bytes() {
        let values = parse(
            "long -1, unsigned-tiny 255, string 'a, ''b''', date '2024-02-29', \
             datetime '2024-02-29 23:59:58.5', time '-1 02:03:04', double null, sent blob",
            &plain,
        )
        .unwrap();
        let bytes: Vec<Option<String>> = values
            .iter()
            .map(|value| match &value.content {
                Content::Bytes(bytes) => Some(hex::encode(bytes)),
                _ => None,
            })
            .collect();
        let wanted = [
            "ffffffff",
            "ff",
            "06612c20276227",
            "04e807021d",
            "0be807021d173b3a20a10700",
            "080101000000020304",
        ];
        assert_eq!(
            bytes,
            wanted
                .iter()
                .map(|hex| Some((*hex).to_owned()))
                .chain([None, None])
                .collect::<Vec<_>>()
        );
        assert_eq!(values.first().map(|value| value.kind), Some([3, 0]));
        assert_eq!(values.get(1).map(|value| value.kind), Some([1, 0x80]));
        assert_eq!(parse("", &plain).unwrap(), []);
    }
}

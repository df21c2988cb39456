//! Texts with `⟨…⟩` in them: bytes that cannot be typed, and what is only known while a conversation runs.
//!
//! ```text
//! ⟨00 ff⟩            bytes in hexadecimal
//! ⟨x * 1000⟩         a text, repeated
//! ⟨schema⟩           the conversation's own schema
//! ⟨id⟩ ⟨id 2⟩        the number of a connection, as its handshake said
//! ⟨int⟩ ⟨int 2⟩      the same in four bytes
//! ⟨statement NAME⟩   the number of a prepared statement, four bytes
//! ```

use anyhow::{Context, bail};

/// What is only known while a conversation runs.
pub(crate) trait Known {
    /// The conversation's own schema.
    fn schema(&self) -> &str;
    /// The number of a connection; the first is 0.
    fn connection_id(&self, connection: usize) -> Option<u32>;
    /// The number of a prepared statement.
    fn statement(&self, name: &str) -> Option<u32>;
}

/// The template's bytes.
pub(crate) fn render(template: &str, known: &dyn Known, this: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('⟨') {
        bytes.extend_from_slice(before.as_bytes());
        let (inside, after) = after.split_once('⟩').context("⟨ without ⟩")?;
        bytes.extend(one(inside.trim(), known, this).with_context(|| format!("⟨{inside}⟩"))?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn one(inside: &str, known: &dyn Known, this: usize) -> anyhow::Result<Vec<u8>> {
    if inside == "schema" {
        return Ok(known.schema().as_bytes().to_vec());
    }
    if let Some(name) = inside.strip_prefix("statement ") {
        let number = known.statement(name).context("no such statement")?;
        return Ok(number.to_le_bytes().to_vec());
    }
    let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    if word == "id" || word == "int" {
        let connection = match rest.trim() {
            "" => this,
            number => number
                .parse::<usize>()?
                .checked_sub(1)
                .context("counted from 1")?,
        };
        let id = known.connection_id(connection).context("not logged in")?;
        return Ok(match word {
            "id" => id.to_string().into_bytes(),
            _ => id.to_le_bytes().to_vec(),
        });
    }
    if let Some((text, count)) = inside.rsplit_once(" * ") {
        let count: usize = count.parse()?;
        return Ok(text.as_bytes().repeat(count));
    }
    let digits: String = inside.split_whitespace().collect();
    match hex::decode(digits) {
        Ok(bytes) => Ok(bytes),
        Err(_) => bail!("neither a word of ours nor hexadecimal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Known for Nothing {
        fn schema(&self) -> &str {
            "here"
        }
        fn connection_id(&self, connection: usize) -> Option<u32> {
            (connection == 1).then_some(77)
        }
        fn statement(&self, name: &str) -> Option<u32> {
            (name == "s").then_some(1)
        }
    }

    #[test]
    fn every_kind_of_inset_becomes_bytes() {
        let bytes = render("a⟨00 ff⟩b⟨xy * 2⟩⟨schema⟩⟨id 2⟩⟨statement s⟩", &Nothing, 0).unwrap();
        assert_eq!(bytes, b"a\x00\xffbxyxyhere77\x01\0\0\0");
    }

    #[test]
    fn what_is_not_known_is_told() {
        for template in ["⟨id⟩", "⟨statement t⟩", "⟨zz⟩", "⟨00"] {
            assert!(render(template, &Nothing, 0).is_err(), "{template}");
        }
    }
}

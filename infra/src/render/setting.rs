//! `--set` on a TOML file: one value at a dotted path, of the type that stands there.

use anyhow::{Context, bail};
use toml::{Table, Value};

/// Sets `key` (`limits.connections-max`, `node[1].port`) to `value`. An empty value removes the key, so that a
/// service's own default or an alternative key can take its place.
///
/// # Errors
/// When the path leads through something that has no parts.
pub fn apply(table: &mut Table, key: &str, value: &str) -> anyhow::Result<()> {
    let (path, last) = key
        .rsplit_once('.')
        .map_or((None, key), |(path, last)| (Some(path), last));
    let mut place = table;
    for part in path.into_iter().flat_map(|path| path.split('.')) {
        place = enter(place, part).with_context(|| format!("--set: {key}"))?;
    }
    if value.is_empty() {
        place.remove(last);
    } else {
        let typed = typed(place.get(last), value);
        place.insert(last.to_owned(), typed);
    }
    Ok(())
}

/// The table below `part`; made when it is absent. `node[1]` is the second `[[node]]`.
fn enter<'a>(place: &'a mut Table, part: &str) -> anyhow::Result<&'a mut Table> {
    if let Some((name, index)) = numbered(place, part) {
        let Some(Value::Array(list)) = place.get_mut(name) else {
            bail!("{name} is no list")
        };
        let Some(Value::Table(table)) = list.get_mut(index) else {
            bail!("{name} has no entry {index}")
        };
        return Ok(table);
    }
    match place.entry(part).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(table) => Ok(table),
        _ => bail!("{part} has no keys of its own"),
    }
}

/// `node[1]`: a list's name and a place in it.
fn numbered<'a>(place: &Table, part: &'a str) -> Option<(&'a str, usize)> {
    let (name, index) = part.strip_suffix(']')?.split_once('[')?;
    place.contains_key(name).then_some(())?;
    Some((name, index.parse().ok()?))
}

/// A text stays text where a text stands; else what looks like a TOML value is one.
fn typed(present: Option<&Value>, value: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"));
    match (present, parsed) {
        (_, Some(text @ Value::String(_))) => text,
        (Some(Value::String(_)), _) | (_, None) => Value::String(value.to_owned()),
        (_, Some(other)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, key: &str, value: &str) -> String {
        let mut table: Table = toml::from_str(text).unwrap();
        apply(&mut table, key, value).unwrap();
        toml::to_string(&table).unwrap()
    }

    #[test]
    fn a_value_takes_the_type_that_stands_there() {
        assert_eq!(set("a = 1", "a", "2"), "a = 2\n");
        assert_eq!(set("a = \"1\"", "a", "2"), "a = \"2\"\n");
        assert_eq!(set("", "a", "\"2\""), "a = \"2\"\n");
        assert_eq!(set("", "a", "true"), "a = true\n");
        assert_eq!(set("", "a", "127.0.0.1:1"), "a = \"127.0.0.1:1\"\n");
    }

    #[test]
    fn missing_tables_are_made_and_lists_are_numbered() {
        assert_eq!(
            set("", "limits.connections-max", "10"),
            "[limits]\nconnections-max = 10\n"
        );
        assert_eq!(
            set("[[node]]\np = 1\n[[node]]\np = 1\n", "node[1].p", "2"),
            "[[node]]\np = 1\n\n[[node]]\np = 2\n"
        );
    }

    #[test]
    fn an_empty_value_removes_the_key() {
        assert_eq!(set("a = 1\nb = 2", "a", ""), "b = 2\n");
    }

    #[test]
    fn a_path_through_a_value_is_refused() {
        let mut table: Table = toml::from_str("a = 1").unwrap();
        assert!(apply(&mut table, "a.b", "2").is_err());
        assert!(apply(&mut table, "a[0].b", "2").is_err());
    }
}

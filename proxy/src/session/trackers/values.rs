//! The values of the variables that say what of a session's state is reported: how they are asked for, what a superset of
//! them is, and how they are written. Pure.

use crate::session_variables::SessionVariables;

/// The two variables as the server's text for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::session) struct Values {
    /// `session_track_schema`.
    pub(in crate::session) schema: bool,
    /// `session_track_system_variables`; none for NULL.
    pub(in crate::session) variables: Option<Box<[u8]>>,
    /// Whether `session_track_state_change` is on. It and the next stay the client's own: what they add is never in our
    /// way.
    pub(in crate::session) state: bool,
    /// Whether `session_track_transaction_info` is on.
    pub(in crate::session) transactions: bool,
}

/// Asks for them. In bytes, and with a limit of its own: neither `character_set_results` nor
/// `sql_select_limit` changes the answer.
pub(in crate::session) const VALUES: &str = "SELECT CAST(@@SESSION.session_track_schema AS BINARY), \
     CAST(@@SESSION.session_track_system_variables AS BINARY), \
     CAST(@@SESSION.session_track_state_change AS BINARY), \
     CAST(@@SESSION.session_track_transaction_info AS BINARY) LIMIT 1";

impl Values {
    /// From the row of [`VALUES`].
    pub(in crate::session) fn of_row(row: Vec<Option<Vec<u8>>>) -> Option<Self> {
        let [schema, variables, state, transaction] = <[_; 4]>::try_from(row).ok()?;
        let is_on = |value: &[u8]| value != b"0" && !value.eq_ignore_ascii_case(b"OFF");
        Some(Self {
            schema: is_on(&schema?),
            variables: variables.map(Vec::into_boxed_slice),
            state: is_on(&state?),
            transactions: is_on(&transaction?),
        })
    }

    /// What the manager's connection holds for us: all that we need and all that the client wants. MariaDB reports
    /// every variable by `*`; MySQL would add a `statement_id` to every reply, so it gets names.
    pub(in crate::session) fn ours(&self, is_mariadb: bool) -> Self {
        let mut list = match self.variables.as_deref() {
            _ if is_mariadb => b"*".to_vec(),
            Some(b"*") => b"*".to_vec(),
            _ => SessionVariables::reported().into_bytes(),
        };
        if list != b"*" {
            let needed = list.clone();
            for name in self.names() {
                let known = |list: &[u8]| {
                    list.split(|byte| *byte == b',')
                        .any(|known| known.eq_ignore_ascii_case(name))
                };
                if !name.is_empty() && !known(&needed) && !known(&list) {
                    list.push(b',');
                    list.extend_from_slice(name);
                }
            }
        }
        Self {
            schema: true,
            variables: Some(list.into()),
            state: self.state,
            transactions: self.transactions,
        }
    }

    /// The assignments that put these values in place, as a part of a SET.
    pub(in crate::session) fn assignments(&self) -> String {
        let schema = u8::from(self.schema);
        let variables = match self.variables.as_deref() {
            None => "NULL".to_owned(),
            Some(b"") => "''".to_owned(),
            Some(list) => match std::str::from_utf8(list) {
                Ok(text) if is_plain(text) => format!("'{text}'"),
                _ => format!("CONVERT(X'{}' USING utf8mb4)", hexadecimal(list)),
            },
        };
        format!("session_track_schema={schema}, session_track_system_variables={variables}")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.variables
            .as_deref()
            .unwrap_or_default()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
    }

    /// The name by which the client sees a variable, if it does: MySQL reports it as the client has written it.
    pub(super) fn shown<'a>(&'a self, variable: &'a [u8]) -> Option<&'a [u8]> {
        if self.variables.as_deref() == Some(b"*") {
            return Some(variable);
        }
        self.names().find(|name| name.eq_ignore_ascii_case(variable))
    }
}

/// Whether a text reads the same in every `sql_mode` and character set.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b' ' | b'*'))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(schema: bool, variables: Option<&str>) -> Values {
        Values {
            schema,
            variables: variables.map(|list| list.as_bytes().into()),
            ..Values::default()
        }
    }

    #[test]
    fn our_list_holds_the_clients() {
        let ours = values(false, Some("autocommit, insert_id,insert_id")).ours(false);
        let list = String::from_utf8(ours.variables.unwrap().into()).unwrap();
        assert!(list.contains("sql_mode"), "{list}");
        assert_eq!(
            list.matches("insert_id").count(),
            1,
            "MySQL refuses a name that stands twice"
        );
        assert_eq!(list.matches("autocommit").count(), 1);
        assert_eq!(
            values(true, None).ours(true).variables.as_deref(),
            Some(&b"*"[..])
        );
        assert_eq!(
            values(true, Some("*")).ours(false).variables.as_deref(),
            Some(&b"*"[..])
        );
    }

    #[test]
    fn values_are_written_so_that_every_sql_mode_reads_them_back() {
        let text = |list: Option<&str>| values(true, list).assignments();
        assert!(text(None).ends_with("=NULL"));
        assert!(text(Some("a_b, c")).ends_with("='a_b, c'"));
        assert!(text(Some("it's\\")).ends_with("=CONVERT(X'697427735c' USING utf8mb4)"));
    }
}

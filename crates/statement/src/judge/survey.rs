//! A walk over all tokens of a statement: what it needs, whatever its kind.
//!
//! Works without a grammar, so it errs on the careful side: a column list after an alias looks like a call.

use crate::{
    facts::Needs,
    functions::{self, FunctionClass},
    scan::TokenKind,
    tables::is_node_schema,
    tokens::Tokens,
};

/// What the statement's tokens say about where it must run.
pub(super) fn needs(tokens: Tokens<'_>) -> Needs {
    let mut needs = Needs::default();
    let mut columns = Columns::default();
    for at in 0..tokens.len() {
        session_trackers(tokens, at, &mut needs);
        needs.shows_parameters |= columns.have_parameter(tokens, at);
        match tokens.kind(at) {
            Some(TokenKind::UserVariable) => {
                // `root@localhost` is an account, but nothing is lost by the careful answer
                needs.reads_user_variables = true;
                needs.assigns_user_variables |= tokens.is_operator(at + 1, ":=");
            }
            Some(TokenKind::SystemVariable) => system_variable(tokens, at, &mut needs),
            Some(TokenKind::Word) => word(tokens, at, &mut needs),
            Some(TokenKind::Quoted) => {
                quoted_call(tokens, at, &mut needs);
                schema(tokens, at, &mut needs);
            }
            _ => {}
        }
    }
    needs
}

/// Whether a token stands in a list of columns of a result, of a query at any depth.
#[derive(Debug, Default)]
struct Columns {
    depth: u32,
    /// A bit for each depth.
    inside: u64,
}

impl Columns {
    /// Whether the token is a parameter in such a list; the careful answer is yes.
    fn have_parameter(&mut self, tokens: Tokens<'_>, at: usize) -> bool {
        let bit = |depth: u32| 1_u64.checked_shl(depth);
        match tokens.kind(at) {
            Some(TokenKind::Open) => {
                let outer = bit(self.depth).is_none_or(|bit| self.inside & bit != 0);
                self.depth += 1;
                self.set(outer);
            }
            Some(TokenKind::Close) => self.depth = self.depth.saturating_sub(1),
            Some(TokenKind::Word) => match tokens.keyword(at).as_str() {
                "SELECT" | "VALUES" | "RETURNING" => self.set(true),
                "FROM" => self.set(false),
                _ => {}
            },
            Some(TokenKind::Placeholder) => {
                return bit(self.depth).is_none_or(|bit| self.inside & bit != 0);
            }
            _ => {}
        }
        false
    }

    fn set(&mut self, inside: bool) {
        if let Some(bit) = 1_u64.checked_shl(self.depth) {
            self.inside = if inside {
                self.inside | bit
            } else {
                self.inside & !bit
            };
        }
    }
}

/// The variables that say what of the session's state is reported, and the tables that list all variables.
fn session_trackers(tokens: Tokens<'_>, at: usize, needs: &mut Needs) {
    const LISTS: [&[u8]; 4] = [
        b"session_variables",
        b"system_variables",
        b"variables_by_thread",
        b"variables_info",
    ];
    let (Some(TokenKind::Word | TokenKind::Quoted | TokenKind::SystemVariable), bytes) =
        (tokens.kind(at), tokens.bytes(at))
    else {
        return;
    };
    let name = bytes.strip_prefix(b"@@").unwrap_or(bytes);
    let name = match name {
        [b'`' | b'"', inner @ .., _] => inner,
        plain => plain,
    };
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    needs.names_trackers |= is(b"session_track_schema") || is(b"session_track_system_variables");
    needs.lists_variables |= LISTS.iter().any(|known| is(known));
}

fn word(tokens: Tokens<'_>, at: usize, needs: &mut Needs) {
    schema(tokens, at, needs);
    let behind_dot = at > 0 && tokens.kind(at - 1) == Some(TokenKind::Dot);
    if tokens.kind(at + 1) == Some(TokenKind::Open) {
        call(tokens, at, behind_dot, needs);
        return;
    }
    let keyword = tokens.keyword(at);
    match keyword.as_str() {
        "SQL_CALC_FOUND_ROWS" => needs.leaves_found_rows = true,
        "UPDATE" | "SHARE" if at > 0 && tokens.is(at - 1, "FOR") => needs.locks_rows = true,
        "LOCK" if tokens.are(at + 1, &["IN", "SHARE", "MODE"]) => needs.locks_rows = true,
        "OUTFILE" | "DUMPFILE" => needs.writes_file = true,
        "INTO" if tokens.kind(at + 1) == Some(TokenKind::UserVariable) => needs.assigns_user_variables = true,
        // NEXT VALUE FOR s, PREVIOUS VALUE FOR s; s.nextval under ORACLE mode
        "VALUE" if at > 0 && tokens.is_any(at - 1, &["NEXT", "PREVIOUS"]) && tokens.is(at + 1, "FOR") => {
            needs.manager_function = true;
        }
        name if functions::is_bare_manager_function(name) => needs.manager_function = true,
        _ => {}
    }
    if behind_dot {
        let name = tokens.bytes(at);
        needs.manager_function |=
            name.eq_ignore_ascii_case(b"NEXTVAL") || name.eq_ignore_ascii_case(b"CURRVAL");
    }
}

fn call(tokens: Tokens<'_>, at: usize, behind_dot: bool, needs: &mut Needs) {
    let spaced = tokens.all.get(at + 1).is_some_and(|open| open.spaced);
    let class = if behind_dot {
        FunctionClass::Unknown
    } else {
        match tokens.keyword(at).as_str() {
            "" => FunctionClass::Unknown,
            name => functions::classify(name, spaced),
        }
    };
    match class {
        FunctionClass::Pure | FunctionClass::Keyword => {}
        FunctionClass::Manager => needs.manager_function = true,
        FunctionClass::Previous if tokens.is(at, "FOUND_ROWS") => needs.follows_found_rows = true,
        FunctionClass::Previous => needs.follows_row_count = true,
        FunctionClass::Unknown => needs.unknown_function |= !names_columns(tokens, at),
    }
}

/// A backquoted name before `(` can be a call as well.
fn quoted_call(tokens: Tokens<'_>, at: usize, needs: &mut Needs) {
    if tokens.kind(at + 1) == Some(TokenKind::Open) {
        needs.unknown_function |= !names_columns(tokens, at);
    }
}

/// Whether `name (` begins a list of columns: `WITH name (a, b) AS (`, `AS name (a, b)`, `INTO name (a, b)`.
fn names_columns(tokens: Tokens<'_>, at: usize) -> bool {
    let start = if at >= 2 && tokens.kind(at - 1) == Some(TokenKind::Dot) {
        at - 2
    } else {
        at
    };
    if start > 0 && tokens.is_any(start - 1, &["AS", "INTO", "INDEX", "KEY", "WINDOW", "REFERENCES"]) {
        return true;
    }
    let heads_expression = start > 0
        && (tokens.is_any(start - 1, &["WITH", "RECURSIVE"])
            || start >= 2
                && tokens.kind(start - 1) == Some(TokenKind::Comma)
                && tokens.kind(start - 2) == Some(TokenKind::Close));
    heads_expression
        && tokens.closing(at + 1).is_some_and(|close| {
            tokens.is(close + 1, "AS") && tokens.kind(close + 2) == Some(TokenKind::Open)
        })
}

fn system_variable(tokens: Tokens<'_>, at: usize, needs: &mut Needs) {
    let name = tokens.bytes(at).get(2..).unwrap_or_default();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("last_insert_id") || is("identity") {
        needs.manager_function = true;
    } else if is("warning_count") || is("error_count") {
        needs.follows_diagnostics = true;
    } else {
        needs.reads_system_variables = true;
    }
}

fn schema(tokens: Tokens<'_>, at: usize, needs: &mut Needs) {
    if tokens.kind(at + 1) == Some(TokenKind::Dot)
        && !(at > 0 && tokens.kind(at - 1) == Some(TokenKind::Dot))
        && tokens.name(at).is_some_and(|name| is_node_schema(&name))
    {
        needs.node_schema = true;
    }
}

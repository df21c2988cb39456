//! MySQL's way of writing a SELECT, in SQLite's: literals, quoted names, `@@variables`, a few functions. Pure.

use statement::{LexMode, Lexer, Token, TokenKind};

use super::VERSION;
use super::refusal::Refusal;
use super::variables;

/// Most tokens of a statement: what people and tools write has some hundreds.
const TOKENS_MAX: usize = 10_000;

/// Who asks, for the functions that tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) connection_id: u32,
    pub(super) schema: Option<String>,
    /// The strategy in force, as `@@strategy`.
    pub(super) strategy: &'static str,
}

/// A text, cut.
pub(super) struct Tokens<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Tokens<'a> {
    /// Cuts a text; a semicolon at its end is dropped.
    pub(super) fn of(text: &'a str) -> Result<Self, Refusal> {
        let mut lexer = Lexer::new(text.as_bytes(), LexMode::default());
        let mut tokens: Vec<Token> = lexer.by_ref().take(TOKENS_MAX + 1).collect();
        if let Some(doubt) = lexer.doubt() {
            return Err(Refusal::syntax(format!("the statement cannot be read: {doubt}")));
        }
        if tokens.len() > TOKENS_MAX {
            return Err(Refusal::syntax("the statement is too long"));
        }
        tokens.retain(|token| !matches!(token.kind, TokenKind::ExecutableOpen | TokenKind::ExecutableClose));
        while tokens
            .last()
            .is_some_and(|token| token.kind == TokenKind::Semicolon)
        {
            tokens.pop();
        }
        if tokens.iter().any(|token| token.kind == TokenKind::Semicolon) {
            return Err(Refusal::syntax("one statement at a time"));
        }
        Ok(Self { text, tokens })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn kind(&self, index: usize) -> Option<TokenKind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// A token as it is written; empty behind the last.
    pub(super) fn written(&self, index: usize) -> &'a str {
        let token = self.tokens.get(index);
        token
            .and_then(|token| self.text.get(token.start as usize..token.end as usize))
            .unwrap_or_default()
    }

    /// A word in capitals, or an operator; empty for anything else.
    pub(super) fn word(&self, index: usize) -> String {
        match self.kind(index) {
            Some(TokenKind::Word | TokenKind::Operator) => self.written(index).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    pub(super) fn is(&self, index: usize, word: &str) -> bool {
        self.kind(index) == Some(TokenKind::Word) && self.written(index).eq_ignore_ascii_case(word)
    }

    /// A name, a number or a text, without its quotes.
    pub(super) fn plain(&self, index: usize) -> Option<String> {
        let written = self.written(index);
        match self.kind(index)? {
            TokenKind::Word | TokenKind::Number => Some(written.to_owned()),
            TokenKind::Quoted => Some(name_of(written)),
            TokenKind::Text => Some(text_of(written)),
            _ => None,
        }
    }

    /// The whole, or what is behind a token, for SQLite.
    pub(super) fn to_sqlite(&self, from: usize, asker: &Asker) -> Result<String, Refusal> {
        self.between_to_sqlite(from, self.len(), asker)
    }

    /// A part of it.
    pub(super) fn between_to_sqlite(&self, from: usize, to: usize, asker: &Asker) -> Result<String, Refusal> {
        let mut out = String::with_capacity(self.text.len());
        let mut index = from;
        while index < to {
            let spaced = self.tokens.get(index).is_some_and(|token| token.spaced);
            if spaced && !out.is_empty() {
                out.push(' ');
            }
            index += self.one_to_sqlite(index, from, asker, &mut out)?;
        }
        Ok(out)
    }

    /// Appends what begins at a token; returns how many tokens that was.
    fn one_to_sqlite(
        &self,
        index: usize,
        from: usize,
        asker: &Asker,
        out: &mut String,
    ) -> Result<usize, Refusal> {
        let written = self.written(index);
        let Some(kind) = self.kind(index) else {
            return Ok(1);
        };
        match kind {
            TokenKind::Word if self.kind(index + 1) == Some(TokenKind::Open) => {
                let is_empty = self.kind(index + 2) == Some(TokenKind::Close);
                if let (true, Some(value)) = (is_empty, function(written, asker)) {
                    out.push_str(&value);
                    self.name_column(index, index + 3, &format!("{written}()"), from, out);
                    return Ok(3);
                }
                out.push_str(called(written));
            }
            // CONVERT(…, UNSIGNED INTEGER)
            TokenKind::Comma if self.is_integer(index + 1) => {
                out.push_str(" AS INTEGER");
                return Ok(1 + self.integer_tokens(index + 1));
            }
            // CAST(… AS UNSIGNED INTEGER)
            TokenKind::Word if index > from && self.is(index - 1, "AS") && self.is_integer(index) => {
                out.push_str("INTEGER");
                return Ok(self.integer_tokens(index));
            }
            TokenKind::Word | TokenKind::Number | TokenKind::Comma | TokenKind::Dot => out.push_str(written),
            TokenKind::Open | TokenKind::Close | TokenKind::Bits => out.push_str(written),
            TokenKind::Quoted => out.push_str(&quoted(&name_of(written), '"')),
            TokenKind::Text => out.push_str(&quoted(&text_of(written), '\'')),
            TokenKind::UserVariable => out.push_str("NULL"),
            TokenKind::SystemVariable => return self.variable(index, from, asker, out),
            TokenKind::Operator => out.push_str(match written {
                "<=>" => " IS ",
                "&&" => " AND ",
                "||" => " OR ",
                other => other,
            }),
            TokenKind::Placeholder
            | TokenKind::Ellipsis
            | TokenKind::Semicolon
            | TokenKind::ExecutableOpen
            | TokenKind::ExecutableClose => {
                return Err(Refusal::syntax(format!("`{written}` has no meaning here")));
            }
        }
        Ok(1)
    }

    fn is_integer(&self, index: usize) -> bool {
        ["SIGNED", "UNSIGNED"].iter().any(|word| self.is(index, word))
    }

    /// `UNSIGNED`, `UNSIGNED INTEGER`.
    fn integer_tokens(&self, index: usize) -> usize {
        1 + usize::from(["INTEGER", "INT"].iter().any(|word| self.is(index + 1, word)))
    }

    /// `@@name`, `@@scope.name`.
    fn variable(&self, index: usize, from: usize, asker: &Asker, out: &mut String) -> Result<usize, Refusal> {
        let (name, tokens) = self.variable_name(index);
        let value = if name == variables::STRATEGY {
            asker.strategy
        } else {
            variables::value(&name).ok_or_else(|| Refusal::unknown_variable(&name))?
        };
        // tools compare numbers as numbers
        if !value.is_empty() && value.len() < 19 && value.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push_str(value);
        } else {
            out.push_str(&quoted(value, '\''));
        }
        let written: String = (index..index + tokens).map(|index| self.written(index)).collect();
        self.name_column(index, index + tokens, &written, from, out);
        Ok(tokens)
    }

    /// The name of the variable that begins at a token, and how many tokens it has.
    pub(super) fn variable_name(&self, index: usize) -> (String, usize) {
        let first = self.written(index).trim_start_matches('@').trim_matches('`');
        if self.kind(index + 1) == Some(TokenKind::Dot)
            && let Some(name) = self.plain(index + 2)
        {
            return (name.to_ascii_lowercase(), 3);
        }
        (first.to_ascii_lowercase(), 1)
    }

    /// A column of its own has the name that it was asked by.
    fn name_column(&self, first: usize, behind: usize, written: &str, from: usize, out: &mut String) {
        let begins =
            first > from && (self.is(first - 1, "SELECT") || self.kind(first - 1) == Some(TokenKind::Comma));
        let ends = behind >= self.len()
            || self.kind(behind) == Some(TokenKind::Comma)
            || self.is(behind, "LIMIT")
            || self.is(behind, "FROM");
        if begins && ends {
            out.push_str(" AS ");
            out.push_str(&quoted(written, '"'));
        }
    }
}

fn function(name: &str, asker: &Asker) -> Option<String> {
    let user = || quoted(&format!("{}@{}", asker.user, asker.host), '\'');
    Some(match name.to_ascii_lowercase().as_str() {
        "version" => quoted(VERSION, '\''),
        "user" | "current_user" | "session_user" | "system_user" => user(),
        "connection_id" => asker.connection_id.to_string(),
        "database" | "schema" => asker
            .schema
            .as_deref()
            .map_or_else(|| "NULL".to_owned(), |schema| quoted(schema, '\'')),
        "now" | "sysdate" => "datetime('now')".to_owned(),
        "row_count" | "last_insert_id" | "found_rows" => "0".to_owned(),
        _ => return None,
    })
}

/// What SQLite calls a function.
fn called(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "convert" => "CAST",
        "if" => "iif",
        "least" => "min",
        "greatest" => "max",
        "ucase" => "upper",
        "lcase" => "lower",
        "char_length" | "character_length" => "length",
        _ => name,
    }
}

/// A name without its backquotes.
fn name_of(written: &str) -> String {
    let inner = written.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    inner.unwrap_or(written).replace("``", "`")
}

/// A text without its quotes, its introducer and its escapes.
fn text_of(written: &str) -> String {
    let Some(start) = written.find(['\'', '"']) else {
        return written.to_owned();
    };
    let quote = if written[start..].starts_with('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::new();
    let mut characters = written[start + 1..].chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                // for LIKE, which undoes them itself
                Some(escaped @ ('%' | '_')) => out.extend(['\\', escaped]),
                Some(other) => out.push(other),
                None => {}
            },
            end if end == quote => {
                if characters.next_if_eq(&quote).is_none() {
                    break;
                }
                out.push(quote);
            }
            other => out.push(other),
        }
    }
    out
}

/// In quotes for SQLite, which has no escapes but the doubled quote.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    // SQLite ends a statement there
    for character in text.chars().filter(|character| *character != '\0') {
        if character == quote {
            out.push(quote);
        }
        out.push(character);
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker() -> Asker {
        Asker {
            user: "admin".to_owned(),
            host: "127.0.0.1".to_owned(),
            connection_id: 7,
            schema: Some("proxy".to_owned()),
            strategy: "random",
        }
    }

    fn translated(text: &str) -> String {
        Tokens::of(text).unwrap().to_sqlite(0, &asker()).unwrap()
    }

    #[test]
    fn quotes_are_sqlites() {
        assert_eq!(
            translated(r#"select `a``b`, "it's", 'x\'y' from `nodes` -- what"#),
            r#"select "a`b", 'it''s', 'x''y' from "nodes""#
        );
        assert_eq!(translated("select _utf8mb4'é'"), "select 'é'");
    }

    #[test]
    fn operators_that_mean_something_else_are_replaced() {
        assert_eq!(
            translated("select 1 where a||b && c<=>d"),
            "select 1 where a OR b  AND  c IS d"
        );
    }

    #[test]
    fn whole_numbers_are_integers() {
        assert_eq!(
            translated("select cast(a as unsigned integer), cast(b as SIGNED) from t"),
            "select cast(a as INTEGER), cast(b as INTEGER) from t"
        );
        assert_eq!(
            translated("select convert(if(a, 1, 2), unsigned integer), least(1, 2)"),
            "select CAST(iif(a, 1, 2) AS INTEGER), min(1, 2)"
        );
    }

    #[test]
    fn variables_and_functions_are_their_values_under_their_own_names() {
        assert_eq!(
            translated("select @@version_comment limit 1"),
            "select 'admin console of the proxy' AS \"@@version_comment\" limit 1"
        );
        assert_eq!(
            translated(
                "SELECT @@session.auto_increment_increment AS auto, @@GLOBAL.`wait_timeout`+1, DATABASE()"
            ),
            "SELECT 1 AS auto, 28800+1, 'proxy' AS \"DATABASE()\""
        );
        assert_eq!(
            translated("SELECT @@strategy"),
            "SELECT 'random' AS \"@@strategy\""
        );
        assert!(
            Tokens::of("SELECT @@nonsense")
                .unwrap()
                .to_sqlite(0, &asker())
                .is_err()
        );
    }

    #[test]
    fn what_begins_another_statement_is_refused() {
        assert!(Tokens::of("select 1; select 2").is_err());
        assert!(Tokens::of("select 'no end").is_err());
        assert_eq!(translated("select 1 ;;"), "select 1");
        assert!(Tokens::of("select ?").unwrap().to_sqlite(0, &asker()).is_err());
    }
}

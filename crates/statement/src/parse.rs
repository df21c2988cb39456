//! Queries by sqlparser: the only place that names it.
//!
//! It is never trusted alone: the lexer has looked first, what it gets is text that we wrote from tokens, and
//! what it takes for a query must be nothing but a query. Limits keep its recursion and its time bounded.

mod rewrite;

use std::ops::ControlFlow;

use sqlparser::{
    ast::{ObjectName, Query, Select, SetExpr, Statement, Visit, Visitor},
    dialect::MySqlDialect,
    parser::Parser,
};

use crate::{
    effect::Cause,
    scan::TokenKind,
    tables::{TableName, Tables},
    tokens::Tokens,
};

/// Longest text that is parsed, in bytes.
pub const PARSED_BYTES_MAX: usize = 256 << 10;

/// Most tokens that are parsed.
pub const PARSED_TOKENS_MAX: usize = 20_000;

/// Deepest nesting of parentheses and CASEs that is parsed.
pub const NESTING_MAX: usize = 40;

/// Most JOINs (and commas of a FROM) that are parsed: more overflow a thread's stack.
pub const JOINS_MAX: usize = 100;

/// Most UNIONs, EXCEPTs, INTERSECTs that are parsed.
pub const SET_OPERATIONS_MAX: usize = 300;

/// Most operators of one expression, along its deepest path (`a OR b OR …`): each is a level of the tree.
pub const CHAIN_TERMS_MAX: usize = 1_000;

/// Parses a query; its tables when it is nothing but one.
pub(crate) fn query(tokens: Tokens<'_>) -> Result<Tables, Cause> {
    within_limits(tokens)?;
    let text = rewrite::rewrite(tokens).ok_or(Cause::TooComplex)?;
    if text.len() > PARSED_BYTES_MAX {
        return Err(Cause::TooComplex);
    }
    let statements = Parser::new(&MySqlDialect {})
        .with_recursion_limit(NESTING_MAX * 4)
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|_| Cause::Query)?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err(Cause::Contradiction);
    };
    let mut look = Look::default();
    match query.visit(&mut look) {
        ControlFlow::Continue(()) => Ok(look.tables),
        ControlFlow::Break(()) => Err(Cause::Contradiction),
    }
}

/// Counts what makes the parser slow or its tree deep.
fn within_limits(tokens: Tokens<'_>) -> Result<(), Cause> {
    if tokens.len() > PARSED_TOKENS_MAX {
        return Err(Cause::TooComplex);
    }
    let (mut joins, mut sets) = (0, 0);
    let mut levels = vec![Level::default()];
    for at in 0..tokens.len() {
        let outermost = levels.len() == 1;
        let Some(level) = levels.last_mut() else {
            return Err(Cause::Query);
        };
        match tokens.kind(at) {
            Some(TokenKind::Open) => levels.push(Level::default()),
            Some(TokenKind::Close) => {
                let depth = level.end();
                levels.pop();
                levels.last_mut().ok_or(Cause::Query)?.hold(depth + 1);
            }
            Some(TokenKind::Operator) => level.terms += 1,
            Some(TokenKind::Comma) => level.next(),
            Some(TokenKind::Word) => match tokens.keyword(at).as_str() {
                "JOIN" | "STRAIGHT_JOIN" => joins += 1,
                "UNION" | "EXCEPT" | "INTERSECT" | "MINUS" => {
                    sets += 1;
                    level.next();
                }
                "FROM" | "WHERE" | "ON" | "HAVING" | "GROUP" | "ORDER" => level.next(),
                "AND" | "OR" | "XOR" | "NOT" | "DIV" | "MOD" | "IS" | "LIKE" | "REGEXP" | "RLIKE"
                | "COLLATE" | "BINARY" | "INTERVAL" | "IN" | "BETWEEN" => level.terms += 1,
                "CASE" => levels.push(Level::default()),
                "END" if !outermost => {
                    let depth = level.end();
                    levels.pop();
                    levels.last_mut().ok_or(Cause::Query)?.hold(depth + 1);
                }
                _ => {}
            },
            _ => {}
        }
        if levels.len() > NESTING_MAX + 1 {
            return Err(Cause::TooComplex);
        }
    }
    let terms = levels.last_mut().map_or(0, Level::end);
    let within = joins <= JOINS_MAX && sets <= SET_OPERATIONS_MAX && terms <= CHAIN_TERMS_MAX;
    if within { Ok(()) } else { Err(Cause::TooComplex) }
}

/// How deep the tree of an expression can be, bounded from above: each operator of a row is one level.
#[derive(Default)]
struct Level {
    terms: usize,
    deepest_inside: usize,
    deepest: usize,
}

impl Level {
    fn hold(&mut self, inside: usize) {
        self.deepest_inside = self.deepest_inside.max(inside);
    }

    /// Another expression begins.
    fn next(&mut self) {
        self.deepest = self.deepest.max(self.terms + self.deepest_inside);
        self.terms = 0;
        self.deepest_inside = 0;
    }

    fn end(&mut self) -> usize {
        self.next();
        self.deepest
    }
}

/// Walks a query: collects its tables, stops at anything that is no query.
#[derive(Default)]
struct Look {
    tables: Tables,
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if matches!(statement, Statement::Query(_)) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if is_query_only(&query.body) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_none() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let mut parts = relation.0.iter().rev().map(|part| {
            let ident = part
                .as_ident()
                .map(|ident| ident.value.as_bytes())
                .unwrap_or_default();
            ident.to_vec().into_boxed_slice()
        });
        if let Some(name) = parts.next() {
            self.tables.add(TableName {
                schema: parts.next(),
                name,
            });
        }
        ControlFlow::Continue(())
    }
}

/// No INSERT, UPDATE, DELETE or MERGE in the place of a query.
fn is_query_only(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::SetOperation { left, right, .. } => is_query_only(left) && is_query_only(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

#[cfg(test)]
mod tests;

//! A command that is not held as a whole: it is larger than a mebibyte, or memory is short.
//!
//! It goes to the manager while it comes, and nothing of it is kept: there is no second try that could need it. Its
//! first bytes say which prepared statement it means; of a text they say nothing, for its end may be anything.

use std::sync::Arc;

use peer::proof::KillReach;
use peer::rest::{Begun, Rest};
use statement::{Facts, LexMode};
use wire::ServerError;
use wire::command::{self, Asked, CommandCode, Execute, Query, STATEMENT_ID_OFFSET};
use wire::reply::Shape;

use super::kill::unclear_kill;
use super::prepared::{Prepared, brings_types, lack_of_types};
use super::run::Needs;
use super::{Flow, Session};
use crate::metrics::ErrorKind;

impl Session {
    /// Runs it on the manager.
    pub(super) async fn begun(&mut self, begun: Begun) -> Flow {
        self.received(begun.start().len());
        if self.may_hide_a_kill(&begun) {
            return self.refuse_and_end(&unclear_kill(), begun.sequence()).await;
        }
        match begun.code() {
            CommandCode::QUERY => self.query_begun(begun).await,
            CommandCode::STMT_PREPARE => self.prepare_begun(begun).await,
            CommandCode::STMT_EXECUTE => self.execute_begun(begun).await,
            CommandCode::STMT_SEND_LONG_DATA => {
                if let Some((_, prepared)) = command::statement_id(begun.start())
                    .ok()
                    .and_then(|id| self.prepared.find(id))
                {
                    prepared.long_data = true;
                }
                let asked = Asked::of(begun.start());
                self.on_manager_rest(asked, begun.into_rest(), Shape::Nothing, None)
                    .await
                    .flow
            }
            CommandCode::STMT_BULK_EXECUTE => self.bulk_execute_begun(begun).await,
            _ => {
                self.host.metrics.error(ErrorKind::LimitPassed);
                let error = ServerError::packet_too_large();
                self.refuse_and_end(&error, begun.sequence()).await
            }
        }
    }

    async fn query_begun(&mut self, mut begun: Begun) -> Flow {
        if let Ok(query) = Query::decode(begun.start(), self.capabilities) {
            let start = query.range.start;
            blank_hint(&mut begun, start, self.state.mode);
        }
        let facts = Facts::unfinished();
        // whatever it is, and also if its last part fails
        self.state.unfinished();
        self.run_rest(
            Asked::of(begun.start()),
            begun.into_rest(),
            &facts,
            Needs::default(),
        )
        .await
    }

    async fn prepare_begun(&mut self, mut begun: Begun) -> Flow {
        if let Some(refusal) = self.too_many_prepared() {
            return self.refuse_and_end(&refusal, begun.sequence()).await;
        }
        blank_hint(&mut begun, 1, self.state.mode);
        let asked = Asked::of(begun.start());
        let rest = begun.into_rest();
        let ended = self.on_manager_rest(asked, rest, Shape::Prepare, None).await;
        let statement = Prepared::on_manager_alone(Arc::new(Facts::unfinished()));
        self.prepared_on_manager(ended, statement)
    }

    /// An execution with large values. The statement's text is known, and the manager's number of it is the client's
    /// own; but the manager may not have seen the parameters' types.
    async fn execute_begun(&mut self, mut begun: Begun) -> Flow {
        let found = command::statement_id(begun.start())
            .ok()
            .and_then(|id| self.prepared.find(id));
        let Some((id, prepared)) = found else {
            let asked = Asked::of(begun.start());
            let rest = begun.into_rest();
            return self.on_manager_rest(asked, rest, Shape::Results, None).await.flow;
        };
        if self.manager.is_mariadb && prepared.lacks_types(begun.start()) {
            return self.refuse_and_end(&lack_of_types(), begun.sequence()).await;
        }
        let brings_types = brings_types(begun.start(), prepared.parameters);
        let facts = Arc::clone(&prepared.facts);
        let mut needs = Needs {
            hint: prepared.hint,
            cursor: false,
            long_data: true,
            worker: None,
        };
        let (mut types_before, mut copy, mut front) = (None, false, None);
        if prepared.text.is_some() {
            match Execute::decode(begun.start(), prepared.parameters, self.capabilities) {
                Ok(execute) => {
                    let execution = prepared.execution(&execute);
                    (needs.cursor, copy) = (execution.cursor, execution.copy);
                    types_before = execution.types_before;
                    if execute.types.is_none()
                        && let Some(remembered) = prepared.types.as_deref()
                    {
                        front = Some(execute.front_with_types(remembered));
                    }
                }
                // thousands of parameters, or what we cannot read: nobody but the manager has seen their types
                Err(_) => {
                    if self.manager.is_mariadb && prepared.lacks_types_as_it_is(begun.start()) {
                        return self.refuse_and_end(&lack_of_types(), begun.sequence()).await;
                    }
                    prepared.types = None;
                    prepared.text = None;
                }
            }
        }
        if copy && !self.manager.is_mariadb {
            // the copy has no cursor to close
            if needs.cursor && self.close_cursor(id).await.is_err() {
                let error = ServerError::lost_connection("the database server", false);
                return self.refuse_and_end(&error, begun.sequence()).await;
            }
            if let Some(number) = self.copy_on_manager(id).await {
                let number = number.to_le_bytes();
                let start = front.as_mut().map_or(begun.start_mut(), |(front, _)| front);
                if let Some(place) = start.get_mut(STATEMENT_ID_OFFSET..STATEMENT_ID_OFFSET + number.len()) {
                    place.copy_from_slice(&number);
                }
            }
        }
        let asked = Asked::of(begun.start());
        let rest = match front {
            Some((front, replaced)) => begun.replace_front(replaced, front),
            None => begun.into_rest(),
        };
        self.state.error = None;
        let flow = self.run_rest(asked, rest, &facts, needs).await;
        self.executed(id, types_before, brings_types);
        flow
    }

    /// As [`Session::bulk_execute`].
    async fn bulk_execute_begun(&mut self, begun: Begun) -> Flow {
        let found = command::statement_id(begun.start())
            .ok()
            .and_then(|id| self.prepared.find(id));
        let Some((id, prepared)) = found else {
            let asked = Asked::of(begun.start());
            let rest = begun.into_rest();
            return self.on_manager_rest(asked, rest, Shape::Results, None).await.flow;
        };
        if self.manager.is_mariadb && prepared.lacks_types_as_it_is(begun.start()) {
            return self.refuse_and_end(&lack_of_types(), begun.sequence()).await;
        }
        let brings_types = brings_types(begun.start(), prepared.parameters);
        let facts = Arc::clone(&prepared.facts);
        let asked = Asked::of(begun.start());
        let rest = begun.into_rest();
        let needs = Needs {
            long_data: true,
            ..Needs::default()
        };
        self.state.error = None;
        let flow = self.run_rest(asked, rest, &facts, needs).await;
        self.executed_in_bulk(id, brings_types);
        flow
    }

    /// Whether a session that may only kill its user's own sends what could be a KILL of anybody: the gatekeeper has
    /// refused a KILL among other statements, and one alone would have to be read here.
    fn may_hide_a_kill(&self, begun: &Begun) -> bool {
        let text_start = match begun.code() {
            _ if self.kill_reach != KillReach::Sessions => return false,
            CommandCode::STMT_PREPARE => 1,
            CommandCode::QUERY => match Query::decode(begun.start(), self.capabilities) {
                Ok(query) => query.range.start,
                Err(_) => return true,
            },
            _ => return false,
        };
        let mut fingerprint = Vec::new();
        let text = begun.start().get(text_start..).unwrap_or_default();
        statement::fingerprint(text, self.state.mode, &mut fingerprint);
        let word = fingerprint.split(|byte| !byte.is_ascii_alphabetic()).next();
        word.is_none_or(|word| word.is_empty() || word.eq_ignore_ascii_case(b"KILL"))
    }

    async fn run_rest(&mut self, asked: Asked, rest: Rest, facts: &Facts, needs: Needs) -> Flow {
        let mut route = self.route(facts, needs);
        route.target = self.manager.node;
        route.role = crate::cluster::Role::Manager;
        let begun = self.begins(facts, route.target);
        let ended = self
            .on_manager_rest(asked, rest, Shape::Results, Some(facts))
            .await;
        self.ran(facts, route, begun, ended.ended);
        ended.flow
    }
}

/// Overwrites our own hint, which stands behind the first word of a text.
fn blank_hint(begun: &mut Begun, text_start: usize, mode: LexMode) {
    let mut fingerprint = Vec::new();
    let text = begun.start().get(text_start..).unwrap_or_default();
    let scan = statement::fingerprint(text, mode, &mut fingerprint);
    let Some((_, range)) = scan.hint else { return };
    let range = text_start + range.start..text_start + range.end;
    if let Some(bytes) = begun.start_mut().get_mut(range) {
        bytes.fill(b' ');
    }
}

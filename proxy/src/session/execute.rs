//! COM_STMT_…: one statement for the client, one number per connection for the nodes.

use std::sync::Arc;

use peer::inbox::Command;
use peer::proof::KillReach;
use peer::relay::{Moved, RelayError};
use statement::Facts;
use wire::command::{self, CommandCode, Execute, STATEMENT_ID_OFFSET};
use wire::reply::Shape;
use wire::{Capabilities, ServerError};

use super::executing::Executing;
use super::kill::is_kill;
use super::link::{Link, Verdict};
use super::meaning::MEANING;
use super::prepared::{Prepared, brings_types, is_about_parameters, lack_of_types};
use super::query::{blank_hint, hint};
use super::run::{Needs, OnManager};
use super::shared_statements::StatementKey;
use super::{Flow, Session};
use crate::cluster::{NodeId, Role};

/// `max_prepared_stmt_count` has been reached: the one failure after which MariaDB keeps its last statement.
const TOO_MANY_STATEMENTS: u16 = 1461;

impl Session {
    /// COM_STMT_PREPARE: on the manager, whose number is the client's.
    pub(super) async fn prepare(&mut self, mut command: Command) -> Flow {
        if let Some(refusal) = self.too_many_prepared() {
            return self.refuse(&refusal).await;
        }
        let text = command.payload().get(1..).unwrap_or_default();
        let (facts, scan) = crate::facts::of(text, self.state.mode);
        let hint = hint(&scan);
        blank_hint(&mut command, 1, &scan);
        if self.may_not_kill_so(&facts) {
            return self.refuse_unclear_kill().await;
        }
        let kept = (facts.is_surely_read() || is_kill(&facts))
            .then(|| command.payload().get(1..).unwrap_or_default().into());
        let ended = self.on_manager_run(&mut command, Shape::Prepare, None).await;
        let statement = Prepared {
            text: kept,
            meaning: self.state.meaning,
            hint,
            ..Prepared::on_manager_alone(facts)
        };
        self.prepared_on_manager(ended, statement)
    }

    /// COM_STMT_PREPARE has ended: the statement is the session's, if the manager has taken it.
    pub(super) fn prepared_on_manager(&mut self, ended: OnManager, statement: Prepared) -> Flow {
        let (node, is_mariadb) = (self.manager.node, self.manager.is_mariadb);
        self.state
            .leavings
            .prepared(node, &statement.facts, ended.ended, is_mariadb);
        match ended.prepared {
            Some(prepared) => {
                let id = prepared.statement_id;
                let (parameters, columns) = (prepared.parameters, prepared.columns);
                self.prepared.insert(
                    id,
                    Prepared {
                        parameters,
                        columns,
                        ..statement
                    },
                );
                self.prepared.set_last(is_mariadb.then_some(id));
            }
            None if self.state.error == Some(TOO_MANY_STATEMENTS) => {}
            None => self.prepared.set_last(None),
        }
        ended.flow
    }

    pub(super) fn too_many_prepared(&self) -> Option<ServerError> {
        let max = self.host.config.limits.prepared_statements_max;
        (self.prepared.len() >= max).then(|| {
            let message =
                format!("Can't create more than max_prepared_stmt_count statements (current value: {max})");
            ServerError::new(TOO_MANY_STATEMENTS, b"42000", message)
        })
    }

    /// COM_STMT_EXECUTE: routed by the facts of its text. What a worker may execute always has its types in it.
    pub(super) async fn execute(&mut self, mut command: Command) -> Flow {
        let Some((id, prepared)) = command::statement_id(command.payload())
            .ok()
            .and_then(|id| self.prepared.find(id))
        else {
            // the manager knows best what to say of a number that it never gave
            return self.on_manager(&mut command, Shape::Results, None).await;
        };
        if self.manager.is_mariadb && prepared.lacks_types(command.payload()) {
            return self.refuse(&lack_of_types()).await;
        }
        let brings_types = brings_types(command.payload(), prepared.parameters);
        let facts = Arc::clone(&prepared.facts);
        let mut needs = Needs {
            hint: prepared.hint,
            cursor: false,
            long_data: prepared.long_data,
            worker: None,
        };
        if is_kill(&facts) {
            if let Ok(execute) = Execute::decode(command.payload(), prepared.parameters, self.capabilities) {
                match (execute.own_types, prepared.types.as_deref()) {
                    (Some(types), _) => prepared.types = Some(types.into()),
                    // the manager may not have seen them: a KILL of a session's is run as text
                    (None, Some(types)) => {
                        command = Command::of_payload(&execute.with_types(execute.statement_id, Some(types)));
                    }
                    (None, None) => {}
                }
            }
            return Box::pin(self.kill_by_execution(command, id)).await;
        }
        let (mut types_before, mut copy) = (None, false);
        if prepared.text.is_some() {
            let Ok(execute) = Execute::decode(command.payload(), prepared.parameters, self.capabilities)
            else {
                if self.manager.is_mariadb && prepared.lacks_types_as_it_is(command.payload()) {
                    return self.refuse(&lack_of_types()).await;
                }
                return self.execute_as_it_is(command, id, &facts, brings_types).await;
            };
            let execution = prepared.execution(&execute);
            (needs.cursor, copy) = (execution.cursor, execution.copy);
            types_before = execution.types_before;
            needs.worker = prepared.worker.filter(|_| prepared.types_vary);
            if execute.types.is_none()
                && let Some(remembered) = prepared.types.as_deref()
            {
                command = Command::of_payload(&execute.with_types(execute.statement_id, Some(remembered)));
            }
        }
        if copy && !self.manager.is_mariadb {
            // the copy has no cursor to close
            if needs.cursor && self.close_cursor(id).await.is_err() {
                self.lost(Moved::default(), false).await;
                return Flow::End;
            }
            needs.cursor = false;
            if let Some(number) = Box::pin(self.copy_on_manager(id)).await {
                set_statement_number(&mut command, number.to_le_bytes());
            }
        }
        self.state.error = None;
        self.state.executing = self.executing(id);
        let flow = self.execute_routed(command, id, &facts, needs).await;
        self.executed(id, types_before, brings_types);
        flow
    }

    /// An execution has ended, wherever it ran.
    pub(super) fn executed(&mut self, id: u32, types_before: Option<Option<Box<[u8]>>>, brings_types: bool) {
        let on_manager = self.state.previous == Some(self.manager.node);
        let error = self.state.error;
        let executing = std::mem::take(&mut self.state.executing);
        let ran_on = self.state.previous;
        let Some((_, prepared)) = self.prepared.find(id) else {
            return;
        };
        if !on_manager {
            prepared.worker = ran_on;
        }
        if let (Some(_), Some(found), None) = (executing.columns, executing.found, error) {
            prepared.columns = found;
        }
        if on_manager && prepared.began_with_cursor.is_none() {
            prepared.began_with_cursor = Some(prepared.cursor);
        }
        prepared.bind(brings_types && on_manager, error);
        prepared.long_data &= error.is_some();
        if let Some(before) = types_before
            && error.is_some_and(is_about_parameters)
        {
            prepared.types = before;
        }
    }

    /// What the client knows of the statement that is executed.
    fn executing(&mut self, id: u32) -> Executing {
        let Some((_, prepared)) = self.prepared.find(id) else {
            return Executing::default();
        };
        // what is no read may have several results, and without descriptions nobody knows their columns
        let is_followed =
            prepared.text.is_some() && !self.capabilities.has(Capabilities::OPTIONAL_RESULTSET_METADATA);
        Executing {
            // MySQL does not tell those of an EXPLAIN, which are always the same
            columns: Some(prepared.columns).filter(|columns| is_followed && *columns > 0),
            found: None,
            is_of_another_time: prepared.meaning != self.state.meaning,
        }
    }

    async fn execute_routed(&mut self, mut command: Command, id: u32, facts: &Facts, needs: Needs) -> Flow {
        let mut route = self.route(facts, needs);
        if self.may_read_back(&route) {
            route = Box::pin(self.consistent(route, needs.worker)).await;
        }
        if route.role == Role::Worker {
            let reading = self.registered.begin_reading(route.target);
            let bound = self
                .state
                .leavings
                .bind(route.target, facts, self.manager.is_mariadb);
            match Box::pin(self.prepare_on_worker(route.target, id, bound)).await {
                Some(worker_id) => {
                    let manager_id = statement_number(&command);
                    set_statement_number(&mut command, worker_id.to_le_bytes());
                    let back = |command: &mut Command| set_statement_number(command, manager_id);
                    return self
                        .run_or(&mut command, Shape::Results, facts, route, back)
                        .await;
                }
                None => {
                    self.registered.end_reading();
                    if self.registered.is_stopped(reading) {
                        return self.refuse(&ServerError::query_interrupted()).await;
                    }
                    route = self.retried(route);
                }
            }
        }
        self.run(&mut command, Shape::Results, facts, route).await
    }

    /// COM_STMT_RESET of our own.
    pub(super) async fn close_cursor(&mut self, id: u32) -> Result<(), RelayError> {
        let mut payload = vec![CommandCode::STMT_RESET.0];
        payload.extend_from_slice(&id.to_le_bytes());
        peer::relay::send(&mut self.manager.stream, &Command::of_payload(&payload))
            .await
            .map_err(RelayError::From)?;
        let mut verdict = Verdict::new(self.capabilities);
        self.manager.drain(Shape::Verdict, &mut verdict).await?;
        Ok(())
    }

    /// The manager's number of the same text, prepared once more for executions without a cursor.
    pub(super) async fn copy_on_manager(&mut self, id: u32) -> Option<u32> {
        let (_, prepared) = self.prepared.find(id)?;
        let means_otherwise = prepared.meaning != self.state.meaning;
        if means_otherwise && !self.manager.copies.contains_key(&id) {
            return None; // its names would be those of another schema
        }
        self.manager
            .prepare_copy(id, prepared.text.as_deref()?)
            .await
            .ok()?
    }

    /// An execution that we cannot read: the manager says what is wrong with it. If nothing is, it has read more
    /// than we could, types perhaps, and the statement stays there.
    async fn execute_as_it_is(
        &mut self,
        mut command: Command,
        id: u32,
        facts: &Facts,
        brings_types: bool,
    ) -> Flow {
        let flow = self.on_manager(&mut command, Shape::Results, Some(facts)).await;
        let error = self.state.error;
        let Some((_, prepared)) = self.prepared.find(id) else {
            return flow;
        };
        prepared.bind(brings_types, error);
        if error.is_none() {
            prepared.text = None;
            prepared.long_data = false;
        }
        flow
    }

    /// COM_STMT_BULK_EXECUTE: a write, or an error; on the manager.
    pub(super) async fn bulk_execute(&mut self, mut command: Command) -> Flow {
        let Some((id, prepared)) = command::statement_id(command.payload())
            .ok()
            .and_then(|id| self.prepared.find(id))
        else {
            return self.on_manager(&mut command, Shape::Results, None).await;
        };
        if self.manager.is_mariadb && prepared.lacks_types_as_it_is(command.payload()) {
            return self.refuse(&lack_of_types()).await;
        }
        let brings_types = brings_types(command.payload(), prepared.parameters);
        if is_kill(&prepared.facts) && self.kill_reach == KillReach::Sessions {
            return self.refuse_unclear_kill().await; // no server runs it so; were one to, nobody would check its numbers
        }
        let needs = Needs {
            hint: prepared.hint,
            cursor: prepared.cursor,
            long_data: prepared.long_data,
            worker: None,
        };
        let facts = Arc::clone(&prepared.facts);
        let mut route = self.route(&facts, needs);
        if route.role == Role::Worker {
            route = self.retried(route);
        }
        self.state.error = None;
        let flow = self.run(&mut command, Shape::Results, &facts, route).await;
        self.executed_in_bulk(id, brings_types);
        flow
    }

    /// A bulk execution has ended, on the manager.
    pub(super) fn executed_in_bulk(&mut self, id: u32, brings_types: bool) {
        let error = self.state.error;
        if let Some((_, prepared)) = self.prepared.find(id) {
            prepared.bind(brings_types, error);
        }
    }

    /// COM_STMT_RESET: closes the manager's cursor and forgets long parameters, which only the manager has.
    pub(super) async fn reset_statement(&mut self, mut command: Command) -> Flow {
        if let Some((_, prepared)) = command::statement_id(command.payload())
            .ok()
            .and_then(|id| self.prepared.find(id))
        {
            prepared.long_data = false;
            prepared.cursor = false;
        }
        self.on_manager(&mut command, Shape::Verdict, None).await
    }

    /// `bound`: to the connection that has what the previous reads have left.
    async fn prepare_on_worker(&mut self, node: NodeId, id: u32, bound: bool) -> Option<u32> {
        let (_, prepared) = self.prepared.find(id)?;
        // one that stays on the manager needs no connection
        prepared.text.as_ref()?;
        let means_otherwise = prepared.meaning != self.state.meaning;
        // nobody knows any more what it meant
        if means_otherwise && prepared.key.is_none() {
            return None;
        }
        let mut link = match bound {
            true => self.own_worker(node)?,
            false => self.worker(node).await?,
        };
        if let Some(known) = self.known_there(&mut link, id) {
            self.put_back(link);
            return Some(known);
        }
        // to prepare it would clear warnings, as it has on the manager at its time
        if means_otherwise || bound {
            self.put_back(link);
            return None;
        }
        // names in the text mean what they mean in the session's current state
        self.synchronise(&mut link).await.ok()?;
        let key = self.key_now(id)?;
        let limit = self.host.config.limits.connect_timeout;
        let prepared = tokio::time::timeout(limit, link.prepare_shared(&key))
            .await
            .ok()?
            .ok()?;
        self.put_back(link);
        prepared
    }

    /// The connection's number of the statement, if it is prepared there.
    fn known_there(&mut self, link: &mut Link, id: u32) -> Option<u32> {
        let owner = self.owner;
        let (_, prepared) = self.prepared.find(id)?;
        let key = prepared.key.as_ref()?;
        let private = (prepared.types_vary && key.private.is_none()).then_some((owner, id));
        if private.is_some() || prepared.types != key.types && key.private.is_none() {
            let wanted = Arc::new(StatementKey {
                text: key.text.clone(),
                schema: key.schema.clone(),
                meaning: key.meaning.clone(),
                types: prepared.types.clone(),
                private,
            });
            if private.is_some() {
                // what its server was told of the types before belongs to it
                link.statements.rename(key, &wanted);
            }
            prepared.key = Some(wanted);
        }
        link.statements.find(prepared.key.as_deref()?)
    }

    /// What the statement is, while its text means what it meant when it was prepared.
    fn key_now(&mut self, id: u32) -> Option<Arc<StatementKey>> {
        let Self { state, prepared, .. } = self;
        let (_, prepared) = prepared.find(id)?;
        if prepared.key.is_none() {
            let meaning = MEANING
                .iter()
                .map(|name| state.variables.value(name).map(Into::into));
            prepared.key = Some(Arc::new(StatementKey {
                text: prepared.text.clone()?,
                schema: state.schema.as_slice().into(),
                meaning: meaning.collect(),
                types: prepared.types.clone(),
                private: None,
            }));
        }
        prepared.key.clone()
    }

    /// COM_STMT_SEND_LONG_DATA: to the manager, and with it the execution that follows.
    pub(super) async fn long_data(&mut self, command: &Command) -> Flow {
        if command::is_cut(command.payload()) {
            return Flow::Continue;
        }
        if let Some((_, prepared)) = command::statement_id(command.payload())
            .ok()
            .and_then(|id| self.prepared.find(id))
        {
            prepared.long_data = true;
        }
        match peer::relay::send(&mut self.manager.stream, command).await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::End,
        }
    }

    /// COM_STMT_CLOSE on the manager; on workers the statement stays for others. It has no reply.
    pub(super) async fn close(&mut self, command: &Command) -> Flow {
        // too short to name a statement: the gatekeeper has said so, and MySQL would answer what has no reply
        if command::is_cut(command.payload()) {
            return Flow::Continue;
        }
        if let Some((id, _)) = command::statement_id(command.payload())
            .ok()
            .and_then(|id| self.prepared.find(id))
        {
            self.prepared.remove(id);
            self.state.leavings.forget_execution();
            if let Some(copy) = self.manager.copies.remove(&id) {
                let mut close = Command::of_payload(command.payload());
                set_statement_number(&mut close, copy.to_le_bytes());
                if peer::relay::send(&mut self.manager.stream, &close).await.is_err() {
                    return Flow::End;
                }
            }
        }
        match peer::relay::send(&mut self.manager.stream, command).await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::End,
        }
    }
}

fn statement_number(command: &Command) -> [u8; 4] {
    let place = command.payload().get(STATEMENT_ID_OFFSET..).unwrap_or_default();
    place.first_chunk().copied().unwrap_or_default()
}

fn set_statement_number(command: &mut Command, number: [u8; 4]) {
    if let Some(place) = command
        .payload_mut()
        .get_mut(STATEMENT_ID_OFFSET..STATEMENT_ID_OFFSET + 4)
    {
        place.copy_from_slice(&number);
    }
}

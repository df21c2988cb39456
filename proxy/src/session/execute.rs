//! COM_STMT_…: one statement for the client, one number per connection for the nodes.

use std::sync::Arc;

use peer::inbox::Command;
use wire::ServerError;
use wire::command::{self, Execute, STATEMENT_ID_OFFSET};
use wire::reply::Shape;

use super::prepared::Prepared;
use super::query::{blank_hint, hint};
use super::run::Needs;
use super::{Flow, Session};
use crate::cluster::{NodeId, Role};

/// Cursor kinds in the flags of COM_STMT_EXECUTE; the other bits are of no concern here.
const CURSOR_FLAGS: u8 = 0x07;

impl Session {
    /// COM_STMT_PREPARE: on the manager, whose number is the client's.
    pub(super) async fn prepare(&mut self, mut command: Command) -> Flow {
        if self.prepared.len() >= self.host.config.limits.prepared_statements_max {
            let max = self.host.config.limits.prepared_statements_max;
            let message =
                format!("Can't create more than max_prepared_stmt_count statements (current value: {max})");
            return self.refuse(&ServerError::new(1461, b"42000", message)).await;
        }
        let text = command.payload().get(1..).unwrap_or_default();
        let (facts, scan) = crate::facts::of(text, self.state.mode);
        let hint = hint(&scan);
        blank_hint(&mut command, 1, &scan);
        let kept = facts
            .is_surely_read()
            .then(|| command.payload().get(1..).unwrap_or_default().into());
        let ended = self.on_manager_run(&mut command, Shape::Prepare, None).await;
        if let Some(prepared) = ended.prepared {
            self.prepared.insert(
                prepared.statement_id,
                Prepared {
                    facts: Arc::clone(&facts),
                    text: kept,
                    hint,
                    parameters: prepared.parameters,
                    types: None,
                    long_data: false,
                },
            );
        }
        ended.flow
    }

    /// COM_STMT_EXECUTE: routed by the facts of its text, with the parameters' types always in it.
    pub(super) async fn execute(&mut self, mut command: Command) -> Flow {
        let Ok(id) = command::statement_id(command.payload()) else {
            return self.refuse(&ServerError::malformed_packet()).await;
        };
        let Some((id, prepared)) = self.prepared.find(id) else {
            // the manager knows best what to say of a number that it never gave
            return self.on_manager(&mut command, Shape::Results, None).await;
        };
        let Ok(execute) = Execute::decode(command.payload(), prepared.parameters, self.capabilities) else {
            return self.refuse(&ServerError::malformed_packet()).await;
        };
        let cursor = execute.flags & CURSOR_FLAGS != 0;
        let long_data = std::mem::take(&mut prepared.long_data);
        let complete = execute.types.is_some() || prepared.parameters == 0;
        if let Some(types) = execute.types
            && prepared.types.as_deref() != Some(types)
        {
            prepared.types = Some(types.into());
        }
        if !complete {
            let payload = execute.with_types(execute.statement_id, prepared.types.as_deref());
            command = Command::of_payload(payload);
        }
        let (facts, hint) = (Arc::clone(&prepared.facts), prepared.hint);
        let mut route = self.route(
            &facts,
            Needs {
                hint,
                cursor,
                long_data,
            },
        );
        if route.role == Role::Worker {
            match Box::pin(self.prepare_on_worker(route.target, id)).await {
                Some(worker_id) => {
                    let manager_id = statement_number(&command);
                    set_statement_number(&mut command, worker_id.to_le_bytes());
                    let back = |command: &mut Command| set_statement_number(command, manager_id);
                    return self
                        .run_or(&mut command, Shape::Results, &facts, route, back)
                        .await;
                }
                None => route = self.retried(route),
            }
        }
        self.run(&mut command, Shape::Results, &facts, route).await
    }

    async fn prepare_on_worker(&mut self, node: NodeId, id: u32) -> Option<u32> {
        let mut link = self.worker(node).await?;
        if let Some(known) = link.statements.get(&id).copied() {
            self.put_back(link);
            return Some(known);
        }
        // names in the text mean what they mean in the session's current state
        self.synchronise(&mut link).await.ok()?;
        let text = self.prepared.find(id)?.1.text.as_deref()?;
        let limit = self.host.config.limits.connect_timeout;
        let prepared = tokio::time::timeout(limit, link.prepare(id, text))
            .await
            .ok()?
            .ok()?;
        self.put_back(link);
        prepared
    }

    /// COM_STMT_SEND_LONG_DATA: to the manager, and with it the execution that follows.
    pub(super) async fn long_data(&mut self, command: &Command) -> Flow {
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

    /// COM_STMT_CLOSE: wherever the statement is prepared. It has no reply.
    pub(super) async fn close(&mut self, command: &Command) -> Flow {
        if let Ok(id) = command::statement_id(command.payload()) {
            self.prepared.remove(id);
            for place in &mut self.workers {
                let Some(worker_id) = place.as_mut().and_then(|link| link.statements.remove(&id)) else {
                    continue;
                };
                let mut close = Command::of_payload(command.payload().to_vec());
                set_statement_number(&mut close, worker_id.to_le_bytes());
                if let Some(link) = place
                    && peer::relay::send(&mut link.stream, &close).await.is_err()
                {
                    *place = None;
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

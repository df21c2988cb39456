//! COM_QUERY: facts, route, run.

use std::sync::Arc;

use peer::inbox::Command;
use statement::{Effect, Facts, ProxyCommand, Scan};
use wire::ServerError;
use wire::command::Query;
use wire::reply::Shape;

use super::kill::is_kill;
use super::run::Needs;
use super::{Flow, Session, proxy_statement};
use crate::consistency::UnknownConsistency;
use crate::position::Position;
use crate::route::RouteHint;
use crate::strategy::UnknownStrategy;

impl Session {
    /// Runs a text where it belongs.
    pub(super) async fn query(&mut self, mut command: Command) -> Flow {
        let Ok(query) = Query::decode(command.payload(), self.capabilities) else {
            return self.refuse(&ServerError::malformed_packet()).await;
        };
        let (facts, scan) = crate::facts::of(query.text, self.state.mode);
        let start = query.range.start;
        if let Some(Effect::Proxy(ours)) = facts.single().map(|statement| &statement.effect) {
            return self.proxy_statement(ours).await;
        }
        if is_kill(&facts) {
            return Box::pin(self.kill_by_text(command, start, &facts)).await;
        }
        if self.may_not_kill_so(&facts) {
            return Box::pin(self.refuse_unclear_kill()).await;
        }
        let needs = Needs {
            hint: hint(&scan),
            ..Needs::default()
        };
        blank_hint(&mut command, start, &scan);
        let mut route = self.route(&facts, needs);
        if self.may_read_back(&route) {
            // seldom, and large: not a part of every session's own future
            route = Box::pin(self.consistent(route, None)).await;
        }
        self.run(&mut command, Shape::Results, &facts, route).await
    }

    /// Answers `PROXY …` here: no server sees it, and the previous route stays what it was.
    async fn proxy_statement(&mut self, command: &ProxyCommand) -> Flow {
        let set = match command {
            ProxyCommand::Set { name, value } => return self.proxy_set(name, value).await,
            ProxyCommand::ShowRoute => proxy_statement::show_route(self.last_route, &self.host.config.nodes),
            ProxyCommand::ShowToken => match Box::pin(self.token()).await {
                Some(token) => proxy_statement::show_token(&token),
                None => return self.refuse(&no_position()).await,
            },
            ProxyCommand::Explain(facts) => self.explain(facts),
            ProxyCommand::Unrecognised => {
                return self
                    .refuse(&ServerError::new(1064, b"42000", proxy_statement::USAGE))
                    .await;
            }
        };
        let mut packets = Vec::new();
        set.encode(self.capabilities, self.status(), &mut packets);
        self.answer(&packets).await
    }

    async fn proxy_set(&mut self, name: &[u8], value: &[u8]) -> Flow {
        // what is no UTF-8 is no value of any of these
        let value = str::from_utf8(value).unwrap_or("\u{fffd}");
        let set = match name {
            b"strategy" => value
                .parse()
                .map(|strategy| self.strategy = Some(strategy))
                .map_err(|error: UnknownStrategy| wrong_value("strategy", &error)),
            b"consistency" => value
                .parse()
                .map(|consistency| self.consistency = consistency)
                .map_err(|error: UnknownConsistency| wrong_value("consistency", &error)),
            b"token" => Position::parse(value, self.manager.is_mariadb)
                .map(|token| self.state.causality.join(&Arc::new(token)))
                .map_err(|error| wrong_value("token", &error)),
            _ => Err(ServerError::new(1193, b"HY000", proxy_statement::USAGE)),
        };
        match set {
            Ok(()) => self.answer_ok().await,
            Err(error) => self.refuse(&error).await,
        }
    }

    fn explain(&mut self, facts: &Facts) -> wire::reply::TextResultSet {
        let route = self.route(facts, Needs::default());
        let view = self.host.cluster.view();
        let node = view.node(route.target).map_or("", |view| &*view.node.name);
        proxy_statement::explain(node, &route)
    }
}

/// Where the session stands cannot be told.
fn no_position() -> ServerError {
    let message = "the manager does not tell where the session stands: it cannot be asked, or keeps no GTIDs \
        (gtid_mode=ON; on MariaDB the binary log)";
    ServerError::new(1105, b"HY000", message)
}

fn wrong_value(name: &str, error: &impl std::fmt::Display) -> ServerError {
    let message = format!("Variable '{name}' can't be set to that value: {error}");
    ServerError::new(1231, b"42000", message)
}

/// What a text's own hint asks for; what is not understood asks for nothing.
pub(super) fn hint(scan: &Scan) -> Option<RouteHint> {
    scan.hint.as_ref().and_then(|(hint, _)| RouteHint::of(hint))
}

/// Overwrites our own hint: a server would warn of it.
pub(super) fn blank_hint(command: &mut Command, text_start: usize, scan: &Scan) {
    let Some((_, range)) = &scan.hint else { return };
    let range = text_start + range.start..text_start + range.end;
    if let Some(bytes) = command.payload_mut().get_mut(range) {
        bytes.fill(b' ');
    }
}

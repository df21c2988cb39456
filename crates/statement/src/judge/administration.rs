//! Statements about the server, its accounts and its replication, by their first word.

use crate::{
    danger::Danger,
    effect::{Administration, Effect},
    facts::StatementFacts,
    kill,
    tokens::Tokens,
};

/// `first`: the statement's first word, upper-cased. Leaves the facts Unknown when it is none of these.
pub(super) fn judge(first: &str, tokens: Tokens<'_>, facts: &mut StatementFacts) {
    let kind = match first {
        "KILL" => Administration::Kill,
        "FLUSH" | "RESET" | "PURGE" | "CACHE" => Administration::Flush,
        "GRANT" | "REVOKE" => Administration::Accounts,
        "SHUTDOWN" | "RESTART" | "CLONE" | "BACKUP" => Administration::Server,
        "CHANGE" | "STOP" | "BINLOG" => Administration::Replication,
        "CHECK" | "CHECKSUM" | "OPTIMIZE" | "REPAIR" => Administration::Maintenance,
        "INSTALL" | "UNINSTALL" => Administration::Plugins,
        _ => return,
    };
    if tokens.len() > 1 || matches!(kind, Administration::Server) {
        facts.effect = Effect::Administration(kind);
        facts.implicit_commit = !matches!(kind, Administration::Kill);
        if matches!(kind, Administration::Kill) && !kill::is_clear(tokens) {
            facts.dangers.insert(Danger::KillUnclear);
        }
    }
}

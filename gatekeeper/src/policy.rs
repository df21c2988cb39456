//! May this pass? The one place that says so. Synchronous and pure.
//!
//! ```text
//! command ──decide_command──▶ Allow(Permit) | JudgeText | Detect | Refuse
//! facts   ──decide──────────▶ Allow(Permit) | Detect { permit, refusal } | Refuse(refusal)
//! ```
//!
//! Nothing is forwarded without a [`Permit`], and only this module makes one.

mod command;
mod rule;
#[cfg(test)]
mod tests;

use peer::proof::KillReach;
use statement::{Danger, Effect, Facts, SessionChange};

use crate::config::{PolicyMode, PolicyName};
use crate::users::User;

pub use command::{CommandVerdict, decide_command};
pub use rule::{Refusal, Rule};

/// By which rules, and how strictly, a session is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The user's rules.
    pub policy: PolicyName,
    /// Whether refusals are carried out.
    pub mode: PolicyMode,
    /// Whether the user may read the binary log.
    pub replication: bool,
}

impl Profile {
    /// The profile of a user's sessions.
    pub fn of(user: &User, mode: PolicyMode) -> Self {
        Self {
            policy: user.policy(),
            mode,
            replication: user.replication(),
        }
    }
}

/// The proof that a command has been judged. It cannot be made, copied or kept outside: it is spent when
/// its command is forwarded.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit is for forwarding"]
pub struct Permit {
    _only_policy_makes_one: (),
}

impl Permit {
    fn new() -> Self {
        Self {
            _only_policy_makes_one: (),
        }
    }
}

/// What happens to a statement.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Allow(Permit),
    /// It passes, and is written down: with mode `enforce` it would not have.
    Detect {
        /// For forwarding it.
        permit: Permit,
        /// What to write down.
        refusal: Refusal,
    },
    /// The client gets an error, and nothing leaves the gatekeeper.
    Refuse(Refusal),
}

/// Judges the text of a COM_QUERY or COM_STMT_PREPARE.
pub fn decide(facts: &Facts, profile: Profile) -> Verdict {
    match (refusal(facts, profile.policy), profile.mode) {
        (None, _) => Verdict::Allow(Permit::new()),
        (Some(refusal), PolicyMode::Detect) => Verdict::Detect {
            permit: Permit::new(),
            refusal,
        },
        (Some(refusal), PolicyMode::Enforce) => Verdict::Refuse(refusal),
    }
}

/// Judges a text of which nobody knows how the server would read it.
pub fn decide_unreadable(profile: Profile) -> Verdict {
    match (profile.policy, profile.mode) {
        (PolicyName::Off, _) => Verdict::Allow(Permit::new()),
        (PolicyName::Strict, PolicyMode::Detect) => Verdict::Detect {
            permit: Permit::new(),
            refusal: Refusal::of(Rule::UnknownReading),
        },
        (PolicyName::Strict, PolicyMode::Enforce) => Verdict::Refuse(Refusal::of(Rule::UnknownReading)),
    }
}

fn refusal(facts: &Facts, policy: PolicyName) -> Option<Refusal> {
    match policy {
        PolicyName::Off => None,
        PolicyName::Strict => strict(facts),
    }
}

/// What a user's KILL may name: with a policy, connections of clients and nothing else, whatever the account may do.
/// The proxy knows those connections and keeps to it.
pub fn kill_reach(policy: PolicyName) -> KillReach {
    match policy {
        PolicyName::Off => KillReach::Anything,
        PolicyName::Strict => KillReach::Sessions,
    }
}

/// Dangers that the strict policy refuses, the worst first: the error names one.
const STRICT: [(Danger, Rule); 7] = [
    (Danger::DropSchema, Rule::DropSchema),
    (Danger::DropTable, Rule::DropTable),
    (Danger::ReplaceTable, Rule::ReplaceTable),
    (Danger::Truncate, Rule::Truncate),
    (Danger::DeleteWithoutWhere, Rule::DeleteWithoutWhere),
    (Danger::DeleteWhereConstant, Rule::DeleteWhereConstant),
    (Danger::KillUnclear, Rule::KillUnclear),
];

fn strict(facts: &Facts) -> Option<Refusal> {
    let dangers = facts.dangers();
    if !dangers.is_empty()
        && let Some((_, rule)) = STRICT.into_iter().find(|(danger, _)| dangers.contains(*danger))
    {
        return Some(Refusal::of(rule));
    }
    let alone = facts.single().is_some();
    facts
        .statements()
        .iter()
        .find_map(|statement| match &statement.effect {
            Effect::Unknown(cause) => Some(Refusal::unparsed(*cause)),
            // by itself it can be followed: what it changes is reported in its own reply
            Effect::Session(SessionChange::SetVariables(_)) => {
                (statement.needs.names_trackers && !alone).then(|| Refusal::of(Rule::SessionTracking))
            }
            // a program, or a text inside the text: nobody would see it happen
            Effect::Definition | Effect::Session(_) | Effect::Administration(_) => statement
                .needs
                .names_trackers
                .then(|| Refusal::of(Rule::SessionTracking)),
            // what these may do beyond the dangers above is decided by the servers' grants
            Effect::Read
            | Effect::Write
            | Effect::Transaction(_)
            | Effect::Call
            | Effect::Proxy(_)
            | Effect::Empty => None,
        })
}

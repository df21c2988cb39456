//! Every command is judged before one byte of it leaves.

use peer::inbox::Command;
use peer::rest::Begun;
use wire::ServerError;
use wire::command::{CommandCode, Query};

use super::Session;
use crate::audit::{self, Digest};
use crate::metrics::Judged;
use crate::policy::{self, CommandVerdict, Permit, Refusal, Verdict};

impl Session {
    /// A permit, or what the client is told.
    pub(super) fn judge(&mut self, command: &Command) -> Result<Permit, ServerError> {
        match policy::decide_command(command.code(), self.profile) {
            CommandVerdict::Allow(permit) => match self.last_prepared.missing(command.payload()) {
                Some(error) => Err(error),
                None => Ok(permit),
            },
            CommandVerdict::JudgeText => {
                let judged = self.judge_text(command);
                if command.code() == CommandCode::STMT_PREPARE {
                    self.last_prepared.judged(judged.is_ok());
                }
                judged
            }
            CommandVerdict::Detect { permit, refusal } => {
                self.detected(&refusal, &[]);
                Ok(permit)
            }
            CommandVerdict::Refuse(refusal) => Err(self.refused(&refusal, &[])),
        }
    }

    /// The same for a command of which not everything is there. Nothing is said of a text by its beginning: it passes
    /// to whoever may send texts that nobody can read.
    pub(super) fn judge_begun(&mut self, begun: &Begun) -> Result<Permit, ServerError> {
        let verdict = match policy::decide_command(begun.code(), self.profile) {
            CommandVerdict::Allow(permit) => {
                return match self.last_prepared.missing(begun.start()) {
                    Some(error) => Err(error),
                    None => Ok(permit),
                };
            }
            CommandVerdict::JudgeText => policy::decide_unreadable(self.profile),
            CommandVerdict::Detect { permit, refusal } => Verdict::Detect { permit, refusal },
            CommandVerdict::Refuse(refusal) => Verdict::Refuse(refusal),
        };
        let judged = self.carry_out(verdict, &[]);
        if begun.code() == CommandCode::STMT_PREPARE {
            self.last_prepared.judged(judged.is_ok());
        }
        judged
    }

    fn judge_text(&mut self, command: &Command) -> Result<Permit, ServerError> {
        let payload = command.payload();
        let text = match command.code() {
            CommandCode::QUERY => match Query::decode(payload, self.hop.capabilities) {
                Ok(query) => query.text,
                Err(_) => return Err(ServerError::malformed_packet()),
            },
            _ => payload.get(1..).unwrap_or_default(),
        };
        let verdict = match self.reading.mode() {
            Some(mode) => {
                let (facts, _) = crate::facts::of(text, mode);
                policy::decide(&facts, self.profile)
            }
            // nobody knows how the server would read it
            None => policy::decide_unreadable(self.profile),
        };
        self.carry_out(verdict, text)
    }

    fn carry_out(&self, verdict: Verdict, text: &[u8]) -> Result<Permit, ServerError> {
        match verdict {
            Verdict::Allow(permit) => {
                self.gate.metrics.judged(Judged::Allowed);
                Ok(permit)
            }
            Verdict::Detect { permit, refusal } => {
                self.detected(&refusal, text);
                Ok(permit)
            }
            Verdict::Refuse(refusal) => Err(self.refused(&refusal, text)),
        }
    }

    fn detected(&self, refusal: &Refusal, text: &[u8]) {
        self.gate.metrics.judged(Judged::Detected(refusal.rule()));
        audit::detected(self.who.subject(), refusal, self.digest(text));
    }

    fn refused(&self, refusal: &Refusal, text: &[u8]) -> ServerError {
        self.gate.metrics.judged(Judged::Refused(refusal.rule()));
        audit::refused(self.who.subject(), refusal, self.digest(text));
        refusal.to_client()
    }

    /// The shape of the text, without its literals.
    fn digest(&self, text: &[u8]) -> Option<Digest> {
        let mode = self.reading.mode().filter(|_| !text.is_empty())?;
        let mut fingerprint = Vec::new();
        statement::fingerprint(text, mode, &mut fingerprint);
        Some(Digest::of(&fingerprint))
    }
}

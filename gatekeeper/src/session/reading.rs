//! How the server reads the session's texts: learned from what the server itself reports.
//!
//! A lexer that cuts a text in other places than the server's would judge another statement than the one
//! that runs. So the settings come from the server's session tracking, and where one is not understood,
//! no text of a policy user is.

use statement::LexMode;
use wire::DecodeError;
use wire::reply::{SessionChange, SessionChanges};

/// The lexer's settings for one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    mode: LexMode,
    sql_mode_known: bool,
    charset_known: bool,
}

impl Reading {
    /// Nothing is known yet: the login's OK packet must say.
    pub(super) fn unknown() -> Self {
        Self {
            mode: LexMode::default(),
            sql_mode_known: false,
            charset_known: false,
        }
    }

    /// From the state that the login or a reset reports: it names both settings, or nothing is known.
    pub(super) fn of_login(state: &[u8]) -> Self {
        let mut reading = Self::unknown();
        reading.learn(state);
        reading
    }

    /// Follows the state block of an OK packet.
    pub(super) fn learn(&mut self, state: &[u8]) {
        for change in SessionChanges::new(state) {
            match change {
                // one level deep: what the proxy puts in there holds no such entry
                Ok(SessionChange::Unshown(hidden)) => SessionChanges::new(hidden)
                    .filter(|change| !matches!(change, Ok(SessionChange::Unshown(_))))
                    .for_each(|change| self.take(change)),
                other => self.take(other),
            }
        }
    }

    fn take(&mut self, change: Result<SessionChange<'_>, DecodeError>) {
        match change {
            Ok(SessionChange::Variable {
                name: b"sql_mode",
                value,
            }) => {
                self.sql_mode_known = self.follow(self.mode.with_sql_mode(value));
            }
            Ok(SessionChange::Variable {
                name: b"character_set_client",
                value,
            }) => {
                self.charset_known = self.follow(self.mode.with_charset(value));
            }
            Ok(_) => {}
            Err(_) => *self = Self::unknown(),
        }
    }

    fn follow(&mut self, mode: Option<LexMode>) -> bool {
        self.mode = mode.unwrap_or(self.mode);
        mode.is_some()
    }

    /// The settings, when they are known.
    pub(super) fn mode(&self) -> Option<LexMode> {
        (self.sql_mode_known && self.charset_known).then_some(self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statement::CharsetClass;

    fn state(changes: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in changes {
            SessionChange::Variable { name, value }.encode(&mut out);
        }
        out
    }

    #[test]
    fn a_login_that_names_both_settings_is_understood() {
        let reading = Reading::of_login(&state(&[
            (b"sql_mode", b"ANSI_QUOTES"),
            (b"character_set_client", b"gbk"),
        ]));
        let mode = reading.mode().unwrap();
        assert!(mode.ansi_quotes);
        assert_eq!(mode.charset, CharsetClass::Gbk);
    }

    #[test]
    fn anything_less_is_not() {
        assert_eq!(Reading::of_login(&state(&[(b"sql_mode", b"")])).mode(), None);
        assert_eq!(Reading::of_login(&[]).mode(), None);
        let mut reading = Reading::of_login(&state(&[
            (b"sql_mode", b""),
            (b"character_set_client", b"utf8mb4"),
        ]));
        assert!(reading.mode().is_some());
        reading.learn(&state(&[(b"character_set_client", b"klingon")]));
        assert_eq!(reading.mode(), None);
        reading.learn(&state(&[(b"character_set_client", b"latin1")]));
        assert!(reading.mode().is_some());
        reading.learn(&state(&[(
            b"sql_mode",
            b"PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_KEY_OPTIONS",
        )]));
        assert_eq!(reading.mode(), None);
    }
}

//! Session variables that a client has changed, and the statement that gives them to a worker. Pure.
//!
//! The manager reports each change (session tracking); a worker must read the next statement in the same
//! light. Every variable has one of three fates (`names`):
//!
//! ```text
//!   replayed   its value shapes what a read answers       → SET on a worker before the next read
//!   ignored    it matters to writes, transactions or the  → nothing: those stay on the manager
//!              manager's connection only
//!   pinning    everything else, and odd values            → the session stays on the manager
//! ```
//!
//! Each change has a version. A worker's connection remembers the version that it has been brought to,
//! and gets only what is newer. One that comes from another session is compared by its values ([`Snapshot`]).

mod names;

use names::{Fate, Kind};

/// Longest value that is replayed, in bytes: `optimizer_switch` of the newest servers has about 1,000.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Up to which change a worker's connection has been brought. A new connection starts with the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(u64);

/// What became of a reported change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// Workers must be given it.
    Replayed,
    /// Workers need not know.
    Ignored,
    /// No worker can serve this session from now on; [`SessionVariables::pinned_by`] says which variable.
    Pinned,
}

/// One session's variables, as far as they were changed. After COM_RESET_CONNECTION or COM_CHANGE_USER a
/// session starts anew with the default; its workers' connections, whose versions then mean nothing, are
/// closed.
#[derive(Debug, Default)]
pub struct SessionVariables {
    changed: Vec<Changed>,
    /// Collation of results, where that is not the default one of `character_set_results`: no variable has it, and only
    /// `SET NAMES … COLLATE` gives it.
    results_collation: Option<Box<[u8]>>,
    results_collation_version: Version,
    version: Version,
    pinned_by: Option<Box<str>>,
}

/// What a connection has been given, all of it: of one that goes from one session to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// By rank.
    changed: Vec<(usize, Box<[u8]>)>,
    results_collation: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Changed {
    name: &'static str,
    rank: usize,
    value: Box<[u8]>,
    version: Version,
}

impl SessionVariables {
    /// Takes in one reported change. An empty value of a character set is NULL.
    pub fn learn(&mut self, name: &[u8], value: &[u8]) -> Learned {
        match names::fate(name) {
            Fate::Ignored => Learned::Ignored,
            Fate::Replayed { name, rank, kind } if value.len() <= VALUE_BYTES_MAX && kind.accepts(value) => {
                self.set(name, rank, value);
                Learned::Replayed
            }
            Fate::Replayed { .. } | Fate::Pinning => {
                if self.pinned_by.is_none() {
                    self.pinned_by = Some(String::from_utf8_lossy(name).into());
                }
                Learned::Pinned
            }
        }
    }

    /// What was learned last of a variable that is replayed.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let mut changed = self.changed.iter();
        let known = changed.find(|changed| changed.name.as_bytes() == name);
        known.map(|changed| &*changed.value)
    }

    /// Takes in the collation of results; none for the default one of their character set.
    pub fn results_in(&mut self, collation: Option<&[u8]>) {
        let collation = collation.filter(|name| Kind::CharacterSet.accepts(name));
        if self.results_collation.as_deref() != collation {
            self.results_collation = collation.map(Into::into);
            self.version = Version(self.version.0 + 1);
            self.results_collation_version = self.version;
        }
    }

    /// Takes in the name of a variable that a statement has set, of which servers report nothing.
    pub fn assigned(&mut self, name: &[u8]) {
        if names::fate(name) == Fate::Pinning {
            self.learn(name, b"");
        }
    }

    /// The name of a variable that is replayed on workers.
    pub fn replayed(name: &[u8]) -> Option<&'static str> {
        match names::fate(name) {
            Fate::Replayed { name, .. } => Some(name),
            Fate::Ignored | Fate::Pinning => None,
        }
    }

    /// The value for MySQL's `session_track_system_variables`. Not `*`: it would add a `statement_id` to every
    /// reply, which is state to be edited out of each one.
    pub fn reported() -> String {
        names::reported()
    }

    /// The variable that keeps the session on the manager.
    pub fn pinned_by(&self) -> Option<&str> {
        self.pinned_by.as_deref()
    }

    /// The newest change.
    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The statement that brings a worker's connection from `since` to [`SessionVariables::version`];
    /// none when there is nothing to change.
    pub fn render_set(&self, since: Version) -> Option<Vec<u8>> {
        if since >= self.version {
            return None;
        }
        let is_newer = |changed: &Changed| changed.version > since;
        let collated = self.results_collation_version > since
            || self.results_collation.is_some() && self.results().is_some_and(is_newer);
        self.render(is_newer, collated)
    }

    fn render(&self, is_wanted: impl Fn(&Changed) -> bool, collated: bool) -> Option<Vec<u8>> {
        let names = collated.then(|| self.names()).flatten();
        let mut newer: Vec<&Changed> = self
            .changed
            .iter()
            .filter(|changed| is_wanted(changed) || collated && names::is_set_by_names(changed.name))
            .filter(|changed| names.is_none() || changed.name != names::RESULTS)
            .collect();
        newer.sort_by_key(|changed| changed.rank);
        let mut text = names.unwrap_or_default();
        text.reserve(64);
        for changed in newer {
            text.extend_from_slice(if text.is_empty() { b"SET " } else { b", " });
            text.extend_from_slice(changed.name.as_bytes());
            text.extend_from_slice(b" = ");
            match names::kind(changed.rank) {
                Kind::CharacterSet if changed.value.is_empty() => text.extend_from_slice(b"NULL"),
                Kind::Number | Kind::Switch | Kind::OffOnly => text.extend_from_slice(&changed.value),
                Kind::Text | Kind::CharacterSet => {
                    text.push(b'\'');
                    text.extend_from_slice(&changed.value);
                    text.push(b'\'');
                }
            }
        }
        Some(text)
    }

    /// All that is replayed, for a connection that has been given it.
    pub fn snapshot(&self) -> Snapshot {
        let changed = self.changed.iter();
        Snapshot {
            changed: changed
                .map(|changed| (changed.rank, changed.value.clone()))
                .collect(),
            results_collation: self.results_collation.clone(),
        }
    }

    /// Whether a connection that has this can be given what this session has. What only the connection has cannot be
    /// taken from it: what a new connection would have is not known.
    pub fn can_follow(&self, snapshot: &Snapshot) -> bool {
        let is_set_here = |rank: usize| self.changed.iter().any(|changed| changed.rank == rank);
        snapshot.changed.iter().all(|(rank, _)| is_set_here(*rank))
            && (snapshot.results_collation.is_none()
                || self.results_collation.is_some()
                || self.results().is_some())
    }

    /// The statement that brings a connection with this to [`SessionVariables::version`]; none when it is there.
    pub fn render_set_from(&self, snapshot: &Snapshot) -> Option<Vec<u8>> {
        let differs = |changed: &Changed| {
            let mut known = snapshot.changed.iter();
            known
                .find(|(rank, _)| *rank == changed.rank)
                .map(|(_, value)| value)
                != Some(&changed.value)
        };
        let collation_differs = snapshot.results_collation != self.results_collation;
        // to set the character set of results gives them its default collation
        let is_wanted =
            |changed: &Changed| differs(changed) || collation_differs && changed.name == names::RESULTS;
        if !collation_differs && !self.changed.iter().any(differs) {
            return None;
        }
        let collated =
            self.results_collation.is_some() && (collation_differs || self.results().is_some_and(differs));
        self.render(is_wanted, collated)
    }

    /// The beginning of a SET that gives results their collation. It also sets what the variables behind it put right
    /// again: without one of them the default collation must do.
    fn names(&self) -> Option<Vec<u8>> {
        let collation = self.results_collation.as_deref()?;
        let charset = self.results().filter(|results| !results.value.is_empty())?;
        let set_by_names = self
            .changed
            .iter()
            .filter(|changed| names::is_set_by_names(changed.name));
        if set_by_names.count() < names::SET_BY_NAMES.len() {
            return None;
        }
        Some([b"SET NAMES '", &*charset.value, b"' COLLATE '", collation, b"'"].concat())
    }

    fn results(&self) -> Option<&Changed> {
        self.changed.iter().find(|changed| changed.name == names::RESULTS)
    }

    fn set(&mut self, name: &'static str, rank: usize, value: &[u8]) {
        let known = self.changed.iter_mut().find(|changed| changed.rank == rank);
        if known.as_ref().is_some_and(|known| &*known.value == value) {
            return;
        }
        self.version = Version(self.version.0 + 1);
        let version = self.version;
        match known {
            Some(known) => (known.value, known.version) = (value.into(), version),
            None => self.changed.push(Changed {
                name,
                rank,
                value: value.into(),
                version,
            }),
        }
    }
}

impl Kind {
    /// Whether a value can be written into a SET so that every `sql_mode` and character set reads it
    /// back unchanged: printable ASCII without quote and backslash in a quoted string, plain numbers and
    /// words outside of one.
    fn accepts(self, value: &[u8]) -> bool {
        match self {
            Kind::Number => is_number(value),
            Kind::Switch => is_on_or_off(value),
            Kind::OffOnly => matches!(value, b"0") || value.eq_ignore_ascii_case(b"off"),
            Kind::CharacterSet => value
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
            Kind::Text => value
                .iter()
                .all(|byte| (byte.is_ascii_graphic() || *byte == b' ') && !matches!(byte, b'\'' | b'\\')),
        }
    }
}

fn is_on_or_off(value: &[u8]) -> bool {
    matches!(value, b"0" | b"1") || value.eq_ignore_ascii_case(b"on") || value.eq_ignore_ascii_case(b"off")
}

fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let all_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(all_digits) && parts.next().is_none_or(all_digits)
}

#[cfg(test)]
mod tests;

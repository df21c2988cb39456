//! Which database account a gatekeeper user gets on every node.
//!
//! One account per user is the default; several users may share one where the operator says so.

use std::collections::HashMap;
use std::sync::Arc;

use daemon::config_file::Secret;

use crate::consistency::Consistency;

/// A database account.
#[derive(Debug, Clone)]
pub struct Account {
    /// User name on the nodes.
    pub name: String,
    /// Its password; empty when it has none.
    pub password: Secret,
    /// The user's own consistency, when it is not that of all.
    pub consistency: Option<Consistency>,
}

/// All accounts by the name of their gatekeeper user.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    by_user: HashMap<String, Arc<Account>>,
}

impl Accounts {
    /// Adds an account and gives back the one that it takes the place of.
    pub fn insert(&mut self, user: String, account: Account) -> Option<Arc<Account>> {
        self.by_user.insert(user, Arc::new(account))
    }

    /// The account of a user. Names compare byte for byte, as they do on the servers.
    pub fn of(&self, user: &[u8]) -> Option<&Arc<Account>> {
        self.by_user.get(std::str::from_utf8(user).ok()?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there is none: then nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_its_own_account_only() {
        let mut accounts = Accounts::default();
        let account = Account {
            name: "app_rw".to_owned(),
            password: Secret::new("word"),
            consistency: None,
        };
        assert!(accounts.insert("app".to_owned(), account).is_none());
        assert_eq!(accounts.of(b"app").unwrap().name, "app_rw");
        for stranger in [&b"App"[..], b"app ", b"", b"app_rw", b"app\xff"] {
            assert!(accounts.of(stranger).is_none());
        }
    }
}

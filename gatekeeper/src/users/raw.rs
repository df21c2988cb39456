//! `users.toml` as it is written. Public so that a tool can render one.

use serde::{Deserialize, Serialize};

use super::Verifiers;
use crate::config::PolicyName;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Users {
    /// One entry each.
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
}

/// One `[[user]]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct User {
    /// As the client sends it.
    pub name: String,
    /// The default of `gatekeeper.toml` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// Never without TLS, except on the Unix socket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_tls: bool,
    /// May read the binary log, as replicas do: everything that is written, whatever the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replication: bool,
    /// A star and forty hexadecimal digits, as in `mysql.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// `$A$005$`, 20 printable characters of salt, 43 of digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caching_sha2: Option<String>,
    /// 43 characters of base64, as MariaDB keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed25519: Option<String>,
}

impl User {
    /// An entry with these verifiers.
    pub fn new(name: impl Into<String>, policy: Option<PolicyName>, verifiers: &Verifiers) -> Self {
        Self {
            name: name.into(),
            policy,
            require_tls: false,
            replication: false,
            native: verifiers.native.as_ref().map(ToString::to_string),
            caching_sha2: verifiers.caching_sha2.as_ref().map(ToString::to_string),
            ed25519: verifiers.ed25519.as_ref().map(ToString::to_string),
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

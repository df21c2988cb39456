//! Proofs of a password, in both roles: `mysql_native_password`, `caching_sha2_password` and MariaDB's
//! `client_ed25519`; `sha256_password` to servers only.

pub mod caching_sha2;
pub mod certificate_proof;
mod crypt;
pub mod ed25519;
pub mod native_password;
mod pem;
mod rsa;

use zeroize::Zeroizing;

pub use rsa::{KeyError, ServerKey, encrypt_password};

/// A clear text password; wiped when dropped.
pub type Password = Zeroizing<Vec<u8>>;

/// Longest password that is looked at, in bytes: the servers' own limit, and the bound of what one
/// `SHA-crypt` costs.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// An authentication plugin that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `mysql_native_password`
    NativePassword,
    /// `caching_sha2_password`
    CachingSha2,
    /// `client_ed25519`
    Ed25519,
    /// `sha256_password`, spoken to servers only
    Sha256Password,
}

impl Plugin {
    /// All of them.
    pub const ALL: [Plugin; 4] = [
        Plugin::CachingSha2,
        Plugin::NativePassword,
        Plugin::Ed25519,
        Plugin::Sha256Password,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Plugin::NativePassword => "mysql_native_password",
            Plugin::CachingSha2 => "caching_sha2_password",
            Plugin::Ed25519 => "client_ed25519",
            Plugin::Sha256Password => "sha256_password",
        }
    }

    /// The plugin of that name, if it is spoken here.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|plugin| plugin.name().as_bytes() == name)
    }
}

/// Whether two secrets are the same, in a time that depends on their length only.
fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

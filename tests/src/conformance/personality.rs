//! What kind of client speaks: the capability flags that it asks for.

use anyhow::bail;
use wire::Capabilities;

/// A client's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Personality {
    /// What most drivers can do today.
    Modern,
    /// A client of the time before DEPRECATE_EOF and session tracking.
    Old,
    /// MySQL 9's own client library, with query attributes.
    Mysql9,
    /// The same, which lets metadata be left out.
    OptionalMetadata,
    /// MariaDB's own connectors, with the extended flags.
    Mariadb,
    /// The same, which remembers the metadata of prepared statements.
    CacheMetadata,
    /// Affected rows are found rows.
    FoundRows,
    /// Blanks before `(`.
    IgnoreSpace,
    /// One statement per text.
    SingleStatement,
    /// `interactive_timeout`.
    Interactive,
    /// `schema.table.column` is not allowed.
    NoSchema,
    /// A client that has never heard of authentication plugins.
    NoPlugins,
    /// No more than the protocol of 4.1.
    Bare,
}

const MODERN: Capabilities = Capabilities(
    Capabilities::BOOKKEEPING_FLAGS.0
        | Capabilities::MULTI_STATEMENTS.0
        | Capabilities::MULTI_RESULTS.0
        | Capabilities::PS_MULTI_RESULTS.0
        | Capabilities::DEPRECATE_EOF.0
        | Capabilities::LOCAL_FILES.0,
);
const OLD: Capabilities = Capabilities(
    MODERN.0
        & !Capabilities::DEPRECATE_EOF.0
        & !Capabilities::SESSION_TRACK.0
        & !Capabilities::PLUGIN_AUTH_LENENC_DATA.0
        & !Capabilities::CONNECT_ATTRS.0,
);
const MARIADB: Capabilities = Capabilities(
    MODERN.0 & !Capabilities::LONG_PASSWORD.0
        | Capabilities::MARIADB_PROGRESS.0
        | Capabilities::MARIADB_STMT_BULK.0
        | Capabilities::MARIADB_EXTENDED_METADATA.0,
);
const BARE: Capabilities = Capabilities(
    Capabilities::LONG_PASSWORD.0
        | Capabilities::LONG_FLAG.0
        | Capabilities::CONNECT_WITH_DB.0
        | Capabilities::PROTOCOL_41.0
        | Capabilities::SECURE_CONNECTION.0
        | Capabilities::PLUGIN_AUTH.0,
);

impl Personality {
    /// Every kind, with its name in scripts.
    pub const ALL: [(&'static str, Personality); 13] = [
        ("modern", Personality::Modern),
        ("old", Personality::Old),
        ("mysql9", Personality::Mysql9),
        ("optional-metadata", Personality::OptionalMetadata),
        ("mariadb", Personality::Mariadb),
        ("cache-metadata", Personality::CacheMetadata),
        ("found-rows", Personality::FoundRows),
        ("ignore-space", Personality::IgnoreSpace),
        ("single-statement", Personality::SingleStatement),
        ("interactive", Personality::Interactive),
        ("no-schema", Personality::NoSchema),
        ("no-plugins", Personality::NoPlugins),
        ("bare", Personality::Bare),
    ];

    /// The kind of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> anyhow::Result<Personality> {
        match Personality::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, personality)) => Ok(*personality),
            None => bail!("no personality {name}"),
        }
    }

    /// Its name in scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        Personality::ALL
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(name, _)| name)
    }

    /// What it asks for; it gets what is also offered.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        let with = |flags| MODERN | flags;
        match self {
            Personality::Modern => MODERN,
            Personality::Old => OLD,
            Personality::Mysql9 => with(Capabilities::QUERY_ATTRIBUTES),
            Personality::OptionalMetadata => {
                with(Capabilities::QUERY_ATTRIBUTES | Capabilities::OPTIONAL_RESULTSET_METADATA)
            }
            Personality::Mariadb => MARIADB,
            Personality::CacheMetadata => MARIADB | Capabilities::MARIADB_CACHE_METADATA,
            Personality::FoundRows => with(Capabilities::FOUND_ROWS),
            Personality::IgnoreSpace => with(Capabilities::IGNORE_SPACE),
            Personality::SingleStatement => MODERN.without(Capabilities::MULTI_STATEMENTS),
            Personality::Interactive => with(Capabilities::INTERACTIVE),
            Personality::NoSchema => with(Capabilities::NO_SCHEMA),
            Personality::NoPlugins => OLD.without(Capabilities::PLUGIN_AUTH),
            Personality::Bare => BARE,
        }
    }
}

//! What would this SQL do? Text in, facts out. No I/O, no clock, no policy.
//!
//! ```text
//! bytes ──Lexer──▶ tokens ──fingerprint──▶ normalised text ──FactsCache──▶ hit: Arc<Facts>
//!                                                │ miss
//!                                                ▼
//!                     judge: readings of executable comments ▶ statements ▶ kinds ▶ facts
//!                                                                            └─ parse: queries, by sqlparser
//! ```
//!
//! Two rules hold everywhere. *Unknown is cautious*: what is not understood is [`Effect::Unknown`] with its
//! [`Cause`], never a read, never harmless. *Facts are a function of their key*: they are computed from the
//! fingerprint itself, so two statements that share one cannot differ in them; where a literal decides
//! (SET, PREPARE, EXECUTE IMMEDIATE, PROXY) nothing is cached.
//!
//! # Example
//!
//! ```
//! use statement::{Danger, Effect, FactsCache, LexMode, ReadScope};
//!
//! let mut cache = FactsCache::new(1 << 20); // one per shard
//! let mode = LexMode::default();
//!
//! let (facts, scan) = cache.facts(b"SELECT c FROM sbtest1 WHERE id = 7", mode);
//! assert!(facts.is_surely_read() && scan.hint.is_none());
//!
//! let (facts, _) = cache.facts(b"SELECT c FROM sbtest1 WHERE id = 8 FOR UPDATE", mode);
//! assert!(matches!(facts.scope(), ReadScope::Manager(_)));
//!
//! let (facts, _) = cache.facts(b"select 1; drop /* ! */ table `t`", mode);
//! assert_eq!(facts.statement_count(), 2);
//! assert!(facts.dangers().contains(Danger::DropTable));
//!
//! let (facts, _) = cache.facts(b"SELECT 'no end", mode);
//! assert!(matches!(facts.statements()[0].effect, Effect::Unknown(_)));
//! ```

mod cache;
mod danger;
mod effect;
mod facts;
mod fingerprint;
mod functions;
mod hint;
mod judge;
mod kill;
mod parse;
mod scan;
mod shape;
mod tables;
mod tokens;

pub use self::{
    cache::{CACHED_KEY_BYTES_MAX, CACHED_TEXT_BYTES_MAX, CacheCounts, FactsCache},
    danger::{Danger, DangerSet},
    effect::{
        Administration, Assignment, Cause, Effect, Ending, Isolation, ProxyCommand, SessionChange,
        TransactionScope, TransactionStep, Value, VariableScope,
    },
    facts::{Facts, FoundRows, ManagerOnly, Needs, ReadScope, StatementFacts},
    fingerprint::{Scan, fingerprint},
    hint::{HINT_BYTES_MAX, Hint, HintWord},
    judge::{READINGS_MARKS_MAX, STATEMENTS_MAX, TOKENS_MAX, facts},
    kill::{Kill, KillEnds, KillVictim},
    parse::{
        CHAIN_TERMS_MAX, JOINS_MAX, NESTING_MAX, PARSED_BYTES_MAX, PARSED_TOKENS_MAX, SET_OPERATIONS_MAX,
    },
    scan::{CharsetClass, Doubt, LexMode, Lexer, Token, TokenKind},
    shape::{Shape, UNCACHED_SHAPE_BYTES_MAX},
    tables::{TABLES_MAX, TableName, Tables},
};

//! How an input is cut into the choices of a target (its first bytes) and the bytes that are tried.
//!
//! By hand and not by a derive: a captured packet with two bytes in front of it is a seed.

use statement::{CharsetClass, LexMode};
use wire::Capabilities;

/// The flags that change how packets of the command phase are read, one of them for each bit of `choice`.
pub fn command_phase(choice: u8) -> Capabilities {
    const FLAGS: [Capabilities; 8] = [
        Capabilities::SESSION_TRACK,
        Capabilities::DEPRECATE_EOF,
        Capabilities::OPTIONAL_RESULTSET_METADATA,
        Capabilities::QUERY_ATTRIBUTES,
        Capabilities::MULTI_RESULTS,
        Capabilities::PS_MULTI_RESULTS,
        Capabilities::MARIADB_EXTENDED_METADATA,
        Capabilities::MARIADB_PROGRESS,
    ];
    FLAGS
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| choice & (1 << bit) != 0)
        .fold(Capabilities::NONE, |all, (_, flag)| all | flag)
}

/// Lexer settings: three bits of `choice` are `sql_mode`, the others the character set.
pub fn lex_mode(choice: u8) -> LexMode {
    const CHARSETS: [CharsetClass; 6] = [
        CharsetClass::Utf8,
        CharsetClass::SingleByte,
        CharsetClass::Gbk,
        CharsetClass::Sjis,
        CharsetClass::Big5,
        CharsetClass::Gb18030,
    ];
    LexMode {
        ansi_quotes: choice & 1 != 0,
        no_backslash_escapes: choice & 2 != 0,
        pipes_as_concat: choice & 4 != 0,
        charset: CHARSETS[usize::from(choice >> 3) % CHARSETS.len()],
    }
}

//! Properties that hold for any bytes.

use proptest::{collection::vec, prelude::*, sample::select};
use statement::{CharsetClass, Effect, FactsCache, LexMode, Lexer, facts, fingerprint};

fn modes() -> impl Strategy<Value = LexMode> {
    let charsets = [
        CharsetClass::Utf8,
        CharsetClass::SingleByte,
        CharsetClass::Gbk,
        CharsetClass::Sjis,
        CharsetClass::Big5,
        CharsetClass::Gb18030,
    ];
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        select(charsets.to_vec()),
    )
        .prop_map(
            |(ansi_quotes, no_backslash_escapes, pipes_as_concat, charset)| LexMode {
                ansi_quotes,
                no_backslash_escapes,
                pipes_as_concat,
                charset,
            },
        )
}

/// Bits of SQL, sensible and not.
const BITS: &[&str] = &[
    "SELECT",
    "select",
    "FROM",
    "WHERE",
    "DELETE",
    "DROP",
    "TABLE",
    "TRUNCATE",
    "UPDATE",
    "SET",
    "INSERT",
    "INTO",
    "VALUES",
    "PREPARE",
    "EXECUTE",
    "IMMEDIATE",
    "CREATE",
    "PROCEDURE",
    "BEGIN",
    "END",
    "CASE",
    "WHEN",
    "WITH",
    "AS",
    "UNION",
    "JOIN",
    "ON",
    "AND",
    "OR",
    "IN",
    "EXISTS",
    "SHOW",
    "EXPLAIN",
    "ANALYZE",
    "PROXY",
    "FOR",
    "LOCK",
    "t",
    "a.b",
    "`x`",
    "\"y\"",
    "'z'",
    "'it''s'",
    "'\\''",
    "1",
    "-1.5e3",
    ".5",
    "0xff",
    "x'00'",
    "_utf8'a'",
    "@v",
    "@@w",
    "@@global.z",
    "?",
    "(",
    ")",
    ",",
    ";",
    ".",
    "...",
    "=",
    "<=>",
    ":=",
    "||",
    "->>",
    "*",
    "/",
    "-",
    "--",
    "-- c\n",
    "#d\n",
    "/* e */",
    "/*!50003 f */",
    "/*!",
    "*/",
    "/*M!",
    "/*+ proxy(target=manager) */",
    "count(",
    "f (",
    "é",
    "\u{a0}",
    "\\",
    "\n",
    "\t",
    "\0",
    "{",
    "}",
    "INTERVAL",
    "LIMIT",
    "IS",
    "NULL",
    "NOT",
];

/// Statements whose tokens are given apart, so that anything may be put between them.
const STATEMENTS: &[&[&str]] = &[
    &[
        "SELECT", "a", ",", "b", "FROM", "t", "WHERE", "id", "=", "5", "LIMIT", "1",
    ],
    &["DELETE", "FROM", "`t`", "WHERE", "1", "=", "1"],
    &["DELETE", "FROM", "t"],
    &["DROP", "TABLE", "IF", "EXISTS", "t"],
    &[
        "UPDATE", "t", "SET", "a", "=", "'x'", "WHERE", "b", "IN", "(", "1", ",", "2", ")",
    ],
    &["SET", "autocommit", "=", "0"],
    &["SELECT", "*", "FROM", "t", "FOR", "UPDATE"],
    &[
        "INSERT", "INTO", "t", "VALUES", "(", "1", ",", "'a;b'", ")", ",", "(", "2", ",", "NULL", ")",
    ],
    &["SHOW", "TABLES"],
    &["START", "TRANSACTION", "READ", "ONLY"],
    &["TRUNCATE", "TABLE", "t"],
    &["PREPARE", "s", "FROM", "'DELETE FROM t'"],
    &["SELECT", "1", ";", "DROP", "DATABASE", "d"],
    &["WITH", "c", "AS", "(", "SELECT", "1", ")", "DELETE", "FROM", "t"],
    &["EXPLAIN", "ANALYZE", "DELETE", "FROM", "t"],
];

const BLANKS: &[&str] = &[
    " ",
    "\n",
    "\t",
    "\r\n",
    "\u{b}",
    "\u{c}",
    " /* c */ ",
    "/**/",
    " -- x; DROP\n",
    " # '\n",
    "  /*+ y */ ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), mode in modes()) {
        let _ = facts(&bytes, mode);
    }

    #[test]
    fn no_bits_of_sql_panic(bits in vec(select(BITS), 0..40), mode in modes(), glue in select(vec!["", " "])) {
        let text = bits.join(glue);
        let mut cache = FactsCache::new(1 << 16);
        let (cached, scan) = cache.facts(text.as_bytes(), mode);
        prop_assert_eq!(&*cached, &facts(text.as_bytes(), mode));
        // a doubt is never anything but unknown
        if scan.doubt.is_some() {
            prop_assert!(cached.statements().iter().all(|one| matches!(one.effect, Effect::Unknown(_))));
        }
    }

    #[test]
    fn tokens_cover_the_text_in_order(bits in vec(select(BITS), 0..40), mode in modes()) {
        let text = bits.join(" ");
        let mut behind = 0;
        for token in Lexer::new(text.as_bytes(), mode) {
            prop_assert!(behind <= token.start && token.start < token.end && token.end as usize <= text.len());
            behind = token.end;
        }
    }

    #[test]
    fn a_fingerprint_is_its_own_fingerprint(bits in vec(select(BITS), 0..30), mode in modes(), glue in select(vec!["", " "])) {
        let text = bits.join(glue);
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        let scan = fingerprint(text.as_bytes(), mode, &mut once);
        if scan.doubt.is_some() {
            return Ok(());
        }
        let again = fingerprint(&once, mode, &mut twice);
        prop_assert_eq!(again.doubt, None);
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }

    #[test]
    fn comments_and_blanks_do_not_change_facts(
        statement in select(STATEMENTS),
        blanks in vec(select(BLANKS), 20),
    ) {
        let plain = statement.join(" ");
        let mut dressed = String::new();
        for (n, token) in statement.iter().enumerate() {
            dressed.push_str(token);
            dressed.push_str(blanks[n % blanks.len()]);
        }
        prop_assert_eq!(facts(dressed.as_bytes(), LexMode::default()), facts(plain.as_bytes(), LexMode::default()), "{}", dressed);
    }

    #[test]
    fn values_do_not_change_a_cached_answer(number in any::<i64>(), text in "[a-z '\\\\%;]{0,20}") {
        let quoted = text.replace('\\', "\\\\").replace('\'', "''");
        let mut cache = FactsCache::new(1 << 16);
        let (first, _) = cache.facts(b"DELETE FROM t WHERE a = -1 AND b = 'x'", LexMode::default());
        let other = format!("DELETE FROM t WHERE a = -{} AND b = '{quoted}'", number.unsigned_abs());
        let (second, scan) = cache.facts(other.as_bytes(), LexMode::default());
        prop_assert_eq!(scan.doubt, None);
        prop_assert!(std::sync::Arc::ptr_eq(&first, &second));
    }
}

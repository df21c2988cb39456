use super::{super::mode::CharsetClass, *};

fn cut(text: &[u8], mode: LexMode) -> (Vec<(TokenKind, String)>, Option<Doubt>) {
    let mut lexer = Lexer::new(text, mode);
    let tokens = lexer
        .by_ref()
        .map(|token| (token.kind, String::from_utf8_lossy(token.of(text)).into_owned()))
        .collect();
    (tokens, lexer.doubt())
}

fn words(text: &str) -> Vec<String> {
    let (tokens, doubt) = cut(text.as_bytes(), LexMode::default());
    assert_eq!(doubt, None, "{text}");
    tokens.into_iter().map(|(_, text)| text).collect()
}

fn doubt(text: &[u8]) -> Option<Doubt> {
    cut(text, LexMode::default()).1
}

fn in_charset(charset: CharsetClass) -> LexMode {
    LexMode {
        charset,
        ..LexMode::default()
    }
}

#[test]
fn numbers_and_names_are_told_apart_as_the_server_does() {
    assert_eq!(
        words("1union 1e1union 1.union .5union"),
        ["1union", "1e1", "union", "1.", "union", ".5", "union"]
    );
    assert_eq!(
        words("db.1table `db`.5 0xAFg 0xAF 0b12 0b11"),
        ["db", ".", "1table", "`db`", ".5", "0xAFg", "0xAF", "0b12", "0b11"]
    );
    assert_eq!(words("1e5 1e+5 1e 1.5e-3"), ["1e5", "1e+5", "1e", "1.5e-3"]);
    assert_eq!(doubt(b"SELECT 1.5e"), Some(Doubt::StrayCharacter));
}

#[test]
fn strings_end_where_the_mode_says() {
    assert_eq!(
        words(r"'a''b' 'a\'b' '\\' x"),
        ["'a''b'", r"'a\'b'", r"'\\'", "x"]
    );
    let literal = LexMode {
        no_backslash_escapes: true,
        ..LexMode::default()
    };
    assert_eq!(cut(br"'\' or 1", literal).0.len(), 3);
    let ansi = LexMode {
        ansi_quotes: true,
        ..LexMode::default()
    };
    assert_eq!(cut(b"\"a\"", ansi).0[0].0, TokenKind::Quoted);
    assert_eq!(cut(b"\"a\"", LexMode::default()).0[0].0, TokenKind::Text);
    assert_eq!(doubt(b"SELECT 'a"), Some(Doubt::UnterminatedQuote));
    assert_eq!(doubt(br"SELECT 'a\'"), Some(Doubt::UnterminatedQuote));
}

#[test]
fn introducers_belong_to_their_strings() {
    assert_eq!(
        words("_utf8'x' _latin1 'y' n'z' N'z' x'0f' b'01' _foo 'x'"),
        [
            "_utf8'x'",
            "_latin1 'y'",
            "n'z'",
            "N'z'",
            "x'0f'",
            "b'01'",
            "_foo",
            "'x'"
        ]
    );
    assert_eq!(doubt(b"x'0g'"), Some(Doubt::MalformedBits));
    assert_eq!(doubt(b"_gbk'\xbf\x5cx'"), Some(Doubt::AmbiguousString));
}

#[test]
fn a_second_byte_that_looks_like_a_backslash_escapes_nothing() {
    let text = b"'\xbf\x5c' OR 1 -- '";
    assert_eq!(cut(text, in_charset(CharsetClass::Gbk)).0.len(), 3);
    assert_eq!(cut(text, LexMode::default()).1, None);
    assert_eq!(cut(text, LexMode::default()).0.len(), 1);
    // a lead byte does not swallow the quote
    assert_eq!(cut(b"'\xbf' OR 1", in_charset(CharsetClass::Gbk)).0.len(), 3);
}

#[test]
fn comments_are_what_the_server_takes_for_them() {
    assert_eq!(
        words("a -- b\nc # d\n e --f\n/* g */ --\n/**/ h"),
        ["a", "c", "e", "-", "-", "f", "h"]
    );
    assert_eq!(words("a --"), ["a"]);
    assert_eq!(doubt(b"a /* b"), Some(Doubt::UnterminatedComment));
    assert_eq!(doubt(b"a -- \0\nDROP"), Some(Doubt::NulByte));
    assert_eq!(words("a /*/ b */ c"), ["a", "c"]);
}

#[test]
fn executable_comments_are_opened() {
    assert_eq!(
        words("/*!50003 a*/ b /*M!100100 c */ /*! d */"),
        [
            "/*!50003",
            "a",
            "*/",
            "b",
            "/*M!100100",
            "c",
            "*/",
            "/*!",
            "d",
            "*/"
        ]
    );
    assert_eq!(words("/*!500031a*/"), ["/*!500031", "a", "*/"]);
    assert_eq!(words("/*!123 a*/"), ["/*!", "123", "a", "*/"]);
    for nested in [
        "/*!50000 a /* b */ c */",
        "/*! a -- b */\n",
        "/*! 'a*/' */",
        "/*! /*! a */ */",
        "/*! a # */",
    ] {
        assert!(doubt(nested.as_bytes()).is_some(), "{nested}");
    }
}

#[test]
fn variables_have_names() {
    assert_eq!(
        words("@a.b @'x y' @`z` @@global.v @@`w`"),
        ["@a.b", "@'x y'", "@`z`", "@@global", ".", "v", "@@`w`"]
    );
    assert_eq!(doubt(b"@ a"), Some(Doubt::NamelessVariable));
    assert_eq!(doubt(b"@@ a"), Some(Doubt::NamelessVariable));
}

#[test]
fn odd_bytes_are_doubted() {
    assert_eq!(doubt(b"SELECT\0 1"), Some(Doubt::NulByte));
    assert_eq!(doubt(b"SELECT 'a\0b'"), None);
    assert_eq!(doubt(b"SELECT \x01 1"), Some(Doubt::StrayCharacter));
    assert_eq!(doubt(b"SELECT \xa0 1"), Some(Doubt::MalformedCharacter));
    assert_eq!(doubt("SELECT pr\u{e9}nom".as_bytes()), None);
    assert_eq!(doubt(b"SELECT `a\xff`"), Some(Doubt::MalformedCharacter));
    assert_eq!(
        cut(b"SELECT\xa01", in_charset(CharsetClass::SingleByte)).1,
        Some(Doubt::MalformedCharacter)
    );
}

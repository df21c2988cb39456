//! The server's lexer settings, as far as they change where a token ends.

/// Settings of the session that decide how its statements are cut into tokens.
///
/// Part of every cache key: the same bytes under another mode are another statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LexMode {
    /// `sql_mode` has `ANSI_QUOTES`: `"a"` is an identifier, not a string.
    pub ansi_quotes: bool,
    /// `sql_mode` has `NO_BACKSLASH_ESCAPES`: a backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
    /// `sql_mode` has `PIPES_AS_CONCAT`: `||` concatenates, otherwise it is OR.
    pub pipes_as_concat: bool,
    /// How many bytes a character takes in `character_set_client`.
    pub charset: CharsetClass,
}

impl LexMode {
    /// This mode under another `sql_mode`, given as the server writes it: names and commas.
    ///
    /// `None` for what is no list of names (a number, an expression), or names a mode whose grammar is
    /// another one (`ORACLE`): statements of such a session cannot be lexed with certainty.
    #[must_use]
    pub fn with_sql_mode(self, sql_mode: &[u8]) -> Option<Self> {
        let mut mode = Self {
            ansi_quotes: false,
            no_backslash_escapes: false,
            pipes_as_concat: false,
            charset: self.charset,
        };
        for name in sql_mode.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            if is("ORACLE")
                || !name
                    .iter()
                    .all(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            {
                return None;
            }
            // short for several, on the servers that know them
            let all = ["ANSI", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"]
                .iter()
                .any(|known| is(known));
            mode.ansi_quotes |= all || is("ANSI_QUOTES");
            mode.pipes_as_concat |= all || is("PIPES_AS_CONCAT");
            mode.no_backslash_escapes |= is("NO_BACKSLASH_ESCAPES");
        }
        Some(mode)
    }

    /// This mode under another `character_set_client`. `None` for one that [`CharsetClass::from_name`] does not know.
    #[must_use]
    pub fn with_charset(self, name: &[u8]) -> Option<Self> {
        Some(Self {
            charset: CharsetClass::from_name(name)?,
            ..self
        })
    }
}

/// Families of `character_set_client`, by the shape of a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CharsetClass {
    /// utf8mb3, utf8mb4, ascii: no byte below 0x80 is ever part of a longer character.
    #[default]
    Utf8,
    /// latin1 and the other one-byte sets, binary, and the EUC family (ujis, eucjpms, euckr, gb2312):
    /// no 0x5c second bytes, but which high bytes are blanks depends on the set.
    SingleByte,
    /// gbk: a second byte may be 0x5c.
    Gbk,
    /// sjis and cp932: a second byte may be 0x5c.
    Sjis,
    /// big5: a second byte may be 0x5c.
    Big5,
    /// gb18030: a second byte may be 0x5c; characters of four bytes contain digits.
    Gb18030,
}

impl CharsetClass {
    /// The class of a character set's (or collation's) name as the server knows it, in any case.
    ///
    /// `None` for a set that cannot be a client's (ucs2, utf16, utf32) or that we do not know:
    /// a session that claims one must not be trusted to be lexed.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let family = name.split(|&byte| byte == b'_').next().unwrap_or(name);
        let mut lower = [0_u8; 16];
        let lower = lower.get_mut(..family.len())?;
        lower.copy_from_slice(family);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"utf8" | b"utf8mb3" | b"utf8mb4" | b"ascii" => Self::Utf8,
            b"gbk" => Self::Gbk,
            b"sjis" | b"cp932" => Self::Sjis,
            b"big5" => Self::Big5,
            b"gb18030" => Self::Gb18030,
            b"latin1" | b"latin2" | b"latin5" | b"latin7" | b"cp1250" | b"cp1251" | b"cp1256" | b"cp1257"
            | b"cp850" | b"cp852" | b"cp866" | b"dec8" | b"hp8" | b"koi8r" | b"koi8u" | b"swe7"
            | b"hebrew" | b"greek" | b"armscii8" | b"geostd8" | b"keybcs2" | b"macce" | b"macroman"
            | b"tis620" | b"binary" | b"ujis" | b"eucjpms" | b"euckr" | b"gb2312" => Self::SingleByte,
            _ => return None,
        })
    }

    /// Whether the second byte of a character can be 0x5c, the backslash.
    #[must_use]
    pub fn has_backslash_trails(self) -> bool {
        match self {
            Self::Utf8 | Self::SingleByte => false,
            Self::Gbk | Self::Sjis | Self::Big5 | Self::Gb18030 => true,
        }
    }

    /// Length of the well-formed multi-byte character at the start of `rest`, or 0 where there is none.
    ///
    /// The server's `my_ismbchar`: a lead byte without a proper second byte counts as one byte.
    #[inline]
    pub(crate) fn multibyte_len(self, rest: &[u8]) -> usize {
        let byte = |n: usize| rest.get(n).copied().unwrap_or(0);
        let lead = byte(0);
        if lead < 0x80 {
            return 0;
        }
        let pair = |lead_ok: bool, trail_ok: bool| if lead_ok && trail_ok { 2 } else { 0 };
        match self {
            Self::Utf8 => utf8_len(rest),
            Self::SingleByte => 0,
            Self::Gbk => pair(
                matches!(lead, 0x81..=0xFE),
                matches!(byte(1), 0x40..=0x7E | 0x80..=0xFE),
            ),
            Self::Sjis => pair(
                matches!(lead, 0x81..=0x9F | 0xE0..=0xFC),
                matches!(byte(1), 0x40..=0x7E | 0x80..=0xFC),
            ),
            Self::Big5 => pair(
                matches!(lead, 0xA1..=0xF9),
                matches!(byte(1), 0x40..=0x7E | 0xA1..=0xFE),
            ),
            Self::Gb18030 => {
                let four = matches!(lead, 0x81..=0xFE)
                    && byte(1).is_ascii_digit()
                    && matches!(byte(2), 0x81..=0xFE)
                    && byte(3).is_ascii_digit();
                if four {
                    return 4;
                }
                pair(
                    matches!(lead, 0x81..=0xFE),
                    matches!(byte(1), 0x40..=0x7E | 0x80..=0xFE),
                )
            }
        }
    }
}

fn utf8_len(rest: &[u8]) -> usize {
    let continues = |n: usize| rest.get(n).is_some_and(|byte| byte & 0xC0 == 0x80);
    match rest.first().copied().unwrap_or(0) {
        0xC2..=0xDF if continues(1) => 2,
        0xE0..=0xEF if continues(1) && continues(2) => 3,
        0xF0..=0xF4 if continues(1) && continues(2) && continues(3) => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sets_and_collations_have_a_class() {
        assert_eq!(
            CharsetClass::from_name(b"utf8mb4_general_ci"),
            Some(CharsetClass::Utf8)
        );
        assert_eq!(CharsetClass::from_name(b"GBK"), Some(CharsetClass::Gbk));
        assert_eq!(
            CharsetClass::from_name(b"cp932_japanese_ci"),
            Some(CharsetClass::Sjis)
        );
        assert_eq!(CharsetClass::from_name(b"latin1"), Some(CharsetClass::SingleByte));
        assert_eq!(CharsetClass::from_name(b"utf16"), None);
        assert_eq!(
            CharsetClass::from_name(b"a-name-much-longer-than-any-charset"),
            None
        );
    }

    #[test]
    fn a_sql_mode_sets_what_the_lexer_must_know() {
        let of = |text: &str| LexMode::default().with_sql_mode(text.as_bytes());
        assert_eq!(of(""), Some(LexMode::default()));
        assert_eq!(
            of("STRICT_TRANS_TABLES,ansi_quotes").map(|mode| mode.ansi_quotes),
            Some(true)
        );
        assert_eq!(
            of("ANSI").map(|mode| (mode.ansi_quotes, mode.pipes_as_concat)),
            Some((true, true))
        );
        assert_eq!(
            of("NO_BACKSLASH_ESCAPES").map(|mode| mode.no_backslash_escapes),
            Some(true)
        );
        assert_eq!(of("PIPES_AS_CONCAT,ORACLE"), None);
        assert_eq!(of("4"), None);
        assert_eq!(
            LexMode::default().with_charset(b"big5").map(|mode| mode.charset),
            Some(CharsetClass::Big5)
        );
    }

    #[test]
    fn a_gbk_lead_byte_needs_its_second_byte() {
        assert_eq!(CharsetClass::Gbk.multibyte_len(b"\xbf\x5c"), 2);
        assert_eq!(CharsetClass::Gbk.multibyte_len(b"\xbf'"), 0);
        assert_eq!(CharsetClass::Gb18030.multibyte_len(b"\x81\x30\x81\x30"), 4);
        assert_eq!(CharsetClass::Utf8.multibyte_len(b"\xbf\x5c"), 0);
    }
}

//! Any bytes, in any mode of the lexer, give facts: the same from the cache as computed anew, and where the lexer
//! doubts, nothing but Unknown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statement::{Effect, FactsCache, Lexer, facts, fingerprint};

fuzz_target!(|data: &[u8]| {
    let [choice, text @ ..] = data else { return };
    let mode = fuzz::lex_mode(*choice);

    let mut behind = 0;
    for token in Lexer::new(text, mode) {
        assert!(behind <= token.start && token.start < token.end && token.end as usize <= text.len());
        behind = token.end;
    }

    let anew = facts(text, mode);
    let mut cache = FactsCache::new(1 << 16);
    let (first, scan) = cache.facts(text, mode);
    assert_eq!(*first, anew);
    let (second, _) = cache.facts(text, mode);
    assert_eq!(*second, anew);

    if scan.doubt.is_some() {
        let unknown = |effect: &Effect| matches!(effect, Effect::Unknown(_));
        assert!(anew.statements().iter().all(|one| unknown(&one.effect)));
        assert!(!anew.is_surely_read());
    } else if !scan.literals_matter {
        // what shares a fingerprint shares its facts
        let mut shape = Vec::new();
        fingerprint(text, mode, &mut shape);
        assert_eq!(facts(&shape, mode), anew, "{}", String::from_utf8_lossy(&shape));
    }
});

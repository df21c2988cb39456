//! A comment where there is a blank anyway changes nothing of what a statement is taken for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statement::{Lexer, TokenKind, facts};

/// A comment with all that a careless reader stumbles over.
const COMMENT: &[u8] = b" /* ; DROP TABLE t -- ' \" ` # */ ";

fuzz_target!(|data: &[u8]| {
    let [choice, text @ ..] = data else { return };
    let mode = fuzz::lex_mode(*choice);
    let mut lexer = Lexer::new(text, mode);
    let tokens: Vec<_> = lexer.by_ref().collect();
    // a comment inside an executable comment ends it early on some servers, which is a doubt of its own
    let executable = |kind| matches!(kind, TokenKind::ExecutableOpen | TokenKind::ExecutableClose);
    if lexer.doubt().is_some() || tokens.iter().any(|token| executable(token.kind)) {
        return;
    }

    let mut dressed = COMMENT.to_vec();
    let mut behind = 0;
    for token in &tokens {
        let (start, end) = (token.start as usize, token.end as usize);
        dressed.extend_from_slice(&text[behind..start]);
        if start > behind {
            dressed.extend_from_slice(COMMENT);
        }
        dressed.extend_from_slice(&text[start..end]);
        behind = end;
    }
    dressed.extend_from_slice(&text[behind..]);

    assert_eq!(
        facts(&dressed, mode),
        facts(text, mode),
        "{}",
        String::from_utf8_lossy(&dressed)
    );
});

//! Where one statement of a batch ends and the next begins.

use crate::{scan::TokenKind, tokens::Tokens};

/// The first statement, and what stands behind its `;` if there is one.
///
/// A stored program's body has semicolons of its own: the statement ends at the first one outside its blocks.
pub(super) fn first(tokens: Tokens<'_>) -> (Tokens<'_>, Option<Tokens<'_>>) {
    let blocks = is_program(tokens);
    let mut depth = 0_usize;
    for at in 0..tokens.len() {
        match tokens.kind(at) {
            Some(TokenKind::Semicolon) if depth == 0 => {
                return (tokens.range(0, at), Some(tokens.from(at + 1)));
            }
            Some(TokenKind::Word) if blocks => depth = block_depth(tokens, at, depth),
            _ => {}
        }
    }
    (tokens, None)
}

/// Whether a stored program closes every block that it opens, and no other: only then is its end where we see it.
pub(super) fn blocks_are_closed(tokens: Tokens<'_>) -> bool {
    (0..tokens.len())
        .filter(|&at| tokens.kind(at) == Some(TokenKind::Word))
        .fold(0, |depth, at| block_depth(tokens, at, depth))
        == 0
}

/// Depth of blocks behind the word at `at`. `END IF`, `END LOOP` and their like close what was not counted.
fn block_depth(tokens: Tokens<'_>, at: usize, depth: usize) -> usize {
    let behind_end = at > 0 && tokens.is(at - 1, "END");
    if tokens.is(at, "BEGIN") || tokens.is(at, "CASE") && !behind_end {
        depth + 1
    } else if tokens.is(at, "END") && !tokens.is_any(at + 1, &["IF", "LOOP", "REPEAT", "WHILE", "FOR"]) {
        depth.saturating_sub(1)
    } else {
        depth
    }
}

/// Whether the first statement defines a stored program, or is a block of statements.
pub(super) fn is_program(tokens: Tokens<'_>) -> bool {
    if tokens.is(0, "BEGIN") {
        return tokens.are(1, &["NOT", "ATOMIC"]);
    }
    program_kind(tokens).is_some()
}

/// Words between CREATE and the kind of what is created: a bounded look.
const HEAD_TOKENS_MAX: usize = 24;

/// The place of PROCEDURE, FUNCTION, … in `CREATE … PROCEDURE`, `ALTER EVENT …`.
pub(super) fn program_kind(tokens: Tokens<'_>) -> Option<usize> {
    if !tokens.is_any(0, &["CREATE", "ALTER"]) {
        return None;
    }
    for at in 1..HEAD_TOKENS_MAX {
        if tokens.is_any(at, &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]) {
            return Some(at);
        }
        // `CREATE DEFINER = root@localhost PROCEDURE`: only heads of other objects end the look
        let other = [
            "TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "SEQUENCE",
        ];
        if tokens.is_any(at, &other) {
            return None;
        }
    }
    None
}

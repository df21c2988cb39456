//! From bytes to tokens: a lexer that cuts a statement where the server cuts it.
//!
//! Total: any bytes give tokens or a [`Doubt`], never a panic. Zero-copy: a token is a pair of offsets.

mod comment;
mod lexer;
mod mode;
mod quoted;
mod token;

pub use self::{
    lexer::Lexer,
    mode::{CharsetClass, LexMode},
    token::{Doubt, Token, TokenKind},
};

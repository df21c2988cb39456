//! The checked configuration: raw types in, every problem out at once.

pub mod raw;

//! peer

pub mod chunk;
pub mod inbox;
pub mod relay;

//! Configuration files as text, made from typed values. Nothing here touches a disk or a network.

pub mod my_cnf;
pub mod service;
pub mod setting;

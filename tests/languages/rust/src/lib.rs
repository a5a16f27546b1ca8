//! Codecs of all models of the tests.

pub mod wire;

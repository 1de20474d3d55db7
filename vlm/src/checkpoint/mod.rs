//! What lies on the disk: where a checkpoint's files are, its configuration, and its tensors.
//!
//! Knows no network: it reads and checks, and computes nothing.

mod complete;
pub(crate) mod config;
pub(crate) mod files;
pub(crate) mod formats;
pub(crate) mod hub;
pub(crate) mod json;
pub(crate) mod processor;
pub(crate) mod tensors;

//! What lies on the disk: where a checkpoint's files are, its configuration, and its tensors.
//!
//! Knows no network: it reads and checks, and computes nothing.

mod complete;
pub(crate) mod config;
pub(crate) mod files;
pub(crate) mod formats;
mod gguf;
pub(crate) mod hub;
pub(crate) mod json;
pub(crate) mod mapped;
pub(crate) mod processor;
pub(crate) mod stored;
pub(crate) mod tensors;

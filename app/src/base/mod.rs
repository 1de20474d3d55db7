//! What any part of the program may use: channels, threads, files, waiting, text and the network.
//! No domain word lives here, and nothing here imports from another part.

pub(crate) mod backoff;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod http;
pub(crate) mod jpeg;
pub mod message;
pub(crate) mod panic;
pub(crate) mod quantity;
pub(crate) mod slot;
pub(crate) mod text;
pub(crate) mod thread;
pub(crate) mod webvtt;

//! SmolVLM on candle: pictures and text in, streamed text out.
//!
//! The heart is [`Session`]: one KV cache with marks, in which a prefix is evaluated once, a view is replaced for every
//! frame, and every reply is rolled back. In a [`Conversation`] replies stay, for follow-ups. This crate knows no camera,
//! thread, window or log, and no tensor type appears in what it exports.

#[doc(hidden)]
pub mod bench_support;
mod cancel;
mod checkpoint;
mod config;
mod conversation;
mod decode;
mod error;
mod files;
mod image;
mod kernels;
mod kv_cache;
mod model;
mod prompt;
mod reply;
mod sampling;
mod session;
mod text;
mod vision;
mod writer;

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod session_tests;

pub use cancel::Cancel;
pub use conversation::{Conversation, Say};
pub use error::{Error, Result};
pub use files::{BuiltIn, ModelFiles};
pub use image::Tiling;
pub use model::{LoadOptions, Model};
pub use prompt::{Part, Role, Turn};
pub use reply::{Draft, Reply, Stop, Timings};
pub use session::{Ask, Session};

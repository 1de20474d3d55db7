//! SmolVLM on candle: pictures and text in, streamed text out.
//!
//! The heart is [`Session`]: one KV cache with marks, in which a prefix is evaluated once, a view is replaced for every
//! frame, and every reply is rolled back. This crate knows no camera, thread, window or log, and no tensor type appears
//! in what it exports.

#[doc(hidden)]
pub mod bench_support;
mod cancel;
mod kernels;
mod reply;

pub use cancel::Cancel;
pub use reply::{Draft, Reply, Stop, Timings};

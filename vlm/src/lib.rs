//! SmolVLM on candle: pictures and text in, streamed text out.
//!
//! The heart is [`Session`]: one KV cache with marks, in which a prefix is evaluated once, a view is replaced for every
//! frame, and every reply is rolled back. In a [`Conversation`] replies stay, for follow-ups. This crate knows no camera,
//! thread, window or log, and no tensor type appears in what it exports.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use vlm::{Ask, Cancel, LoadOptions, Model, ModelFiles, Same, Session, Tiling};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = ModelFiles::in_folder(Path::new("SmolVLM-256M-Instruct"))?;
//! let mut session = Session::new(Arc::new(Model::load(&files, LoadOptions::default())?))?;
//! let cancel = Cancel::default();
//!
//! session.look(&[&image::open("cat.jpg")?.to_rgb8()], Tiling::One, Same::Exactly, &cancel)?;
//! let describe = Ask { prompt: "Describe this image.", max_tokens: 60, ignore_end: false };
//! let caption = session.caption(describe, &cancel, &mut |piece| print!("{piece}"))?;
//! let question = Ask { prompt: "Is the cat asleep?", ..describe };
//! let answer = session.ask(question, &cancel, &mut |_| {})?;
//! assert!(answer.timings.vision.is_zero(), "the view was in hand");
//! # Ok(())
//! # }
//! ```

#[doc(hidden)]
pub mod bench_support;
mod cancel;
mod checkpoint;
mod config;
mod conversation;
mod decode;
mod device;
mod error;
mod files;
mod image;
mod kernels;
mod kv_cache;
mod matrix;
mod model;
mod prompt;
pub mod quality;
mod reply;
mod resample;
mod roofline;
mod same;
mod sampling;
mod session;
mod text;
mod video;
mod vision;
mod weights;
mod writer;

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_bf16;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
mod int8_tests;
#[cfg(test)]
mod session_tests;

pub use cancel::Cancel;
pub use conversation::{Conversation, Say};
pub use device::{Device, Place};
pub use error::{Error, Result};
pub use files::{BuiltIn, ModelFiles, hub_cache};
pub use image::Tiling;
pub use matrix::Precision;
pub use model::{LoadOptions, Model};
pub use prompt::{Part, Role, Turn};
pub use reply::{Draft, Reply, Stop, Timings};
pub use roofline::{Peaks, Work};
pub use same::Same;
pub use session::{Ask, Session};
pub use video::{Footage, VideoSampling, video_turn};

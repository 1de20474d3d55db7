//! SmolVLM on candle: pictures and text in, streamed text out.
//!
//! The heart is [`Session`]: one KV cache with marks, in which a prefix is evaluated once, a view
//! is replaced for every frame, and every reply is rolled back. In a [`Conversation`] replies stay,
//! for follow-ups. This crate knows no camera, thread, window or log, and no tensor type appears in
//! what it exports.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use vlm::{Ask, Cancel, LoadOptions, Model, ModelFiles, Reuse, Sampling, Session, Tiling};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = ModelFiles::in_folder(Path::new("SmolVLM-256M-Instruct"))?;
//! let mut session = Session::new(Arc::new(Model::load(&files, LoadOptions::default())?))?;
//! let cancel = Cancel::default();
//!
//! let cat = image::open("cat.jpg")?.to_rgb8();
//! session.set_images(&[&cat], Tiling::One, Reuse::IfIdentical, &cancel)?;
//! let (prompt, sampling) = ("Describe this image.", Sampling::Greedy);
//! let describe = Ask { prompt, max_tokens: 60, ignore_end: false, sampling };
//! let caption = session.caption(describe, &cancel, &mut |piece| print!("{piece}"))?;
//! let question = Ask { prompt: "Is the cat asleep?", ..describe };
//! let answer = session.ask(question, &cancel, &mut |_| {})?;
//! assert!(answer.timings.vision.is_zero(), "the view was in hand");
//! # Ok(())
//! # }
//! ```

mod cancel;
mod checkpoint;
mod device;
mod error;
mod input;
mod kernels;
#[doc(hidden)]
pub mod measure;
mod network;
mod sentences;
mod session;
#[cfg(test)]
mod tests;

pub use cancel::Cancel;
pub use checkpoint::config::is_supported;
pub use checkpoint::files::{BuiltIn, ModelFiles};
pub use checkpoint::formats::{OtherFormat, other_format};
pub use checkpoint::hub::{expand_path, hub_cache, hub_home};
pub use checkpoint::processor::VideoSampling;
pub use device::Device;
pub use error::{Error, Result, UnknownInstructionSet};
pub use input::format::Role;
pub use input::image::Tiling;
pub use input::prompt::{Part, Turn};
pub use input::video::{Footage, video_turn};
pub use kernels::cpu::{InstructionSet, MAX_ISA};
pub use kernels::simd::in_vectors;
pub use measure::roofline::{Peaks, Work};
pub use network::device::OpenDevice;
pub use network::features::Features;
pub use network::precision::Precision;
pub use network::{LoadOptions, Model};
pub use sentences::SentenceModel;
pub use session::branches::{Scored, Scores};
pub use session::conversation::{Conversation, Say};
pub use session::reply::{Draft, Reply, Stop, Timings};
pub use session::reuse::Reuse;
pub use session::sampling::Sampling;
pub use session::sampling::circle as repetition;
pub use session::steady::Steadiness;
pub use session::{Along, Ask, Piece, Session};

//! Sightline: live captions of what a camera sees.
//!
//! `capture` fills a slot with frames, `pipeline` captions the newest of them through an `engine`, and `ui` or `cli` shows
//! what comes out. See docs/architecture.md for a frame's journey.

pub mod capture;
pub mod cli;
pub mod engine;
pub mod frame;
pub mod log;
pub mod models;
pub mod pipeline;
mod plain;
pub mod preferences;
pub mod ui;
mod waiter;

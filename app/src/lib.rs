//! Sightline: live captions of what a camera sees.
//!
//! `capture` fills a slot with frames, `live` captions the newest of them through an `engine`, and
//! `ui` or `cli` shows what comes out. See docs/architecture.md for a frame's journey.

pub mod actions;
pub mod base;
pub mod capture;
pub mod cli;
pub mod demo;
pub mod engine;
pub mod live;
pub mod log;
pub mod models;
pub mod plan;
pub mod rules;
#[cfg(test)]
mod testing;
pub mod ui;

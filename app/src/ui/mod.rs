//! The egui window.

pub mod pixels;
pub mod state;
pub mod wording;

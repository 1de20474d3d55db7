//! Rules: a sentence that holds of a picture or does not, and how strongly the model thinks so; and
//! what a rule has to tell when it begins or ceases to hold. Knows engines and the live pipeline's
//! events; no window, log or action.

pub mod calibrate;
pub mod calibrations;
pub mod changed;
pub mod claims;
pub mod edit;
pub mod event;
pub mod file;
pub mod past;
pub mod score;
pub mod spec;
pub mod state;
pub mod statement;
pub mod watch;

//! Rules: a sentence that holds of a picture or does not, and how strongly the model thinks so.
//! Knows engines by their trait; no source, thread, window or log.

pub mod score;
pub mod statement;

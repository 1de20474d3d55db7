//! Views that a log keeps. Plain values.

use std::sync::Arc;

use vlm::Features;

use crate::log::data::entry::Moment;

/// A view as the log keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptView {
    /// The number of its session.
    pub session: i64,
    /// The frame's number.
    pub frame: i64,
    /// When the frame was captured.
    pub at: Moment,
    /// The same in milliseconds from the session's start, on the monotonic clock.
    pub since_ms: i64,
    /// What stands for the picture.
    pub features: Arc<Features>,
}

/// Which views: those that a model can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewFilter {
    /// The model that made them.
    pub model: String,
    /// Its number format.
    pub precision: String,
    /// Captured at this moment or later: milliseconds since 1970, UTC.
    pub since_ms: i64,
    /// Captured before this moment.
    pub until_ms: i64,
}

impl ViewFilter {
    /// All of a model in a precision.
    #[must_use]
    pub fn of(model: &str, precision: &str) -> Self {
        Self { model: model.to_owned(), precision: precision.to_owned(), since_ms: i64::MIN, until_ms: i64::MAX }
    }
}

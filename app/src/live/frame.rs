//! A picture from a source, with the facts that follow it to its caption. Knows neither source nor
//! model.

use std::time::{Duration, Instant};

use image::RgbImage;
use jiff::ZonedDateTime;

/// One captured picture. Shared as `Arc<Frame>`: the window and the inference thread hold the same
/// pixels.
#[derive(Debug)]
pub struct Frame {
    /// Counts up from 1 for as long as a pipeline lives, over changes of source.
    pub id: u64,
    /// When the picture was captured, on the monotonic clock: ages are measured from here.
    pub captured_at: Instant,
    /// The same moment for people and logs: wall clock with its time zone.
    pub time: ZonedDateTime,
    /// The pixels, RGB, upright.
    pub image: RgbImage,
}

impl Frame {
    /// A frame captured now.
    #[must_use]
    pub fn now(id: u64, image: RgbImage) -> Self {
        Self { id, captured_at: Instant::now(), time: ZonedDateTime::now(), image }
    }

    /// How long ago the picture was captured.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.captured_at.elapsed()
    }
}

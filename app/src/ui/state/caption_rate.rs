//! How often captions come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Captions are counted over this long.
const SPAN: Duration = Duration::from_mins(1);
/// Before this much has passed the rate of the first captions says little, and none is given.
const LEAST: Duration = Duration::from_secs(2);

/// The instants of the last minute's captions.
#[derive(Debug, Default)]
pub struct CaptionRate {
    since: Option<Instant>,
    finished: VecDeque<Instant>,
}

impl CaptionRate {
    /// A caption began.
    pub fn began(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// A caption is complete.
    pub fn finished(&mut self, now: Instant) {
        self.finished.push_back(now);
        while self.finished.front().is_some_and(|at| now.saturating_duration_since(*at) > SPAN) {
            self.finished.pop_front();
        }
    }

    /// Captions in the last minute; within the first minute, as many as there would be at this
    /// pace.
    #[must_use]
    pub fn per_minute(&self, now: Instant) -> Option<f32> {
        let watched = now.saturating_duration_since(self.since?).min(SPAN);
        if watched < LEAST {
            return None;
        }
        let recent = self.finished.iter().filter(|at| now.saturating_duration_since(**at) <= watched).count();
        Some(recent as f32 * SPAN.as_secs_f32() / watched.as_secs_f32())
    }
}

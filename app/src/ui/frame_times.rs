//! How long the window took for its frames: the figure that says whether it ever waited for
//! anything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames are looked back on over this long.
const SPAN: Duration = Duration::from_secs(10);

/// Times of the last frames.
#[derive(Debug, Default)]
pub struct FrameTimes {
    recent: VecDeque<(Instant, Duration)>,
    longest_ever: Duration,
    frames: u64,
}

/// What the times of the last seconds come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The longest frame.
    pub longest: Duration,
    /// The mean of all.
    pub mean: Duration,
    /// Frames drawn.
    pub frames: usize,
}

impl FrameTimes {
    /// A frame was drawn at `now` and took so long.
    pub fn record(&mut self, now: Instant, took: Duration) {
        self.recent.push_back((now, took));
        self.longest_ever = self.longest_ever.max(took);
        self.frames += 1;
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > SPAN) {
            self.recent.pop_front();
        }
    }

    /// The last ten seconds.
    #[must_use]
    pub fn recent(&self) -> Summary {
        let frames = self.recent.len();
        let sum: Duration = self.recent.iter().map(|(_, took)| *took).sum();
        Summary {
            longest: self.recent.iter().map(|(_, took)| *took).max().unwrap_or_default(),
            mean: sum.checked_div(frames as u32).unwrap_or_default(),
            frames,
        }
    }

    /// The longest frame since the start, and how many there were.
    #[must_use]
    pub fn ever(&self) -> (Duration, u64) {
        (self.longest_ever, self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_count() {
        let mut times = FrameTimes::default();
        assert_eq!(times.recent(), Summary::default());
        let start = Instant::now();
        let millis = Duration::from_millis;
        times.record(start, millis(90));
        times.record(start + Duration::from_secs(11), millis(4));
        times.record(start + Duration::from_secs(12), millis(8));
        assert_eq!(times.recent(), Summary { longest: millis(8), mean: millis(6), frames: 2 });
        assert_eq!(times.ever(), (millis(90), 3));
    }
}

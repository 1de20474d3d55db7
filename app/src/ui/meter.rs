//! Measures of a window that is opened to be measured: when it first stood, how long it takes to
//! draw, and how long what is new waits until it is drawn. Knows no widget.
//!
//! What a frame took is what eframe tells: laying out, tessellating and handing to the graphics,
//! without the exchange of buffers, in which the system may wait for the screen. The time from one
//! frame to the next has that, too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whatever comes before this counts as the start: fonts are read, the model is loaded.
const WARM_UP: Duration = Duration::from_secs(3);
/// Frames that are kept at most: an hour of 60 a second.
const MOST: usize = 216_000;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// From the beginning of the program until the first frame was drawn.
    pub first_frame: Option<Duration>,
    /// What each frame took.
    pub frames: Vec<Duration>,
    /// From one frame to the next.
    pub gaps: Vec<Duration>,
    /// From news (a picture, a piece of a caption) until they were drawn.
    pub waits: Vec<Duration>,
}

#[derive(Debug, Default)]
struct Taken {
    measured: Measured,
    /// Since when there is something new that no frame has taken in.
    news: Option<Instant>,
    /// When the frame that is being drawn began, and how long its news had waited by then.
    began: Option<(Instant, Option<Duration>)>,
}

/// See the module. Shared by the window and whoever opened it.
#[derive(Debug)]
pub struct Meter {
    since: Instant,
    lasts: Duration,
    taken: Mutex<Taken>,
}

impl Meter {
    /// Measures for so long, from when the window stands. `since` is when the program began.
    #[must_use]
    pub fn new(since: Instant, lasts: Duration) -> Self {
        Self { since, lasts, taken: Mutex::default() }
    }

    /// What was measured so far.
    #[must_use]
    pub fn measured(&self) -> Measured {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).measured.clone()
    }

    /// There is something to be drawn, at this instant.
    pub(super) fn news(&self, now: Instant) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).news.get_or_insert(now);
    }

    /// A frame begins at `now`; the one before took so long. Says whether the time is up.
    pub(super) fn begin(&self, now: Instant, last: Option<Duration>) -> bool {
        let age = now.saturating_duration_since(self.since);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = taken.news.take().map(|since| now.saturating_duration_since(since));
        let before = taken.began.replace((now, waited));
        if let (Some((began, waited)), Some(took)) = (before, last) {
            let measured = &mut taken.measured;
            measured.first_frame.get_or_insert(began.saturating_duration_since(self.since) + took);
            if age >= WARM_UP && measured.frames.len() < MOST {
                measured.frames.push(took);
                measured.gaps.push(now.saturating_duration_since(began));
                measured.waits.extend(waited.map(|waited| waited + took));
            }
        }
        age >= WARM_UP + self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_once_the_window_stands_and_news_waits_until_it_is_drawn() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let meter = Meter::new(start, ms(1000));
        assert!(!meter.begin(start + ms(100), None));
        assert!(!meter.begin(start + ms(150), Some(ms(40))));
        assert_eq!((meter.measured().first_frame, meter.measured().frames.len()), (Some(ms(140)), 0));
        assert!(!meter.begin(start + ms(2990), Some(ms(5))));
        meter.news(start + ms(3000));
        // What comes while something waits waits less.
        meter.news(start + ms(3003));
        assert!(!meter.begin(start + ms(3004), Some(ms(9))));
        assert!(meter.begin(start + ms(4000), Some(ms(6))));
        let Measured { frames, gaps, waits, .. } = meter.measured();
        assert_eq!((frames, gaps), (vec![ms(9), ms(6)], vec![ms(14), ms(996)]));
        assert_eq!(waits, [ms(10)], "four milliseconds until the frame, and six of it");
    }
}

//! What a worker and its watchdog share: the right to work, and signs of life. Knows neither.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vlm::Cancel;

use crate::live::shared::lock;

/// What tells the time, which tests set themselves.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A worker's right to work: it lasts until another takes its place.
#[derive(Clone, Debug)]
pub struct Lease {
    current: Arc<AtomicU64>,
    own: u64,
}

impl Lease {
    /// Whether no other has taken its place.
    pub fn is_valid(&self) -> bool {
        self.current.load(Ordering::SeqCst) == self.own
    }

    /// The first one.
    pub fn first() -> Self {
        Self { current: Arc::default(), own: 0 }
    }

    /// Another that takes its place.
    pub fn renewed(&self) -> Self {
        let own = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        Self { current: Arc::clone(&self.current), own }
    }
}

/// What a worker is busy with, for the watchdog.
pub struct Pulse {
    clock: Clock,
    busy: Mutex<Option<Busy>>,
}

struct Busy {
    /// When it went in, or was seen to live last.
    since: Instant,
    limit: Duration,
    /// Whose being read is a sign of life.
    cancel: Option<Cancel>,
    reads: u32,
}

impl Pulse {
    pub fn new(clock: Clock) -> Self {
        Self { clock, busy: Mutex::new(None) }
    }

    /// Does `work`, which may give no sign of life for as long as `limit`. Reading `cancel` is one.
    pub fn watch<T>(&self, limit: Duration, cancel: Option<&Cancel>, work: impl FnOnce() -> T) -> T {
        let reads = cancel.map_or(0, Cancel::reads);
        *lock(&self.busy) = Some(Busy { since: (self.clock)(), limit, cancel: cancel.cloned(), reads });
        let done = work();
        *lock(&self.busy) = None;
        done
    }

    /// Whether it gave no sign of life for longer than it may.
    pub fn hangs(&self) -> bool {
        let now = (self.clock)();
        let mut busy = lock(&self.busy);
        let Some(busy) = &mut *busy else { return false };
        let reads = busy.cancel.as_ref().map_or(0, Cancel::reads);
        if reads != busy.reads {
            (busy.reads, busy.since) = (reads, now);
        }
        now.saturating_duration_since(busy.since) > busy.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_the_flag_lives_however_long_it_takes() {
        let start = Instant::now();
        let seconds = Arc::new(AtomicU64::new(0));
        let clock: Clock = {
            let seconds = Arc::clone(&seconds);
            Arc::new(move || start + Duration::from_secs(seconds.load(Ordering::SeqCst)))
        };
        let (pulse, cancel) = (Pulse::new(clock), Cancel::default());
        assert!(!pulse.hangs(), "it does nothing");
        pulse.watch(Duration::from_secs(10), Some(&cancel), || {
            for minute in 1..=5 {
                assert!(!cancel.is_cancelled());
                seconds.store(minute * 60, Ordering::SeqCst);
                assert!(!pulse.hangs(), "it has read the flag");
            }
            seconds.fetch_add(10, Ordering::SeqCst);
            assert!(!pulse.hangs());
            seconds.fetch_add(1, Ordering::SeqCst);
            assert!(pulse.hangs());
        });
        seconds.fetch_add(1000, Ordering::SeqCst);
        assert!(!pulse.hangs(), "it came back");
    }
}

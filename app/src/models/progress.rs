//! How far a download is, how fast it goes and how long it will take, for people.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The speed is that of the last few seconds: long enough to be steady, short enough to be true.
const MEMORY: Duration = Duration::from_secs(5);

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file in hand.
    pub file: String,
    /// What is here of the model, in bytes, with what was here before.
    pub done: u64,
    /// How long all of it is, in bytes.
    pub total: u64,
    /// What came over the network this time, in bytes: the speed follows from it.
    pub fetched: u64,
    /// What is being done.
    pub doing: Doing,
}

impl Progress {
    /// A file that is here is being checked, before it is known how much there is to download.
    #[must_use]
    pub fn checking(file: &str) -> Self {
        Self { file: file.to_owned(), done: 0, total: 0, fetched: 0, doing: Doing::Checking }
    }
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Asks the hub what there is.
    Asking,
    /// Bytes come.
    Fetching,
    /// Waits, for the network or because the hub asked for it.
    Waiting,
    /// Another program downloads the same file.
    Sharing,
    /// Checks what is here.
    Checking,
}

/// How fast a download is.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    seen: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// A download is so far at this instant.
    pub fn record(&mut self, now: Instant, progress: &Progress) {
        while self.seen.len() > 1 && self.seen.front().is_some_and(|(at, _)| now.duration_since(*at) > MEMORY) {
            self.seen.pop_front();
        }
        self.seen.push_back((now, progress.fetched));
    }

    /// Bytes a second; `None` until there is something to compare.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        let ((begin, first), (end, last)) = (self.seen.front()?, self.seen.back()?);
        let time = end.duration_since(*begin).as_secs_f64();
        (time >= 0.2).then(|| last.saturating_sub(*first) as f64 / time)
    }

    /// How it goes, such as `120 MB of 513 MB · 4.2 MB/s · 2 min left`.
    #[must_use]
    pub fn words(&self, progress: &Progress) -> String {
        let Progress { done, total, doing, .. } = progress;
        let far = if *total == 0 { String::new() } else { format!("{} of {}", bytes(*done), bytes(*total)) };
        let more = match doing {
            Doing::Asking => "asking the hub…".to_owned(),
            Doing::Waiting => "waiting for the hub…".to_owned(),
            Doing::Sharing => "another program is downloading it…".to_owned(),
            Doing::Checking => "checking…".to_owned(),
            Doing::Fetching => match self.speed().filter(|speed| *speed >= 1.0) {
                None => String::new(),
                Some(speed) => {
                    let left = total.saturating_sub(*done) as f64 / speed;
                    format!("{}/s · {} left", bytes(speed as u64), seconds(left))
                }
            },
        };
        [far, more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

/// A number of bytes with three digits, such as `4.2 MB`, in the units of disks.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} bytes");
    }
    let (mut value, mut unit) = (count as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

fn seconds(left: f64) -> String {
    match left.ceil() as u64 {
        secs if secs < 90 => format!("{secs} s"),
        secs if secs < 90 * 60 => format!("{} min", secs.div_ceil(60)),
        secs => format!("{} h", secs.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_what_matters() {
        let written = [0, 999, 1000, 9_949, 99_500, 513_028_808, 999_600_000, 4_500_000_000].map(bytes);
        assert_eq!(written, ["0 bytes", "999 bytes", "1.0 kB", "9.9 kB", "100 kB", "513 MB", "1.0 GB", "4.5 GB"]);
    }

    #[test]
    fn the_time_left_follows_from_the_last_seconds() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        // Half of it was here before.
        let progress = |fetched| Progress {
            file: "model".to_owned(),
            done: 100_000_000 + fetched,
            total: 200_000_000,
            fetched,
            doing: Doing::Fetching,
        };

        pace.record(start + Duration::from_secs(20), &progress(20_000_000));
        pace.record(start + Duration::from_secs(24), &progress(60_000_000));
        assert_eq!(pace.words(&progress(60_000_000)), "160 MB of 200 MB · 10 MB/s · 4 s left");
        pace.record(start + Duration::from_secs(26), &progress(80_000_000));
        assert_eq!(pace.words(&progress(80_000_000)), "180 MB of 200 MB · 10 MB/s · 2 s left");
        assert_eq!(
            pace.words(&Progress { doing: Doing::Checking, ..progress(80_000_000) }),
            "180 MB of 200 MB · checking…"
        );
    }
}

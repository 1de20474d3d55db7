//! Where a worker puts its events. Knows neither worker nor front end; only what happens when
//! nobody takes the events.
//!
//! The channel is bounded. While it is full, pieces of text are kept and sent as one piece later,
//! news that the next one replaces is left out, and for every other event the worker waits until
//! there is room or the pipeline stops. So a front end that falls behind slows the captions down,
//! and loses none of them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};

use crate::live::events::{Event, Report, Told};
use crate::live::pulse::Lease;
use crate::live::settings::Waker;
use crate::live::shared::Shared;

/// How often a worker that waits for room looks at the stop flag.
const LOOK_UP: Duration = Duration::from_millis(50);

/// One worker's end of the event channel.
pub struct Outbox {
    events: Sender<Report>,
    shared: Arc<Shared>,
    wake: Waker,
    /// Whoever has none any more tells nothing.
    lease: Lease,
    /// Text that found the channel full.
    held_back: Option<(usize, Told, String)>,
}

impl Outbox {
    pub fn new(events: Sender<Report>, shared: Arc<Shared>, wake: Waker, lease: Lease) -> Self {
        Self { events, shared, wake, lease, held_back: None }
    }

    /// Another worker's end of the same channel.
    pub fn another(&self) -> Self {
        Self::new(self.events.clone(), Arc::clone(&self.shared), Arc::clone(&self.wake), self.lease.clone())
    }

    /// Sends an event that must not get lost. Waits for room, but not beyond the end of the
    /// pipeline.
    pub fn send(&mut self, view: Option<usize>, event: Event) {
        self.flush();
        self.wait_and_send(Report { view, event });
    }

    /// Sends text that found no room, before another worker sends what follows it.
    pub fn flush(&mut self) {
        if let Some((view, of, piece)) = self.held_back.take() {
            self.wait_and_send(Report { view: Some(view), event: Event::Text { of, piece } });
        }
    }

    /// Sends an event that the next one of its kind replaces: left out while the channel is full.
    pub fn offer(&mut self, view: Option<usize>, event: Event) {
        if self.held_back.is_none() && self.lease.is_valid() && self.events.try_send(Report { view, event }).is_ok() {
            self.wake();
        }
    }

    /// Sends a piece of text without ever waiting.
    pub fn text(&mut self, view: usize, of: Told, piece: &str) {
        if !self.lease.is_valid() {
            return;
        }
        let piece = match self.held_back.take() {
            // Whatever ends a caption or an answer is sent by `send`, so that the text held back is
            // of the same one.
            Some((_, _, held_back)) => held_back + piece,
            None => piece.to_owned(),
        };
        match self.events.try_send(Report { view: Some(view), event: Event::Text { of, piece } }) {
            Ok(()) => self.wake(),
            Err(TrySendError::Full(Report { event: Event::Text { of, piece }, .. })) => {
                self.held_back = Some((view, of, piece));
            }
            Err(_) => {}
        }
    }

    /// Tells the front end that there is something to see.
    pub fn wake(&self) {
        (self.wake)();
    }

    fn wait_and_send(&self, report: Report) {
        let mut report = report;
        while self.lease.is_valid() {
            match self.events.send_timeout(report, LOOK_UP) {
                Ok(()) => return self.wake(),
                Err(SendTimeoutError::Timeout(unsent)) if !self.shared.is_stopped() => report = unsent,
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use crossbeam_channel::bounded;

    use super::*;

    const CAPTION: Told = Told::Caption { frame: 1 };

    #[test]
    fn text_that_finds_no_room_is_merged_and_comes_before_what_follows() {
        let (sender, receiver) = bounded(1);
        let woken = Arc::new(AtomicUsize::new(0));
        let wake: Waker = {
            let woken = Arc::clone(&woken);
            Arc::new(move || {
                woken.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut outbox = Outbox::new(sender, Arc::new(Shared::default()), wake, Lease::first());
        for piece in ["a ", "cup ", "of ", "tea"] {
            outbox.text(0, CAPTION, piece);
        }
        outbox.offer(Some(0), Event::Unchanged { skipped: 1 });
        let sending = thread::spawn(move || outbox.send(Some(0), Event::SourceEnded));
        let got: Vec<_> = receiver.iter().map(|report| report.event).collect();
        sending.join().expect("sent");
        let texts: Vec<_> = got
            .iter()
            .filter_map(|event| match event {
                Event::Text { of: CAPTION, piece } => Some(piece.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(texts, ["a ", "cup of tea"]);
        assert!(matches!(got.last(), Some(Event::SourceEnded)));
        assert_eq!(got.len(), 3, "the news that would be replaced was left out: {got:?}");
        assert_eq!(woken.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_full_channel_does_not_keep_a_stopped_worker() {
        let (sender, _receiver) = bounded(1);
        let shared = Arc::new(Shared::default());
        let mut outbox = Outbox::new(sender, Arc::clone(&shared), Arc::new(|| {}), Lease::first());
        outbox.send(Some(0), Event::SourceEnded);
        let sending = thread::spawn(move || outbox.send(Some(0), Event::Done));
        shared.stop();
        sending.join().expect("the worker came free");
    }
}

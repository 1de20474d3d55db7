//! From a thread that makes things to one that takes them: the newest replaces the oldest, and the
//! end is told apart.
//!
//! A reader thread puts what it reads into a [`Latest`] and ends with why it ended; a source takes
//! from the [`Taker`] and never waits for the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

/// A slot for one thing, with an end.
pub(super) fn latest<T, E>() -> (Latest<T, E>, Taker<T, E>) {
    let (put, take) = bounded(1);
    let (put_end, take_end) = bounded(1);
    let unwanted = Arc::new(AtomicBool::new(false));
    let latest = Latest { put, oldest: take.clone(), put_end, unwanted: Arc::clone(&unwanted) };
    (latest, Taker { take, take_end, unwanted })
}

/// The thread's side.
pub(super) struct Latest<T, E> {
    put: Sender<T>,
    oldest: Receiver<T>,
    put_end: Sender<E>,
    unwanted: Arc<AtomicBool>,
}

impl<T, E> Latest<T, E> {
    /// Puts the newest thing into the slot, in place of one that was not taken. `false`: nobody
    /// wants any more.
    pub(super) fn put(&self, mut thing: T) -> bool {
        while !self.unwanted() {
            match self.put.try_send(thing) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) => {
                    thing = back;
                    // The taker may have been quicker: then there is room now.
                    let _ = self.oldest.try_recv();
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        false
    }

    /// Whether the taker is gone.
    pub(super) fn unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Acquire)
    }

    /// Says why there will be no more. What is in the slot is still taken first.
    pub(super) fn end(self, why: E) {
        // There is one end and room for one.
        let _ = self.put_end.try_send(why);
    }
}

/// What [`Taker::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T, E> {
    /// The newest thing.
    Thing(T),
    /// None came in time.
    Nothing,
    /// No more will come: why, or `None` if the thread went without a word.
    End(Option<E>),
}

/// The source's side. Dropping it tells the thread to stop; it does not wait for it.
pub(super) struct Taker<T, E> {
    take: Receiver<T>,
    take_end: Receiver<E>,
    unwanted: Arc<AtomicBool>,
}

impl<T, E> Taker<T, E> {
    /// Takes what is in the slot, or waits so long for it.
    pub(super) fn take(&self, wait: Duration) -> Taken<T, E> {
        match self.take.recv_timeout(wait) {
            Ok(thing) => Taken::Thing(thing),
            Err(RecvTimeoutError::Timeout) => Taken::Nothing,
            Err(RecvTimeoutError::Disconnected) => Taken::End(self.take_end.try_recv().ok()),
        }
    }
}

impl<T, E> Drop for Taker<T, E> {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn the_newest_wins_and_comes_before_the_end() {
        let (latest, taker) = latest();
        for n in 1..=5 {
            assert!(latest.put(n));
        }
        latest.end("done");
        assert_eq!(taker.take(LONG), Taken::Thing(5));
        assert_eq!(taker.take(LONG), Taken::End(Some("done")));
    }

    #[test]
    fn a_thread_that_dies_is_noticed() {
        let (latest, taker) = latest::<u8, &str>();
        let dies = std::thread::spawn(move || {
            let _held = latest;
            std::panic::resume_unwind(Box::new("dies"));
        });
        assert_eq!(taker.take(LONG), Taken::End(None));
        assert!(dies.join().is_err());
    }

    #[test]
    fn nothing_in_time_is_nothing() {
        let (_latest, taker) = latest::<u8, ()>();
        assert_eq!(taker.take(Duration::from_millis(1)), Taken::Nothing);
    }

    #[test]
    fn putting_ends_when_nobody_takes() {
        let (latest, taker) = latest::<u8, ()>();
        assert!(latest.put(1));
        drop(taker);
        assert!(latest.unwanted());
        assert!(!latest.put(2));
    }
}

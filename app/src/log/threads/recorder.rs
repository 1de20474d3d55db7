//! The recorder: whoever records hands a record over and never waits. When the disk falls behind,
//! the queue fills, and what finds it full is lost, counted here and, as soon as the disk takes
//! anything again, in the log itself. Knows the thread that writes, and no file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};

use crate::base::thread::Thread;
use crate::live::Waker;
use crate::log::data::keep::Keep;
use crate::log::embedder::{OpenEmbedder, no_embedder};
use crate::log::error::LogError;
use crate::log::threads::events::Record;
use crate::log::threads::sink::OpenLog;
use crate::log::threads::status::{RecorderShared, RecorderStatus};
use crate::log::threads::writer::Writer;

/// Records that wait for the disk. Each holds its frame: at 1280x720, all of them 85 MiB.
const QUEUE: usize = 32;
/// How long the end waits for what is queued.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running writer thread. Dropping it writes what is queued, but does not wait for ever.
pub struct Recorder {
    queue: Option<Sender<Record>>,
    shared: Arc<RecorderShared>,
    thread: Thread,
    patience: Duration,
}

impl Recorder {
    /// Starts the thread, which opens the log and keeps it to `keep`. `wake` is called when
    /// [`Recorder::status`] has changed.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(open: OpenLog, keep: Keep, wake: Waker) -> Result<Self, LogError> {
        Self::start_with(open, keep, no_embedder(), wake)
    }

    /// The same, and what is recorded is found by meaning, as far as there is an embedder.
    ///
    /// # Errors
    /// As [`Recorder::start`].
    pub fn start_with(open: OpenLog, keep: Keep, embedder: OpenEmbedder, wake: Waker) -> Result<Self, LogError> {
        let (queue, records) = bounded(QUEUE);
        let shared = Arc::new(RecorderShared::default());
        let ours = Arc::clone(&shared);
        let thread = Thread::start("log", move || Writer::new(open, keep, embedder, ours, wake).run(&records))
            .map_err(|error| LogError::NoThread(error.to_string()))?;
        Ok(Self { queue: Some(queue), shared, thread, patience: PATIENCE })
    }

    /// Hands a record over. Never waits.
    pub fn record(&self, record: Record) {
        let Some(queue) = &self.queue else { return };
        self.shared.offered.fetch_add(u64::from(record.is_entry()), Ordering::Relaxed);
        if let Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) = queue.try_send(record)
            && record.is_entry()
        {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> RecorderStatus {
        self.shared.status()
    }

    /// Writes what is queued, ends the session, and says how it went. What a slow disk has not
    /// taken by then is lost.
    #[must_use]
    pub fn finish(mut self) -> RecorderStatus {
        self.end();
        let status = self.status();
        let offered = self.shared.offered.load(Ordering::Relaxed);
        RecorderStatus { lost: offered.saturating_sub(status.recorded + status.left_behind), ..status }
    }

    fn end(&mut self) {
        self.queue = None;
        self.thread.join_until(Instant::now() + self.patience);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

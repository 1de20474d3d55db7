//! The writer thread. Whoever records hands a record over and never waits: when the disk falls behind, the queue fills, and
//! what finds it full is lost, counted here and, as soon as the disk takes anything again, in the log itself.
//!
//! Knows the log by a trait and the pipeline by the records that [`Scribe`](crate::log::Scribe) makes of its events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::base::thread::Thread;
use crate::live::Waker;
use crate::log::data::entry::{Entry, Kind, SessionStart};
use crate::log::error::LogError;
use crate::log::threads::events::{Record, Telling, What};
use crate::log::thumbnail;

/// Records that wait for the disk. Each holds its frame: at 1280x720, all of them 85 MiB.
const QUEUE: usize = 32;
/// How long the end waits for what is queued.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many entries the log is kept small, where the user wants it kept small.
const TIDY_EVERY: u64 = 100;

/// Where records go.
pub trait Log: Send {
    /// Begins a session and returns its number.
    ///
    /// # Errors
    /// When it can't be written.
    fn begin(&mut self, start: &SessionStart) -> Result<i64, LogError>;

    /// Adds an entry, ends the one that it replaces, and adds to the session's count of lost ones: all of it or nothing.
    /// Returns the entry's number.
    ///
    /// # Errors
    /// When it can't be written.
    fn add(
        &mut self,
        entry: &Entry,
        thumbnail: Option<&[u8]>,
        ended: Option<Extension>,
        lost: u64,
    ) -> Result<i64, LogError>;

    /// Lets an entry last longer.
    ///
    /// # Errors
    /// When it can't be written.
    fn extend(&mut self, extension: Extension) -> Result<(), LogError>;

    /// Ends a session, at milliseconds since 1970 in UTC.
    ///
    /// # Errors
    /// When it can't be written.
    fn end(&mut self, session: i64, ended_ms: i64, lost: u64) -> Result<(), LogError>;

    /// Removes what is too old or too much, if the user wants that.
    ///
    /// # Errors
    /// When it can't be written.
    fn tidy(&mut self) -> Result<(), LogError>;
}

/// How an entry lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// Which one.
    pub entry: i64,
    /// From its frame, in milliseconds.
    pub duration_ms: i64,
    /// How many times more the same words came.
    pub repeats: i64,
    /// Frames that were dropped for these repeats.
    pub dropped: i64,
    /// Frames that the gate passed over before these repeats.
    pub skipped: i64,
}

/// Opens a log, on the writer thread.
pub type OpenLog = Box<dyn FnOnce() -> Result<Box<dyn Log>, LogError> + Send>;

/// How recording goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Entries in the log.
    pub recorded: u64,
    /// Entries that were lost.
    pub lost: u64,
    /// Why the last one was: a sentence. None once writing works again.
    pub trouble: Option<String>,
}

#[derive(Default)]
struct Shared {
    /// Entries that were handed over, whatever became of them.
    offered: AtomicU64,
    recorded: AtomicU64,
    lost: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running writer thread. Dropping it writes what is queued, but does not wait for ever.
pub struct Recorder {
    queue: Option<Sender<Record>>,
    shared: Arc<Shared>,
    thread: Thread,
    patience: Duration,
}

impl Recorder {
    /// Starts the thread, which opens the log. `wake` is called when [`Recorder::status`] has changed.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(open: OpenLog, wake: Waker) -> Result<Self, LogError> {
        let (queue, records) = bounded(QUEUE);
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = Thread::start("log", move || match open() {
            Ok(log) => Writer::new(log, ours, wake).run(&records),
            Err(error) => {
                *ours.trouble() = Some(error.to_string());
                wake();
                // Whoever records is told by the count, as with a disk that is full.
                for record in records {
                    ours.lost.fetch_add(u64::from(record.is_entry()), Ordering::Relaxed);
                }
            }
        })
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
    pub fn status(&self) -> Status {
        Status {
            recorded: self.shared.recorded.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
            trouble: self.shared.trouble().clone(),
        }
    }

    /// Writes what is queued, ends the session, and says how it went. What a slow disk has not taken by then is lost.
    #[must_use]
    pub fn finish(mut self) -> Status {
        self.end();
        let status = self.status();
        let offered = self.shared.offered.load(Ordering::Relaxed);
        Status { lost: offered.saturating_sub(status.recorded), ..status }
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

/// The state of the writer thread.
struct Writer {
    log: Box<dyn Log>,
    shared: Arc<Shared>,
    wake: Waker,
    session: Option<(Arc<Telling>, i64)>,
    lasting: Option<Lasting>,
    /// Lost entries that the log itself knows of.
    lost_in_log: u64,
}

/// What was asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Something,
}

/// The caption that holds at present.
struct Lasting {
    id: i64,
    text: String,
    captured_at: Instant,
    last_known: Instant,
}

impl Lasting {
    /// How it lasts when it was seen to hold until `until`. A moment before its own frame makes it no shorter.
    fn until(&self, until: Instant) -> Extension {
        let held = until.max(self.last_known).saturating_duration_since(self.captured_at);
        Extension { entry: self.id, duration_ms: milliseconds(held), ..Extension::default() }
    }
}

impl Writer {
    fn new(log: Box<dyn Log>, shared: Arc<Shared>, wake: Waker) -> Self {
        Self { log, shared, wake, session: None, lasting: None, lost_in_log: 0 }
    }

    fn run(mut self, records: &Receiver<Record>) {
        let kept_small = self.tidy();
        self.note(&kept_small);
        let mut last = Instant::now();
        for record in records {
            last = record.at;
            let is_entry = record.is_entry();
            let written = self.write(record);
            if is_entry {
                let count = if written.is_ok() { &self.shared.recorded } else { &self.shared.lost };
                let recorded = count.fetch_add(1, Ordering::Relaxed) + 1;
                if written.is_ok() && recorded.is_multiple_of(TIDY_EVERY) {
                    let kept_small = self.tidy();
                    self.note(&kept_small);
                }
            }
            self.note(&written);
        }
        let ended = self.end_session(last);
        self.note(&ended);
    }

    /// Shows trouble, or that it has passed. Where the disk was asked for nothing, it has told nothing.
    fn note(&self, outcome: &Result<Asked, LogError>) {
        if *outcome == Ok(Asked::Nothing) {
            return;
        }
        let trouble = outcome.as_ref().err().map(ToString::to_string);
        let mut shown = self.shared.trouble();
        if *shown != trouble {
            if let Some(sentence) = &trouble {
                tracing::warn!("{sentence}");
            }
            *shown = trouble;
            drop(shown);
            (self.wake)();
        }
    }

    fn write(&mut self, record: Record) -> Result<Asked, LogError> {
        let Record { telling, what, at } = record;
        if self.session.as_ref().is_some_and(|(ours, _)| !Arc::ptr_eq(ours, &telling)) {
            self.end_session(at)?;
        }
        let mut entry = match &what {
            What::Lasts => return self.lasts(at),
            What::Caption(caption) if self.is_repeated(&caption.reply.text) => {
                let (dropped, skipped) = (caption.dropped as i64, caption.skipped as i64);
                return self.repeats(caption.frame.captured_at, dropped, skipped);
            }
            What::Caption(caption) => {
                let mut entry = Entry::about(&caption.frame, telling.since_ms(&caption.frame), &caption.reply);
                entry.figures.age_ms = Some(milliseconds(caption.age));
                entry.figures.dropped = Some(caption.dropped as i64);
                entry.figures.skipped = Some(caption.skipped as i64);
                entry
            }
            What::Answer { question, reply } => Entry {
                kind: Kind::Answer,
                question: Some(question.text.to_string()),
                ..Entry::about(&question.frame, telling.since_ms(&question.frame), reply)
            },
        };
        entry.session = self.session_of(&telling)?;
        let frame = what.frame();
        let thumbnail = frame.and_then(|frame| thumbnail::of(&frame.image));
        let captured_at = frame.map_or(at, |frame| frame.captured_at);
        let is_caption = entry.kind == Kind::Caption;
        // An answer stands beside the caption that holds, and replaces none.
        let ended = self.lasting.as_ref().filter(|_| is_caption).map(|lasting| lasting.until(captured_at));
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let id = self.log.add(&entry, thumbnail.as_deref(), ended, lost - self.lost_in_log)?;
        self.lost_in_log = lost;
        if is_caption {
            self.lasting = Some(Lasting { id, text: entry.text, captured_at, last_known: captured_at });
        }
        Ok(Asked::Something)
    }

    fn is_repeated(&self, text: &str) -> bool {
        self.lasting.as_ref().is_some_and(|lasting| lasting.text == text)
    }

    fn repeats(&mut self, captured_at: Instant, dropped: i64, skipped: i64) -> Result<Asked, LogError> {
        let Some(lasting) = &mut self.lasting else { return Ok(Asked::Nothing) };
        lasting.last_known = lasting.last_known.max(captured_at);
        self.log.extend(Extension { repeats: 1, dropped, skipped, ..lasting.until(captured_at) })?;
        Ok(Asked::Something)
    }

    fn lasts(&mut self, until: Instant) -> Result<Asked, LogError> {
        let Some(lasting) = &mut self.lasting else { return Ok(Asked::Nothing) };
        lasting.last_known = lasting.last_known.max(until);
        self.log.extend(lasting.until(until))?;
        Ok(Asked::Something)
    }

    fn session_of(&mut self, telling: &Arc<Telling>) -> Result<i64, LogError> {
        if let Some((_, id)) = &self.session {
            return Ok(*id);
        }
        let id = self.log.begin(&telling.start)?;
        self.session = Some((Arc::clone(telling), id));
        Ok(id)
    }

    /// Ends the running session. Even when that can't be written, another one begins: this one stays without an end, like
    /// one that was cut off.
    fn end_session(&mut self, at: Instant) -> Result<Asked, LogError> {
        self.lasting = None;
        let Some((telling, id)) = self.session.take() else { return Ok(Asked::Nothing) };
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let ended_ms = telling.start.began.plus_ms(milliseconds(at.saturating_duration_since(telling.began_at))).ms;
        self.log.end(id, ended_ms, lost - self.lost_in_log)?;
        self.lost_in_log = lost;
        Ok(Asked::Something)
    }

    fn tidy(&mut self) -> Result<Asked, LogError> {
        self.log.tidy().map(|()| Asked::Something)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

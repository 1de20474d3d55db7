//! The writer thread. Several views write into one log, each with a session of its own at a time.
//!
//! A log that does not open, or no longer lies where it was opened, is opened again: what is
//! recorded from then on is in a new file. Knows the log by a trait and the pipeline by the records
//! that [`EventRecorder`](crate::log::EventRecorder) makes of its events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select, tick};
use vlm::Features;

use crate::base::backoff::Backoff;
use crate::live::Waker;
use crate::live::frame::Frame;
use crate::log::data::entry::{Entry, EntryKind, Moment};
use crate::log::data::keep::Keep;
use crate::log::data::views::KeptView;
use crate::log::embedder::OpenEmbedder;
use crate::log::error::LogError;
use crate::log::store::meaning::EntryWords;
use crate::log::threads::events::{Record, RecordKind, SessionRef};
use crate::log::threads::meanings::Meanings;
use crate::log::threads::sink::{EventUpdate, Extension, Log, OpenLog};
use crate::log::threads::status::RecorderShared;
use crate::log::thumbnail;
use crate::rules::event::{EventKind, RuleEvent};
use crate::rules::spec::RuleSpec;

/// After so many entries the log is kept small, where the user wants it kept small.
const TIDY_EVERY: u64 = 100;
/// How often it is looked whether the log's file is still there while nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a record is tried again that another program's lock keeps from being written, such as a
/// large import.
const LOCK_PATIENCE: Duration = Duration::from_mins(2);
/// How long it waits between two such tries.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The state of the writer thread.
pub struct Writer {
    open: OpenLog,
    log: Option<Box<dyn Log>>,
    /// Why it is not open, and when to try again.
    closed: Option<(LogError, Instant)>,
    backoff: Backoff,
    keep: Keep,
    shared: Arc<RecorderShared>,
    wake: Waker,
    meanings: Meanings,
    /// What runs of each view, by the view's number.
    running: BTreeMap<usize, Running>,
    /// Lost entries that the log itself knows of.
    lost_in_log: u64,
}

/// What was asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Something,
}

/// The session of a view.
struct Running {
    session: Arc<SessionRef>,
    /// The session's number in the log.
    id: i64,
    lasting: Option<Lasting>,
    /// Events of rules that go on.
    events: Vec<OngoingEvent>,
}

/// The caption of a view that holds at present.
struct Lasting {
    id: i64,
    entry: Entry,
    thumbnail: Option<Vec<u8>>,
    captured_at: Instant,
    last_known: Instant,
}

/// An event of a rule that goes on.
struct OngoingEvent {
    id: i64,
    rule: Arc<RuleSpec>,
    started_at: Instant,
    /// The frame of its picture.
    frame: u64,
}

impl Lasting {
    /// How it lasts when it was seen to hold until `until`. A moment before its own frame makes it
    /// no shorter.
    fn until(&self, until: Instant) -> Extension {
        let held = until.max(self.last_known).saturating_duration_since(self.captured_at);
        Extension { entry: self.id, duration_ms: milliseconds(held), ..Extension::default() }
    }
}

impl Writer {
    pub fn new(open: OpenLog, keep: Keep, embedder: OpenEmbedder, shared: Arc<RecorderShared>, wake: Waker) -> Self {
        Self {
            open,
            log: None,
            closed: None,
            backoff: Backoff::default(),
            keep,
            shared,
            wake,
            meanings: Meanings::new(embedder),
            running: BTreeMap::new(),
            lost_in_log: 0,
        }
    }

    /// Works until nobody can send any more, then ends the sessions.
    pub fn run(mut self, records: &Receiver<Record>) {
        let kept_small = self.tidy();
        self.note(&kept_small);
        let clock = tick(LOOK_EVERY);
        let mut last = Instant::now();
        loop {
            while records.is_empty() && self.add_meaning() {}
            select! {
                recv(records) -> record => {
                    let Ok(record) = record else { break };
                    last = record.at;
                    self.take(&record);
                }
                recv(clock) -> _ => {
                    let looked = self.look();
                    self.note(&looked);
                }
            }
        }
        for view in self.running.keys().copied().collect::<Vec<_>>() {
            let ended = self.end_session(view, last);
            self.note(&ended);
        }
    }

    /// Turns the words of one entry into a vector. Says whether there was one. What is in the way
    /// is no trouble of the recording: the entry is there.
    fn add_meaning(&mut self) -> bool {
        let Some(meaning) = self.meanings.next() else { return false };
        if let Err(error) = self.log().and_then(|log| log.add_meaning(&meaning)) {
            tracing::warn!(%error, "an entry is not found by meaning");
            self.meanings.forget();
        }
        true
    }

    fn take(&mut self, record: &Record) {
        let is_entry = record.is_entry();
        let mut written = self.write(record);
        let until = Instant::now() + LOCK_PATIENCE;
        while matches!(written, Err(LogError::Locked(_))) && Instant::now() < until {
            self.note(&written);
            thread::sleep(LOCK_PAUSE);
            written = self.write(record);
        }
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

    /// Shows trouble, or that it has passed. Where the disk was asked for nothing, it has told
    /// nothing.
    fn note(&self, outcome: &Result<Written, LogError>) {
        if *outcome == Ok(Written::Nothing) {
            return;
        }
        let trouble = outcome.as_ref().err().map(LogError::message);
        let mut shown = self.shared.trouble();
        if *shown != trouble {
            if let Some(message) = &trouble {
                tracing::warn!("{message}");
                *self.shared.last_trouble() = Some(message.clone());
            }
            *shown = trouble;
            drop(shown);
            (self.wake)();
        }
    }

    /// The log, which is opened when it is not open and it is time to try.
    fn log(&mut self) -> Result<&mut Box<dyn Log>, LogError> {
        let log = match self.log.take() {
            Some(log) => log,
            None => self.opened()?,
        };
        Ok(self.log.insert(log))
    }

    fn opened(&mut self) -> Result<Box<dyn Log>, LogError> {
        if let Some((error, until)) = &self.closed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let opened = (self.open)();
        match &opened {
            Ok(_) => {
                self.closed = None;
                self.backoff.reset();
            }
            Err(error) => self.closed = Some((error.clone(), Instant::now() + self.backoff.next())),
        }
        opened
    }

    /// Looks whether the log is still there, and begins it anew when it is not.
    fn look(&mut self) -> Result<Written, LogError> {
        let Some(log) = &mut self.log else { return self.log().map(|_| Written::Something) };
        match log.look() {
            Ok(()) => Ok(Written::Nothing),
            Err(LogError::Gone(_)) => self.renew(),
            Err(error) => Err(error),
        }
    }

    /// Opens a new file where the old one was, which begins with the sessions and the captions that
    /// hold.
    fn renew(&mut self) -> Result<Written, LogError> {
        // Closing writes what SQLite still holds to the old file, wherever that is now.
        self.log = None;
        self.meanings.forget();
        self.shared.left_behind.fetch_add(self.shared.recorded.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.shared.entries.store(0, Ordering::Relaxed);
        self.shared.renewed.fetch_add(1, Ordering::Relaxed);
        (self.wake)();
        for (_, Running { session, lasting, .. }) in std::mem::take(&mut self.running) {
            let Some(lasting) = lasting else { continue };
            let running = self.begun(&session)?;
            let entry = Entry { session: running, ..lasting.entry.clone() };
            let id = self.log()?.add(&entry, lasting.thumbnail.as_deref(), None, 0)?;
            self.meanings.offer(words_of(id, &entry));
            self.log()?.extend(Extension { entry: id, ..lasting.until(lasting.last_known) })?;
            self.hold(session.view, Lasting { id, entry, ..lasting });
            self.shared.offered.fetch_add(1, Ordering::Relaxed);
            self.shared.recorded.fetch_add(1, Ordering::Relaxed);
            self.shared.entries.fetch_add(1, Ordering::Relaxed);
        }
        self.log().map(|_| Written::Something)
    }

    fn write(&mut self, record: &Record) -> Result<Written, LogError> {
        let Record { session, what, at } = record;
        let view = session.view;
        self.look()?;
        if self.running.get(&view).is_some_and(|running| !Arc::ptr_eq(&running.session, session)) {
            self.end_session(view, *at)?;
        }
        let mut entry = match what {
            RecordKind::Lasts => {
                self.extend_events(view, *at)?;
                return self.lasts(view, *at, Extension::default());
            }
            RecordKind::View { frame, features } => return self.view(session, frame, features),
            RecordKind::Rule(event) => return self.rule_event(session, event),
            RecordKind::Caption(caption) if self.is_repeated(view, &caption.reply.text) => {
                self.extend_events(view, *at)?;
                let (dropped, skipped) = (caption.dropped as i64, caption.skipped as i64);
                let repeated = Extension { repeats: 1, dropped, skipped, ..Extension::default() };
                return self.lasts(view, caption.frame.captured_at, repeated);
            }
            RecordKind::Caption(caption) => {
                let mut entry = Entry::about(&caption.frame, session.since_ms(&caption.frame), &caption.reply);
                entry.metrics.age_ms = Some(milliseconds(caption.age));
                entry.metrics.dropped = Some(caption.dropped as i64);
                entry.metrics.skipped = Some(caption.skipped as i64);
                entry
            }
            RecordKind::Answer { question, reply } => Entry {
                kind: EntryKind::Answer,
                question: Some(question.text.to_string()),
                ..Entry::about(&question.frame, session.since_ms(&question.frame), reply)
            },
        };
        self.extend_events(view, *at)?;
        entry.session = self.begun(session)?;
        let frame = what.frame();
        let thumbnail = frame.and_then(|frame| thumbnail::of(&frame.image));
        let captured_at = frame.map_or(*at, |frame| frame.captured_at);
        let is_caption = entry.kind == EntryKind::Caption;
        // An answer stands beside the caption that holds, and replaces none.
        let ended = self.lasting(view).filter(|_| is_caption).map(|lasting| lasting.until(captured_at));
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let more_lost = lost - self.lost_in_log;
        let id = self.log()?.add(&entry, thumbnail.as_deref(), ended, more_lost)?;
        self.meanings.offer(words_of(id, &entry));
        self.shared.entries.fetch_add(1, Ordering::Relaxed);
        self.lost_in_log = lost;
        if is_caption {
            self.hold(view, Lasting { id, entry, thumbnail, captured_at, last_known: captured_at });
        }
        Ok(Written::Something)
    }

    fn view(
        &mut self,
        session: &Arc<SessionRef>,
        frame: &Frame,
        features: &Arc<Features>,
    ) -> Result<Written, LogError> {
        let view = KeptView {
            session: self.begun(session)?,
            frame: i64::try_from(frame.id).unwrap_or(i64::MAX),
            at: Moment::of(&frame.time),
            since_ms: session.since_ms(frame),
            features: Arc::clone(features),
        };
        self.log()?.add_view(&view)?;
        Ok(Written::Something)
    }

    fn rule_event(&mut self, session: &Arc<SessionRef>, event: &RuleEvent) -> Result<Written, LogError> {
        let frame = &event.frame;
        let ago = frame.time.duration_since(&event.start);
        let started_at = Duration::try_from(ago).ok().and_then(|ago| frame.captured_at.checked_sub(ago));
        let started_at = started_at.unwrap_or(frame.captured_at);
        let mut entry = Entry::of_event(event, session.since_ms(frame));
        entry.session = self.begun(session)?;
        let ongoing = self.running.get(&session.view).and_then(|running| {
            let place = running.events.iter().position(|ongoing| ongoing.rule.name() == event.rule.name())?;
            Some((place, running.events[place].id, running.events[place].frame))
        });
        if let (EventKind::End, Some((place, id, pictured)), Some(facts)) = (event.kind, ongoing, &entry.event) {
            let thumbnail = if pictured == frame.id { None } else { thumbnail::of(&frame.image) };
            let thumbnail = thumbnail.as_deref();
            let Entry { frame, duration_ms, .. } = entry;
            self.log()?.update_event(EventUpdate { entry: id, frame, duration_ms, facts, thumbnail })?;
            if let Some(running) = self.running.get_mut(&session.view) {
                running.events.swap_remove(place);
            }
            return Ok(Written::Something);
        }
        let id = self.log()?.add(&entry, thumbnail::of(&frame.image).as_deref(), None, 0)?;
        self.meanings.offer(words_of(id, &entry));
        if let (EventKind::Begin, Some(running)) = (event.kind, self.running.get_mut(&session.view)) {
            running.events.push(OngoingEvent { id, rule: Arc::clone(&event.rule), started_at, frame: frame.id });
        }
        Ok(Written::Something)
    }

    /// Events of a view that go on last until now, so that a kill costs no more than what came
    /// since.
    fn extend_events(&mut self, view: usize, until: Instant) -> Result<(), LogError> {
        let events = self.running.get(&view).map_or(&[][..], |running| &running.events);
        let lasts = |event: &OngoingEvent| {
            let duration_ms = milliseconds(until.saturating_duration_since(event.started_at));
            Extension { entry: event.id, duration_ms, ..Extension::default() }
        };
        let extensions: Vec<Extension> = events.iter().map(lasts).collect();
        extensions.into_iter().try_for_each(|extension| self.log()?.extend(extension))
    }

    /// The caption of a view that holds.
    fn lasting(&self, view: usize) -> Option<&Lasting> {
        self.running.get(&view)?.lasting.as_ref()
    }

    /// Another caption of a view holds from now on.
    fn hold(&mut self, view: usize, lasting: Lasting) {
        if let Some(running) = self.running.get_mut(&view) {
            running.lasting = Some(lasting);
        }
    }

    fn is_repeated(&self, view: usize, text: &str) -> bool {
        self.lasting(view).is_some_and(|lasting| lasting.entry.text == text)
    }

    /// Lets the caption of a view that holds last until then, with these counts.
    fn lasts(&mut self, view: usize, until: Instant, counts: Extension) -> Result<Written, LogError> {
        let lasting = self.running.get_mut(&view).and_then(|running| running.lasting.as_mut());
        let Some(lasting) = lasting else { return Ok(Written::Nothing) };
        lasting.last_known = lasting.last_known.max(until);
        let Extension { entry, duration_ms, .. } = lasting.until(until);
        self.log()?.extend(Extension { entry, duration_ms, ..counts })?;
        Ok(Written::Something)
    }

    /// The number of a view's session, which begins where it does not run yet.
    fn begun(&mut self, session: &Arc<SessionRef>) -> Result<i64, LogError> {
        if let Some(running) = self.running.get(&session.view) {
            return Ok(running.id);
        }
        let id = self.log()?.begin(&session.start)?;
        self.running
            .insert(session.view, Running { session: Arc::clone(session), id, lasting: None, events: Vec::new() });
        Ok(id)
    }

    /// Ends the running session of a view. Even when that can't be written, another one begins:
    /// this one stays without an end, like one that was cut off.
    fn end_session(&mut self, view: usize, at: Instant) -> Result<Written, LogError> {
        let Some(Running { session, id, .. }) = self.running.remove(&view) else { return Ok(Written::Nothing) };
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let ended_ms = session.start.began.plus_ms(milliseconds(at.saturating_duration_since(session.began_at))).ms;
        let more_lost = lost - self.lost_in_log;
        self.log()?.end(id, ended_ms, more_lost)?;
        self.lost_in_log = lost;
        Ok(Written::Something)
    }

    fn tidy(&mut self) -> Result<Written, LogError> {
        let keep = self.keep;
        self.log()?.tidy(&keep).map(|()| Written::Something)
    }
}

fn words_of(id: i64, entry: &Entry) -> EntryWords {
    EntryWords::of(id, &entry.text, entry.question.as_deref())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

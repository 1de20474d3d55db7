//! A recording as the window and the command line have it: begun, fed with events, asked how it
//! goes, and ended. The recorder's own thread writes; nothing here waits but [`Recording::finish`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::message::Message;
use crate::base::text;
use crate::engine::EngineCard;
use crate::engine::prefix::PrefixText;
use crate::live::{Caption, Event, Report, Waker};
use crate::log::data::keep::Keep;
use crate::log::embedder::{OpenEmbedder, no_embedder};
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::threads::events::EventRecorder;
use crate::log::threads::recorder::Recorder;
use crate::log::threads::sink::{Log, OpenLog};
use crate::log::threads::status::RecorderStatus;
use crate::rules::event::RuleEvent;

/// Ends of recordings that wait for the window.
const ENDED: usize = 4;

/// Which log, and what is kept of it.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The log's file. None where the system knows no folder for it and none is named.
    pub path: Option<PathBuf>,
    /// Whether to record from the start.
    pub record: bool,
    /// What may stay in it.
    pub keep: Keep,
}

impl LogOptions {
    /// The log's file.
    ///
    /// # Errors
    /// When none is named and the system knows no folder for one.
    pub fn named(&self) -> Result<&Path, LogError> {
        self.path.as_deref().ok_or_else(no_folder)
    }
}

/// What is wrong where no log is named and the system knows no folder for one.
#[must_use]
pub fn no_folder() -> LogError {
    LogError::request("The system knows no folder for your data.", "Name a file with --log FILE.")
}

/// Records what the pipeline tells while the user wants it.
pub struct Recording {
    options: LogOptions,
    wake: Waker,
    embedder: OpenEmbedder,
    views: Vec<Recorded>,
    /// Who captions now.
    card: EngineCard,
    recorder: Option<Recorder>,
    /// What was said last.
    trouble: Option<Message>,
    /// Any trouble was told.
    has_told: bool,
    /// How many new files were told of.
    renewed: u64,
    ended: (Sender<RecorderStatus>, Receiver<RecorderStatus>),
}

/// A view that is recorded.
#[derive(Clone, Debug, Default)]
pub struct RecordedView {
    /// What its source is called; none where it is called as it calls itself.
    pub name: Option<String>,
    /// What its captions are made by.
    pub instruction: String,
    /// What stands before every picture.
    pub prefix: PrefixText,
}

/// What is known of a view.
struct Recorded {
    events: EventRecorder,
    /// The caption that holds, so that a recording of a still scene begins with what is seen.
    last: Option<Caption>,
}

impl Recorded {
    fn new(number: usize, view: RecordedView, card: &EngineCard) -> Self {
        let events = EventRecorder::new(String::new(), card.clone(), view.instruction);
        let mut events = events.of_view(number, view.name);
        events.set_prefix(view.prefix);
        Self { events, last: None }
    }
}

/// News about recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingNews {
    /// It does not work. Captioning goes on.
    Trouble(Message),
    /// The file was deleted, moved or replaced, and it goes on in a new one.
    Renewed(Message),
    /// It works again. So many entries were lost since it began.
    Well(u64),
}

impl Recording {
    /// Records nothing yet of these views, which are those of a pipeline in their order. `wake` is
    /// called when there is news.
    #[must_use]
    pub fn new(options: LogOptions, views: Vec<RecordedView>, wake: Waker) -> Self {
        let card = EngineCard::default();
        let views = views.into_iter().enumerate().map(|(number, view)| Recorded::new(number, view, &card)).collect();
        let embedder = no_embedder();
        Self {
            options,
            wake,
            embedder,
            views,
            card,
            recorder: None,
            trouble: None,
            has_told: false,
            renewed: 0,
            ended: bounded(ENDED),
        }
    }

    /// What is recorded is found by meaning, as far as there is an embedder.
    #[must_use]
    pub fn with_embedder(self, embedder: OpenEmbedder) -> Self {
        Self { embedder, ..self }
    }

    /// Records this as the view with this number from now on: one that was added, or that took the
    /// place of another.
    pub fn set_view(&mut self, number: usize, view: RecordedView) {
        let recorded = Recorded::new(number, view, &self.card);
        match self.views.get_mut(number) {
            Some(view) => *view = recorded,
            None => self.views.push(recorded),
        }
    }

    /// A view is called as its source calls itself from the next source on, whatever it was called.
    pub fn unname(&mut self, view: usize) {
        if let Some(view) = self.views.get_mut(view) {
            view.events.unname();
        }
    }

    /// Captions of a view are made by another instruction from now on.
    pub fn set_instruction(&mut self, view: usize, instruction: String) {
        if let Some(view) = self.views.get_mut(view) {
            view.events.set_instruction(instruction);
        }
    }

    /// Something else stands before every picture of a view from now on.
    pub fn set_prefix(&mut self, view: usize, prefix: PrefixText) {
        if let Some(view) = self.views.get_mut(view) {
            view.events.set_prefix(prefix);
        }
    }

    /// So much may stay from the next recording on.
    pub fn set_keep(&mut self, keep: Keep) {
        self.options.keep = keep;
    }

    /// The log's file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.options.path.as_deref()
    }

    /// Whether it is meant to record from the start.
    #[must_use]
    pub fn is_wanted_at_once(&self) -> bool {
        self.options.record
    }

    /// How it goes; None while nothing is recorded.
    #[must_use]
    pub fn status(&self) -> Option<RecorderStatus> {
        self.recorder.as_ref().map(Recorder::status)
    }

    /// Begins to record. The log is opened on the recorder's thread: what is wrong with the file is
    /// news later.
    ///
    /// # Errors
    /// When there is no place for a log, or the system starts no more threads.
    pub fn start(&mut self) -> Result<(), LogError> {
        self.start_with(None)
    }

    /// Begins to record into a log that is opened here and now.
    ///
    /// # Errors
    /// When the log can't be opened, or as [`Recording::start`].
    pub fn start_opened(&mut self) -> Result<(), LogError> {
        let store = Store::open(self.options.named()?)?;
        self.start_with(Some(store))
    }

    fn start_with(&mut self, mut opened: Option<Store>) -> Result<(), LogError> {
        let path = self.options.named()?.to_owned();
        let open: OpenLog = Box::new(move || {
            let store = opened.take().map_or_else(|| Store::open(&path), Ok)?;
            Ok(Box::new(store) as Box<dyn Log>)
        });
        self.recorder =
            Some(Recorder::start_with(open, self.options.keep, Arc::clone(&self.embedder), Arc::clone(&self.wake))?);
        self.renewed = 0;
        for view in 0..self.views.len() {
            self.views[view].events.begin_anew();
            if let Some(caption) = self.views[view].last.clone() {
                self.observe(&Report { view: Some(view), event: Event::Captioned(caption) });
            }
        }
        Ok(())
    }

    /// Ends recording. What is queued is written on another thread.
    pub fn stop(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        let said = self.trouble.take();
        let (sender, wake) = (self.ended.0.clone(), Arc::clone(&self.wake));
        let finish = move || {
            let status = recorder.finish();
            // What was said while it recorded is not said again.
            let trouble = status.trouble.clone().filter(|trouble| Some(trouble) != said.as_ref());
            // When the window is gone there is nobody to tell.
            let _ = sender.try_send(RecorderStatus { trouble, ..status });
            wake();
        };
        if let Err(error) = thread::Builder::new().name("log end".to_owned()).spawn(finish) {
            // The closure, and the recorder in it, is dropped: what is queued is written here after
            // all.
            tracing::error!(%error, "no thread to end the recording on");
        }
    }

    /// Writes what is queued and says what became of the recording. Waits for the disk, ten seconds
    /// at most.
    #[must_use]
    pub fn finish(mut self) -> Option<Message> {
        let status = self.recorder.take()?.finish();
        let RecorderStatus { recorded, lost, left_behind, trouble, last_trouble, .. } = status;
        let captions = text::count(recorded, "caption", "captions");
        let mut what = format!("Recorded {captions} in {}", text::path(self.options.path.as_deref()?));
        // Writing to a text does not fail.
        if left_behind > 0 {
            let _ = write!(what, ", and {} in a file that was deleted, moved or replaced", text::number(left_behind));
        }
        what.push('.');
        if lost > 0 {
            let _ = write!(what, " Lost {}.", text::number(lost));
        }
        // What came and went between two looks was not said yet: it explains what was lost.
        let trouble = trouble.or(last_trouble.filter(|_| lost > 0 && !self.has_told));
        // What was said while it recorded is not said again.
        Some(match trouble.filter(|trouble| Some(trouble) != self.trouble.as_ref()) {
            Some(trouble) => followed(&Message::new(what), &trouble),
            None => Message::new(what),
        })
    }

    /// Takes in what a pipeline tells of a view, or of all of them.
    pub fn observe(&mut self, report: &Report) {
        let Report { view, event } = report;
        if let Event::ModelReady(card) = event {
            self.card.clone_from(card);
        }
        let views = self.views.iter_mut().enumerate().filter(|(number, _)| view.is_none_or(|view| view == *number));
        for (_, Recorded { events, last }) in views {
            match event {
                Event::Captioned(caption) if caption.reply.stop != vlm::Stop::Cancelled => {
                    *last = Some(caption.clone());
                }
                Event::SourceOpened { .. } | Event::ModelReady(_) => *last = None,
                _ => {}
            }
            // Observed also while nothing is recorded, so that source, model and questions are
            // known when it begins.
            if let Some(record) = events.observe(event)
                && let Some(recorder) = &self.recorder
            {
                recorder.record(record);
            }
        }
    }

    /// Takes in what a rule of a view has to tell. Comes before the pipeline's event that it was
    /// made of, so that it belongs to the session that this may end.
    pub fn observe_rule(&mut self, view: usize, event: &RuleEvent) {
        if let Some(recorder) = &self.recorder
            && let Some(view) = self.views.get_mut(view)
            && let Some(record) = view.events.observe_rule(event)
        {
            recorder.record(record);
        }
    }

    /// What changed since it was asked for last.
    pub fn news(&mut self) -> Option<RecordingNews> {
        if let Ok(RecorderStatus { trouble: Some(trouble), lost, .. }) = self.ended.1.try_recv() {
            let ended = format!("The recording has ended; {} lost.", text::entries(lost));
            return Some(RecordingNews::Trouble(followed(&trouble, &Message::new(ended))));
        }
        let RecorderStatus { trouble, renewed, lost, .. } = self.status()?;
        if renewed > self.renewed {
            self.renewed = renewed;
            return Some(RecordingNews::Renewed(self.told_anew()));
        }
        if trouble == self.trouble {
            return None;
        }
        self.trouble.clone_from(&trouble);
        Some(match trouble {
            Some(trouble) => {
                self.has_told = true;
                let goes_on = Message::new("Captioning goes on without recording.");
                RecordingNews::Trouble(followed(&trouble, &goes_on))
            }
            None => RecordingNews::Well(lost),
        })
    }

    fn told_anew(&self) -> Message {
        let gone = LogError::Gone(self.options.path.clone().unwrap_or_default());
        Message::new(format!("{gone} Recording goes on in a new file of that name."))
            .hint("What was recorded before is in the old file, if it still exists.")
    }
}

/// Two messages as one: what happened first, then what to do.
fn followed(first: &Message, then: &Message) -> Message {
    let joined = Message::new(format!("{} {}", first.what(), then.what()));
    match first.advice().or(then.advice()) {
        Some(hint) => joined.hint(hint),
        None => joined,
    }
}

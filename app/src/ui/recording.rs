//! Recording from the window: begun and ended with a key, written by the recorder's own thread. Nothing here waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::text;
use crate::engine::EngineCard;
use crate::live::{Caption, Event, Waker};
use crate::log::{Keep, LogError, Recorder, Scribe, Status, Store};

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

/// Records what the pipeline tells while the user wants it.
pub struct Recording {
    options: LogOptions,
    wake: Waker,
    scribe: Scribe,
    recorder: Option<Recorder>,
    /// The caption that holds, so that a recording of a still scene begins with what is seen.
    last: Option<Caption>,
    /// What was said last.
    trouble: Option<String>,
    ended: (Sender<Status>, Receiver<Status>),
}

/// What is wrong where no log is named and the system knows no folder for one.
pub fn no_folder() -> LogError {
    let sentence = "The system knows no folder for your data. Start Sightline with --log FILE to name one.";
    LogError::Request(sentence.to_owned())
}

/// News about recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingNews {
    /// It does not work: a sentence.
    Trouble(String),
    /// It works again.
    Well,
}

impl Recording {
    /// Records nothing yet. Captions are made by this instruction.
    pub fn new(options: LogOptions, instruction: String, wake: Waker) -> Self {
        let scribe = Scribe::new(String::new(), EngineCard::default(), instruction);
        Self { options, wake, scribe, recorder: None, last: None, trouble: None, ended: bounded(ENDED) }
    }

    /// The log's file.
    pub fn path(&self) -> Option<&Path> {
        self.options.path.as_deref()
    }

    /// Whether it is meant to record from the start.
    pub fn is_wanted_at_once(&self) -> bool {
        self.options.record
    }

    /// How it goes; None while nothing is recorded.
    pub fn status(&self) -> Option<Status> {
        self.recorder.as_ref().map(Recorder::status)
    }

    /// Begins to record.
    ///
    /// # Errors
    /// When there is no place for a log, or the system starts no more threads. What is wrong with the file shows later.
    pub fn start(&mut self) -> Result<(), LogError> {
        let Some(path) = self.options.path.clone() else {
            return Err(no_folder());
        };
        let keep = self.options.keep;
        let open = move || {
            let mut store = Store::open(&path)?;
            store.set_keep(keep);
            Ok(Box::new(store) as Box<dyn crate::log::Log>)
        };
        self.recorder = Some(Recorder::start(Box::new(open), Arc::clone(&self.wake))?);
        self.scribe.begin_anew();
        if let Some(caption) = self.last.clone() {
            self.observe(&Event::Captioned(caption));
        }
        Ok(())
    }

    /// Ends recording. What is queued is written on another thread.
    pub fn stop(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        self.trouble = None;
        let (sender, wake) = (self.ended.0.clone(), Arc::clone(&self.wake));
        let finish = move || {
            // When the window is gone there is nobody to tell.
            let _ = sender.try_send(recorder.finish());
            wake();
        };
        if let Err(error) = thread::Builder::new().name("log end".to_owned()).spawn(finish) {
            // The closure, and the recorder in it, is dropped: what is queued is written here after all.
            tracing::error!(%error, "no thread to end the recording on");
        }
    }

    /// Takes in an event of the pipeline.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Captioned(caption) if caption.reply.stop != vlm::Stop::Cancelled => {
                self.last = Some(caption.clone());
            }
            Event::SourceOpened { .. } | Event::ModelReady(_) => self.last = None,
            _ => {}
        }
        // Observed also while nothing is recorded, so that source and model are known when it begins.
        if let Some(record) = self.scribe.observe(event)
            && let Some(recorder) = &self.recorder
        {
            recorder.record(record);
        }
    }

    /// What changed since it was asked for last.
    pub fn news(&mut self) -> Option<RecordingNews> {
        if let Ok(Status { trouble: Some(trouble), lost, .. }) = self.ended.1.try_recv() {
            let lost = text::entries(lost);
            return Some(RecordingNews::Trouble(format!("{trouble} The recording has ended; {lost} lost.")));
        }
        let trouble = self.status()?.trouble;
        if trouble == self.trouble {
            return None;
        }
        self.trouble.clone_from(&trouble);
        Some(match trouble {
            Some(sentence) => RecordingNews::Trouble(format!("{sentence} Captioning goes on without recording.")),
            None => RecordingNews::Well,
        })
    }
}

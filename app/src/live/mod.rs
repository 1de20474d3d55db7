//! From frames to captions: the capture thread, the one-slot channel, the inference thread, and the events they send.
//!
//! The pipeline knows sources and engines only by their traits, and no window: it calls a waker when there is something
//! to see. Channels are bounded; only the two worker threads ever wait for a source or a model.
//!
//! Orders reach the workers without the front end ever waiting: another source or model goes through a slot of its own
//! in which the newest replaces one that was not taken yet, questions go through a short queue that refuses when it is
//! full, and everything else is a value of which only the newest counts. Events come back through one channel; `outbox`
//! says what happens when nobody takes them.

mod capture;
mod events;
pub mod frame;
pub(crate) mod gate;
mod host;
mod inference;
mod outbox;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use crate::live::events::{Asked, Caption, Event, Question, Told, Worker};
pub use crate::live::gate::GateSettings;

use crate::base::message::Message;
use crate::base::slot::Slot;
use crate::base::thread::Thread;
use crate::capture::{Source, SourceError};
use crate::engine::{Engine, EngineError};
use crate::live::capture::Capture;
use crate::live::frame::Frame;
use crate::live::host::Order;
use crate::live::inference::{Inference, Waiting};
use crate::live::outbox::Outbox;
use crate::live::shared::{Shared, lock};
use crate::models::spec::ModelSpec;

/// Opens a source, on the capture thread; called again whenever the source has to be opened anew.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;
/// Opens an engine, on the inference thread, which keeps it; called again whenever it has to be opened anew.
pub type OpenEngine = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;
/// Called after every event and every new frame, from the worker threads. It must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The instruction that people get who give none: one sentence is what fits under a video.
pub const DEFAULT_INSTRUCTION: &str = "Describe this image in one sentence.";
/// The most tokens of a reply unless told otherwise: room for a long sentence or two short ones (some 45 words). A small
/// model that has not come to an end by then repeats itself, while the scene moves on.
pub const DEFAULT_MAX_TOKENS: usize = 60;

/// Events that wait for the front end: a few captions' worth of pieces, at 60 tokens each.
const EVENTS: usize = 256;
/// Questions that wait for their answer, besides the one being answered.
const QUESTIONS: usize = 4;
/// How long the end of the pipeline waits for its threads. They need a token, a vision layer or 100 ms; only a source or
/// engine that breaks its promise, or a model being loaded, takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a pipeline is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the model is told to do with each view.
    pub instruction: String,
    /// The most tokens of a caption or an answer.
    pub max_tokens: usize,
    /// Passes over unchanged frames; `None` captions every frame that there is time for.
    pub gate: Option<GateSettings>,
    /// The least time from the beginning of one caption to that of the next: a model that is faster than people read
    /// waits, a slow one does not.
    pub least_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instruction: DEFAULT_INSTRUCTION.to_owned(),
            max_tokens: DEFAULT_MAX_TOKENS,
            gate: Some(GateSettings::default()),
            least_interval: Duration::ZERO,
        }
    }
}

/// What was counted and measured so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Frames that the source gave.
    pub captured: u64,
    /// Frames a second, measured over the last two seconds; zero when none come.
    pub camera_fps: f32,
    /// Frames that were replaced by newer ones before anyone looked at them, or while their caption was cut short.
    pub dropped: u64,
    /// Frames that the gate passed over.
    pub skipped: u64,
}

/// Why a question was not taken: as many as may wait are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{QUESTIONS} questions are waiting already. Ask again when one is answered.")]
pub struct Busy;

impl From<Busy> for Message {
    fn from(_: Busy) -> Self {
        Self::new(format!("{QUESTIONS} questions are waiting already.")).hint("Ask again when one is answered.")
    }
}

/// A running pipeline. Dropping it stops what runs and joins both threads; a thread that hangs is left behind.
pub struct Pipeline {
    shared: Arc<Shared>,
    sources: Slot<OpenSource>,
    engines: Slot<Order>,
    questions: Sender<Waiting>,
    bell: Sender<()>,
    events: Receiver<Event>,
    asked: AtomicU64,
    /// Nothing is ever sent: dropping it wakes both threads for their end, and no full queue can hold that back.
    stop: Option<Sender<Infallible>>,
    threads: Vec<Thread>,
}

impl Pipeline {
    /// Starts both threads. They idle until there is a source and an engine.
    ///
    /// # Errors
    /// When the system starts no more threads.
    #[expect(clippy::needless_pass_by_value, reason = "who starts a pipeline has no use for the waker afterwards")]
    pub fn start(settings: Settings, wake: Waker) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        settings.instruction.clone_into(&mut lock(&shared.instruction));
        let (sources, engines, frames) = (Slot::default(), Slot::default(), Slot::default());
        let (questions, asked) = bounded(QUESTIONS);
        let (bell, rung) = bounded(1);
        let (deal, dealt_with) = bounded(1);
        let (stop, stopped) = bounded(0);
        let (sender, events) = bounded(EVENTS);
        let outbox = || Outbox::new(sender.clone(), Arc::clone(&shared), Arc::clone(&wake));

        let capture = Capture::new(
            capture::Links {
                shared: Arc::clone(&shared),
                frames: frames.clone(),
                sources: sources.clone(),
                bell: bell.clone(),
                dealt_with,
                stop: stopped.clone(),
            },
            outbox(),
        );
        let inference = Inference::new(
            inference::Links {
                shared: Arc::clone(&shared),
                frames,
                engines: engines.clone(),
                questions: asked,
                bell: rung,
                dealt_with: deal,
                stop: stopped,
            },
            outbox(),
            settings,
        );
        let mut pipeline = Self {
            shared,
            sources,
            engines,
            questions,
            bell,
            events,
            asked: AtomicU64::new(0),
            stop: Some(stop),
            threads: Vec::new(),
        };
        // Dropped on the way out, should the second thread not start: then the first one ends.
        pipeline.threads.push(Thread::start("capture", || capture.run())?);
        pipeline.threads.push(Thread::start("inference", || inference.run())?);
        Ok(pipeline)
    }

    /// Takes pictures from another source from now on. Also the way to open the same one anew.
    pub fn set_source(&self, open: OpenSource) {
        self.sources.put(open);
    }

    /// Uses another model from now on. Stops what the present one is doing; the video goes on
    /// while the new one is loaded.
    pub fn set_engine(&self, model: ModelSpec, open: OpenEngine) {
        self.engines.put(Order { model, open });
        self.shared.interrupt_caption();
        self.shared.cancel_answers();
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// The next event, waiting for it up to `timeout`.
    #[must_use]
    pub fn wait_event(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// The newest frame of the source in hand, for display.
    #[must_use]
    pub fn latest_frame(&self) -> Option<Arc<Frame>> {
        lock(&self.shared.latest).clone()
    }

    /// What was counted and measured so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// Asks a question about `frame`. It goes before captions: a running one is stopped, and taken up again after the
    /// answer. While a model is being loaded, questions wait for it.
    ///
    /// # Errors
    /// When as many questions as may wait are waiting.
    pub fn ask(&self, text: &str, frame: Arc<Frame>) -> Result<Question, Busy> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let question = Question { id, text: text.into(), frame };
        let waiting = Waiting { question: question.clone(), cancel: self.shared.answer_cancel() };
        self.questions.try_send(waiting).map_err(|_| Busy)?;
        self.shared.interrupt_caption();
        Ok(question)
    }

    /// Stops the running answer, and those of all questions that wait.
    pub fn cancel_answer(&self) {
        self.shared.cancel_answers();
    }

    /// Stops captioning, or goes on with it. The video and answers go on meanwhile.
    pub fn set_paused(&self, paused: bool) {
        self.shared.paused.store(paused, Ordering::SeqCst);
        self.ring();
        if paused {
            self.shared.interrupt_caption();
        }
    }

    /// Captions by another instruction from now on, beginning with the running caption.
    pub fn set_instruction(&self, instruction: String) {
        *lock(&self.shared.instruction) = instruction;
        self.ring();
        self.shared.interrupt_caption();
    }

    /// Tells the inference thread to look at what is shared.
    fn ring(&self) {
        // A bell that rings already will do.
        let _ = self.bell.try_send(());
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.stop();
        self.stop = None;
        let deadline = Instant::now() + PATIENCE;
        for thread in &mut self.threads {
            thread.join_until(deadline);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

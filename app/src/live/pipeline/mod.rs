//! Starts the threads, passes orders on to them, and gives out what they tell.
//!
//! Orders reach the workers without the front end ever waiting: another source or model goes
//! through a slot of its own in which the newest replaces one that was not taken yet, questions go
//! through a short queue that refuses when it is full, and everything else is a value of which only
//! the newest counts. Events come back through one channel; `outbox` says what happens when nobody
//! takes them.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use vlm::Tiling;

use crate::base::message::Message;
use crate::base::slot::Slot;
use crate::base::thread::Thread;
use crate::capture::{PlayOrder, Position};
use crate::engine::prefix::Prefix;
use crate::live::asides::Asides;
use crate::live::capture;
use crate::live::capture::Capture;
use crate::live::events::{Question, Report, Talk, Worker};
use crate::live::frame::Frame;
use crate::live::host::Order;
use crate::live::inference;
use crate::live::inference::{Inference, Waiting};
use crate::live::outbox::Outbox;
use crate::live::pulse::{Clock, Lease, Pulse};
use crate::live::settings::{OpenEngine, OpenSource, Settings, Tuning, Waker};
use crate::live::shared::{Shared, SharedView, Statistics, lock};
use crate::live::view::Seed;
use crate::live::watchdog;
use crate::live::watchdog::{Start, Watched};
use crate::models::spec::ModelSpec;

/// Events that wait for the front end: a few captions' worth of pieces, at 60 tokens each.
const EVENTS: usize = 256;
/// Questions that wait for their answer, besides the one being answered.
const QUESTIONS: usize = 4;
/// How long the end of the pipeline waits for its threads. They need a token, a vision layer or 100
/// ms; only a source or engine that breaks its promise, or a model being loaded, takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the outbox of a worker with this lease.
type MakeOutbox = Arc<dyn Fn(&Lease) -> Outbox + Send + Sync>;

/// Why a question was not taken: as many as may wait are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Message::from(*self))]
pub struct Busy;

impl From<Busy> for Message {
    fn from(_: Busy) -> Self {
        Self::new(format!("{QUESTIONS} questions are waiting already.")).hint("Ask again when one is answered.")
    }
}

/// A running pipeline. Dropping it stops what runs and joins all threads; a thread that hangs is
/// left behind.
pub struct Pipeline {
    shared: Arc<Shared>,
    views: Vec<ViewHandle>,
    seeds: Arc<Mutex<Vec<Seed>>>,
    engines: Slot<Order>,
    /// The order that was given last.
    order: Arc<Mutex<Option<Order>>>,
    events: Receiver<Report>,
    questions: Sender<Waiting>,
    /// Rings on the inference thread.
    bell: Sender<()>,
    /// The number of the question that was asked last.
    asked: Arc<AtomicU64>,
    outbox: MakeOutbox,
    clock: Clock,
    /// Nothing is ever sent: dropping it wakes all threads for their end, and no full queue can
    /// hold that back.
    stop: Option<Sender<Infallible>>,
    stopped: Receiver<Infallible>,
    workers: Arc<Mutex<Vec<Watched>>>,
    watchdog: Option<Thread>,
}

impl Pipeline {
    /// Starts a capture thread for each view and the inference thread. They idle until there is a
    /// source and an engine.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(views: Vec<Settings>, wake: Waker) -> io::Result<Self> {
        Self::start_by(views, wake, Arc::new(Instant::now))
    }

    /// The same by a clock that tells when a thread hangs.
    fn start_by(views: Vec<Settings>, wake: Waker, clock: Clock) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let engines = Slot::default();
        let (questions, asked) = bounded(QUESTIONS);
        let (bell, rung) = bounded(1);
        let (stop, stopped) = bounded(0);
        let (sender, events) = bounded(EVENTS);
        let outbox: MakeOutbox = {
            let shared = Arc::clone(&shared);
            Arc::new(move |lease: &Lease| {
                Outbox::new(sender.clone(), Arc::clone(&shared), Arc::clone(&wake), lease.clone())
            })
        };
        let workers = Arc::new(Mutex::new(Vec::new()));
        // Dropped on the way out, should a thread not start: then those that did end.
        let mut pipeline = Self {
            shared: Arc::clone(&shared),
            views: Vec::new(),
            seeds: Arc::default(),
            engines: engines.clone(),
            order: Arc::default(),
            events,
            questions,
            bell,
            asked: Arc::default(),
            outbox: Arc::clone(&outbox),
            clock: Arc::clone(&clock),
            stop: Some(stop),
            stopped: stopped.clone(),
            workers: Arc::clone(&workers),
            watchdog: None,
        };
        for settings in views {
            pipeline.start_view(settings)?;
        }
        let links = inference::Links {
            shared,
            seeds: Arc::clone(&pipeline.seeds),
            engines: engines.clone(),
            questions: asked,
            bell: rung,
            stop: stopped.clone(),
            lease: Lease::first(),
            pulse: Arc::new(Pulse::new(Arc::clone(&clock))),
        };
        let watchdog_outbox = outbox(&Lease::first());
        let start: Start = Box::new(move |lease, pulse| {
            let outbox = outbox(&lease);
            let inference = Inference::new(inference::Links { lease, pulse, ..links.clone() }, outbox);
            Thread::start("inference", || inference.run())
        });
        let order = Arc::clone(&pipeline.order);
        let resume = Box::new(move || {
            if let Some(order) = lock(&order).clone().filter(|_| engines.is_empty()) {
                engines.put(order);
            }
        });
        lock(&workers).push(Watched::new(Worker::Inference, None, start, resume, clock)?);
        let watched = move || watchdog::watch(&workers, watchdog_outbox, &stopped);
        pipeline.watchdog = Some(Thread::start("watchdog", watched)?);
        Ok(pipeline)
    }

    /// Starts the capture thread of another view, which then has its place among the others.
    fn start_view(&mut self, settings: Settings) -> io::Result<()> {
        let number = self.views.len();
        let view = Arc::new(SharedView::default());
        view.set(&settings);
        let (deal, dealt_with) = bounded(1);
        let links = capture::Links {
            shared: Arc::clone(&self.shared),
            view: Arc::clone(&view),
            number,
            bell: self.bell.clone(),
            dealt_with,
            stop: self.stopped.clone(),
            lease: Lease::first(),
            pulse: Arc::new(Pulse::new(Arc::clone(&self.clock))),
        };
        let outbox = Arc::clone(&self.outbox);
        let start: Start = Box::new(move |lease, pulse| {
            let outbox = outbox(&lease);
            let capture = Capture::new(capture::Links { lease, pulse, ..links.clone() }, outbox);
            Thread::start("capture", || capture.run())
        });
        let resumed = Arc::clone(&view);
        let resume = Box::new(move || {
            if let Some(source) = lock(&resumed.source).clone().filter(|_| resumed.sources.is_empty()) {
                resumed.sources.put(Some(source));
            }
        });
        let watched = Watched::new(Worker::Capture, Some(number), start, resume, Arc::clone(&self.clock))?;
        lock(&self.workers).push(watched);
        lock(&self.seeds).push(Seed { shared: Arc::clone(&view), dealt_with: deal.clone(), settings });
        self.views.push(ViewHandle {
            number,
            shared: Arc::clone(&self.shared),
            view,
            questions: self.questions.clone(),
            bell: self.bell.clone(),
            capture_bell: deal,
            asked: Arc::clone(&self.asked),
        });
        Ok(())
    }

    /// Adds a view, while the others go on. Gives its number, which may be that of one that was
    /// removed.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn add_view(&mut self, settings: Settings) -> io::Result<usize> {
        let vacant = self.views.iter().position(|handle| handle.view.vacant.load(Ordering::SeqCst));
        let number = if let Some(number) = vacant {
            let view = &self.views[number].view;
            view.set(&settings);
            if let Some(seed) = lock(&self.seeds).get_mut(number) {
                seed.settings.clone_from(&settings);
            }
            *lock(&view.settings) = Some(settings);
            view.vacant.store(false, Ordering::SeqCst);
            number
        } else {
            self.start_view(settings)?;
            self.views.len() - 1
        };
        self.views[number].ring();
        Ok(number)
    }

    /// Removes a view: its source is closed, and what it has open in the engine. The others go on,
    /// and keep their numbers.
    pub fn remove_view(&self, number: usize) {
        let ViewHandle { view, .. } = &self.views[number];
        *lock(&view.source) = None;
        view.sources.put(None);
        view.vacant.store(true, Ordering::SeqCst);
        self.views[number].ring();
        self.shared.interrupt_caption_of(number);
    }

    /// The view with this number, counted from 0 in the order of the settings.
    ///
    /// # Panics
    /// When there is no such view.
    #[must_use]
    pub fn view(&self, number: usize) -> &ViewHandle {
        &self.views[number]
    }

    /// Uses another model from now on. Stops what the present one is doing; the video goes on
    /// while the new one is loaded.
    pub fn set_engine(&self, model: ModelSpec, open: OpenEngine) {
        let order = Order { model, open: Arc::new(Mutex::new(open)) };
        *lock(&self.order) = Some(order.clone());
        self.engines.put(order);
        self.shared.interrupt_captions();
        self.shared.cancel_answers();
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<Report> {
        self.events.try_recv().ok()
    }

    /// The next event, waiting for it up to `timeout`.
    #[must_use]
    pub fn wait_event(&self, timeout: Duration) -> Option<Report> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Stops the running answer, and those of all questions that wait.
    pub fn cancel_answer(&self) {
        self.shared.cancel_answers();
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.stop();
        self.stop = None;
        let deadline = Instant::now() + PATIENCE;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.join_until(deadline);
        }
        for worker in lock(&self.workers).iter_mut() {
            worker.join_until(deadline);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("views", &self.views.len()).finish_non_exhaustive()
    }
}

/// The front end's end of a view.
pub struct ViewHandle {
    number: usize,
    shared: Arc<Shared>,
    view: Arc<SharedView>,
    questions: Sender<Waiting>,
    bell: Sender<()>,
    /// Rings on the capture thread.
    capture_bell: Sender<()>,
    asked: Arc<AtomicU64>,
}

impl ViewHandle {
    /// Takes pictures from another source from now on. Also the way to open the same one anew.
    pub fn set_source(&self, open: OpenSource) {
        let source = Arc::new(Mutex::new(open));
        *lock(&self.view.source) = Some(Arc::clone(&source));
        self.view.sources.put(Some(source));
    }

    /// Tells the source to go on elsewhere, if it can: a video, or a folder of pictures. The newest
    /// order counts.
    pub fn play(&self, order: PlayOrder) {
        self.view.orders.put(order);
        // A bell that rings already will do.
        let _ = self.capture_bell.try_send(());
    }

    /// Where the source is, or where it ended, if it has a beginning and an end.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        lock(&self.view.position).clone()
    }

    /// The newest frame of the source in hand, for display.
    #[must_use]
    pub fn latest_frame(&self) -> Option<Arc<Frame>> {
        lock(&self.view.latest).clone()
    }

    /// What was counted and measured so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.view.statistics()
    }

    /// Asks a question about `frame`. It goes before captions: a running one is stopped, and taken
    /// up again after the answer. While a model is being loaded, questions wait for it.
    ///
    /// # Errors
    /// When as many questions as may wait are waiting.
    pub fn ask(&self, text: &str, frame: Arc<Frame>) -> Result<Question, Busy> {
        self.ask_so(text, frame, Tiling::One)
    }

    /// The same, with the picture cut into tiles in this way.
    ///
    /// # Errors
    /// As [`ViewHandle::ask`].
    pub fn ask_so(&self, text: &str, frame: Arc<Frame>, tiling: Tiling) -> Result<Question, Busy> {
        let id = self.number();
        let talk = Talk { id, view: self.number, before: Arc::from([]), tiling };
        self.send(Question { id, text: text.into(), frame, talk })
    }

    /// Asks a question that follows others about the same frame, which is this view's. The engine
    /// looks at it again only
    /// where it has forgotten it.
    ///
    /// # Errors
    /// As [`ViewHandle::ask`].
    pub fn follow_up(&self, text: &str, frame: Arc<Frame>, talk: Talk) -> Result<Question, Busy> {
        self.send(Question { id: self.number(), text: text.into(), frame, talk })
    }

    fn number(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn send(&self, question: Question) -> Result<Question, Busy> {
        let cancel = self.shared.answer_cancel();
        self.questions.try_send(Waiting { view: self.number, question: question.clone(), cancel }).map_err(|_| Busy)?;
        self.shared.make_room_for(self.number);
        Ok(question)
    }

    /// Stops captioning, or goes on with it. The video and answers go on meanwhile.
    pub fn set_paused(&self, paused: bool) {
        self.view.paused.store(paused, Ordering::SeqCst);
        self.ring();
        if paused {
            self.shared.interrupt_caption_of(self.number);
        }
    }

    /// Takes no more pictures from the source, or goes on. Costs nothing meanwhile, and nothing is
    /// dropped; the newest frame stays.
    pub fn set_resting(&self, resting: bool) {
        self.view.resting.store(resting, Ordering::SeqCst);
        // A bell that rings already will do.
        let _ = self.capture_bell.try_send(());
    }

    /// Captions by another instruction from now on, beginning with the running caption.
    pub fn set_instruction(&self, instruction: String) {
        *lock(&self.view.instruction) = instruction;
        self.ring();
        self.shared.interrupt_caption_of(self.number);
    }

    /// Says and shows this before every picture from now on, beginning with the running caption.
    pub fn set_prefix(&self, prefix: Arc<Prefix>) {
        *lock(&self.view.prefix) = prefix;
        self.ring();
        self.shared.interrupt_caption_of(self.number);
    }

    /// Cuts pictures into tiles in another way from now on, beginning with the running caption.
    pub fn set_tiling(&self, tiling: Tiling) {
        *lock(&self.view.tiling) = tiling;
        self.ring();
        self.shared.interrupt_caption_of(self.number);
    }

    /// Takes over lengths, pace and sensitivity from the next caption on.
    pub fn tune(&self, tuning: Tuning) {
        *lock(&self.view.tuning) = Some(tuning);
        self.ring();
    }

    /// Asks something else of each new view from now on, besides its caption.
    pub fn set_asides(&self, asides: Arc<Asides>) {
        *lock(&self.view.asides) = asides;
        self.ring();
    }

    /// Tells the inference thread to look at what is shared.
    fn ring(&self) {
        // A bell that rings already will do.
        let _ = self.bell.try_send(());
    }
}

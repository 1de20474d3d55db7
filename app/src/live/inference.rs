//! The inference thread: takes the newest frame, lets the gate look at it, and has the engine caption it; answers
//! questions in between. Knows the engine by its trait only, and no source.
//!
//! # Which picture the engine looks at
//! Every frame that is shown to the engine comes with the number of its scene, and the engine looks
//! only where it does not have that scene in hand; nothing here knows what it has. A caption's
//! frame is a scene of its own. A question is about the frame that it came with: that is the last
//! scene where the gate finds it unchanged against it, and with the gate off only where it is the
//! very frame. So a question about what is being captioned evaluates no picture. And with the gate
//! on, the engine may keep the picture in hand where a frame differs from it by a camera's noise
//! alone, which is a finer measure than the gate's.
//!
//! # What interrupts what
//! A question, another model, another source, another instruction and a pause stop a running caption within one token. It
//! is taken up again, on the newest frame, past the gate. Another model or instruction also makes a finished caption
//! out of date: the next frame is captioned even if it is unchanged, and where none comes, the last one again. A running
//! answer is stopped only by `cancel_answer`, another model and the end.
//!
//! # What ends what
//! Every `Began` is followed by one `Captioned`, `Answered` or `RequestFailed` of the same, or by a `Failed` of this
//! thread. A frame that made the engine fail is not tried again; the next one is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender};
use vlm::{Cancel, Reply, Same, Stop};

use crate::base::message::Message;
use crate::base::slot::Slot;
use crate::engine::{Limits, Shown, Task, Turn, ViewId, ViewOptions};
use crate::live::frame::Frame;
use crate::live::gate::{Gate, Sketch};
use crate::live::host::{Failure, Host, Order};
use crate::live::outbox::Outbox;
use crate::live::shared::{Shared, lock};
use crate::live::{Caption, Event, Question, Settings, Told, Worker};

/// The rest after a caption whose request failed: every frame would fail alike, and say so.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A question that waits for the engine.
pub struct Waiting {
    pub question: Question,
    pub cancel: Cancel,
}

/// Everything that the inference thread shares with the others.
pub struct Links {
    pub shared: Arc<Shared>,
    pub frames: Slot<Arc<Frame>>,
    pub engines: Slot<Order>,
    pub questions: Receiver<Waiting>,
    /// Rings when something in [`Shared`] changed.
    pub bell: Receiver<()>,
    /// Rings on the capture thread.
    pub dealt_with: Sender<()>,
    /// Disconnected when the pipeline stops.
    pub stop: Receiver<Infallible>,
}

/// The state of the inference thread.
pub struct Inference {
    links: Links,
    outbox: Outbox,
    host: Host,
    max_tokens: usize,
    least_interval: Duration,
    instruction: String,
    gate: Option<Gate>,
    /// The engine's view of the source, once it was opened.
    view: Option<ViewId>,
    /// The last frame that was shown to the engine as a scene of its own.
    scene: Option<Sketched>,
    /// The frame of a caption that was cut short.
    again: Option<Arc<Frame>>,
    /// The frame taken from the slot last.
    last_taken: u64,
    /// The last caption holds no more, whatever the gate says: there is another model or instruction.
    is_outdated: bool,
    /// No caption before this instant.
    rest_until: Option<Instant>,
    /// Since the last caption.
    dropped: u64,
    skipped: u64,
}

/// A frame with its sketch, where the gate is on.
#[derive(Clone)]
struct Sketched {
    frame: Arc<Frame>,
    sketch: Option<Sketch>,
}

impl Inference {
    pub fn new(links: Links, outbox: Outbox, settings: Settings) -> Self {
        Self {
            links,
            outbox,
            host: Host::default(),
            max_tokens: settings.max_tokens,
            least_interval: settings.least_interval,
            instruction: settings.instruction,
            gate: settings.gate.map(Gate::new),
            view: None,
            scene: None,
            again: None,
            last_taken: 0,
            is_outdated: false,
            rest_until: None,
            dropped: 0,
            skipped: 0,
        }
    }

    /// Works until the pipeline stops.
    pub fn run(mut self) {
        while !self.links.shared.is_stopped() {
            self.take_orders();
            if self.host.due().is_some_and(|at| at <= Instant::now()) {
                self.open();
            } else if let Some(question) = self.next_question() {
                self.answer(question);
            } else if let Some((next, must)) = self.next_frame() {
                self.consider(next, must);
            } else {
                self.finish_source();
                self.wait();
            }
        }
        self.host.close();
    }

    /// Takes over what was ordered since the last look.
    fn take_orders(&mut self) {
        while self.links.bell.try_recv().is_ok() {}
        if let Some(order) = self.links.engines.take() {
            self.view = None;
            self.is_outdated = true;
            self.host.replace(order);
        }
        let instruction = lock(&self.links.shared.instruction).clone();
        if instruction != self.instruction {
            self.instruction = instruction;
            self.is_outdated = true;
        }
        if self.rest_is_over() {
            self.rest_until = None;
            let dealt_with = self.again.as_ref().map_or(self.last_taken, |frame| frame.id - 1);
            if self.links.shared.dealt_with.fetch_max(dealt_with, Ordering::AcqRel) < dealt_with {
                // A bell that rings already will do.
                let _ = self.links.dealt_with.try_send(());
            }
        }
    }

    fn open(&mut self) {
        if let Some(model) = self.host.model() {
            tracing::info!(%model, "opening the model");
            self.outbox.send(Event::ModelLoading { model: model.clone() });
        }
        match self.host.open() {
            Ok(card) => self.outbox.send(Event::ModelReady(card)),
            Err(failure) => self.report(None, failure),
        }
    }

    fn rest_is_over(&self) -> bool {
        self.rest_until.is_none_or(|until| until <= Instant::now())
    }

    /// Whether a caption may begin now.
    fn may_caption(&self) -> bool {
        self.host.is_ready() && !self.links.shared.paused.load(Ordering::SeqCst) && self.rest_is_over()
    }

    /// Whether a question can be dealt with now: by an answer, or by saying that there is no model.
    fn may_answer(&self) -> bool {
        self.host.is_ready() || self.host.is_absent()
    }

    fn next_question(&self) -> Option<Waiting> {
        if self.may_answer() { self.links.questions.try_recv().ok() } else { None }
    }

    /// The newest frame, and whether it must be captioned even if the gate would pass it over.
    fn next_frame(&mut self) -> Option<(Sketched, bool)> {
        if !self.may_caption() {
            return None;
        }
        let again = self.again.take();
        let must = again.is_some() || self.is_outdated;
        let frame = match (self.links.frames.take(), again) {
            (Some(newest), again) => {
                // Ids count every captured frame, so that what is missing between two frames was dropped.
                self.dropped += newest.id - self.last_taken - 1;
                self.last_taken = newest.id;
                if again.is_some() {
                    self.drop_taken();
                }
                newest
            }
            (None, Some(again)) if self.is_of_this_source(&again) => again,
            (None, Some(_)) => {
                self.drop_taken();
                return None;
            }
            // Of a picture, or of a source that ended, no other frame will come.
            (None, None) if self.is_outdated => {
                lock(&self.links.shared.latest).clone().filter(|latest| latest.id == self.last_taken)?
            }
            (None, None) => return None,
        };
        self.is_outdated = false;
        Some((self.sketch(frame), must))
    }

    /// A frame that had been taken from the slot makes way for a newer one.
    fn drop_taken(&mut self) {
        self.dropped += 1;
        self.links.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn is_of_this_source(&self, frame: &Frame) -> bool {
        frame.id >= self.links.shared.first_of_source.load(Ordering::Acquire)
    }

    fn sketch(&self, frame: Arc<Frame>) -> Sketched {
        let sketch = self.gate.is_some().then(|| Sketch::of(&frame.image));
        Sketched { frame, sketch }
    }

    /// Captions the frame or passes it over.
    fn consider(&mut self, next: Sketched, must: bool) {
        let passes_over = match (&self.gate, &next.sketch) {
            (Some(gate), Some(sketch)) => !must && gate.passes_over(sketch, Instant::now()),
            _ => false,
        };
        if passes_over {
            self.skipped += 1;
            self.links.shared.skipped.fetch_add(1, Ordering::Relaxed);
            self.outbox.offer(Event::Unchanged { skipped: self.skipped });
        } else {
            self.caption(next);
        }
    }

    fn caption(&mut self, next: Sketched) {
        let cancel = self.links.shared.begin_caption();
        if self.has_orders(&next.frame) {
            self.again = Some(next.frame);
        } else {
            self.caption_until(next, &cancel);
        }
        self.links.shared.end_caption();
    }

    /// Whether something came in between that goes before a caption of `frame`. Asked after the caption's flag was
    /// registered: what comes later raises it.
    fn has_orders(&self, frame: &Frame) -> bool {
        !self.links.questions.is_empty()
            || !self.links.engines.is_empty()
            || !self.links.bell.is_empty()
            || self.links.shared.is_stopped()
            || !self.is_of_this_source(frame)
    }

    fn caption_until(&mut self, next: Sketched, cancel: &Cancel) {
        let of = Told::Caption { frame: next.frame.id };
        let prompt = self.instruction.clone();
        let began = Instant::now();
        self.scene = Some(next.clone());
        match self.tell(of, &next.frame, next.frame.id, &prompt, cancel) {
            Ok(reply) => {
                let Sketched { frame, sketch } = next;
                let now = Instant::now();
                let age = now.saturating_duration_since(frame.captured_at);
                let (dropped, skipped) = (self.dropped, self.skipped);
                if reply.stop == Stop::Cancelled {
                    self.again = Some(Arc::clone(&frame));
                } else {
                    (self.dropped, self.skipped) = (0, 0);
                    if let (Some(gate), Some(sketch)) = (&mut self.gate, sketch) {
                        gate.captioned(sketch, now);
                    }
                    self.host.worked();
                    self.rest_until = Some(began + self.least_interval);
                }
                self.outbox.send(Event::Captioned(Caption { frame, reply, age, dropped, skipped }));
            }
            Err(failure) => {
                self.rest_until = Some(began + REST_AFTER_FAILURE.max(self.least_interval));
                self.report(Some(of), failure);
            }
        }
    }

    fn answer(&mut self, waiting: Waiting) {
        let Waiting { question, cancel } = waiting;
        let of = Told::Answer(question.id);
        if self.host.is_absent() {
            let message = Message::new("The question can't be answered while no model is loaded.");
            return self.report(Some(of), Failure::Request(message.hint("Choose a model and ask again.")));
        }
        let scene = self.scene_of(&question.frame);
        match self.tell(of, &question.frame, scene, &question.text, &cancel) {
            Ok(reply) => {
                self.host.worked();
                self.outbox.send(Event::Answered { question, reply });
            }
            Err(failure) => self.report(Some(of), failure),
        }
    }

    /// The number of the scene that this frame shows: the last one's where nothing changed, and
    /// otherwise its own.
    fn scene_of(&mut self, frame: &Arc<Frame>) -> u64 {
        let asked = self.sketch(Arc::clone(frame));
        let last = self.scene.as_ref().filter(
            |last| matches!((&last.sketch, &asked.sketch), (Some(last), Some(asked)) if asked.is_unchanged(last)),
        );
        match last {
            Some(last) => last.frame.id,
            None => self.scene.insert(asked).frame.id,
        }
    }

    /// Has the engine tell what is wanted of it about a frame that shows this scene.
    fn tell(&mut self, of: Told, frame: &Frame, scene: u64, prompt: &str, cancel: &Cancel) -> Result<Reply, Failure> {
        self.outbox.send(Event::Began(of));
        // Whoever turned the gate off wants every frame looked at.
        let same = if self.gate.is_some() { Same::ButForNoise } else { Same::Exactly };
        let shown = Shown { pictures: &[&frame.image], scene: Some(scene), same };
        let task = match of {
            Told::Caption { .. } => Task::Caption { shown, instruction: prompt },
            Told::Answer(_) => Task::Answer { shown, question: prompt },
        };
        let limits = Limits::tokens(self.max_tokens);
        let Self { host, outbox, view, .. } = self;
        let told = host.call(|engine| {
            let view = match *view {
                Some(view) => view,
                None => *view.insert(engine.open_view(ViewOptions::default())?),
            };
            engine.reply(Turn { view, task, limits }, cancel, &mut |piece| outbox.text(of, piece))
        });
        if !self.host.is_ready() {
            self.view = None;
        }
        told
    }

    /// Says what failed, and what was being told.
    fn report(&mut self, of: Option<Told>, failure: Failure) {
        self.outbox.send(match (failure, of) {
            (Failure::Request(message), Some(of)) => Event::RequestFailed { of, message },
            (Failure::Request(message), None) => Event::Failed { worker: Worker::Inference, message, retry_in: None },
            (Failure::Engine { message, retry_in }, _) => {
                tracing::warn!("the model failed: {message}");
                Event::Failed { worker: Worker::Inference, message, retry_in }
            }
        });
    }

    /// Says that the source is done with, once it has ended and no frame of it waits.
    fn finish_source(&mut self) {
        let ended = &self.links.shared.ended;
        // The flag first: whoever sees it sees the last frame too.
        if ended.load(Ordering::Acquire)
            && self.links.frames.is_empty()
            && self.again.is_none()
            && ended.swap(false, Ordering::AcqRel)
        {
            self.outbox.send(Event::Done);
        }
    }

    /// Waits for something to do.
    fn wait(&self) {
        let mut select = Select::new();
        select.recv(&self.links.stop);
        select.recv(&self.links.bell);
        select.recv(self.links.engines.receiver());
        if self.may_answer() {
            select.recv(&self.links.questions);
        }
        if self.may_caption() {
            select.recv(self.links.frames.receiver());
        }
        match self.host.due().into_iter().chain(self.rest_until).min() {
            // A time-out is one of the things waited for.
            Some(deadline) => drop(select.ready_deadline(deadline)),
            None => drop(select.ready()),
        }
    }
}

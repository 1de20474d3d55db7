//! The inference thread: has the engine caption the frame of the view whose turn it is, and answers
//! questions in between. Knows the engine by its trait only, and no source.
//!
//! # Which picture the engine looks at
//! Every frame that is shown to the engine comes with the number of its scene (see `view`), and the
//! engine looks only where it does not have that scene in hand; nothing here knows what it has. So
//! a question about what is being captioned evaluates no picture. With the gate on, the engine may
//! keep the picture in hand where a frame differs from it by a camera's noise alone, which is a
//! finer measure than the gate's.
//!
//! # What interrupts what
//! A question to any view and another model stop a running caption within one token; another
//! source, instruction or prefix and a pause do so where they are its own view's. It is taken up
//! again, on the newest frame, past the gate. Another model, instruction or prefix also makes a
//! finished caption out of date: the next frame is captioned even if it is unchanged, and where
//! none comes, the last one again. A running answer is stopped only by `cancel_answer`, another
//! model and the end.
//!
//! # What ends what
//! Every `Began` is followed by one `Captioned`, `Answered` or `RequestFailed` of the same, or by a
//! `Failed` of this thread. A frame that made the engine fail is not tried again; the next one is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select};
use vlm::{Cancel, Reply, Stop};

use crate::base::message::Message;
use crate::base::slot::Slot;
use crate::engine::{Limits, Shown, Task, Turn, ViewOptions};
use crate::live::events::{Caption, Event, Question, Told, Worker};
use crate::live::frame::Frame;
use crate::live::host::{Failure, Host, Order};
use crate::live::outbox::Outbox;
use crate::live::shared::Shared;
use crate::live::turns;
use crate::live::view::{Candidate, Polled, View};

/// The rest after a caption whose request failed: every frame of the view would fail alike, and say
/// so.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A question to a view that waits for the engine.
pub struct Waiting {
    pub view: usize,
    pub question: Question,
    pub cancel: Cancel,
}

/// Everything that the inference thread shares with the others.
pub struct Links {
    pub shared: Arc<Shared>,
    pub engines: Slot<Order>,
    pub questions: Receiver<Waiting>,
    /// Rings when something shared changed.
    pub bell: Receiver<()>,
    /// Disconnected when the pipeline stops.
    pub stop: Receiver<Infallible>,
}

/// The state of the inference thread.
pub struct Inference {
    links: Links,
    outbox: Outbox,
    host: Host,
    views: Vec<View>,
}

impl Inference {
    pub fn new(links: Links, outbox: Outbox, views: Vec<View>) -> Self {
        Self { links, outbox, host: Host::default(), views }
    }

    /// Works until the pipeline stops.
    pub fn run(mut self) {
        while !self.links.shared.is_stopped() {
            self.take_orders();
            if self.host.due().is_some_and(|at| at <= Instant::now()) {
                self.open();
            } else if let Some(waiting) = self.next_question() {
                self.answer(waiting);
            } else if let Some((view, next)) = self.next_turn() {
                self.caption(view, next);
            } else {
                self.finish_sources();
                self.wait();
            }
        }
        self.host.close();
    }

    /// Takes over what was ordered since the last look.
    fn take_orders(&mut self) {
        while self.links.bell.try_recv().is_ok() {}
        if let Some(order) = self.links.engines.take() {
            self.views.iter_mut().for_each(View::forget_engine);
            self.host.replace(order);
        }
        let now = Instant::now();
        self.views.iter_mut().for_each(|view| view.take_orders(now));
    }

    fn open(&mut self) {
        if let Some(model) = self.host.model() {
            tracing::info!(%model, "opening the model");
            self.outbox.send(None, Event::ModelLoading { model: model.clone() });
        }
        match self.host.open() {
            Ok(card) => self.outbox.send(None, Event::ModelReady(card)),
            Err(failure) => self.report(None, failure),
        }
    }

    /// Whether a question can be dealt with now: by an answer, or by saying that there is no model.
    fn may_answer(&self) -> bool {
        self.host.is_ready() || self.host.is_absent()
    }

    fn next_question(&self) -> Option<Waiting> {
        if self.may_answer() { self.links.questions.try_recv().ok() } else { None }
    }

    /// The frame whose turn it is, and its view's number.
    fn next_turn(&mut self) -> Option<(usize, Candidate)> {
        if !self.host.is_ready() {
            return None;
        }
        let now = Instant::now();
        let mut waiting = Vec::with_capacity(self.views.len());
        for (number, view) in self.views.iter_mut().enumerate() {
            if !view.may_caption(now) {
                waiting.push(None);
                continue;
            }
            if let Polled::PassedOver(skipped) = view.poll(now) {
                self.outbox.offer(Some(number), Event::Unchanged { skipped });
            }
            waiting.push(view.waiting());
        }
        let turn = turns::next(&waiting, now)?;
        let next = self.views[turn].take()?;
        for (number, view) in self.views.iter_mut().enumerate() {
            if number != turn && waiting[number].is_some() {
                view.passed_by();
            }
        }
        Some((turn, next))
    }

    fn caption(&mut self, number: usize, next: Candidate) {
        let cancel = self.links.shared.begin_caption(number);
        if self.has_orders(number, &next.seen.frame) {
            self.views[number].put_back(next);
        } else {
            self.caption_until(number, next, &cancel);
        }
        self.links.shared.end_caption();
    }

    /// Whether something came in between that goes before a caption of `frame`. Asked after the
    /// caption's flag was registered: what comes later raises it.
    fn has_orders(&self, number: usize, frame: &Frame) -> bool {
        !self.links.questions.is_empty()
            || !self.links.engines.is_empty()
            || !self.links.bell.is_empty()
            || self.links.shared.is_stopped()
            || !self.views[number].is_of_this_source(frame)
    }

    fn caption_until(&mut self, number: usize, next: Candidate, cancel: &Cancel) {
        let frame = Arc::clone(&next.seen.frame);
        let of = Told::Caption { frame: frame.id };
        let view = &mut self.views[number];
        let (scene, prompt) = (view.begin_scene(&next.seen), view.instruction.clone());
        let began = Instant::now();
        let told = self.tell(number, of, &frame, scene, &prompt, cancel);
        let view = &mut self.views[number];
        match told {
            Ok(reply) => {
                let now = Instant::now();
                let age = now.saturating_duration_since(frame.captured_at);
                let (dropped, skipped) = view.counts();
                if reply.stop == Stop::Cancelled {
                    view.put_back(next);
                } else {
                    view.captioned(next.seen, now);
                    view.rest_until = Some(began + view.least_interval);
                    self.host.worked();
                }
                self.outbox.send(Some(number), Event::Captioned(Caption { frame, reply, age, dropped, skipped }));
            }
            Err(failure) => {
                view.rest_until = Some(began + REST_AFTER_FAILURE.max(view.least_interval));
                self.report(Some((number, of)), failure);
            }
        }
    }

    fn answer(&mut self, waiting: Waiting) {
        let Waiting { view, question, cancel } = waiting;
        let of = Told::Answer(question.id);
        if self.host.is_absent() {
            let message = Message::new("The question can't be answered while no model is loaded.");
            return self.report(Some((view, of)), Failure::Request(message.hint("Choose a model and ask again.")));
        }
        let scene = self.views[view].scene_of(&question.frame);
        match self.tell(view, of, &question.frame, scene, &question.text, &cancel) {
            Ok(reply) => {
                self.host.worked();
                self.outbox.send(Some(view), Event::Answered { question, reply });
            }
            Err(failure) => self.report(Some((view, of)), failure),
        }
    }

    /// Has the engine tell what is wanted of it about a frame that shows this scene.
    fn tell(
        &mut self,
        number: usize,
        of: Told,
        frame: &Frame,
        scene: u64,
        prompt: &str,
        cancel: &Cancel,
    ) -> Result<Reply, Failure> {
        self.outbox.send(Some(number), Event::Began(of));
        let Self { host, outbox, views, .. } = self;
        let view = &mut views[number];
        let shown = Shown { pictures: &[&frame.image], scene: Some(scene), reuse: view.reuse() };
        let task = match of {
            Told::Caption { .. } => Task::Caption { shown, instruction: prompt },
            Told::Answer(_) => Task::Answer { shown, question: prompt },
        };
        let limits = Limits::tokens(view.max_tokens);
        let mut cost = None;
        let told = host.call(|engine| {
            if let Some(outdated) = view.outdated_id.take() {
                engine.close_view(outdated);
            }
            let open = if let Some(open) = view.engine_id {
                open
            } else {
                let prefix = view.prefix.turns();
                *view.engine_id.insert(engine.open_view(ViewOptions { prefix: &prefix, tiling: view.tiling })?)
            };
            let turn = Turn { view: open, task, limits };
            let reply = engine.reply(turn, cancel, &mut |piece| outbox.text(number, of, piece))?;
            cost = engine.prefix_cost(open).filter(|_| view.owes_cost);
            Ok(reply)
        });
        if let Some(cost) = cost {
            view.owes_cost = false;
            outbox.send(Some(number), Event::PrefixRead(cost));
        }
        if !host.is_ready() {
            views.iter_mut().for_each(View::lose_engine);
        }
        told
    }

    /// Says what failed, and what was being told.
    fn report(&mut self, of: Option<(usize, Told)>, failure: Failure) {
        match (failure, of) {
            (Failure::Request(message), Some((view, of))) => {
                self.outbox.send(Some(view), Event::RequestFailed { of, message });
            }
            (Failure::Request(message), None) => {
                self.outbox.send(None, Event::Failed { worker: Worker::Inference, message, retry_in: None });
            }
            (Failure::Engine { message, retry_in }, _) => {
                tracing::warn!("the model failed: {message}");
                self.outbox.send(None, Event::Failed { worker: Worker::Inference, message, retry_in });
            }
        }
    }

    /// Says which sources are done with: those that ended, of which no frame waits.
    fn finish_sources(&mut self) {
        for (number, view) in self.views.iter().enumerate() {
            if view.is_done() {
                self.outbox.send(Some(number), Event::Done);
            }
        }
    }

    /// Waits for something to do.
    fn wait(&self) {
        let now = Instant::now();
        let mut select = Select::new();
        select.recv(&self.links.stop);
        select.recv(&self.links.bell);
        select.recv(self.links.engines.receiver());
        if self.may_answer() {
            select.recv(&self.links.questions);
        }
        if self.host.is_ready() {
            for view in self.views.iter().filter(|view| view.may_caption(now)) {
                select.recv(view.shared.frames.receiver());
            }
        }
        let rests = self.views.iter().filter_map(|view| view.rest_until);
        match self.host.due().into_iter().chain(rests).min() {
            // A time-out is one of the things waited for.
            Some(deadline) => drop(select.ready_deadline(deadline)),
            None => drop(select.ready()),
        }
    }
}

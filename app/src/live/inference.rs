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
//! A question stops a running caption within one token: that of any view where the engine does one
//! thing at a time, and otherwise its own view's, or where no lane is free the youngest. Another
//! model stops all; another source, instruction or prefix and a pause do so where they are its own
//! view's. It is taken up again, on the newest frame, past the gate. Another model, instruction or
//! prefix also makes a finished caption out of date: the next frame is captioned even if it is
//! unchanged, and where none comes, the last one again. A running answer is stopped only by
//! `cancel_answer`, another model and the end.
//!
//! # One at a time, or several
//! An engine that takes several requests at a time gets lanes, a thread each (see `lanes`); this
//! thread hands out turns and takes back what came of them, one request a view at most. Any other
//! engine is asked here, and nothing lies between it and the turn.
//!
//! # What ends what
//! Every `Began` is followed by one `Captioned`, `Answered` or `RequestFailed` of the same, or by a
//! `Failed` of this thread. A frame that made the engine fail is not tried again; the next one is.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select};
use vlm::{Cancel, Reply, Stop};

use crate::base::message::Message;
use crate::base::slot::Slot;
use crate::live::events::{Caption, Event, Question, Told, Worker};
use crate::live::frame::Frame;
use crate::live::host::{Failure, Host, Order, Trouble};
use crate::live::lanes::{Done, Job, Lanes, Outcome, What};
use crate::live::outbox::Outbox;
use crate::live::pulse::{Lease, Pulse};
use crate::live::shared::{Shared, lock};
use crate::live::turns;
use crate::live::view::{Candidate, Polled, Seed, View};

/// The rest after a caption whose request failed: every frame of the view would fail alike, and say
/// so.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Until the look that decides about a doubted caption: long enough for another picture, short
/// enough for nobody to wait.
const REST_IN_DOUBT: Duration = Duration::from_millis(250);

/// How long a model may take to be opened: some gigabytes from a slow disk.
const MOST_OPENING: Duration = Duration::from_mins(10);
/// How long an engine may not look at its flag before it hangs: it promises to look between layers,
/// which take a second on a slow machine.
const MOST_SILENCE: Duration = Duration::from_mins(1);

/// A question to a view that waits for the engine.
pub struct Waiting {
    pub view: usize,
    pub question: Question,
    pub cancel: Cancel,
}

/// Everything that the inference thread shares with the others.
#[derive(Clone)]
pub struct Links {
    pub shared: Arc<Shared>,
    /// All views; those that are added come last.
    pub seeds: Arc<Mutex<Vec<Seed>>>,
    pub engines: Slot<Order>,
    pub questions: Receiver<Waiting>,
    /// Rings when something shared changed.
    pub bell: Receiver<()>,
    /// Disconnected when the pipeline stops.
    pub stop: Receiver<Infallible>,
    /// Over when another thread has taken its place.
    pub lease: Lease,
    pub pulse: Arc<Pulse>,
}

/// The state of the inference thread.
pub struct Inference {
    links: Links,
    outbox: Outbox,
    host: Host,
    /// Where the engine takes several requests at a time.
    lanes: Option<Lanes>,
    /// How many it takes.
    parallel: usize,
    views: Vec<View>,
    /// A question that waits for the request of its own view to end.
    held: Option<Waiting>,
}

impl Inference {
    pub fn new(links: Links, outbox: Outbox) -> Self {
        Self { links, outbox, host: Host::default(), lanes: None, parallel: 1, views: Vec::new(), held: None }
    }

    /// Works until the pipeline stops.
    pub fn run(mut self) {
        while self.goes_on() {
            self.take_orders();
            while let Some(done) = self.lanes.as_mut().and_then(Lanes::take) {
                self.finish(done);
            }
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
        self.end_lanes();
        self.host.close();
    }

    /// Whether it is still wanted.
    fn goes_on(&self) -> bool {
        !self.links.shared.is_stopped() && self.links.lease.is_valid()
    }

    /// Takes over what was ordered since the last look.
    fn take_orders(&mut self) {
        while self.links.bell.try_recv().is_ok() {}
        if let Some(order) = self.links.engines.take() {
            self.end_lanes();
            self.views.iter_mut().for_each(View::forget_engine);
            self.host.replace(order);
        }
        let known = self.views.len();
        self.views.extend(lock(&self.links.seeds).iter().skip(known).map(View::new));
        if self.views.len() > known && self.host.is_ready() {
            self.add_lanes();
        }
        let now = Instant::now();
        let Self { views, host, .. } = self;
        for view in views {
            view.take_orders(now);
            // Lanes have views of servers alone, which hold nothing for them.
            if view.opened.is_open() && !view.is_asking && view.shared.vacant.load(Ordering::SeqCst) {
                let closed = host.call(|engine| {
                    view.opened.close(engine);
                    Ok(())
                });
                if closed.is_err() {
                    view.lose_engine();
                }
            }
        }
    }

    /// Opens as many lanes as there may be requests under way: one a view at most, and as many as
    /// the engine takes.
    fn add_lanes(&mut self) {
        let wanted = self.parallel.min(self.views.len());
        let there = self.lanes.as_ref().map_or(0, Lanes::count);
        if wanted < 2 || wanted <= there {
            return;
        }
        let hands = self.host.hands(wanted - there);
        let mut lanes = self.lanes.take().unwrap_or_else(|| Lanes::new(self.parallel));
        lanes.add(hands, &self.outbox);
        self.lanes = Some(lanes).filter(|lanes| lanes.count() > 0);
        self.links.shared.set_lanes(self.lanes.as_ref().map_or(1, Lanes::count));
    }

    fn open(&mut self) {
        if let Some(model) = self.host.model() {
            tracing::info!(%model, "opening the model");
            self.outbox.send(None, Event::ModelLoading { model: model.clone() });
        }
        let Self { links, host, .. } = self;
        let opened = links.pulse.watch(MOST_OPENING, None, || host.open());
        if !self.links.lease.is_valid() {
            return;
        }
        match opened {
            Ok(card) => {
                self.parallel = card.can.parallel;
                self.links.shared.set_lanes(1);
                self.add_lanes();
                self.outbox.send(None, Event::ModelReady(card));
            }
            Err(failure) => self.report(None, failure),
        }
    }

    /// Stops what is under way in the lanes, and closes them.
    fn end_lanes(&mut self) {
        let Some(mut lanes) = self.lanes.take() else { return };
        self.links.shared.set_lanes(1);
        for Done { job, told } in lanes.stop() {
            // An engine that fails says so once.
            let told = told.or_else(|trouble| match trouble {
                Trouble::Engine(_) => Ok(Outcome { reply: Reply::cancelled(), cost: None }),
                request @ Trouble::Request(_) => Err(request),
            });
            self.finish(Done { job, told });
        }
        // Of a lane that hangs nothing comes back.
        for (number, view) in self.views.iter_mut().enumerate() {
            view.is_asking = false;
            self.links.shared.end_caption(number);
        }
    }

    /// Whether another request may begin.
    fn has_room(&self) -> bool {
        self.lanes.as_ref().is_none_or(Lanes::has_room)
    }

    /// Whether a question can be dealt with now: by an answer, or by saying that there is no model.
    fn may_answer(&self) -> bool {
        self.held.is_none() && self.has_room() && (self.host.is_ready() || self.host.is_absent())
    }

    fn next_question(&mut self) -> Option<Waiting> {
        if self.may_answer() {
            self.held = self.links.questions.try_recv().ok();
        }
        let is_free = |waiting: &mut Waiting| !self.views[waiting.view].is_asking;
        if self.has_room() { self.held.take_if(is_free) } else { None }
    }

    /// The frame whose turn it is, and its view's number.
    fn next_turn(&mut self) -> Option<(usize, Candidate)> {
        if !self.host.is_ready() || !self.has_room() {
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
        let view = &mut self.views[number];
        if has_orders(&self.links, self.held.is_some(), view, &next.seen.frame) {
            view.put_back(next);
            return self.links.shared.end_caption(number);
        }
        let (scene, prompt) = (view.begin_scene(&next.seen), view.instruction.clone());
        self.begin(number, What::Caption(next), Some(scene), prompt, cancel);
    }

    fn answer(&mut self, waiting: Waiting) {
        let Waiting { view, question, cancel } = waiting;
        if self.host.is_absent() {
            let message = Message::new("The question can't be answered while no model is loaded.");
            let message = message.hint("Choose a model and ask again.");
            return self.report(Some((view, Told::Answer(question.id))), Failure::Request(message));
        }
        // Cut otherwise, its picture is nothing that captions look at.
        let is_alike = question.talk.tiling == self.views[view].tiling && question.talk.before.is_empty();
        let scene = if is_alike { self.views[view].scene_of(&question.frame) } else { None };
        self.begin(view, What::Answer(question), scene, String::new(), cancel);
    }

    /// Has the engine tell what is wanted of it about a frame that shows this scene: here, or in a
    /// lane. `prompt` is a caption's instruction.
    fn begin(&mut self, number: usize, what: What, scene: Option<u64>, prompt: String, cancel: Cancel) {
        let view = &mut self.views[number];
        let (reuse, max_tokens, began) = (view.reuse(), view.max_tokens, Instant::now());
        let (prefix, tiling) = (Arc::clone(&view.prefix), view.tiling);
        let (asides, steady, keep_views) = (Arc::clone(&view.asides), view.steady(), view.keep_views);
        let job = Job {
            view: number,
            what,
            scene,
            reuse,
            prefix,
            tiling,
            prompt,
            max_tokens,
            asides,
            steady,
            keep_views,
            cancel,
            began,
        };
        self.outbox.send(Some(number), Event::Began(job.of()));
        view.is_asking = true;
        if let Some(lanes) = &mut self.lanes {
            return lanes.begin(job);
        }
        let Self { links, host, outbox, .. } = self;
        let told = links.pulse.watch(MOST_SILENCE, Some(&job.cancel), || {
            host.call(|engine| job.carry_out(engine, &mut view.opened, outbox))
        });
        // Where it hung, another tells what comes next.
        if self.links.lease.is_valid() {
            self.finish(Done { job, told });
        }
    }

    /// Says what came of a job.
    fn finish(&mut self, Done { job, told }: Done) {
        let (number, of) = (job.view, job.of());
        self.links.shared.end_caption(number);
        let view = &mut self.views[number];
        view.is_asking = false;
        let told = told.map(|Outcome { reply, cost }| {
            // That of another prefix by now would mislead.
            if let Some(cost) = cost.filter(|_| view.owes_cost && Arc::ptr_eq(&view.prefix, &job.prefix)) {
                view.owes_cost = false;
                self.outbox.send(Some(number), Event::PrefixRead(cost));
            }
            reply
        });
        match (job.what, told) {
            (What::Caption(next), Ok(reply)) => {
                let now = Instant::now();
                let frame = Arc::clone(&next.seen.frame);
                let age = now.saturating_duration_since(frame.captured_at);
                let (dropped, skipped) = view.counts();
                if reply.stop == Stop::Cancelled {
                    view.put_back(next);
                } else if reply.is_doubted {
                    // The newest frame decides; this one, where none has come.
                    view.put_back(next);
                    view.rest_until = Some(job.began + REST_IN_DOUBT.max(view.least_interval));
                    self.host.worked();
                } else {
                    view.captioned(next.seen, now);
                    view.rest_until = Some(job.began + view.least_interval);
                    self.host.worked();
                }
                self.outbox.send(Some(number), Event::Captioned(Caption { frame, reply, age, dropped, skipped }));
            }
            (What::Answer(question), Ok(reply)) => {
                self.host.worked();
                self.outbox.send(Some(number), Event::Answered { question, reply });
            }
            (what, Err(trouble)) => {
                if let What::Caption(_) = what {
                    view.rest_until = Some(job.began + REST_AFTER_FAILURE.max(view.least_interval));
                }
                if let Trouble::Engine(_) = &trouble {
                    self.end_lanes();
                    self.views.iter_mut().for_each(View::lose_engine);
                }
                let failure = self.host.failure(trouble);
                self.report(Some((number, of)), failure);
            }
        }
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
        if let Some(lanes) = &self.lanes {
            select.recv(lanes.done());
        }
        if self.host.is_ready() && self.has_room() {
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

/// Whether something came in between that goes before a caption of `frame`. Asked after the
/// caption's flag was registered: what comes later raises it.
fn has_orders(links: &Links, is_held: bool, view: &View, frame: &Frame) -> bool {
    // Behind a question that is held, others wait anyhow.
    !(is_held || links.questions.is_empty())
        || !links.engines.is_empty()
        || !links.bell.is_empty()
        || links.shared.is_stopped()
        || !view.is_of_this_source(frame)
}

//! A source and an engine that do as a test tells them. They keep the contracts of the real ones: a
//! source comes back within 100 ms, an engine stops within one word.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use image::{Rgb, RgbImage};
use vlm::{Along, Cancel, Draft, Part, Piece, Reply, Reuse, Scored, Scores, Stop, Tiling, Timings};

use crate::base::message::Message;
use crate::capture::{Next, Source, SourceError};
use crate::engine::prefix::PrefixCost;
use crate::engine::{
    Capabilities, Engine, EngineCard, EngineError, Forget, Limits, Shown, Task, Turn, ViewId, ViewOptions,
};
use crate::live::shared::lock;
use crate::live::{OpenEngine, OpenSource};

/// The red of the picture that a source gives which hung.
pub const HUNG: u8 = 255;
/// The word that a held caption repeats until it is let go.
pub const HELD_WORD: &str = "still ";

/// A small picture of one colour. The fake engine calls it by its red value.
pub fn picture(red: u8) -> RgbImage {
    RgbImage::from_pixel(64, 48, Rgb([red, 80, 80]))
}

/// What a fake source does next.
pub enum Step {
    Picture(RgbImage),
    Ended,
    /// Fails; opening it again may help.
    Lost(&'static str),
    /// Fails for good.
    Broken(&'static str),
    Panic(&'static str),
    /// Breaks its promise: comes back only when the sender is dropped.
    Hang(Receiver<Infallible>),
}

/// The test's end of a fake source, over all the times that it is opened.
#[derive(Clone)]
pub struct SourceScript {
    steps: Sender<Step>,
    taken: Receiver<Step>,
    is_live: bool,
    /// How many times to refuse before opening.
    pub refuse: Arc<AtomicUsize>,
    /// How many times it was opened.
    pub opened: Arc<AtomicUsize>,
    /// How many times it was closed.
    pub closed: Arc<AtomicUsize>,
}

impl SourceScript {
    /// A source like a camera.
    pub fn live() -> Self {
        Self::new(true)
    }

    /// A source like a folder of pictures.
    pub fn patient() -> Self {
        Self::new(false)
    }

    fn new(is_live: bool) -> Self {
        let (steps, taken) = bounded(1024);
        Self { steps, taken, is_live, refuse: Arc::default(), opened: Arc::default(), closed: Arc::default() }
    }

    /// Lets the source do this after what it was told before.
    pub fn then(&self, step: Step) -> &Self {
        assert!(self.steps.try_send(step).is_ok(), "the script has room");
        self
    }

    /// Lets the source give this picture.
    pub fn show(&self, red: u8) -> &Self {
        self.then(Step::Picture(picture(red)))
    }

    /// Whether it was told nothing that it has not begun to do.
    pub fn is_drained(&self) -> bool {
        self.taken.is_empty()
    }

    /// For [`Pipeline::set_source`](crate::live::Pipeline::set_source).
    pub fn open(&self) -> OpenSource {
        let script = self.clone();
        Box::new(move || {
            if script.refuse.load(Ordering::SeqCst) > 0 {
                script.refuse.fetch_sub(1, Ordering::SeqCst);
                return Err(SourceError::passing(Message::new("The camera is busy.")));
            }
            script.opened.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(FakeSource { script: script.clone() }))
        })
    }
}

struct FakeSource {
    script: SourceScript,
}

impl Drop for FakeSource {
    fn drop(&mut self) {
        self.script.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Source for FakeSource {
    fn name(&self) -> String {
        "Fake camera".to_owned()
    }

    fn is_live(&self) -> bool {
        self.script.is_live
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        match self.script.taken.recv_timeout(Duration::from_millis(100)) {
            Err(_) => Ok(Next::Nothing),
            Ok(Step::Picture(picture)) => Ok(Next::Picture(picture)),
            Ok(Step::Ended) => Ok(Next::Ended),
            Ok(Step::Lost(message)) => Err(SourceError::passing(Message::new(message))),
            Ok(Step::Broken(message)) => Err(SourceError::lasting(Message::new(message))),
            Ok(Step::Panic(message)) => panic!("{message}"),
            Ok(Step::Hang(released)) => {
                let _ = released.recv();
                Ok(Next::Picture(picture(HUNG)))
            }
        }
    }
}

/// What a fake engine was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Looked at the picture with this red value.
    Look(u8),
    /// The same, where one that differs by noise would not have been looked at.
    LookIfNew(u8),
    /// Captioned, by this instruction.
    Caption(String),
    /// Answered this question.
    Ask(String),
    /// Opened a view behind a prefix of so many turns.
    OpenBehind(usize),
    /// Opened a view whose pictures are cut into tiles.
    OpenTiled,
    /// Closed a view.
    Close,
}

/// How a fake engine fails.
#[derive(Clone, Copy, Debug)]
pub enum EngineFault {
    /// The request is refused; the engine goes on.
    Request(&'static str),
    /// The engine fails and has to be opened again.
    Engine(&'static str),
    Panic(&'static str),
}

/// The test's end of a fake engine, over all the times that it is opened.
#[derive(Clone, Default)]
pub struct EngineScript {
    calls: Arc<Mutex<Vec<Call>>>,
    faults: Arc<Mutex<VecDeque<EngineFault>>>,
    /// Coming captions and answers, and coming openings, that end when the sender is dropped.
    hangs: Arc<Mutex<VecDeque<Receiver<Infallible>>>>,
    hangs_opening: Arc<Mutex<Option<Receiver<Infallible>>>>,
    /// How many requests hung so far.
    pub hung: Arc<AtomicUsize>,
    /// Why opening it fails.
    refuse: Arc<Mutex<Option<&'static str>>>,
    /// While it is set, captions go on for ever.
    hold: Arc<AtomicBool>,
    /// While it is set, answers go on for ever.
    hold_answers: Arc<AtomicBool>,
    pause: Duration,
    /// How many requests it takes at a time.
    parallel: usize,
    /// It tells how likely answers are: "yes" by the red of the picture.
    scores: bool,
    /// What it says in the place of its usual words.
    words: Arc<Mutex<BTreeMap<String, String>>>,
    /// Captions in whose place the last one may have stayed.
    pub may_stay: Arc<AtomicUsize>,
    /// Coming captions that are kept in doubt.
    pub doubts: Arc<AtomicUsize>,
    /// Requests that are under way, and the most that ever were.
    under_way: Arc<(AtomicUsize, AtomicUsize)>,
    /// How many times it was opened.
    pub opened: Arc<AtomicUsize>,
}

impl EngineScript {
    /// An engine like a server, which takes so many requests at a time.
    pub fn parallel(parallel: usize) -> Self {
        Self { parallel, ..Self::default() }
    }

    /// An engine that tells how likely answers are: the first two of four by the picture's red.
    pub fn scoring() -> Self {
        Self { scores: true, ..Self::default() }
    }

    /// Requests that are under way, and the most that ever were.
    pub fn under_way(&self) -> (usize, usize) {
        (self.under_way.0.load(Ordering::SeqCst), self.under_way.1.load(Ordering::SeqCst))
    }

    /// An engine that takes this long for a word.
    pub fn with_pause(pause: Duration) -> Self {
        Self { pause, ..Self::default() }
    }

    /// Keeps captions from ending, or lets them end.
    pub fn hold_captions(&self, hold: bool) {
        self.hold.store(hold, Ordering::SeqCst);
    }

    /// Keeps answers from ending, or lets them end.
    pub fn hold_answers(&self, hold: bool) {
        self.hold_answers.store(hold, Ordering::SeqCst);
    }

    /// Fails a coming caption or answer this way: the next one, after the faults set before.
    pub fn fail(&self, fault: EngineFault) {
        lock(&self.faults).push_back(fault);
    }

    /// Breaks its promise in a coming caption or answer: comes back, without having looked at its
    /// flag, when the sender is dropped.
    pub fn hang(&self, released: Receiver<Infallible>) {
        lock(&self.hangs).push_back(released);
    }

    /// The same the next time it is opened.
    pub fn hang_opening(&self, released: Receiver<Infallible>) {
        *lock(&self.hangs_opening) = Some(released);
    }

    /// Refuses to open from now on, or opens again.
    pub fn refuse(&self, why: Option<&'static str>) {
        *lock(&self.refuse) = why;
    }

    /// Says this in the place of these words, which would be a caption or answer of its.
    pub fn say_instead(&self, usual: &str, words: &str) {
        lock(&self.words).insert(usual.to_owned(), words.to_owned());
    }

    /// Everything that it was asked to do so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// For [`Pipeline::set_engine`](crate::live::Pipeline::set_engine).
    pub fn open(&self) -> OpenEngine {
        let script = self.clone();
        Box::new(move || {
            if let Some(why) = *lock(&script.refuse) {
                return Err(EngineError::lasting(Message::new(why)));
            }
            script.opened.fetch_add(1, Ordering::SeqCst);
            let hangs = lock(&script.hangs_opening).take();
            if let Some(released) = hangs {
                let _ = released.recv();
            }
            Ok(Box::new(FakeEngine { script: script.clone(), views: Vec::new() }))
        })
    }
}

/// The caption of the fake engine for a picture.
pub fn caption_of(red: u8) -> String {
    format!("A view of {red}.")
}

/// The answer of the fake engine to a question about a picture.
pub fn answer_of(question: &str, red: u8) -> String {
    format!("{question} Only {red}.")
}

struct FakeEngine {
    script: EngineScript,
    views: Vec<FakeView>,
}

#[derive(Default)]
struct FakeView {
    /// What it has in hand: the number of a scene and the red of its picture.
    in_hand: Option<(Option<u64>, u8)>,
    /// The red of the picture that its conversation is about.
    about: Option<u8>,
}

impl FakeEngine {
    fn tell(
        &self,
        text: &str,
        hold: &AtomicBool,
        limits: Limits,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        let hangs = lock(&self.script.hangs).pop_front();
        if let Some(released) = hangs {
            self.script.hung.fetch_add(1, Ordering::SeqCst);
            let _ = released.recv();
        }
        match lock(&self.script.faults).pop_front() {
            None => {}
            Some(EngineFault::Request(why)) => return Err(EngineError::request(Message::new(why))),
            Some(EngineFault::Engine(why)) => return Err(EngineError::lasting(Message::new(why))),
            Some(EngineFault::Panic(why)) => panic!("{why}"),
        }
        let mut reply = Reply {
            text: String::new(),
            token_ids: Vec::new(),
            prompt_ids: vec![1, 2, 3],
            counted: None,
            stop: Stop::End,
            draft: Draft::default(),
            is_kept: false,
            is_doubted: false,
            mean_log_prob: Some(-0.25),
            timings: Timings::default(),
        };
        let instead = lock(&self.script.words).get(text).cloned();
        let mut words = instead.as_deref().unwrap_or(text).split_inclusive(' ');
        loop {
            if cancel.is_cancelled() {
                reply.stop = Stop::Cancelled;
                break;
            }
            let word = if hold.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
                HELD_WORD
            } else if let Some(word) = words.next() {
                word
            } else {
                break;
            };
            if !hold.load(Ordering::SeqCst) && reply.token_ids.len() >= limits.max_tokens {
                reply.stop = Stop::Length;
                break;
            }
            thread::sleep(self.script.pause);
            reply.token_ids.push(word.len() as u32);
            reply.text.push_str(word);
            on_text(word);
        }
        Ok(reply)
    }

    /// Has a view look, unless it has this scene in hand. Gives the red of what is then in hand.
    fn look(&mut self, view: ViewId, shown: Shown<'_>) -> u8 {
        let view = &mut self.views[view.0 as usize];
        if let Some((scene, red)) = view.in_hand
            && scene.is_some()
            && scene == shown.scene
        {
            return red;
        }
        let red = shown.pictures[0].get_pixel(0, 0).0[0];
        let call = if shown.reuse == Reuse::IfIdentical { Call::Look(red) } else { Call::LookIfNew(red) };
        lock(&self.script.calls).push(call);
        view.in_hand = Some((shown.scene, red));
        red
    }

    fn add(&mut self, view: FakeView) -> ViewId {
        self.views.push(view);
        ViewId(self.views.len() as u32 - 1)
    }
}

fn red_of(part: &Part) -> Option<u8> {
    match part {
        Part::Picture(picture) => Some(picture.get_pixel(0, 0).0[0]),
        Part::Text(_) => None,
    }
}

/// Counts a request that is over, however it ended.
struct Over<'a>(&'a AtomicUsize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine for FakeEngine {
    fn card(&self) -> EngineCard {
        EngineCard {
            model: "fake".to_owned(),
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            can: Capabilities { parallel: self.script.parallel, scores: self.script.scores, ..Capabilities::default() },
            ..EngineCard::default()
        }
    }

    fn another(&self) -> Option<Box<dyn Engine>> {
        let another = || FakeEngine { script: self.script.clone(), views: Vec::new() };
        (self.script.parallel > 1).then(|| Box::new(another()) as Box<dyn Engine>)
    }

    fn open_view(&mut self, options: ViewOptions<'_>) -> Result<ViewId, EngineError> {
        if !options.prefix.is_empty() {
            lock(&self.script.calls).push(Call::OpenBehind(options.prefix.len()));
        }
        if options.tiling == Tiling::Split {
            lock(&self.script.calls).push(Call::OpenTiled);
        }
        let shown = options.prefix.iter().flat_map(|turn| &turn.parts).filter_map(red_of).next_back();
        Ok(self.add(FakeView { in_hand: None, about: shown }))
    }

    fn open_beside(&mut self, view: ViewId, shown: Shown<'_>, cancel: &Cancel) -> Result<Option<ViewId>, EngineError> {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let about = Some(self.look(view, shown));
        Ok(Some(self.add(FakeView { in_hand: None, about })))
    }

    fn close_view(&mut self, view: ViewId) {
        lock(&self.script.calls).push(Call::Close);
        self.views[view.0 as usize] = FakeView::default();
    }

    fn prefix_cost(&self, _: ViewId) -> Option<PrefixCost> {
        Some(PrefixCost { tokens: 12, took: Duration::from_millis(34) })
    }

    fn forget(&mut self, _: ViewId, _: Forget) {}

    fn score(
        &mut self,
        view: ViewId,
        shown: Shown<'_>,
        questions: &[Scored<'_>],
        _: &Cancel,
    ) -> Result<Option<Vec<Scores>>, EngineError> {
        let yes = (f32::from(self.look(view, shown)) / 255.0).clamp(0.01, 0.99);
        let log_probs = vec![yes.ln(), f32::NEG_INFINITY, (1.0 - yes).ln(), f32::NEG_INFINITY];
        let scores = Scores { log_probs, tokens: vec![1; 4] };
        Ok(Some(vec![scores; questions.len()]))
    }

    fn reply_along(
        &mut self,
        turn: Turn<'_>,
        along: Along<'_>,
        cancel: &Cancel,
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Result<Reply, EngineError> {
        self.script.may_stay.fetch_add(usize::from(along.steady.is_some()), Ordering::SeqCst);
        if let (Some(shown), false) = (turn.task.shown(), along.questions.is_empty())
            && let Some(scores) = self.score(turn.view, shown, along.questions, cancel)?
        {
            on_piece(Piece::Scores(scores));
        }
        self.reply(turn, cancel, &mut |text| on_piece(Piece::Text(text)))
    }

    fn reply(&mut self, turn: Turn<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError> {
        let Turn { view, task, limits } = turn;
        let counts = Arc::clone(&self.script.under_way);
        counts.1.fetch_max(counts.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _over = Over(&counts.0);
        match task {
            Task::Caption { shown, instruction } => {
                let text = caption_of(self.look(view, shown));
                lock(&self.script.calls).push(Call::Caption(instruction.to_owned()));
                let reply = self.tell(&text, &self.script.hold, limits, cancel, on_text)?;
                let doubts = |left: usize| left.checked_sub(1);
                let is_doubted = self.script.doubts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, doubts).is_ok();
                Ok(Reply { is_kept: is_doubted, is_doubted, ..reply })
            }
            Task::Answer { shown, question } => {
                let text = answer_of(question, self.look(view, shown));
                lock(&self.script.calls).push(Call::Ask(question.to_owned()));
                self.tell(&text, &self.script.hold_answers, limits, cancel, on_text)
            }
            Task::Say { parts, .. } => {
                if let Some(red) = parts.iter().find_map(red_of) {
                    lock(&self.script.calls).push(Call::Look(red));
                    self.views[view.0 as usize].about = Some(red);
                }
                let said = parts.iter().find_map(|part| match part {
                    Part::Text(words) => Some(words.as_str()),
                    Part::Picture(_) => None,
                });
                let question = said.unwrap_or_default();
                let red = self.views[view.0 as usize].about.expect("a conversation about a picture");
                let text = answer_of(question, red);
                lock(&self.script.calls).push(Call::Ask(question.to_owned()));
                self.tell(&text, &self.script.hold_answers, limits, cancel, on_text)
            }
        }
    }
}

//! A view as the inference thread holds it: which frame is to be captioned next, whether the gate
//! lets it through, and when the last caption still holds. Knows no engine and no thread; who looks
//! at the frame and when is `inference`'s.
//!
//! A caption's frame is a scene of its own. A question is about the frame that it came with: that
//! is the last scene where the gate finds it unchanged against it, and with the gate off only where
//! it is the very frame. A question about an older one leaves the view alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use vlm::{Reuse, Steadiness, Tiling};

use crate::engine::prefix::Prefix;
use crate::live::asides::Asides;
use crate::live::frame::Frame;
use crate::live::gate::{Gate, NEW_VIEW, Sketch};
use crate::live::opened::Opened;
use crate::live::settings::Settings;
use crate::live::shared::{SharedView, lock};
use crate::live::turns::Waiting;

/// What a view is made of, on this inference thread and on one that takes its place.
pub struct Seed {
    pub shared: Arc<SharedView>,
    /// Rings on the capture thread.
    pub dealt_with: Sender<()>,
    pub settings: Settings,
}

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the view")]
pub struct View {
    pub shared: Arc<SharedView>,
    /// Rings on the capture thread.
    dealt_with: Sender<()>,
    pub max_tokens: usize,
    pub least_interval: Duration,
    pub instruction: String,
    pub prefix: Arc<Prefix>,
    pub tiling: Tiling,
    /// What is asked of each new view besides.
    pub asides: Arc<Asides>,
    steady: Option<Steadiness>,
    pub keep_views: bool,
    gate: Option<Gate>,
    /// What it has open in the engine.
    pub opened: Opened,
    /// What the prefix costs is yet to be told.
    pub owes_cost: bool,
    /// A request of it is under way.
    pub is_asking: bool,
    /// The last frame that was shown to the engine as a scene of its own.
    scene: Option<Sketched>,
    /// What is to be captioned when its turn comes.
    candidate: Option<Candidate>,
    /// The frame captioned last.
    captioned: u64,
    /// The frame taken from the slot last.
    last_taken: u64,
    /// The first frame of the source of the last frame.
    first_of_source: u64,
    /// The last caption holds no more, whatever the gate says: there is another model or
    /// instruction.
    is_outdated: bool,
    /// No caption before this instant.
    pub rest_until: Option<Instant>,
    /// Since the last caption.
    dropped: u64,
    skipped: u64,
}

/// A frame with its sketch, where the gate is on.
#[derive(Clone)]
pub struct Sketched {
    pub frame: Arc<Frame>,
    sketch: Option<Sketch>,
}

/// A frame that waits for its turn.
pub struct Candidate {
    pub seen: Sketched,
    /// To be captioned even if the gate would pass it over: a caption of it was cut short, or the
    /// last one is out of date.
    must: bool,
    waiting: Waiting,
}

/// What [`View::poll`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Nothing new.
    Nothing,
    /// A frame that the gate passed over; so many since the last caption.
    PassedOver(u64),
    /// A frame that waits for its turn.
    Waits,
}

impl View {
    pub fn new(seed: &Seed) -> Self {
        Self::with(Arc::clone(&seed.shared), seed.dealt_with.clone(), seed.settings.clone())
    }

    fn with(shared: Arc<SharedView>, dealt_with: Sender<()>, settings: Settings) -> Self {
        let Settings { instruction, prefix, max_tokens, tiling, gate, least_interval, asides, steady, keep_views } =
            settings;
        // Frames that another thread had in hand, which hangs, are not waited for. One that was
        // numbered and not put yet is still to come, so that the last number does not count here.
        let first_of_source = shared.first_of_source.load(Ordering::Acquire);
        let last_taken = shared.taken.load(Ordering::Acquire).max(first_of_source.saturating_sub(1));
        Self {
            shared,
            dealt_with,
            max_tokens,
            least_interval,
            instruction,
            owes_cost: !prefix.is_empty(),
            prefix,
            tiling,
            asides,
            steady,
            keep_views,
            gate: gate.map(Gate::new),
            opened: Opened::default(),
            is_asking: false,
            scene: None,
            candidate: None,
            captioned: 0,
            last_taken,
            first_of_source,
            is_outdated: false,
            rest_until: None,
            dropped: 0,
            skipped: 0,
        }
    }

    /// There is another engine: nothing is open there, and the last caption was another's.
    pub fn forget_engine(&mut self) {
        self.lose_engine();
        self.is_outdated = true;
    }

    /// The engine is gone, and with it what was open there.
    pub fn lose_engine(&mut self) {
        self.opened = Opened::default();
        self.owes_cost = !self.prefix.is_empty();
    }

    /// It is another view from now on, of which nothing was seen; what it has open in the engine
    /// and what is under way there is still the former one's.
    fn begin_anew(&mut self, settings: Settings) {
        let (opened, is_asking) = (std::mem::take(&mut self.opened), self.is_asking);
        let anew = Self::with(Arc::clone(&self.shared), self.dealt_with.clone(), settings);
        *self = Self { opened, is_asking, ..anew };
    }

    /// Takes over what the front end changed, and tells a patient source how far this view is.
    pub fn take_orders(&mut self, now: Instant) {
        let settings = lock(&self.shared.settings).take();
        if let Some(settings) = settings {
            self.begin_anew(settings);
        }
        let instruction = lock(&self.shared.instruction);
        if *instruction != self.instruction {
            self.instruction.clone_from(&instruction);
            self.is_outdated = true;
        }
        drop(instruction);
        let prefix = Arc::clone(&lock(&self.shared.prefix));
        if prefix != self.prefix {
            self.owes_cost = !prefix.is_empty();
            self.prefix = prefix;
            self.is_outdated = true;
        }
        let tiling = *lock(&self.shared.tiling);
        if tiling != self.tiling {
            self.tiling = tiling;
            self.is_outdated = true;
        }
        if let Some(tuning) = lock(&self.shared.tuning).take() {
            (self.max_tokens, self.least_interval) = (tuning.max_tokens, tuning.least_interval);
            self.steady = tuning.steady;
            if let Some(gate) = &mut self.gate {
                gate.set_sensitivity(tuning.sensitivity);
            }
        }
        let asides = Arc::clone(&lock(&self.shared.asides));
        if !Arc::ptr_eq(&asides, &self.asides) {
            // Questions about the view in hand are asked at once.
            self.asides = asides;
            self.is_outdated = true;
        }
        if !self.rests(now) && !self.is_asking {
            self.rest_until = None;
            let dealt_with = self.candidate.as_ref().map_or(self.last_taken, |next| next.seen.frame.id - 1);
            if self.shared.dealt_with.fetch_max(dealt_with, Ordering::AcqRel) < dealt_with {
                // A bell that rings already will do.
                let _ = self.dealt_with.try_send(());
            }
        }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rest_until.is_some_and(|until| until > now)
    }

    /// Whether a caption of it may begin now, as far as the view is concerned.
    pub fn may_caption(&self, now: Instant) -> bool {
        !self.is_asking && !self.shared.paused.load(Ordering::SeqCst) && !self.rests(now)
    }

    /// How the frame that is to be captioned waits.
    pub fn waiting(&self) -> Option<Waiting> {
        self.candidate.as_ref().map(|next| next.waiting)
    }

    /// The frame whose turn has come.
    pub fn take(&mut self) -> Option<Candidate> {
        self.candidate.take()
    }

    /// Another view had its turn.
    pub fn passed_by(&mut self) {
        if let Some(next) = &mut self.candidate {
            next.waiting.passed_by += 1;
        }
    }

    /// A frame whose turn has come has to wait after all, or its caption was cut short: it is taken
    /// up again, past the gate.
    pub fn put_back(&mut self, candidate: Candidate) {
        self.candidate = Some(Candidate { must: true, ..candidate });
    }

    /// Looks at the newest frame: it takes the place of the one that waits, or is passed over.
    pub fn poll(&mut self, now: Instant) -> Polled {
        let before = self.candidate.take();
        let must = before.as_ref().is_some_and(|before| before.must) || self.is_outdated;
        let frame = match (self.shared.frames.take(), before) {
            (Some(newest), before) => {
                // Ids count every captured frame, so that what is missing between two frames was
                // dropped.
                self.dropped += newest.id - self.last_taken - 1;
                self.last_taken = newest.id;
                self.shared.taken.store(newest.id, Ordering::Release);
                if before.is_some() {
                    self.drop_taken();
                }
                return self.consider(newest, must, before.map(|before| before.waiting), now);
            }
            (None, Some(before)) if self.is_of_this_source(&before.seen.frame) => {
                self.is_outdated = false;
                self.candidate = Some(Candidate { must, ..before });
                return Polled::Waits;
            }
            (None, Some(_)) => {
                self.drop_taken();
                return Polled::Nothing;
            }
            // Of a picture, or of a source that ended, no other frame will come.
            (None, None) if self.is_outdated => lock(&self.shared.latest)
                .clone()
                .filter(|latest| latest.id == self.last_taken && self.is_of_this_source(latest)),
            (None, None) => None,
        };
        frame.map_or(Polled::Nothing, |frame| self.consider(frame, must, None, now))
    }

    /// Lets the gate decide on a frame.
    fn consider(&mut self, frame: Arc<Frame>, must: bool, waiting: Option<Waiting>, now: Instant) -> Polled {
        self.is_outdated = false;
        // What was said of the source before, or of another place of this one, holds no more.
        let first = self.shared.first_of_source.load(Ordering::Acquire);
        let is_of_another = std::mem::replace(&mut self.first_of_source, first) != first;
        let must = must || is_of_another;
        let seen = self.sketch(frame);
        *lock(&self.shared.change) =
            self.gate.as_ref().zip(seen.sketch.as_ref()).and_then(|(gate, sketch)| gate.difference(sketch));
        let change = match (&self.gate, &seen.sketch) {
            (Some(gate), Some(sketch)) if !must && gate.passes_over(sketch, now) => {
                self.skipped += 1;
                self.shared.skipped.fetch_add(1, Ordering::Relaxed);
                return Polled::PassedOver(self.skipped);
            }
            (Some(gate), Some(sketch)) => gate.change(sketch),
            _ => NEW_VIEW,
        };
        let since = waiting.unwrap_or(Waiting { change, since: now, passed_by: 0 });
        self.candidate = Some(Candidate { seen, must, waiting: Waiting { change, ..since } });
        Polled::Waits
    }

    /// A frame that had been taken from the slot makes way for a newer one.
    fn drop_taken(&mut self) {
        self.dropped += 1;
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn is_of_this_source(&self, frame: &Frame) -> bool {
        frame.id >= self.shared.first_of_source.load(Ordering::Acquire)
    }

    fn sketch(&self, frame: Arc<Frame>) -> Sketched {
        let sketch = self.gate.is_some().then(|| Sketch::of(&frame.image));
        Sketched { frame, sketch }
    }

    /// The frame is about to be captioned: it is a scene of its own.
    pub fn begin_scene(&mut self, seen: &Sketched) -> u64 {
        self.scene.insert(seen.clone()).frame.id
    }

    /// The number of the scene that a frame shows: the last one's where nothing changed, and
    /// otherwise its own; none where it is older than that, so that captions have gone on.
    pub fn scene_of(&mut self, frame: &Arc<Frame>) -> Option<u64> {
        let asked = self.sketch(Arc::clone(frame));
        let last = self.scene.as_ref().filter(
            |last| matches!((&last.sketch, &asked.sketch), (Some(last), Some(asked)) if asked.is_unchanged(last)),
        );
        match (last, &self.scene) {
            (Some(last), _) => Some(last.frame.id),
            (None, Some(scene)) if frame.id < scene.frame.id => None,
            (None, _) => Some(self.scene.insert(asked).frame.id),
        }
    }

    /// Which pixels count as those in hand. Whoever turned the gate off wants every frame looked
    /// at.
    pub fn reuse(&self) -> Reuse {
        if self.gate.is_some() { Reuse::IfNearlyIdentical } else { Reuse::IfIdentical }
    }

    /// Whether the last caption may stay, and when. Pictures that wait for their captions are each
    /// of something else, and so are those of another source.
    pub fn steady(&self) -> Option<Steadiness> {
        let is_of_this_source = self.captioned >= self.shared.first_of_source.load(Ordering::Acquire);
        self.steady.filter(|_| is_of_this_source && self.shared.is_live.load(Ordering::Relaxed))
    }

    /// Frames dropped and skipped since the last caption.
    pub fn counts(&self) -> (u64, u64) {
        (self.dropped, self.skipped)
    }

    /// A caption of this frame is complete: later frames are compared with it.
    pub fn captioned(&mut self, seen: Sketched, now: Instant) {
        (self.dropped, self.skipped) = (0, 0);
        self.captioned = seen.frame.id;
        if let (Some(gate), Some(sketch)) = (&mut self.gate, seen.sketch) {
            gate.captioned(sketch, now);
        }
    }

    /// Whether the source ended and no frame of it waits. Says so once.
    pub fn is_done(&self) -> bool {
        let ended = &self.shared.ended;
        // The flag first: whoever sees it sees the last frame too.
        ended.load(Ordering::Acquire)
            && self.shared.frames.is_empty()
            && self.candidate.is_none()
            && !self.is_asking
            && ended.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use image::RgbImage;

    use super::*;

    #[test]
    fn a_frame_that_is_numbered_and_not_put_yet_is_waited_for() {
        let shared = Arc::new(SharedView::default());
        let (dealt_with, _rings) = bounded(1);
        let seed = Seed { shared: Arc::clone(&shared), dealt_with, settings: Settings::default() };
        shared.last_id.store(1, Ordering::Release);
        let (mut view, now) = (View::new(&seed), Instant::now());
        view.take_orders(now);
        assert_eq!(shared.dealt_with.load(Ordering::Acquire), 0);
        shared.frames.put(Arc::new(Frame::now(1, RgbImage::new(1, 1))));
        assert_eq!(view.poll(now), Polled::Waits);
        assert_eq!(view.counts(), (0, 0));
        // One that takes the place of this thread does not wait for what this one has in hand.
        View::new(&seed).take_orders(now);
        assert_eq!(shared.dealt_with.load(Ordering::Acquire), 1);
    }
}

//! What the front end and the worker threads hold in common: flags, counters, each view's newest
//! frame, and the means to stop what is running. No thread starts here.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vlm::{Cancel, Tiling};

use crate::base::slot::Slot;
use crate::capture::{PlayOrder, Position};
use crate::engine::prefix::Prefix;
use crate::live::asides::Asides;
use crate::live::frame::Frame;
use crate::live::settings::{OpenSource, Settings, Tuning};

/// What was counted and measured of a view so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Frames that the source gave.
    pub captured: u64,
    /// Frames a second, measured over the last two seconds; zero when none come.
    pub camera_fps: f32,
    /// Frames that were replaced by newer ones before anyone looked at them, or while their caption
    /// was cut short.
    pub dropped: u64,
    /// Frames that the gate passed over.
    pub skipped: u64,
    /// How far the newest frame that was looked at differs from the one captioned last, in the
    /// gate's usual thresholds. `None` before there is anything to compare, and without a gate.
    pub change: Option<f32>,
}

/// What concerns all views.
#[derive(Debug, Default)]
pub struct Shared {
    stop: AtomicBool,
    /// Raised to stop the captions that are running, each with its view's number, in the order in
    /// which they began.
    captions: Mutex<Vec<(usize, Cancel)>>,
    /// How many requests the engine takes at a time.
    lanes: AtomicUsize,
    /// Raised to stop the answer that is running and those that wait; then replaced.
    answers: Mutex<Cancel>,
}

impl Shared {
    /// Whether the pipeline is going down.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Tells all workers to end, and stops what is running.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.interrupt_captions();
        self.cancel_answers();
    }

    /// Tells how many requests the engine takes at a time.
    pub fn set_lanes(&self, lanes: usize) {
        self.lanes.store(lanes, Ordering::SeqCst);
    }

    /// Registers a caption of a view that is about to run. The caller looks for newer orders after
    /// this and before it starts: then an order is either seen there, or raises the flag.
    pub fn begin_caption(&self, view: usize) -> Cancel {
        let cancel = Cancel::default();
        lock(&self.captions).push((view, cancel.clone()));
        cancel
    }

    /// The caption of a view is over.
    pub fn end_caption(&self, view: usize) {
        lock(&self.captions).retain(|(running, _)| *running != view);
    }

    /// Stops all captions that are running.
    pub fn interrupt_captions(&self) {
        lock(&self.captions).iter().for_each(|(_, cancel)| cancel.cancel());
    }

    /// Stops the caption of this view if it is running: what happens to one view disturbs no other.
    pub fn interrupt_caption_of(&self, view: usize) {
        let captions = lock(&self.captions);
        captions.iter().filter(|(running, _)| *running == view).for_each(|(_, cancel)| cancel.cancel());
    }

    /// Makes room for a question to a view: stops its own caption, or where all the engine's lanes
    /// are taken by others' captions, the one that began last.
    pub fn make_room_for(&self, view: usize) {
        let captions = lock(&self.captions);
        let own = captions.iter().find(|(running, _)| *running == view);
        let is_full = captions.len() >= self.lanes.load(Ordering::SeqCst);
        if let Some((_, cancel)) = own.or_else(|| captions.last().filter(|_| is_full)) {
            cancel.cancel();
        }
    }

    /// The flag for a question that is asked now.
    pub fn answer_cancel(&self) -> Cancel {
        lock(&self.answers).clone()
    }

    /// Stops every question asked so far.
    pub fn cancel_answers(&self) {
        std::mem::take(&mut *lock(&self.answers)).cancel();
    }
}

/// What opens a source. Locked while it is opened: for ever, should that hang.
pub type SharedSource = Arc<Mutex<OpenSource>>;

/// What concerns one view.
#[derive(Default)]
pub struct SharedView {
    /// The newest frame that nobody took.
    pub frames: Slot<Arc<Frame>>,
    /// Another source, to be taken by the capture thread; `None` takes it away.
    pub sources: Slot<Option<SharedSource>>,
    /// The one that was ordered last.
    pub source: Mutex<Option<SharedSource>>,
    /// The id of the last frame.
    pub last_id: AtomicU64,
    /// What the source is told, to be passed on by the capture thread.
    pub orders: Slot<PlayOrder>,
    pub position: Mutex<Option<Position>>,
    /// Nobody has it: the next view that is added takes its place.
    pub vacant: AtomicBool,
    /// It begins anew with these, to be taken over.
    pub settings: Mutex<Option<Settings>>,
    pub paused: AtomicBool,
    /// The source gives what is to be seen now, rather than one picture after another.
    pub is_live: AtomicBool,
    pub asides: Mutex<Arc<Asides>>,
    /// No pictures are taken from the source.
    pub resting: AtomicBool,
    pub instruction: Mutex<String>,
    pub prefix: Mutex<Arc<Prefix>>,
    pub tiling: Mutex<Tiling>,
    /// To be taken over.
    pub tuning: Mutex<Option<Tuning>>,
    pub change: Mutex<Option<f32>>,
    pub latest: Mutex<Option<Arc<Frame>>>,
    /// The source came to its end, and `Event::Done` was not sent yet.
    pub ended: AtomicBool,
    /// The id of the first frame of the source in hand: older frames are of no interest any more.
    pub first_of_source: AtomicU64,
    /// The id of the frame that the inference thread took from the slot last.
    pub taken: AtomicU64,
    /// The id of the last frame that the inference thread has finished with. A patient source waits
    /// for it.
    pub dealt_with: AtomicU64,
    pub captured: AtomicU64,
    pub dropped: AtomicU64,
    pub skipped: AtomicU64,
    /// The bits of an `f32`.
    fps: AtomicU32,
}

impl SharedView {
    /// Begins with these settings, and nothing counted.
    pub fn set(&self, settings: &Settings) {
        settings.instruction.clone_into(&mut lock(&self.instruction));
        *lock(&self.prefix) = Arc::clone(&settings.prefix);
        *lock(&self.tiling) = settings.tiling;
        *lock(&self.asides) = Arc::clone(&settings.asides);
        *lock(&self.tuning) = None;
        *lock(&self.change) = None;
        self.paused.store(false, Ordering::SeqCst);
        self.resting.store(false, Ordering::SeqCst);
        for count in [&self.captured, &self.dropped, &self.skipped] {
            count.store(0, Ordering::Relaxed);
        }
    }

    pub fn set_fps(&self, fps: f32) {
        self.fps.store(fps.to_bits(), Ordering::Relaxed);
    }

    pub fn statistics(&self) -> Statistics {
        Statistics {
            captured: self.captured.load(Ordering::Relaxed),
            camera_fps: f32::from_bits(self.fps.load(Ordering::Relaxed)),
            dropped: self.dropped.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            change: *lock(&self.change),
        }
    }
}

/// Locks what no thread leaves half changed: every critical section here is one assignment, so that
/// a poisoned lock still holds a whole value.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_answers_leaves_later_questions_alone() {
        let shared = Shared::default();
        let asked = shared.answer_cancel();
        shared.cancel_answers();
        assert!(asked.is_cancelled());
        assert!(!shared.answer_cancel().is_cancelled());
    }

    #[test]
    fn a_view_interrupts_its_own_caption_alone() {
        let shared = Shared::default();
        let caption = shared.begin_caption(1);
        shared.interrupt_caption_of(0);
        assert!(!caption.is_cancelled());
        shared.interrupt_caption_of(1);
        assert!(caption.is_cancelled());
    }

    #[test]
    fn a_question_stops_its_own_views_caption_or_the_youngest_where_there_is_no_room() {
        let shared = Shared::default();
        shared.set_lanes(3);
        let (first, second) = (shared.begin_caption(0), shared.begin_caption(1));
        shared.make_room_for(2);
        assert!(!first.is_cancelled() && !second.is_cancelled(), "there is a lane left");
        shared.make_room_for(0);
        assert!(first.is_cancelled() && !second.is_cancelled(), "one request a view");
        shared.end_caption(0);
        shared.set_lanes(1);
        shared.make_room_for(2);
        assert!(second.is_cancelled());
    }
}

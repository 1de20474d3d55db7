//! What the front end, the capture thread and the inference thread hold in common: flags, counters, the newest frame and
//! the means to stop what is running. No channel is in here and no thread starts here.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vlm::Cancel;

use crate::live::Statistics;
use crate::live::frame::Frame;

/// See the module.
#[derive(Debug, Default)]
pub struct Shared {
    stop: AtomicBool,
    /// Raised to stop the caption that is running.
    caption: Mutex<Option<Cancel>>,
    /// Raised to stop the answer that is running and those that wait; then replaced.
    answers: Mutex<Cancel>,
    pub paused: AtomicBool,
    pub instruction: Mutex<String>,
    pub latest: Mutex<Option<Arc<Frame>>>,
    /// The source came to its end, and `Event::Done` was not sent yet.
    pub ended: AtomicBool,
    /// The id of the first frame of the source in hand: older frames are of no interest any more.
    pub first_of_source: AtomicU64,
    /// The id of the last frame that the inference thread has finished with. A patient source waits for it.
    pub dealt_with: AtomicU64,
    pub captured: AtomicU64,
    pub dropped: AtomicU64,
    pub skipped: AtomicU64,
    /// The bits of an `f32`.
    fps: AtomicU32,
}

impl Shared {
    /// Whether the pipeline is going down.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Tells both workers to end, and stops what is running.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.interrupt_caption();
        self.cancel_answers();
    }

    /// Registers a caption that is about to run. The caller looks for newer orders after this and before it starts:
    /// then an order is either seen there, or raises the flag.
    pub fn begin_caption(&self) -> Cancel {
        let cancel = Cancel::default();
        *lock(&self.caption) = Some(cancel.clone());
        cancel
    }

    /// The caption is over.
    pub fn end_caption(&self) {
        *lock(&self.caption) = None;
    }

    /// Stops the caption that is running, if any.
    pub fn interrupt_caption(&self) {
        if let Some(cancel) = &*lock(&self.caption) {
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

    pub fn set_fps(&self, fps: f32) {
        self.fps.store(fps.to_bits(), Ordering::Relaxed);
    }

    pub fn statistics(&self) -> Statistics {
        Statistics {
            captured: self.captured.load(Ordering::Relaxed),
            camera_fps: f32::from_bits(self.fps.load(Ordering::Relaxed)),
            dropped: self.dropped.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }
}

/// Locks what no thread leaves half changed: every critical section here is one assignment, so that a poisoned lock still
/// holds a whole value.
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
}

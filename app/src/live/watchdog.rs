//! Notices a worker that hangs in a source or an engine, leaves it behind and starts another in its
//! place. A thread can't be ended from outside: should it come back, it finds that its lease is
//! over, tells nobody anything and ends.
//!
//! Sources and engines promise to come back or to look at their flag every now and then. A worker
//! says when it goes into one of them; it hangs when it has not come out for longer than it may,
//! and nobody has read the flag meanwhile.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::base::message::Message;
use crate::base::thread::Thread;
use crate::live::events::{Event, Worker};
use crate::live::outbox::Outbox;
use crate::live::pulse::{Clock, Lease, Pulse};
use crate::live::shared::lock;

/// How often workers are looked at.
const LOOK_UP: Duration = Duration::from_millis(500);
/// How often one worker is replaced by another that opens what hung: what a thread holds that is
/// left behind, a model say, is lost until the program ends.
const MOST_REPLACED: u32 = 3;
/// What hung this long ago is forgiven.
const FORGIVEN: Duration = Duration::from_hours(24);

/// Starts a worker with this lease and this pulse.
pub type Start = Box<dyn FnMut(Lease, Arc<Pulse>) -> io::Result<Thread> + Send>;

/// A worker that is watched.
pub struct Watched {
    worker: Worker,
    view: Option<usize>,
    start: Start,
    /// Gives the next one what this one had to open.
    resume: Box<dyn Fn() + Send>,
    clock: Clock,
    lease: Lease,
    pulse: Arc<Pulse>,
    thread: Thread,
    replaced: u32,
    replaced_at: Option<Instant>,
}

impl Watched {
    /// Starts the first one.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(
        worker: Worker,
        view: Option<usize>,
        mut start: Start,
        resume: Box<dyn Fn() + Send>,
        clock: Clock,
    ) -> io::Result<Self> {
        let (lease, pulse) = (Lease::first(), Arc::new(Pulse::new(Arc::clone(&clock))));
        let thread = start(lease.clone(), Arc::clone(&pulse))?;
        Ok(Self { worker, view, start, resume, clock, lease, pulse, thread, replaced: 0, replaced_at: None })
    }

    /// Waits for its end, but not beyond `deadline`.
    pub fn join_until(&mut self, deadline: Instant) {
        self.thread.join_until(deadline);
    }

    /// Disconnected when the thread that works now has ended.
    #[cfg(test)]
    pub fn ended(&self) -> Receiver<Infallible> {
        self.thread.ended()
    }

    /// Replaces it if it hangs, and says so.
    fn look(&mut self, outbox: &mut Outbox) {
        if !self.pulse.hangs() {
            return;
        }
        self.lease = self.lease.renewed();
        tracing::error!(worker = ?self.worker, view = self.view, "the thread hangs; leaving it behind");
        self.pulse = Arc::new(Pulse::new(Arc::clone(&self.clock)));
        let now = (self.clock)();
        if self.replaced_at.replace(now).is_some_and(|last| now.saturating_duration_since(last) > FORGIVEN) {
            self.replaced = 0;
        }
        self.replaced += 1;
        let may_resume = self.replaced <= MOST_REPLACED;
        let (message, retry_in) = (self.message(may_resume), may_resume.then_some(Duration::ZERO));
        outbox.send(self.view, Event::Failed { worker: self.worker, message, retry_in });
        // Before there is a thread, which then finds it: a question would find no model otherwise.
        if may_resume {
            (self.resume)();
        }
        match (self.start)(self.lease.clone(), Arc::clone(&self.pulse)) {
            // The handle of the one before goes; the thread is left behind.
            Ok(thread) => self.thread = thread,
            Err(error) => {
                let message = Message::new(format!("A thread hangs, and no other can be started ({error})."));
                outbox.send(self.view, Event::Failed { worker: self.worker, message, retry_in: None });
            }
        }
    }

    fn message(&self, may_resume: bool) -> Message {
        let (what, other) = match self.worker {
            Worker::Capture => {
                ("The source does not answer any more.", "Choose another source, or start Sightline again.")
            }
            Worker::Inference => {
                ("The model does not answer any more.", "Choose another model, or start Sightline again.")
            }
        };
        Message::new(what).hint(if may_resume { "It is opened anew." } else { other })
    }
}

/// Looks at workers until the pipeline ends.
pub fn watch(all: &Mutex<Vec<Watched>>, mut outbox: Outbox, stop: &Receiver<Infallible>) {
    while stop.recv_timeout(LOOK_UP) == Err(RecvTimeoutError::Timeout) {
        lock(all).iter_mut().for_each(|watched| watched.look(&mut outbox));
    }
}

//! The trait behind which an action tells what happened. Knows no queue.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use vlm::Cancel;

use crate::actions::occurrence::Occurrence;
use crate::base::message::Message;

/// How often whoever waits looks at the flag.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Tells what happened, in one way.
pub trait Deliver: Send {
    /// Tells it. Blocks until that is done, has failed, its time is over or `cancel` is raised.
    ///
    /// # Errors
    /// Why it was not told, and whether to try again.
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered>;

    /// Waits for the bell, until `until`, or until `cancel` is raised. Whoever holds a connection
    /// looks after it meanwhile.
    fn wait(&mut self, bell: &Receiver<()>, until: Option<Instant>, cancel: &Cancel) -> Waited {
        rest(bell, until, cancel);
        Waited::Over
    }

    /// Takes leave, in no more than a second.
    fn end(&mut self) {}
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// There may be something to do.
    Over,
    /// What stood in the way is gone: what failed may be tried again now.
    Recovered,
    /// Nothing can be told for now.
    Trouble(Message),
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What happened.
    pub occurrence: &'a Occurrence,
    /// The picture, as a JPEG, where it is sent along.
    pub picture: Option<&'a [u8]>,
}

/// Why it was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It may be told later.
    Later {
        /// What happened and what to do.
        message: Message,
        /// No sooner than this, if the other side says so.
        after: Option<Duration>,
    },
    /// It would fail again.
    Never(Message),
    /// `cancel` was raised first.
    Cancelled,
}

impl Undelivered {
    /// It may be told when the usual wait is over.
    #[must_use]
    pub fn later(message: Message) -> Self {
        Self::Later { message, after: None }
    }
}

/// Waits for the bell, until `until`, or until `cancel` is raised.
fn rest(bell: &Receiver<()>, until: Option<Instant>, cancel: &Cancel) {
    while !cancel.is_cancelled() {
        let look = Instant::now() + LOOK_UP;
        let wait = until.map_or(look, |until| until.min(look));
        if bell.recv_deadline(wait).is_ok() || until.is_some_and(|until| until <= Instant::now()) {
            return;
        }
    }
}

//! A named thread that can be waited for without hanging. Knows nothing of what the thread does.

use std::convert::Infallible;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

/// The priority of a thread that gives way, of 0 to 99: a niceness of 7 on Linux. With that,
/// `sightline bench window` finds no video held up by a model, and a model beside other busy
/// programs gets a fifth of what they get.
const BEHIND: u8 = 30;

/// One running thread.
#[derive(Debug)]
pub struct Thread {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
    /// Nothing is ever sent: it is disconnected when the thread ends, however it ends.
    ended: Receiver<Infallible>,
}

impl Thread {
    /// Runs `work` on a thread of this name.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = bounded(0);
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _alive = alive;
            work();
        })?;
        Ok(Self { name, handle: Some(handle), ended })
    }

    /// Disconnected when the thread has ended.
    #[cfg(test)]
    pub fn ended(&self) -> Receiver<Infallible> {
        self.ended.clone()
    }

    /// Waits until the thread has ended, but not beyond `deadline`. Says whether it ended.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.ended.recv_deadline(deadline) != Err(RecvTimeoutError::Timeout)
    }

    /// Waits until the thread has ended, but not beyond `deadline`: a thread that hangs in a driver
    /// is left behind, with a warning. Says whether it ended.
    pub fn join_until(&mut self, deadline: Instant) -> bool {
        let Some(handle) = self.handle.take() else { return true };
        if !self.wait_until(deadline) {
            tracing::warn!(thread = self.name, "the thread does not end; leaving it behind");
            return false;
        }
        if handle.join().is_err() {
            tracing::error!(thread = self.name, "the thread ended with a panic");
        }
        true
    }
}

/// Has the thread that calls this wait for others that want the processor. Where the system does
/// not let it, it goes on as it was.
pub fn give_way() {
    let lowered = ThreadPriorityValue::try_from(BEHIND).map(ThreadPriority::Crossplatform);
    if let Err(error) = lowered.map_or(Ok(()), ThreadPriority::set_for_current) {
        tracing::debug!(?error, "the thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_ends_is_joined_even_after_a_panic() {
        let far = Instant::now() + Duration::from_secs(20);
        assert!(Thread::start("quiet", || {}).expect("started").join_until(far));
        assert!(Thread::start("loud", || panic!("on purpose")).expect("started").join_until(far));
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let (release, held) = bounded::<()>(0);
        let mut stuck = Thread::start("stuck", move || {
            let _ = held.recv();
        })
        .expect("started");
        assert!(!stuck.join_until(Instant::now() + Duration::from_millis(10)));
        drop(release);
    }
}

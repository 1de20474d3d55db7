//! Waits for work on the network, for callers that block: ends within a tenth of a second when nobody wants it any more.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use vlm::Cancel;

/// How often the flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub struct Waiter(Runtime);

impl Waiter {
    /// # Errors
    /// When the system has no room for it.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(Self)
    }

    /// What the work came to; nothing when `cancel` was raised first.
    pub fn wait<T>(&self, cancel: &Cancel, work: impl Future<Output = T>) -> Option<T> {
        self.0.block_on(async {
            let mut work = pin!(work);
            loop {
                if cancel.is_cancelled() {
                    return None;
                }
                if let Ok(done) = tokio::time::timeout(LOOK_UP, &mut work).await {
                    return Some(done);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn work_ends_by_itself_or_with_the_flag() {
        let (waiter, cancel) = (Waiter::new().expect("a runtime"), Cancel::default());
        assert_eq!(waiter.wait(&cancel, ready(3)), Some(3));
        let raised = cancel.clone();
        let raiser = std::thread::spawn(move || raised.cancel());
        assert_eq!(waiter.wait(&cancel, pending::<u8>()), None);
        raiser.join().expect("it raised the flag");
    }
}

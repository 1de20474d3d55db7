//! The network, for callers that block: waiting for work on it, which ends within a tenth of a
//! second when nobody wants it any more, and what every request has in common.

use std::future::Future;
use std::io;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use vlm::Cancel;

/// How often the flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// How this program names itself to servers.
pub const USER_AGENT: &str = concat!("sightline/", env!("CARGO_PKG_VERSION"));

/// The innermost cause of a failed request, which is the one that says something: "connection
/// refused".
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().trim_end_matches('.').to_owned()
}

/// See the module.
#[derive(Debug)]
pub struct Waiter(Runtime);

impl Waiter {
    /// # Errors
    /// When the system has no room for it.
    pub fn new() -> io::Result<Self> {
        // Where too few descriptors are left for its own sockets, tokio panics instead of failing.
        #[cfg(unix)]
        drop((UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?));
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

//! A flag that stops a running evaluation. It knows nothing of who raises it, or why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::error::{Error, Result};

/// A shared flag that the session reads between vision layers and between tokens, so that work
/// stops within one of them.
///
/// Clones share the flag. A session never lowers it: whoever raised it gives the next request a
/// fresh one.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    raised: AtomicBool,
    reads: AtomicU32,
}

impl Cancel {
    /// Asks the work that holds this flag to stop.
    ///
    /// ```
    /// # use vlm::Cancel;
    /// let cancel = Cancel::default();
    /// let elsewhere = cancel.clone();
    /// elsewhere.cancel();
    /// assert!(cancel.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked the work to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.0.raised.load(Ordering::Relaxed)
    }

    /// How often it was asked whether to stop, by any of the clones; starts again at zero after
    /// four billion times. While it grows, the work lives.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Error::Cancelled`] when someone asked the work to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

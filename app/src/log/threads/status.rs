//! How recording goes: what the writer thread counts, and whoever records reads. Knows neither.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::message::Message;

/// How recording goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderStatus {
    /// Captions and answers in the log, repeated ones included.
    pub recorded: u64,
    /// Entries of the log that they are: the same words again make an entry last longer.
    pub entries: u64,
    /// Entries that were lost.
    pub lost: u64,
    /// Why the last one was. None once writing works again.
    pub trouble: Option<Message>,
    /// Why writing failed last, also where it works again.
    pub last_trouble: Option<Message>,
    /// How often the log was begun anew because its file was deleted, moved or replaced.
    pub renewed: u64,
    /// Entries in files that were deleted, moved or replaced.
    pub left_behind: u64,
}

/// What the recorder and its thread share.
#[derive(Default)]
pub struct RecorderShared {
    /// Entries that were handed over, whatever became of them.
    pub offered: AtomicU64,
    pub recorded: AtomicU64,
    pub entries: AtomicU64,
    pub lost: AtomicU64,
    pub renewed: AtomicU64,
    pub left_behind: AtomicU64,
    trouble: Mutex<Option<Message>>,
    last_trouble: Mutex<Option<Message>>,
}

impl RecorderShared {
    /// Why writing fails at present.
    pub fn trouble(&self) -> MutexGuard<'_, Option<Message>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it failed last, also where it works again.
    pub fn last_trouble(&self) -> MutexGuard<'_, Option<Message>> {
        self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it goes by now.
    pub fn status(&self) -> RecorderStatus {
        RecorderStatus {
            recorded: self.recorded.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            trouble: self.trouble().clone(),
            last_trouble: self.last_trouble().clone(),
            renewed: self.renewed.load(Ordering::Relaxed),
            left_behind: self.left_behind.load(Ordering::Relaxed),
        }
    }
}

//! What may stay in a log, and what was removed because it may not. Plain values.

use std::time::Duration;

/// What may stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Entries of at most this age.
    pub at_most_old: Option<Duration>,
    /// Bytes that the log may use.
    pub at_most_bytes: Option<u64>,
    /// Bytes that kept views may use.
    pub views_at_most_bytes: Option<u64>,
    /// Entries with a bookmark stay, however old, and whatever they take.
    pub bookmarked: bool,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneCount {
    /// Entries.
    pub entries: u64,
    /// Thumbnails of entries that stayed.
    pub thumbnails: u64,
    /// Views that were kept.
    pub views: u64,
}

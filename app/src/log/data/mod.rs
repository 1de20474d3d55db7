//! What the log holds, as plain data: entries, filters and times. Knows no file and no thread.

pub(crate) mod entry;
pub(crate) mod filter;
pub(crate) mod when;

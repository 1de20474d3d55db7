//! What the log holds, as plain data: sessions, entries, filters and what is kept. Knows no file
//! and no thread.

pub(crate) mod entry;
pub(crate) mod filter;
pub(crate) mod keep;
pub(crate) mod views;

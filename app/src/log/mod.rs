//! The caption log: what was said of what, when, kept in one SQLite file.
//!
//! [`Recording`] is what the window and the command line begin and end. In it, [`EventRecorder`]
//! turns the pipeline's events into records, and [`Recorder`] writes them on a thread of its own.
//! [`Store`] is the file, and [`Reader`] reads it for a window on another thread. What is in it is
//! found by a [`Filter`] and leaves it through [`export`]. The log knows no window, and of the
//! pipeline only its events.

mod ask;
pub(crate) mod data;
mod embedder;
mod error;
pub mod export;
pub(crate) mod json;
mod recording;
mod replay;
pub(crate) mod store;
pub(crate) mod threads;
mod thumbnail;

use std::path::PathBuf;

pub use crate::log::ask::{Found, Time, ask, ask_captions};
pub use crate::log::data::entry::{Entry, EntryKind, EventFacts, FoundEntry, Metrics, Moment, Session, SessionStart};
pub use crate::log::data::filter::{EntryFilter, Filter};
pub use crate::log::data::keep::{Keep, PruneCount};
pub use crate::log::data::views::{KeptView, ViewFilter};
pub use crate::log::embedder::{Embedder, LazyEmbedder, OpenEmbedder, local_embedder, no_embedder};
pub use crate::log::error::LogError;
pub use crate::log::json::{EntryLine, SessionLine};
pub use crate::log::recording::{LogOptions, RecordedView, Recording, RecordingNews, no_folder};
pub use crate::log::replay::{Calibrated, ReplayError, Replayed, SeenView, replay};
pub use crate::log::store::day::DayMark;
pub use crate::log::store::digest::{Hour, RuleHour};
pub use crate::log::store::fused::Hit;
pub use crate::log::store::import::Imported;
pub use crate::log::store::import_lines::ImportLines;
pub use crate::log::store::meaning::EntryWords;
pub use crate::log::store::nearest::{Meant, Near};
pub use crate::log::store::query::is_plain;
pub use crate::log::store::row_index::RowIndex;
pub use crate::log::store::search::RowKey;
pub use crate::log::store::similar::{EntryView, SimilarView};
pub use crate::log::store::stats::Stats;
pub use crate::log::store::{Interrupter, RemovedEntry, Store};
pub use crate::log::threads::events::{EventRecorder, Record, RecordKind, SessionRef};
pub use crate::log::threads::reader::{PAGE, Reader, ReaderNews, ReaderOrder};
pub use crate::log::threads::recorder::Recorder;
pub use crate::log::threads::sink::{EventUpdate, Extension, Log, OpenLog};
pub use crate::log::threads::status::RecorderStatus;

/// The log of those who name none: in the platform's folder for data. None where the system knows
/// no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    Some(crate::base::folders::data()?.join("captions.db"))
}

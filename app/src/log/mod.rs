//! The caption log: what was said of what, when, kept in one SQLite file.
//!
//! [`Scribe`] turns the pipeline's events into records, [`Recorder`] writes them on a thread of its own, [`Store`] is the
//! file, [`Reader`] reads it for a window on another thread. What is in it is found by a [`Filter`] and leaves it through [`export`]. The log knows no window, and of the
//! pipeline only its events.

pub(crate) mod data;
mod error;
pub mod export;
pub(crate) mod json;
pub(crate) mod store;
pub(crate) mod threads;
mod thumbnail;

use std::path::PathBuf;

pub use crate::log::data::entry::{Entry, Figures, Found, Kind, Moment, Session, SessionStart};
pub use crate::log::data::filter::{Filter, Sort};
pub use crate::log::data::when::{age, day, moment};
pub use crate::log::error::LogError;
pub use crate::log::json::{EntryLine, SessionLine};
pub use crate::log::store::day::Mark;
pub use crate::log::store::import::Imported;
pub use crate::log::store::retention::{Keep, Removed};
pub use crate::log::store::row_index::Outline;
pub use crate::log::store::search::Place;
pub use crate::log::store::stats::Stats;
pub use crate::log::store::{Interrupter, Store, Taken};
pub use crate::log::threads::events::{Record, Scribe, Telling, What};
pub use crate::log::threads::reader::{News, Order, PAGE, Reader};
pub use crate::log::threads::recorder::{Extension, Log, OpenLog, Recorder, Status};

/// The log of those who name none: in the platform's folder for data. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "sightline")?;
    Some(folders.data_dir().join("captions.db"))
}

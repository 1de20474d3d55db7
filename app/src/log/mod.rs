//! The caption log: what was said of what, when, kept in one SQLite file.
//!
//! [`Scribe`] turns the pipeline's events into records, [`Recorder`] writes them on a thread of its own, [`Store`] is the
//! file, [`Reader`] reads it for a window on another thread. What is in it is found by a [`Filter`] and leaves it through [`export`]. The log knows no window, and of the
//! pipeline only its events.

mod day;
mod error;
pub mod export;
mod filter;
#[cfg(test)]
mod fixture;
mod import;
mod json;
mod keep;
mod outline;
mod reader;
mod record;
mod recorder;
mod rows;
mod schema;
mod scribe;
mod search;
mod stats;
mod store;
#[cfg(test)]
mod survival_tests;
mod thumbnail;
mod when;

use std::path::PathBuf;

pub use day::Mark;
pub use error::LogError;
pub use filter::{Filter, Sort};
pub use import::Imported;
pub use json::{EntryLine, SessionLine};
pub use keep::{Keep, Removed};
pub use outline::Outline;
pub use reader::{News, Order, PAGE, Reader};
pub use record::{Entry, Figures, Found, Kind, Moment, Session, SessionStart};
pub use recorder::{Extension, Log, OpenLog, Recorder, Status};
pub use scribe::{Record, Scribe, Telling, What};
pub use search::Place;
pub use stats::Stats;
pub use store::{Interrupter, Store, Taken};
pub use when::{age, day, moment};

/// The log of those who name none: in the platform's folder for data. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "sightline")?;
    Some(folders.data_dir().join("captions.db"))
}

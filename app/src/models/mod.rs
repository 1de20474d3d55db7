//! Where models come from: which are on this machine, and how the others are downloaded into the
//! cache that Python shares.
//!
//! A hub is asked what a model consists of and for its bytes; a [`Downloader`] puts them where
//! `vlm` finds them, complete and checked or not at all. Knows no tensor, no window and no
//! terminal.

mod cache;
mod client;
pub(crate) mod content;
pub(crate) mod download;
pub(crate) mod error;
mod facts;
pub(crate) mod hub;
mod kind;
mod progress;
pub(crate) mod released;
mod size;
pub mod spec;

use vlm::{Cancel, ModelFiles};

pub use crate::models::cache::{Cached, cached, of_model, remove};
pub use crate::models::download::Downloader;
pub use crate::models::error::DownloadError;
pub use crate::models::facts::{ModelFacts, ModelState, Running};
pub use crate::models::kind::ModelKind;
pub use crate::models::progress::{Doing, Pace, Progress, bytes};
pub use crate::models::released::{NamedModel, SENTENCES};
pub use crate::models::size::{Memory, ModelSize};

use crate::models::spec::ModelSpec;

/// Whether all of a model is on this machine. Asks nobody else. A folder counts, whatever is in it:
/// opening it will tell.
#[must_use]
pub fn is_here(model: &ModelSpec) -> bool {
    model.hub_id().is_none_or(|id| in_cache(id).is_some())
}

/// The files of a model of the hub, if all of it is on this machine.
#[must_use]
pub fn in_cache(id: &str) -> Option<ModelFiles> {
    ModelFiles::in_hub_cache(id).filter(|files| ModelKind::of(id).is_complete(files))
}

/// Downloads a model from the hub that the environment names, unless it is on this machine: then
/// nobody is asked.
///
/// # Errors
/// When it can't be had, or `cancel` was raised. What was downloaded by then is kept for the next
/// time.
pub fn fetch(model: &ModelSpec, cancel: &Cancel, on_progress: &mut dyn FnMut(&Progress)) -> Result<(), DownloadError> {
    let Some(id) = model.hub_id().filter(|_| !is_here(model)) else { return Ok(()) };
    download(id, None, cancel, on_progress)
}

/// What was done to have a model be here, every byte as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// All of it was here already.
    Nothing,
    /// It was downloaded.
    All,
    /// This file was damaged, or more were, and came anew.
    File(String),
}

/// As [`fetch`]; but what is on this machine is read and checked, and what is damaged is downloaded
/// anew.
///
/// # Errors
/// As [`fetch`].
pub fn mend(
    model: &ModelSpec,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Mended, DownloadError> {
    let Some(id) = model.hub_id() else { return Ok(Mended::Nothing) };
    let Some(files) = in_cache(id) else {
        return download(id, None, cancel, on_progress).map(|()| Mended::All);
    };
    let checking = |file: &str| on_progress(&Progress::checking(file));
    let Some(file) = content::first_damaged(&files, cancel, checking)? else { return Ok(Mended::Nothing) };
    download(id, Some(&file), cancel, on_progress).map(|()| Mended::File(file))
}

fn download(
    id: &str,
    damaged: Option<&str>,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<(), DownloadError> {
    if client::is_offline() {
        return Err(DownloadError::Offline { id: id.to_owned(), damaged: damaged.map(str::to_owned) });
    }
    let cache = vlm::hub_cache().ok_or(DownloadError::NoCache)?;
    let hub = client::HubClient::from_environment()?;
    Downloader::new(&hub, &cache, cancel).download(id, on_progress)
}

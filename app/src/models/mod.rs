//! Where models come from: which are on this machine, and how the others are downloaded into the cache that Python shares.
//!
//! A [`Hub`] is asked what a model consists of and for its bytes; a [`Downloader`] puts them where `vlm` finds them, complete and
//! checked or not at all. Knows no tensor, no window and no terminal.

mod cache;
mod client;
pub(crate) mod download;
pub(crate) mod hub;
mod progress;
mod size;
pub mod spec;

use vlm::{Cancel, ModelFiles};

pub use crate::models::cache::{Cached, cached, of_model, remove};
pub use crate::models::download::Downloader;
pub use crate::models::hub::{Fault, Hub, Listing, Piece, RemoteFile, Sink};
pub use crate::models::progress::{Doing, Pace, Progress, bytes};
pub use crate::models::size::{Facts, Memory};

use crate::models::spec::ModelSpec;

/// Whether all of a model is on this machine. Asks nobody else. A folder counts, whatever is in it: opening it will tell.
#[must_use]
pub fn is_here(model: &ModelSpec) -> bool {
    model.hub_id().is_none_or(|id| ModelFiles::in_hub_cache(id).is_some_and(|files| files.is_complete()))
}

/// Downloads a model from the hub that the environment names, unless it is on this machine: then nobody is asked.
///
/// # Errors
/// When it can't be had, or `cancel` was raised. What was downloaded by then is kept for the next time.
pub fn fetch(model: &ModelSpec, cancel: &Cancel, on_progress: &mut dyn FnMut(&Progress)) -> Result<(), Fault> {
    let Some(id) = model.hub_id().filter(|_| !is_here(model)) else { return Ok(()) };
    if client::is_offline() {
        return Err(Fault::Offline { id: id.to_owned() });
    }
    let cache = vlm::hub_cache().ok_or(Fault::NoCache)?;
    let hub = client::HubClient::from_environment()?;
    Downloader::new(&hub, &cache, cancel).download(id, on_progress)
}

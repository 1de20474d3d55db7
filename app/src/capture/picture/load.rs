//! A single picture by what people call it: a file or an address on the web.

use std::path::Path;

use image::RgbImage;
use vlm::Cancel;

use crate::base::message::Message;
use crate::capture::picture::decode::{picture_in_memory, read_picture};
use crate::capture::web;
use crate::capture::web::Fetcher;

/// Reads a file, or fetches what is at an address until `cancel` is raised; upright, in RGB.
///
/// # Errors
/// For people: why there is no picture, and what to do.
pub fn picture_named(name: &Path, cancel: &Cancel) -> Result<RgbImage, Message> {
    picture_from(Fetcher::default(), name, cancel)
}

fn picture_from(fetcher: Fetcher, name: &Path, cancel: &Cancel) -> Result<RgbImage, Message> {
    match name.to_str().filter(|text| web::is_address(text)) {
        Some(address) => {
            let content = fetcher.fetch(address, cancel).map_err(|error| error.message())?;
            picture_in_memory(name, &content).map_err(|error| error.message())
        }
        None => read_picture(name).map_err(|error| error.message()),
    }
}

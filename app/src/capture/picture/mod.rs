//! Picture files: decoding them, and loading one or a folder of them. Knows no device.

pub mod decode;
mod error;
pub(crate) mod files;
pub(crate) mod jpeg;
pub(crate) mod load;
mod png;
mod tiff;

pub use crate::capture::picture::error::{MAX_PIXELS, PictureError};

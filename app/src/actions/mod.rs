//! What is done outside of this program about what it sees. Listens to the pipeline's events and
//! tells it nothing; whatever waits for a disk or a network is a thread of its own.

mod caption_files;

pub use crate::actions::caption_files::{CaptionFileNews, CaptionFileOptions, CaptionFiles};

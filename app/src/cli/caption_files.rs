//! Captions in files for other programs, as the command line has them.

use std::path::PathBuf;

use clap::Args;

use crate::actions::{CaptionFileOptions, CaptionFiles};
use crate::base::message::Message;
use crate::cli::parse;

/// Which files other programs read.
#[derive(Args, Clone, Debug, Default)]
pub struct CaptionFileArgs {
    /// Keep the captions that hold now in this text file, for OBS and others; each writing replaces
    /// the whole file
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    pub caption_file: Option<PathBuf>,

    /// Write each caption to this file at once, as a subtitle (.vtt); times count from the start
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    pub vtt_live: Option<PathBuf>,
}

impl CaptionFileArgs {
    /// Begins the files that are wanted. `names` are the sources as they were written.
    ///
    /// # Errors
    /// When a file can't be written, or has something in it that is not text.
    pub fn start(&self, names: &[String]) -> Result<Option<CaptionFiles>, Message> {
        let Self { caption_file, vtt_live } = self.clone();
        CaptionFiles::start(&CaptionFileOptions { caption_file, vtt_live }, names)
    }
}

/// What is said when the files can be written again.
pub const WELL: &str = "The caption files are written again.";

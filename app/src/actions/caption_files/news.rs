//! What is told of the files, in words. Knows no thread.

use std::io;
use std::path::Path;

use crate::base::message::Message;
use crate::base::text;

/// News about the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptionFileNews {
    /// One can't be written. Captioning goes on.
    Trouble(Message),
    /// Both are written again.
    Well,
}

/// That a file can't be written, and why.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Message {
    Message::new(format!("{} can't be written ({}).", text::path(path), text::system(error)))
        .hint("Check the permissions of its folder, and how full the disk is.")
}

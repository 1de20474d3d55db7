//! Why an export did not come to its end.

use std::io;

use crate::base::message::Message;
use crate::log::error::LogError;

/// Why an export did not come to its end. Displays what happened; [`ExportError::message`] says
/// what to do, too.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log can't be read, or does not fit the format.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file can't be written.
    #[error("The export can't be written: {0}.")]
    Output(#[from] io::Error),
    /// It was told to stop.
    #[error("The export was stopped, and no file was written.")]
    Stopped,
}

impl ExportError {
    /// What happened, and what to do about it.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::Log(error) => error.message(),
            Self::Output(_) => Message::new(self.to_string()).hint("Check the disk and the path."),
            Self::Stopped => Message::new(self.to_string()),
        }
    }
}

//! Why an engine gave no reply, and what a worker has to know of it. Knows no engine.

use vlm::Error;

use crate::base::message::Message;

/// Why an engine gave no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// What happened and what to do.
    pub message: Message,
    /// Whether only this request is at fault (a prompt that is too long, say), so that the engine
    /// can go on. Otherwise the worker opens it anew.
    pub only_this_request: bool,
}

impl EngineError {
    /// What the user asked for can't be had, or the engine is gone.
    #[must_use]
    pub fn lasting(message: Message) -> Self {
        Self { message, only_this_request: false }
    }

    /// This request is at fault; the next one may do.
    #[must_use]
    pub fn request(message: Message) -> Self {
        Self { message, only_this_request: true }
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        let only_this_request =
            matches!(error, Error::TooLong { .. } | Error::EmptyPrompt | Error::Picture { .. } | Error::NoView);
        Self { message: Message::from(&error), only_this_request }
    }
}

impl From<&Error> for Message {
    fn from(error: &Error) -> Self {
        let what = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => what.hint(hint),
            None => what,
        }
    }
}

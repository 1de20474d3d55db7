//! What can go wrong. An error displays what happened, as a sentence; [`Error::hint`] is what to do
//! about it, as another. Front ends show both, together or apart.

use std::path::PathBuf;

use crate::device::Device;
use crate::kernels::cpu::UnknownInstructionSet;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that every checkpoint has is missing.
    #[error("{} is missing.", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{} can't be read: {source}.", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file's content makes no sense.
    #[error("{} is damaged or not what it should be: {why}.", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The checkpoint is of a kind that this program does not run.
    #[error("{} describes a model that Sightline can't run: {why}.", path.display())]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// What it describes.
        why: String,
    },
    /// A tensor is absent or has another shape than the configuration asks for.
    #[error("The weights don't fit config.json: {why}.")]
    Weights {
        /// Which tensor, and how it differs.
        why: String,
    },
    /// The environment caps instruction sets at one that there is not.
    #[error(transparent)]
    InstructionSet(#[from] UnknownInstructionSet),
    /// A device that can't be used, or not in the way that was asked for.
    #[error("The device {device} can't be used: {why}.")]
    Device {
        /// Which one.
        device: Device,
        /// What stands in the way.
        why: String,
        /// What to do instead, as a sentence, if there is something.
        hint: Option<String>,
    },
    /// A picture that can't be shown to the model.
    #[error("The picture can't be used: {why}.")]
    Picture {
        /// What is wrong with it.
        why: String,
    },
    /// A prompt with nothing in it.
    #[error("The prompt is empty.")]
    EmptyPrompt,
    /// The prompt does not fit the model's context.
    #[error("The prompt is {tokens} tokens long, {} more than the {context} that this model can hold.", tokens - context)]
    TooLong {
        /// Tokens that it would take, one for the reply included.
        tokens: usize,
        /// Tokens that the model's context holds.
        context: usize,
    },
    /// A question about nothing: no view was given, or encoding it was cancelled.
    #[error("There is no picture to describe yet.")]
    NoView,
    /// The work was cancelled before there was anything to return.
    #[error("Cancelled.")]
    Cancelled,
    /// The model computed something that is not a number.
    #[error("The model computed values that are not numbers.")]
    NotFinite,
    /// The tokenizer failed on a text.
    #[error("The text can't be turned into tokens: {0}.")]
    Tokenizer(String),
    /// The device or backend failed, for want of memory say.
    #[error("The computation failed on the device: {0}.")]
    Backend(#[from] candle_core::Error),
}

impl Error {
    /// What to do about it, as a sentence; nothing where there is nothing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "Choose a folder that holds a whole SmolVLM checkpoint (config.json, tokenizer.json, \
                 preprocessor_config.json and the weights)."
            }
            Self::Read { .. } => "Check that the file exists and that you may read it.",
            Self::Damaged { .. } => "Download the model again.",
            Self::Unsupported { .. } => "Choose a SmolVLM or SmolVLM2 model.",
            Self::Weights { .. } => "The files may come from different models; download the model again.",
            Self::InstructionSet(unknown) => return Some(unknown.hint()),
            Self::Device { hint, .. } => return hint.clone(),
            Self::Picture { .. } => "Choose another picture.",
            Self::EmptyPrompt => "Write an instruction or a question.",
            Self::TooLong { .. } => "Shorten the text or show fewer pictures.",
            Self::NoView => "Show a picture first.",
            Self::NotFinite => "The weights are likely damaged; download the model again.",
            Self::Cancelled | Self::Tokenizer(_) | Self::Backend(_) => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_and_what_to_do_are_two_sentences() {
        let errors = [
            Error::Missing { path: "model/config.json".into() },
            Error::Damaged { path: "model/config.json".into(), why: "it is empty".into() },
            Error::Device { device: Device::Metal, why: "its memory is full".into(), hint: Some("Close it.".into()) },
            Error::TooLong { tokens: 9000, context: 8192 },
            Error::EmptyPrompt,
            Error::NoView,
        ];
        for e in errors {
            let (what, hint) = (e.to_string(), e.hint().unwrap());
            assert!(what.ends_with('.') && hint.ends_with('.'), "{what} {hint}");
            assert!(!what.contains(&hint) && !what.contains(". "), "{what} {hint}");
        }
        assert_eq!(
            Error::TooLong { tokens: 9000, context: 8192 }.hint().unwrap(),
            "Shorten the text or show fewer pictures."
        );
        assert_eq!(Error::Cancelled.hint(), None);
    }
}

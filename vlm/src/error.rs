//! What can go wrong, each as a sentence that says what happened and what to do. Front ends print it as it is.

use std::path::PathBuf;

use crate::device::Device;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that every checkpoint has is missing.
    #[error("{} is missing. Choose a folder that holds a whole SmolVLM checkpoint (config.json, tokenizer.json, preprocessor_config.json and the weights).", path.display())]
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
    #[error("{} is damaged or not what it should be: {why}. Download the model again.", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The checkpoint is of a kind that this program does not run.
    #[error("{} describes a model that Sightline can't run: {why}. It runs SmolVLM and SmolVLM2.", path.display())]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// What it describes.
        why: String,
    },
    /// A tensor is absent or has another shape than the configuration asks for.
    #[error(
        "The weights don't fit config.json: {why}. The files may come from different models; download the model again."
    )]
    Weights {
        /// Which tensor, and how it differs.
        why: String,
    },
    /// A device that can't be used, or not in the way that was asked for.
    #[error("The device {device} can't be used: {why}.")]
    Device {
        /// Which one.
        device: Device,
        /// What stands in the way.
        why: String,
    },
    /// A picture that can't be shown to the model.
    #[error("The picture can't be used: {why}.")]
    Picture {
        /// What is wrong with it.
        why: String,
    },
    /// A prompt with nothing in it.
    #[error("The prompt is empty: write an instruction or a question.")]
    EmptyPrompt,
    /// The prompt does not fit the model's context.
    #[error("The prompt is {tokens} tokens long, {} more than the {context} that this model can hold. Shorten the text or show fewer pictures.", tokens - context)]
    TooLong {
        /// Tokens that it would take, one for the reply included.
        tokens: usize,
        /// Tokens that the model's context holds.
        context: usize,
    },
    /// A question about nothing: no view was given, or encoding it was cancelled.
    #[error("There is no picture to describe yet: show one first.")]
    NoView,
    /// The work was cancelled before there was anything to return.
    #[error("Cancelled.")]
    Cancelled,
    /// The model computed something that is not a number.
    #[error(
        "The model computed values that are not numbers. The weights are likely damaged; download the model again."
    )]
    NotFinite,
    /// The tokenizer failed on a text.
    #[error("The text can't be turned into tokens: {0}.")]
    Tokenizer(String),
    /// The device or backend failed, for want of memory say.
    #[error("The computation failed on the device: {0}.")]
    Backend(#[from] candle_core::Error),
}

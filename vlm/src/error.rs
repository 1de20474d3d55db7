//! What can go wrong. An error displays what happened, as a sentence; [`Error::hint`] is what to do
//! about it, as another. Front ends show both, together or apart.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::device::Device;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that every checkpoint has is missing.
    #[error("{} is missing.", shown(path.display()))]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{} can't be read: {source}.", shown(path.display()))]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file's content makes no sense.
    #[error("{} is damaged or not what it should be: {}.", shown(path.display()), shown(why))]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The checkpoint is of a kind that this program does not run.
    #[error("{} describes a model that Sightline can't run: {}.", shown(path.display()), shown(why))]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// What it describes.
        why: String,
    },
    /// A model in a format that is not read.
    #[error("{} holds {}.", shown(path.display()), shown(what))]
    OtherFormat {
        /// The file or the folder.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do, as a sentence.
        hint: &'static str,
    },
    /// A tensor is absent or has another shape than the configuration asks for.
    #[error("The weights don't fit the model's configuration: {}.", shown(why))]
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
    #[error("The text can't be turned into tokens: {}.", shown(.0))]
    Tokenizer(String),
    /// The device or backend failed, for want of memory say.
    #[error("The computation failed on the device: {0}.")]
    Backend(#[from] candle_core::Error),
}

/// The longest text of a file that a message holds, in characters.
const LONGEST_QUOTE: usize = 400;

/// A text of a file, or its name, fit for a terminal: what controls one, or turns the direction of
/// text, is written out, and what is very long is cut.
fn shown(text: impl Display) -> String {
    let text = text.to_string();
    let mut shown = String::new();
    for (number, c) in text.chars().enumerate() {
        if number == LONGEST_QUOTE {
            shown.push('…');
            break;
        }
        let turns =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
        let breaks = matches!(c, '\u{2028}' | '\u{2029}');
        if c.is_control() || turns || breaks { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// What mends a damaged file: for one in the hub's cache a command, which checks every file of its
/// model.
fn mended(path: &Path) -> String {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    let repository = names.windows(2).find(|names| names[1] == "snapshots");
    let id = repository.and_then(|names| Some(names[0].strip_prefix("models--")?.replacen("--", "/", 1)));
    match id {
        Some(id) => format!("Run `sightline models download {}`: it checks every file and mends it.", shown(id)),
        None => "Copy that file anew from where it came from.".to_owned(),
    }
}

/// A name that no instruction set of this kind of processor has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown instruction set `{name}`.")]
pub struct UnknownInstructionSet {
    pub(crate) name: String,
    pub(crate) hint: String,
}

impl UnknownInstructionSet {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        self.hint.clone()
    }
}

impl Error {
    /// What to do about it, as a sentence; nothing where there is nothing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "Choose a folder that holds a whole SmolVLM checkpoint (config.json, tokenizer.json, \
                 preprocessor_config.json and the weights), or a GGUF file."
            }
            Self::Read { .. } => "Check that the file exists and that you may read it.",
            Self::Damaged { path, .. } => return Some(mended(path)),
            Self::OtherFormat { hint, .. } => hint,
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
    fn what_files_say_controls_no_terminal() {
        let why = "its model_type is `\u{1b}[2J\u{202e}\n`".to_owned();
        let message = Error::Unsupported { path: "a\u{7}b/config.json".into(), why }.to_string();
        assert_eq!(
            message,
            "a\\u{7}b/config.json describes a model that Sightline can't run: its model_type is `\\u{1b}[2J\\u{202e}\\n`."
        );
        let long = Error::Weights { why: "x".repeat(1 << 20) }.to_string();
        assert!(long.chars().count() < 500, "{long}");
        let plain = Error::Damaged { path: "/ö ü/模型.json".into(), why: "it's “empty”".into() }.to_string();
        assert_eq!(plain, "/ö ü/模型.json is damaged or not what it should be: it's “empty”.");
    }

    #[test]
    fn a_damaged_file_of_the_cache_is_mended_by_a_command() {
        let hint = |path: &str| Error::Damaged { path: path.into(), why: String::new() }.hint().unwrap();
        let hinted = hint("/c/hub/models--someone--my--tiny/snapshots/0123/config.json");
        assert!(hinted.contains("`sightline models download someone/my--tiny`"), "{hinted}");
        assert!(hint("/models/tiny/config.json").starts_with("Copy that file"), "nothing else can mend it");
    }

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

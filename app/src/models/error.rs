//! Why a model can't be had, each as what happened and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use vlm::OtherFormat;

use crate::base::message::Message;
use crate::base::text::one_line;

/// Why a model can't be had. Displays as [`Self::message`] does.
#[derive(Debug)]
pub enum DownloadError {
    /// No connection came about, or no answer.
    Unreachable {
        /// Where the hub is.
        endpoint: String,
        /// `owner/name`.
        id: String,
        /// The file that was wanted.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The connection ended before the file did.
    Cut {
        /// Which file.
        file: String,
        /// How often it was tried without getting any further.
        tries: u32,
        /// What is there of it, in bytes.
        done: u64,
        /// How long it is, in bytes.
        size: u64,
    },
    /// The hub wants to know who asks (HTTP 401), or does not let them (403).
    Refused {
        /// Where the hub is.
        endpoint: String,
        /// `owner/name`.
        id: String,
    },
    /// There is no such model, or it has no such file (HTTP 404).
    Missing {
        /// Where the hub is.
        endpoint: String,
        /// `owner/name`.
        id: String,
        /// The file that was wanted, if a file was.
        file: Option<String>,
    },
    /// The model is there in a format that is not read.
    OtherFormat {
        /// `owner/name`.
        id: String,
        /// Which format.
        format: OtherFormat,
    },
    /// What the model's small files say is not a model that runs: the large ones were not
    /// downloaded.
    Unusable {
        /// `owner/name`.
        id: String,
        /// What is wrong with it.
        why: Message,
    },
    /// The hub is asked too much (HTTP 429).
    Busy {
        /// Where the hub is.
        endpoint: String,
        /// When it may be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The hub said something else than was asked for.
    Odd {
        /// Where the hub is.
        endpoint: String,
        /// What it said.
        why: String,
    },
    /// What arrived is not what the hub has.
    Damaged {
        /// Which file.
        file: String,
        /// How that shows.
        why: String,
    },
    /// The user wants no connections, and the model is not here.
    Offline {
        /// `owner/name`.
        id: String,
        /// A file that is here and damaged, where the model is here.
        damaged: Option<String>,
    },
    /// There is no place to keep models.
    NoCache,
    /// The disk takes no more, say.
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user stopped it.
    Cancelled,
}

impl DownloadError {
    /// Whether trying again soon may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Cut { .. } | Self::Busy { .. })
    }

    /// What happened, and what to do about it.
    #[must_use]
    pub fn message(&self) -> Message {
        let (what, hint) = self.sentences();
        let what = Message::new(one_line(&what));
        if hint.is_empty() { what } else { what.hint(one_line(&hint)) }
    }

    fn sentences(&self) -> (String, String) {
        match self {
            Self::Unreachable { endpoint, id, file, why } => (
                format!("{endpoint} can't be reached ({why}), so {file} of {id} was not downloaded."),
                format!(
                    "Check the network and try again; or put {file} and the other files of {endpoint}/{id}/tree/main in a \
                     folder by hand and use --model FOLDER."
                ),
            ),
            Self::Cut { file, tries, done, size } => (
                format!("The connection was cut at {done} of {size} bytes of {file}, {tries} times in a row."),
                "Try again: the download goes on from there.".to_owned(),
            ),
            Self::Refused { endpoint, id } => (
                format!("{endpoint} does not let {id} be downloaded."),
                format!(
                    "Check the name; if the model asks for consent, agree on {endpoint}/{id} and set HF_TOKEN to a token of \
                     your account."
                ),
            ),
            Self::Missing { endpoint, id, file: None } => {
                (format!("There is no model {id} at {endpoint}."), "Check the name.".to_owned())
            }
            Self::Missing { endpoint, id, file: Some(file) } => (
                format!("{id} at {endpoint} has no {file}, so it can't be used as a SmolVLM checkpoint."),
                "Choose another model.".to_owned(),
            ),
            Self::OtherFormat { id, format } => (format!("{id} holds {}.", format.what), format.hint.to_owned()),
            Self::Unusable { id, why } => {
                let hint = why.advice().unwrap_or("Choose another model.").to_owned();
                (format!("{id} was not downloaded: {}", why.what()), hint)
            }
            Self::Busy { endpoint, retry_after } => {
                let when = retry_after.map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs()));
                (
                    format!("{endpoint} answers no more requests for now."),
                    format!("Try again {when}; with HF_TOKEN set it allows more of them."),
                )
            }
            Self::Odd { endpoint, why } => (
                format!("{endpoint} gave an answer that makes no sense ({why})."),
                "Try again later, or check HF_ENDPOINT.".to_owned(),
            ),
            Self::Damaged { file, why } => {
                (format!("{file} arrived damaged ({why}) and was thrown away."), "Try again later.".to_owned())
            }
            Self::Offline { id, damaged: None } => (
                format!("{id} is not on this machine, and HF_HUB_OFFLINE forbids downloading it."),
                "Unset that, or use --model FOLDER.".to_owned(),
            ),
            Self::Offline { id, damaged: Some(file) } => (
                format!("{file} of {id} is damaged, and HF_HUB_OFFLINE forbids downloading it."),
                "Unset that and try again.".to_owned(),
            ),
            Self::NoCache => {
                ("There is no home folder to keep models in.".to_owned(), "Set HF_HOME to a folder.".to_owned())
            }
            Self::Disk { path, source } => (
                format!("{} can't be written: {source}.", path.display()),
                "Make room, or set HF_HOME to another folder.".to_owned(),
            ),
            Self::Cancelled => {
                ("The download was stopped.".to_owned(), "It goes on where it was the next time.".to_owned())
            }
        }
    }
}

impl fmt::Display for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for DownloadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_and_what_to_do_are_apart_and_control_no_terminal() {
        let refused = DownloadError::Refused { endpoint: "the hub".to_owned(), id: "a/b".to_owned() }.message();
        assert_eq!(refused.what(), "the hub does not let a/b be downloaded.");
        assert!(refused.advice().is_some_and(|hint| hint.contains("HF_TOKEN")));
        let odd = DownloadError::Odd { endpoint: "the hub".to_owned(), why: "\u{1b}[2J\n".to_owned() };
        assert!(!odd.to_string().contains(char::is_control), "{odd}");
    }
}

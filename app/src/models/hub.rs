//! What is asked of a hub, and what can go wrong, each as a sentence for people.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use vlm::Cancel;

/// Gives models away, file by file. Calls block, and end soon after `cancel` was raised.
pub trait Hub {
    /// Where it is, for messages.
    fn endpoint(&self) -> &str;

    /// Which files the main revision of a model consists of.
    ///
    /// # Errors
    /// As a [`Fault`] says.
    fn listing(&self, id: &str, cancel: &Cancel) -> Result<Listing, Fault>;

    /// How long a file is, and what identifies its content.
    ///
    /// # Errors
    /// As a [`Fault`] says.
    fn describe(&self, id: &str, commit: &str, file: &str, cancel: &Cancel) -> Result<RemoteFile, Fault>;

    /// Hands the bytes of a file from `from` on to `sink`, piece by piece, for as long as that takes them.
    ///
    /// # Errors
    /// As a [`Fault`] says; [`Fault::Cut`] when the connection ended early.
    fn fetch(&self, piece: &Piece<'_>, cancel: &Cancel, sink: &mut Sink<'_>) -> Result<(), Fault>;
}

/// Takes bytes; an error ends the transfer.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Fault> + 'a;

/// The rest of a file.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// `owner/name`.
    pub id: &'a str,
    /// Of which revision.
    pub commit: &'a str,
    /// Which file.
    pub file: &'a RemoteFile,
    /// The first byte wanted.
    pub from: u64,
}

/// What a model consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The revision, as a git hash.
    pub commit: String,
    /// Every file of it, as a path in the repository.
    pub files: Vec<String>,
}

/// A file on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// What identifies its content: the SHA-256 of a large file, git's hash of a small one.
    pub etag: String,
}

/// Why a model can't be had. Displays as a sentence: what happened and what to do.
#[derive(Debug)]
pub enum Fault {
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

impl Fault {
    /// Whether trying again soon may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Cut { .. } | Self::Busy { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { endpoint, id, file, why } => write!(
                f,
                "{endpoint} can't be reached ({why}), so {file} of {id} was not downloaded. Check the network and try again; or \
                 put {file} and the other files of {endpoint}/{id}/tree/main in a folder by hand and use --model FOLDER."
            ),
            Self::Cut { file, tries, done, size } => write!(
                f,
                "The connection was cut at {done} of {size} bytes of {file}, {tries} times in a row. Try again: the download \
                 goes on from there."
            ),
            Self::Refused { endpoint, id } => write!(
                f,
                "{endpoint} does not let {id} be downloaded. Check the name; if the model asks for consent, agree on \
                 {endpoint}/{id} and set HF_TOKEN to a token of your account."
            ),
            Self::Missing { endpoint, id, file: None } => {
                write!(f, "There is no model {id} at {endpoint}. Check the name.")
            }
            Self::Missing { endpoint, id, file: Some(file) } => write!(
                f,
                "{id} at {endpoint} has no {file}, so it is no SmolVLM checkpoint that can be used. Choose another model."
            ),
            Self::Busy { endpoint, retry_after } => {
                let when = retry_after.map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs()));
                write!(
                    f,
                    "{endpoint} answers no more requests for now. Try again {when}; with HF_TOKEN set it allows more of them."
                )
            }
            Self::Odd { endpoint, why } => {
                write!(
                    f,
                    "{endpoint} gave an answer that makes no sense ({why}). Try again later, or check HF_ENDPOINT."
                )
            }
            Self::Damaged { file, why } => {
                write!(f, "{file} arrived damaged ({why}) and was thrown away. Try again later.")
            }
            Self::Offline { id } => write!(
                f,
                "{id} is not on this machine, and HF_HUB_OFFLINE forbids downloading it. Unset that, or use --model FOLDER."
            ),
            Self::NoCache => f.write_str("There is no home folder to keep models in. Set HF_HOME to a folder."),
            Self::Disk { path, source } => {
                write!(f, "{} can't be written: {source}. Make room, or set HF_HOME to another folder.", path.display())
            }
            Self::Cancelled => f.write_str("The download was stopped. It goes on where it was the next time."),
        }
    }
}

impl std::error::Error for Fault {}

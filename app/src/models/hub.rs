//! What is asked of a hub.

use vlm::Cancel;

use crate::models::error::DownloadError;

/// Gives models away, file by file. Calls block, and end soon after `cancel` was raised.
pub trait Hub {
    /// Where it is, for messages.
    fn endpoint(&self) -> &str;

    /// Which files the main revision of a model consists of.
    ///
    /// # Errors
    /// As a [`DownloadError`] says.
    fn listing(&self, id: &str, cancel: &Cancel) -> Result<Listing, DownloadError>;

    /// How long a file is, and what identifies its content.
    ///
    /// # Errors
    /// As a [`DownloadError`] says.
    fn describe(&self, id: &str, commit: &str, file: &str, cancel: &Cancel) -> Result<RemoteFile, DownloadError>;

    /// Hands the bytes of a file from `from` on to `sink`, piece by piece, for as long as that
    /// takes them.
    ///
    /// # Errors
    /// As a [`DownloadError`] says; [`DownloadError::Cut`] when the connection ended early.
    fn fetch(&self, piece: &Piece<'_>, cancel: &Cancel, sink: &mut Sink<'_>) -> Result<(), DownloadError>;
}

/// Takes bytes; an error ends the transfer.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), DownloadError> + 'a;

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

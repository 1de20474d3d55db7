//! Why the log can't be used, as sentences for people. Knows SQLite's codes, so that nothing above
//! has to.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::base::message::Message;
use crate::base::text;

/// Why something with the log failed. Displays what happened; [`LogError::message`] says what to
/// do, too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is no log there yet.
    #[error("There is no caption log at {}.", text::path(.0))]
    Missing(PathBuf),
    /// The file or its folder can't be written.
    #[error("The caption log {} can't be written.", text::path(.0))]
    ReadOnly(PathBuf),
    /// The file can't be opened or made.
    #[error("{} can't be opened: {}.", text::path(.0), plain(.1))]
    Unreachable(PathBuf, String),
    /// The disk is full, or the file may not grow.
    #[error("The disk of the caption log {} is full.", text::path(.0))]
    Full(PathBuf),
    /// Another program holds the log for longer than is waited for.
    #[error("Another program holds the caption log {} locked.", text::path(.0))]
    Locked(PathBuf),
    /// The file is no longer where it was opened: deleted, moved, or another one lies there.
    #[error("The caption log {} was deleted, moved or replaced.", text::path(.0))]
    Gone(PathBuf),
    /// The file's contents contradict themselves.
    #[error("The caption log {} is damaged: {}.", text::path(.0), plain(.1))]
    Damaged(PathBuf, String),
    /// The file is something else.
    #[error("{} is not a caption log, and was left as it is.", text::path(.0))]
    NotALog(PathBuf),
    /// The file was written by a newer program.
    #[error("The caption log {} was written by a newer Sightline (version {version} of its tables).", text::path(path))]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version of its tables.
        version: i64,
    },
    /// It was told to stop in the middle of reading.
    #[error("Reading the caption log was stopped.")]
    Interrupted,
    /// The system starts no more threads.
    #[error("The caption log can't be written: the system starts no more threads ({}).", plain(.0))]
    NoThread(String),
    /// What the user asked for can't be had.
    #[error("{}", .0.what())]
    Request(Message),
    /// SQLite or the system says something else.
    #[error("The caption log {} failed: {}.", text::path(.0), plain(.1))]
    Other(PathBuf, String),
}

/// What another library says, as a part of a sentence.
fn plain(why: &str) -> String {
    text::one_line(why.trim_end_matches('.'))
}

impl LogError {
    /// What SQLite says of the log at `path`.
    #[must_use]
    pub fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(path),
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Locked(path)
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(path, error.to_string()),
            Some(ErrorCode::NotADatabase) => Self::NotALog(path),
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            Some(ErrorCode::CannotOpen) => Self::Unreachable(path, error.to_string()),
            _ => Self::Other(path, error.to_string()),
        }
    }

    /// What the system says of the file or folder at `path`.
    #[must_use]
    pub fn of_file(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Unreachable(path, error.to_string()),
        }
    }

    /// What the user asked for can't be had: what happened, and what to do.
    #[must_use]
    pub fn request(what: impl Into<String>, hint: &str) -> Self {
        Self::Request(Message::new(what).hint(hint))
    }

    /// What happened, and what to do about it.
    #[must_use]
    pub fn message(&self) -> Message {
        let what = Message::new(self.to_string());
        match self {
            Self::Missing(_) => what.hint("Record one with `sightline watch --log`, or name another with --log FILE."),
            Self::ReadOnly(_) => {
                what.hint("Check the permissions of the file and its folder, or name another place with --log FILE.")
            }
            Self::Unreachable(..) => what.hint("Check the path, or name another with --log FILE."),
            Self::Full(_) => what.hint("Free some space, or make the log smaller with `sightline log prune`."),
            Self::Locked(_) => what.hint("Close it and try again."),
            Self::Gone(_) => what.hint("Open it again where it is now with --log FILE."),
            Self::Damaged(..) => what.hint(
                "See what is wrong with `sightline log check`, save what can be read with `sightline log export`, or go \
                 on with a new file by --log FILE.",
            ),
            Self::NotALog(_) => what.hint("Name another file with --log FILE."),
            Self::Newer { .. } => what.hint("Update Sightline, or name another file with --log FILE."),
            Self::Interrupted => what,
            Self::NoThread(_) => what.hint("Close another program and try again."),
            Self::Request(message) => message.clone(),
            Self::Other(..) => what.hint("Check it with `sightline log check`."),
        }
    }
}

impl From<LogError> for Message {
    fn from(error: LogError) -> Self {
        error.message()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_of_the_known_failures_has_a_sentence_of_its_own() {
        let path = Path::new("captions.db");
        let said: Vec<Message> = [
            ffi::SQLITE_READONLY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR,
        ]
        .into_iter()
        .map(|code| LogError::of(path, &rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).message())
        .collect();
        for (i, sentence) in said.iter().enumerate() {
            let (what, hint) = (sentence.what(), sentence.advice().expect("a hint"));
            assert!(what.contains("captions.db") && what.ends_with('.') && hint.ends_with('.'), "{sentence}");
            assert!(!said[..i].contains(sentence), "{sentence}");
        }
    }

    #[test]
    fn a_path_and_a_reason_are_shown_without_control_characters() {
        let error = LogError::Unreachable("a\u{1b}[2Jb".into(), "no\u{7} way.".to_owned());
        assert_eq!(error.to_string(), "a [2Jb can't be opened: no  way.");
    }

    #[test]
    fn a_full_disk_is_told_from_a_folder_that_may_not_be_written() {
        let of = |kind: io::ErrorKind| LogError::of_file(Path::new("x"), &io::Error::from(kind));
        assert!(matches!(of(io::ErrorKind::StorageFull), LogError::Full(_)));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), LogError::ReadOnly(_)));
        assert!(matches!(of(io::ErrorKind::NotADirectory), LogError::Unreachable(..)));
    }
}

//! Why the log can't be used, as sentences for people. Knows SQLite's codes, so that nothing above has to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why something with the log failed. Displays as a sentence: what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// There is no log there yet.
    Missing(PathBuf),
    /// The file or its folder can't be written.
    ReadOnly(PathBuf),
    /// The file can't be opened or made.
    Unreachable(PathBuf, String),
    /// The disk is full, or the file may not grow.
    Full(PathBuf),
    /// Another program holds the log for longer than is waited for.
    Locked(PathBuf),
    /// The file's contents contradict themselves.
    Damaged(PathBuf, String),
    /// The file is something else.
    NotALog(PathBuf),
    /// The file was written by a newer program.
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version of its tables.
        version: i64,
    },
    /// It was told to stop in the middle of reading.
    Interrupted,
    /// The system starts no more threads.
    NoThread(String),
    /// What the user asked for can't be had: a sentence.
    Request(String),
    /// SQLite or the system says something else.
    Other(PathBuf, String),
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
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "There is no caption log at {}. Record one with `sightline watch --log`, or name another with --log FILE.",
                path.display()
            ),
            Self::ReadOnly(path) => write!(
                f,
                "The caption log {} can't be written. Check the permissions of the file and its folder, or name another \
                 place with --log FILE.",
                path.display()
            ),
            Self::Unreachable(path, why) => {
                write!(
                    f,
                    "{} can't be opened ({why}). Check the path, or name another with --log FILE.",
                    path.display()
                )
            }
            Self::Full(path) => write!(
                f,
                "The disk of the caption log {} is full. Free some space, or make the log smaller with `sightline log prune`.",
                path.display()
            ),
            Self::Locked(path) => {
                write!(f, "Another program holds the caption log {} locked. Close it and try again.", path.display())
            }
            Self::Damaged(path, why) => write!(
                f,
                "The caption log {} is damaged ({why}). See what is wrong with `sightline log check`, save what can be read \
                 with `sightline log export`, or go on with a new file by --log FILE.",
                path.display()
            ),
            Self::NotALog(path) => write!(
                f,
                "{} is not a caption log, and was left as it is. Name another file with --log FILE.",
                path.display()
            ),
            Self::Newer { path, version } => write!(
                f,
                "The caption log {} was written by a newer Sightline (version {version} of its tables). Update Sightline, or \
                 name another file with --log FILE.",
                path.display()
            ),
            Self::Interrupted => f.write_str("Reading the caption log was stopped."),
            Self::NoThread(why) => {
                write!(f, "The caption log can't be written: the system starts no more threads ({why}).")
            }
            Self::Request(sentence) => f.write_str(sentence),
            Self::Other(path, why) => {
                write!(f, "The caption log {} failed ({why}). Check it with `sightline log check`.", path.display())
            }
        }
    }
}

impl std::error::Error for LogError {}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_of_the_known_failures_has_a_sentence_of_its_own() {
        let path = Path::new("captions.db");
        let said: Vec<String> = [
            ffi::SQLITE_READONLY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR,
        ]
        .into_iter()
        .map(|code| LogError::of(path, &rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).to_string())
        .collect();
        for (i, sentence) in said.iter().enumerate() {
            assert!(sentence.contains("captions.db") && sentence.ends_with('.'), "{sentence}");
            assert!(!said[..i].contains(sentence), "{sentence}");
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_folder_that_may_not_be_written() {
        let of = |kind: io::ErrorKind| LogError::of_file(Path::new("x"), &io::Error::from(kind));
        assert!(matches!(of(io::ErrorKind::StorageFull), LogError::Full(_)));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), LogError::ReadOnly(_)));
        assert!(matches!(of(io::ErrorKind::NotADirectory), LogError::Unreachable(..)));
    }
}

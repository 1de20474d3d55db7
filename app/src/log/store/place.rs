//! Whether a log's file is still the one that was opened: neither deleted nor moved, nor another
//! one in its place.
//!
//! Only asks the system about names. A file that SQLite has open is never opened here: closing it
//! would take away the locks that this process holds on it (<https://sqlite.org/howtocorrupt.html>,
//! "POSIX advisory locks").

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What tells a file from any other on this machine: device and inode. Where the system has
/// neither, SQLite keeps an open file from being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity(u64, u64);

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        let known = fs::metadata(path)?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt as _;
            Self(known.dev(), known.ino())
        };
        #[cfg(not(unix))]
        let identity = {
            let _ = known;
            Self(0, 0)
        };
        Ok(identity)
    }
}

/// Where a log was opened.
#[derive(Debug)]
pub struct FilePlace {
    path: PathBuf,
    opened: Option<FileIdentity>,
    /// The log ahead of it, which SQLite makes beside the file that links lead to.
    ahead: PathBuf,
    /// The index of that.
    index: PathBuf,
    ahead_opened: Option<FileIdentity>,
}

impl FilePlace {
    /// The place of a file that has just been opened.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let file = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
        let beside = |ending: &str| {
            let mut name = file.clone();
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            path: path.to_owned(),
            opened: FileIdentity::of(path).ok(),
            ahead: beside("-wal"),
            index: beside("-shm"),
            ahead_opened: None,
        }
    }

    /// Whether the file is still there. What can't be asked counts as there: the next write tells.
    pub fn is_kept(&mut self) -> bool {
        is_same(&self.path, &mut self.opened) && is_same(&self.ahead, &mut self.ahead_opened)
    }

    /// Removes what lies ahead of the file, and its index.
    pub fn remove_ahead(&self) {
        for path in [&self.ahead, &self.index] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "{} was not removed", path.display());
                }
                _ => {}
            }
        }
    }
}

/// Whether the file there is the known one. Where none is known yet, it is now.
fn is_same(path: &Path, known: &mut Option<FileIdentity>) -> bool {
    match FileIdentity::of(path) {
        Ok(found) => *known.get_or_insert(found) == found,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => known.is_none(),
        Err(_) => true,
    }
}

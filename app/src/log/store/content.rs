//! Whether the file that is recorded into still holds what was recorded, or somebody has written
//! over it, as `cp` does: the same file with other content.
//!
//! In WAL mode the file itself changes only when what lies ahead of it is written into it. So
//! whenever its length or time has changed, a connection of its own reads the file alone, without
//! what lies ahead, and looks for the session that is recorded.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _};

/// How often in a row the file must look wrong. Once may be a look at it while another program
/// writes into it what lies ahead.
const DOUBTS: u32 = 2;

/// What is known of the file's content.
#[derive(Debug, Default)]
pub(super) struct FileContent {
    /// Number and beginning of the session that is recorded, and whether the file itself has had
    /// it.
    session: Option<(i64, i64, bool)>,
    /// Length and time of the file when it was last looked at.
    looked_at: Option<(u64, SystemTime)>,
    doubts: u32,
}

impl FileContent {
    /// A session has begun, with this number and at these milliseconds since 1970.
    pub(super) fn begin(&mut self, session: i64, began_ms: i64) {
        *self = Self { session: Some((session, began_ms, false)), ..Self::default() };
    }

    /// Whether the file is still ours. `open` opens it without what lies ahead. What can't be asked
    /// counts as ours: the next write tells.
    pub(super) fn is_ours(&mut self, path: &Path, open: impl FnOnce() -> rusqlite::Result<Connection>) -> bool {
        let Some((id, began_ms, was_there)) = self.session else { return true };
        let Some(stamp) = fs::metadata(path).ok().and_then(|it| Some((it.len(), it.modified().ok()?))) else {
            return true;
        };
        if self.looked_at == Some(stamp) {
            return true;
        }
        let found = open().and_then(|file| {
            file.query_row("SELECT began_ms FROM session WHERE id = ?1", [id], |row| row.get::<_, i64>(0)).optional()
        });
        match found {
            Ok(Some(found)) if found == began_ms => self.session = Some((id, began_ms, true)),
            // It lies ahead still.
            Ok(None) if !was_there => {}
            _ => {
                self.doubts += 1;
                return self.doubts < DOUBTS;
            }
        }
        (self.looked_at, self.doubts) = (Some(stamp), 0);
        true
    }

    /// Whether the last look found the file wrong.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubts > 0
    }
}

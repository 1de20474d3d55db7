//! Keeping the log as small and as sound as its owner wants: pruning, a limit of size, backups and
//! checks. Nothing is ever removed by itself: only by the command, or while recording with a limit
//! that the user set.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, backup::Backup};

use crate::base::files::private_file;
use crate::base::text;
use crate::log::data::entry::Moment;
use crate::log::data::keep::{Keep, PruneCount};
use crate::log::error::LogError;
use crate::log::store::{Store, absolute};

/// Entries or thumbnails removed at a time while the log is too large.
const STEP: i64 = 200;
/// Pages copied at a time by a backup, and the pause between: recording goes on meanwhile.
const BACKUP_PAGES: i32 = 1024;
const BACKUP_PAUSE: Duration = Duration::from_millis(5);

impl Store {
    /// Removes what is too old, and then, while the log uses too many bytes, first the oldest kept
    /// views, then the oldest thumbnails and then the oldest entries. Gives the space back to the
    /// disk.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn keep_to(&mut self, keep: &Keep) -> Result<PruneCount, LogError> {
        let mut removed = PruneCount::default();
        if let Some(limit) = keep.views_at_most_bytes {
            removed.views += self.keep_views_to(limit)?;
        }
        if keep.at_most_old.is_none() && keep.at_most_bytes.is_none() && removed.views == 0 {
            return Ok(removed);
        }
        let spared = if keep.bookmarked { "AND NOT bookmarked" } else { "" };
        if let Some(age) = keep.at_most_old {
            let before = Moment::now().ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            let sql = format!("DELETE FROM entry WHERE at_ms < ?1 {spared}");
            removed.entries += self.change(|c| c.execute(&sql, [before]))? as u64;
            removed.views += self.change(|c| c.execute("DELETE FROM view WHERE at_ms < ?1", [before]))? as u64;
        }
        if let Some(limit) = keep.at_most_bytes {
            while self.bytes_in_use()? > limit {
                let step = self.remove_oldest_views()?;
                removed.views += step;
                if step == 0 {
                    break;
                }
            }
            let thumbnails = format!(
                "DELETE FROM thumbnail WHERE entry IN (SELECT entry FROM thumbnail JOIN entry ON entry.id = thumbnail.entry
                 WHERE 1 {spared} ORDER BY entry LIMIT {STEP})"
            );
            let entries = format!(
                "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE 1 {spared} ORDER BY id LIMIT {STEP})"
            );
            removed.thumbnails += self.remove_while_over(limit, &thumbnails)?;
            removed.entries += self.remove_while_over(limit, &entries)?;
        }
        self.change(|c| {
            // The one that ended last may be running.
            c.execute(
                "DELETE FROM session WHERE ended_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM entry WHERE session = session.id)
                 AND NOT EXISTS (SELECT 1 FROM view WHERE session = session.id)",
                [],
            )
        })?;
        self.give_back().map_err(|error| self.error(&error))?;
        Ok(removed)
    }

    fn remove_while_over(&mut self, limit: u64, sql: &str) -> Result<u64, LogError> {
        let mut removed = 0;
        while self.bytes_in_use()? > limit {
            let step = self.change(|c| c.execute(sql, []))? as u64;
            if step == 0 {
                break;
            }
            removed += step;
        }
        Ok(removed)
    }

    /// Bytes of the file that hold something.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn bytes_in_use(&self) -> Result<u64, LogError> {
        let number = |name: &str| self.connection().pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let bytes = || -> rusqlite::Result<i64> {
            Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
        };
        bytes().map(|bytes| u64::try_from(bytes).unwrap_or_default()).map_err(|error| self.error(&error))
    }

    fn give_back(&self) -> rusqlite::Result<()> {
        let connection = self.connection();
        // The statement gives a row a page, and works only while it is asked for them.
        let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        // Another program that reads right now keeps this from being done; a later one will do it.
        let _busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(())
    }

    /// Copies the whole log to a file that is not there yet, while others may go on writing to it.
    ///
    /// # Errors
    /// When there is such a file, or it can't be written.
    pub fn back_up(&self, to: &Path) -> Result<(), LogError> {
        if to.exists() {
            return Err(LogError::request(format!("{} exists already.", text::path(to)), "Name a new file."));
        }
        private_file(to).map_err(|error| LogError::of_file(to, &error))?;
        let copied = || -> rusqlite::Result<()> {
            let mut copy = Connection::open(absolute(to))?;
            Backup::new(self.connection(), &mut copy)?.run_to_completion(BACKUP_PAGES, BACKUP_PAUSE, None)
        };
        copied().map_err(|error| {
            // Half a copy is worse than none.
            let _ = std::fs::remove_file(to);
            LogError::of(to, &error)
        })
    }
}

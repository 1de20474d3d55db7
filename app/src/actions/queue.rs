//! What is still to be told, on the disk: it outlives a kill at any moment and a network that is
//! away for long. Knows no action beyond its name.
//!
//! SQLite rather than a file that grows: it is in the program already, a row leaves it as safely as
//! it came, and the oldest of an action are found without reading the rest. `synchronous = NORMAL`
//! in WAL mode loses nothing to a kill, and to a power cut at most what came last.
//!
//! Each running program has a queue file of its own, held by a lock on a file beside it; the system
//! lets go of the lock however the program ends. The next program to start takes the first file
//! that is free, and with it what was left there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::actions::occurrence::Occurrence;
use crate::base::files::{private_file, private_folder};
use crate::base::message::Message;
use crate::base::text;

/// The most occurrences that wait for one action.
const MOST_WAITING: u64 = 1000;
/// The most bytes that wait for one action, pictures included.
const MOST_BYTES: u64 = 64 << 20;
/// Programs that run at once and have actions.
const MOST_PROGRAMS: u32 = 16;
/// What is left for an action that nobody names any more goes after this long.
const FORGOTTEN: Duration = Duration::from_hours(7 * 24);
/// `SAct`, in the header of a queue's file.
const APPLICATION_ID: i64 = 0x5341_6374;
/// What the WAL file is cut to after a checkpoint.
const WAL_BYTES: i64 = 4 << 20;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL,
    queued_ms INTEGER NOT NULL,
    -- What it is about, where only the newest about it counts.
    subject TEXT,
    -- JSON.
    occurrence TEXT NOT NULL,
    -- A JPEG.
    picture BLOB,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS waiting_for ON waiting (action, id);
CREATE TABLE IF NOT EXISTS dropped (
    action TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// One occurrence that waits to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its row.
    pub id: i64,
    /// What happened.
    pub occurrence: Occurrence,
    /// The picture, as a JPEG.
    pub picture: Option<Vec<u8>>,
}

/// How many may wait.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    rows: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    connection: Connection,
    bounds: Bounds,
    /// Held for as long as the queue is.
    _lock: File,
}

/// Why the queue can't be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The system says no.
    #[error("{0}")]
    System(#[from] io::Error),
    /// SQLite says no.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is something else.
    #[error("{} is not a queue", text::path(.0))]
    Other(PathBuf),
    /// Too many programs have one.
    #[error("{MOST_PROGRAMS} programs use one already")]
    Taken,
}

impl QueueError {
    /// What happened and what to do.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::new(format!("What actions are to tell can't be kept on the disk ({self})."))
            .hint("Check the permissions of your data folder, and how full its disk is.")
    }
}

impl Queue {
    /// Opens the first queue of this folder that no running program has.
    ///
    /// # Errors
    /// When there is no room for one.
    pub fn open(folder: &Path) -> Result<Self, QueueError> {
        private_folder(folder)?;
        for number in 1..=MOST_PROGRAMS {
            let name = if number == 1 { "actions".to_owned() } else { format!("actions-{number}") };
            let lock = folder.join(format!("{name}.lock"));
            private_file(&lock)?;
            let lock = OpenOptions::new().append(true).open(lock)?;
            match lock.try_lock() {
                Ok(()) => return Self::open_file(&folder.join(format!("{name}.db")), lock),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Err(QueueError::Taken)
    }

    fn open_file(path: &Path, lock: File) -> Result<Self, QueueError> {
        private_file(path)?;
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
        let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables > 0 && id != APPLICATION_ID {
            return Err(QueueError::Other(path.to_owned()));
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection, bounds: Bounds { rows: MOST_WAITING, bytes: MOST_BYTES }, _lock: lock })
    }

    /// Removes what nobody will tell any more.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn forget_old(&mut self, now_ms: i64) -> Result<(), QueueError> {
        let oldest = now_ms - FORGOTTEN.as_millis() as i64;
        self.connection.execute("DELETE FROM waiting WHERE queued_ms < ?1", [oldest])?;
        Ok(())
    }

    /// Puts an occurrence at the end of an action's queue. Where only the newest counts, it takes
    /// the place of those about the same thing. Drops the oldest where too many wait.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn push(
        &mut self,
        action: &str,
        occurrence: &Occurrence,
        picture: Option<&[u8]>,
        only_newest: bool,
        now_ms: i64,
    ) -> Result<(), QueueError> {
        let json = serde_json::to_string(occurrence).map_err(io::Error::from)?;
        let bytes = json.len() + picture.map_or(0, <[u8]>::len);
        let subject = only_newest.then(|| occurrence.subject());
        let transaction = self.connection.transaction()?;
        if subject.is_some() {
            // What was replaced by something newer is not lost.
            transaction
                .prepare_cached("DELETE FROM waiting WHERE action = ?1 AND subject = ?2")?
                .execute(params![action, subject])?;
        }
        transaction
            .prepare_cached(
                "INSERT INTO waiting (action, queued_ms, subject, occurrence, picture, bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![action, now_ms, subject, json, picture, bytes as i64])?;
        let mut dropped = 0;
        loop {
            let (rows, bytes): (i64, i64) = transaction
                .prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM waiting WHERE action = ?1")?
                .query_row([action], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if rows <= 1 || (rows as u64 <= self.bounds.rows && bytes as u64 <= self.bounds.bytes) {
                break;
            }
            let oldest = "DELETE FROM waiting WHERE id = (SELECT min(id) FROM waiting WHERE action = ?1)";
            dropped += transaction.prepare_cached(oldest)?.execute([action])?;
        }
        count_dropped(&transaction, action, dropped)?;
        transaction.commit()?;
        Ok(())
    }

    /// The oldest occurrence that waits for an action. Those queued before `since_ms` are dropped.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn front(&mut self, action: &str, since_ms: i64) -> Result<Option<Waiting>, QueueError> {
        let transaction = self.connection.transaction()?;
        let late = transaction
            .prepare_cached("DELETE FROM waiting WHERE action = ?1 AND queued_ms < ?2")?
            .execute(params![action, since_ms])?;
        count_dropped(&transaction, action, late)?;
        let found = loop {
            let row: Option<(i64, String, Option<Vec<u8>>)> = transaction
                .prepare_cached("SELECT id, occurrence, picture FROM waiting WHERE action = ?1 ORDER BY id LIMIT 1")?
                .query_row([action], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((id, json, picture)) = row else { break None };
            match serde_json::from_str(&json) {
                Ok(occurrence) => break Some(Waiting { id, occurrence, picture }),
                // Another version's, or damaged: it must not block those behind it.
                Err(error) => {
                    tracing::warn!(%error, action, "what waits can't be read");
                    transaction.execute("DELETE FROM waiting WHERE id = ?1", [id])?;
                    count_dropped(&transaction, action, 1)?;
                }
            }
        };
        transaction.commit()?;
        Ok(found)
    }

    /// It was told.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn done(&mut self, id: i64) -> Result<(), QueueError> {
        self.connection.prepare_cached("DELETE FROM waiting WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// It will never be told.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn give_up(&mut self, action: &str, id: i64) -> Result<(), QueueError> {
        let transaction = self.connection.transaction()?;
        let gone = transaction.execute("DELETE FROM waiting WHERE id = ?1", [id])?;
        count_dropped(&transaction, action, gone)?;
        transaction.commit()?;
        Ok(())
    }

    /// How many wait for an action, and how many were dropped since the queue was made.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn counts(&self, action: &str) -> Result<(u64, u64), QueueError> {
        let waiting: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM waiting WHERE action = ?1")?
            .query_row([action], |row| row.get(0))?;
        let dropped: Option<i64> = self
            .connection
            .prepare_cached("SELECT count FROM dropped WHERE action = ?1")?
            .query_row([action], |row| row.get(0))
            .optional()?;
        Ok((waiting as u64, dropped.unwrap_or(0) as u64))
    }
}

fn count_dropped(connection: &Connection, action: &str, dropped: usize) -> rusqlite::Result<()> {
    if dropped > 0 {
        connection
            .prepare_cached(
                "INSERT INTO dropped (action, count) VALUES (?1, ?2) \
                 ON CONFLICT (action) DO UPDATE SET count = count + excluded.count",
            )?
            .execute(params![action, dropped as i64])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::actions::{began, caption};

    struct Bench {
        folder: tempfile::TempDir,
        queue: Queue,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let queue = Queue::open(folder.path()).expect("a queue");
            Self { folder, queue }
        }

        fn push(&mut self, occurrence: &Occurrence) {
            self.queue.push("home", occurrence, None, false, 10).expect("kept");
        }

        fn front(&mut self) -> Option<String> {
            let front = self.queue.front("home", 0).expect("read")?;
            Some(front.occurrence.text.unwrap_or_default())
        }
    }

    #[test]
    fn what_waits_comes_in_order_and_once_it_is_done_with_no_more() {
        let mut bench = Bench::new();
        let picture = vec![1, 2, 3];
        let first = caption("door", "A cup.");
        bench.queue.push("home", &first, Some(&picture), false, 10).expect("kept");
        bench.push(&caption("door", "A jug."));
        bench.queue.push("phone", &caption("door", "Of another."), None, false, 10).expect("kept");
        let front = bench.queue.front("home", 0).expect("read").expect("waits");
        assert_eq!((&front.occurrence, front.picture.as_ref()), (&first, Some(&picture)));
        assert_eq!(bench.queue.front("home", 0).expect("read").as_ref(), Some(&front), "it waits until it is done");
        bench.queue.done(front.id).expect("done");
        assert_eq!(bench.front().as_deref(), Some("A jug."));
        assert_eq!(bench.queue.counts("home").expect("counted"), (1, 0));
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let mut bench = Bench::new();
        bench.queue.bounds = Bounds { rows: 3, bytes: 1000 };
        for number in 0..5 {
            bench.push(&caption("door", &format!("Cup {number}.")));
        }
        assert_eq!(bench.front().as_deref(), Some("Cup 2."));
        assert_eq!(bench.queue.counts("home").expect("counted"), (3, 2));
        let large = vec![0; 2000];
        bench.queue.push("home", &caption("door", "A large one."), Some(&large), false, 10).expect("kept");
        assert_eq!(bench.front().as_deref(), Some("A large one."), "one alone may be larger than the bound");
        assert_eq!(bench.queue.counts("home").expect("counted"), (1, 5));
    }

    #[test]
    fn what_is_too_old_is_dropped_and_counted() {
        let mut bench = Bench::new();
        bench.push(&caption("door", "Late."));
        bench.queue.push("home", &caption("door", "In time."), None, false, 20).expect("kept");
        let front = bench.queue.front("home", 15).expect("read").expect("waits");
        assert_eq!(front.occurrence.text.as_deref(), Some("In time."));
        assert_eq!(bench.queue.counts("home").expect("counted"), (1, 1));
    }

    #[test]
    fn where_only_the_newest_counts_older_ones_about_the_same_go_and_are_not_lost() {
        let mut bench = Bench::new();
        for occurrence in
            [caption("door", "A cup."), caption("yard", "A cat."), began("parcel", "door"), caption("door", "A jug.")]
        {
            bench.queue.push("home", &occurrence, None, true, 10).expect("kept");
        }
        let mut told = Vec::new();
        while let Some(front) = bench.queue.front("home", 0).expect("read") {
            bench.queue.done(front.id).expect("done");
            told.push(front.occurrence.body());
        }
        assert_eq!(told, ["A cat.", "It began at door (92 %).", "A jug."]);
        assert_eq!(bench.queue.counts("home").expect("counted"), (0, 0));
    }

    #[test]
    fn programs_that_run_at_once_have_a_queue_each_and_the_next_one_finds_what_was_left() {
        let mut first = Bench::new();
        let mut second = Queue::open(first.folder.path()).expect("another");
        second.push("home", &caption("door", "Of the second."), None, false, 10).expect("kept");
        first.push(&caption("door", "Of the first."));
        assert_eq!(first.front().as_deref(), Some("Of the first."));
        let Bench { folder, queue } = first;
        drop(queue);
        let mut next = Bench { queue: Queue::open(folder.path()).expect("free again"), folder };
        assert_eq!(next.front().as_deref(), Some("Of the first."));
        drop(second);
    }

    #[test]
    fn what_can_not_be_read_is_dropped_and_does_not_block() {
        let mut bench = Bench::new();
        bench.push(&caption("door", "A cup."));
        bench.queue.connection.execute("UPDATE waiting SET occurrence = '{'", []).expect("spoilt");
        bench.push(&caption("door", "A jug."));
        assert_eq!(bench.front().as_deref(), Some("A jug."));
        assert_eq!(bench.queue.counts("home").expect("counted"), (1, 1));
        bench.queue.forget_old(i64::MAX).expect("forgotten");
        assert_eq!(bench.front(), None);
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("actions.db");
        Connection::open(&path).and_then(|other| other.execute_batch("CREATE TABLE a (b)")).expect("made");
        let error = Queue::open(folder.path()).expect_err("not a queue");
        assert!(matches!(error, QueueError::Other(_)) && error.message().what().contains("is not a queue"), "{error}");
    }
}

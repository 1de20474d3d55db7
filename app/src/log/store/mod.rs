//! The log's file: opening it, whatever state it is in, and what the user changes in it. Knows no
//! thread and no pipeline; what recording writes is `record`'s, what can be found in it `search`'s,
//! what goes out of it `export`'s.
//!
//! The file is in WAL mode, so that readers and the writer do not wait for each other and several
//! programs may record into it at once. With `synchronous = NORMAL`, a program that is killed loses
//! nothing that it has committed; a machine that loses its power may lose the last commits, but
//! never the file.

mod check;
mod codes;
mod content;
pub(crate) mod day;
pub(crate) mod digest;
pub(crate) mod fused;
pub(crate) mod import;
pub(crate) mod import_lines;
pub(crate) mod meaning;
pub(crate) mod nearest;
mod place;
pub(crate) mod pooled;
pub(crate) mod query;
mod record;
pub(crate) mod retention;
pub(crate) mod row_index;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod search_form;
pub(crate) mod similar;
pub(crate) mod stats;
#[cfg(test)]
mod survival_tests;
pub(crate) mod ticks;
pub(crate) mod views;

use std::fmt::Write as _;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags, OptionalExtension as _, TransactionBehavior};

use crate::base::files::{private_file, private_folder};
use crate::log::data::entry::{Entry, FoundEntry, Session};
use crate::log::error::LogError;
use crate::log::store::content::FileContent;
use crate::log::store::place::FilePlace;
use crate::log::store::schema::STEPS;

/// How long a write waits for another program's. Then the log counts as locked.
const BUSY: Duration = Duration::from_secs(5);
/// How long to wait before asking again where SQLite itself does not wait.
const AGAIN: Duration = Duration::from_millis(5);
/// What the WAL file is cut to after a checkpoint.
const WAL_BYTES: i64 = 16 << 20;

/// A caption log on disk.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    place: FilePlace,
    content: FileContent,
}

/// An entry that was removed, with what is needed to put it back.
#[derive(Clone, Debug)]
pub struct RemovedEntry {
    entry: Entry,
    thumbnail: Option<Vec<u8>>,
}

/// Stops what a [`Store`] is reading, from another thread. What is stopped fails with
/// [`LogError::Interrupted`].
pub struct Interrupter(InterruptHandle);

impl Interrupter {
    /// Stops what is being read, if anything is.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }
}

impl Store {
    /// Opens the log at `path` for reading and writing; makes it, and its folder, when it is not
    /// there.
    ///
    /// # Errors
    /// When it can't be opened or made, is damaged, newer than this program, or something else than
    /// a log.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private_folder(folder).map_err(|error| LogError::of_file(folder, &error))?;
        }
        match path.metadata() {
            Ok(there) if !there.is_file() => {
                return Err(LogError::Unreachable(path.to_owned(), "it is a folder or a device".to_owned()));
            }
            Ok(_) => {}
            Err(_) => private_file(path).map_err(|error| LogError::of_file(path, &error))?,
        }
        let connection =
            connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| LogError::of(path, &error))?;
        Self::prepare(connection, path, true)
    }

    /// Opens a log that is there. One that can't be written can be read nevertheless.
    ///
    /// # Errors
    /// When there is none, or as for [`Store::open`].
    pub fn open_existing(path: &Path) -> Result<Self, LogError> {
        if !path.is_file() {
            return Err(LogError::Missing(path.to_owned()));
        }
        let opened = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|error| LogError::of(path, &error))
            .and_then(|connection| Self::prepare(connection, path, false));
        match opened {
            // WAL needs files beside the log. Where none can be made, nobody writes either, and the
            // file can be read alone.
            Err(LogError::ReadOnly(_) | LogError::Unreachable(..)) => {
                let connection = file_alone(path).map_err(|error| LogError::of(path, &error))?;
                let store = Self {
                    connection,
                    path: path.to_owned(),
                    place: FilePlace::of(path),
                    content: FileContent::default(),
                };
                store.steps_taken(false)?;
                Ok(store)
            }
            opened => opened,
        }
    }

    fn prepare(connection: Connection, path: &Path, may_make: bool) -> Result<Self, LogError> {
        let mut store =
            Self { connection, path: path.to_owned(), place: FilePlace::of(path), content: FileContent::default() };
        let taken = store.steps_taken(may_make)?;
        store.configure(taken < STEPS.len() as i64, taken == 0).map_err(|error| LogError::of(&store.path, &error))?;
        Ok(store)
    }

    /// How many of [`STEPS`] the file has taken.
    fn steps_taken(&self, may_make: bool) -> Result<i64, LogError> {
        match schema::find(&self.connection).map_err(|error| self.error(&error))? {
            schema::FileKind::Empty if may_make => Ok(0),
            schema::FileKind::Log(version) if version > STEPS.len() as i64 => {
                Err(LogError::Newer { path: self.path.clone(), version })
            }
            schema::FileKind::Log(version) => Ok(version),
            schema::FileKind::Empty | schema::FileKind::Foreign => Err(LogError::NotALog(self.path.clone())),
        }
    }

    fn configure(&mut self, is_older: bool, is_new: bool) -> rusqlite::Result<()> {
        if is_new {
            // Before the first table, so that space can be given back without writing the whole
            // file anew.
            self.connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        change_to_wal(&self.connection)?;
        self.connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.pragma_update(None, "foreign_keys", true)?;
        if is_older {
            schema::migrate(&mut self.connection, &STEPS)?;
        }
        Ok(())
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What SQLite says, as a sentence about this log.
    pub(crate) fn error(&self, error: &rusqlite::Error) -> LogError {
        LogError::of(&self.path, error)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does all of `work` or none of it.
    ///
    /// # Errors
    /// When SQLite fails; nothing is changed then.
    pub(crate) fn change<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LogError> {
        let path = &self.path;
        let done = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|error| LogError::of(path, &error))
    }

    /// The entry of this number.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn entry(&self, id: i64) -> Result<Option<FoundEntry>, LogError> {
        let sql = format!(
            "SELECT {}, {} FROM entry e JOIN session s ON s.id = e.session WHERE e.id = ?1",
            rows::ENTRY,
            rows::FOUND
        );
        self.connection.query_row(&sql, [id], rows::found).optional().map_err(|error| self.error(&error))
    }

    /// The session of this number.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn session(&self, id: i64) -> Result<Option<Session>, LogError> {
        let sql = format!("SELECT {} FROM session s WHERE s.id = ?1", rows::SESSION);
        self.connection.query_row(&sql, [id], rows::session).optional().map_err(|error| self.error(&error))
    }

    /// The thumbnail of this entry, a JPEG, if it is kept.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn thumbnail(&self, entry: i64) -> Result<Option<Vec<u8>>, LogError> {
        self.connection
            .prepare_cached("SELECT jpeg FROM thumbnail WHERE entry = ?1")
            .and_then(|mut statement| statement.query_row([entry], |row| row.get(0)).optional())
            .map_err(|error| self.error(&error))
    }

    /// Sets or takes away an entry's bookmark. Says whether there is such an entry.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn set_bookmark(&mut self, entry: i64, bookmarked: bool) -> Result<bool, LogError> {
        self.change(|c| c.execute("UPDATE entry SET bookmarked = ?2 WHERE id = ?1", (entry, bookmarked)))
            .map(|changed| changed > 0)
    }

    /// Writes, replaces or takes away the user's note. Says whether there is such an entry.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn set_note(&mut self, entry: i64, note: Option<&str>) -> Result<bool, LogError> {
        let note = note.filter(|note| !note.trim().is_empty());
        self.change(|c| {
            let changed = c.execute("UPDATE entry SET note = ?2 WHERE id = ?1", (entry, note))?;
            search_form::refresh(c, entry)?;
            Ok(changed > 0)
        })
    }

    /// Removes an entry with its thumbnail and gives both back, so that it can be undone. None when
    /// there is no such entry.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn take(&mut self, entry: i64) -> Result<Option<RemovedEntry>, LogError> {
        let Some(FoundEntry { entry: taken, .. }) = self.entry(entry)? else { return Ok(None) };
        let thumbnail = self.thumbnail(entry)?;
        self.delete(entry)?;
        Ok(Some(RemovedEntry { entry: taken, thumbnail }))
    }

    /// Puts back what [`Store::take`] gave, under its number, or under the next one when that was
    /// given to another entry since. Returns the number.
    ///
    /// # Errors
    /// When the log can't be written, or the entry's session is gone.
    pub fn put_back(&mut self, taken: &RemovedEntry) -> Result<i64, LogError> {
        let RemovedEntry { entry, thumbnail } = taken;
        self.change(|c| {
            let is_taken =
                c.query_row("SELECT EXISTS (SELECT 1 FROM entry WHERE id = ?1)", [entry.id], |row| row.get(0))?;
            let id = rows::insert_entry(c, &Entry { id: if is_taken { 0 } else { entry.id }, ..entry.clone() })?;
            if let Some(jpeg) = thumbnail {
                rows::insert_thumbnail(c, id, jpeg)?;
            }
            Ok(id)
        })
    }

    /// A number that is another one when something else has written to the log.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn version(&self) -> Result<i64, LogError> {
        self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(|error| self.error(&error))
    }

    /// What stops a long search from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.connection.get_interrupt_handle())
    }

    /// Removes an entry with its thumbnail. Says whether there was one.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn delete(&mut self, entry: i64) -> Result<bool, LogError> {
        self.change(|c| c.execute("DELETE FROM entry WHERE id = ?1", [entry])).map(|changed| changed > 0)
    }
}

/// Opens the file of this name, whatever the name is.
fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    open(&absolute(path), flags)
}

/// Opens the file for reading, without what lies ahead of it and without locks.
fn file_alone(path: &Path) -> rusqlite::Result<Connection> {
    let address = format!("file:{}?immutable=1", percent_encoded(&absolute(path)));
    open(Path::new(&address), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

fn open(name: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    search_form::add_function(&connection)?;
    Ok(connection)
}

/// A path from the root on. SQLite takes no such one for an address (`file:…`) or for a database in
/// memory (`:memory:`).
pub(crate) fn absolute(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Has the file written through a log ahead of it. SQLite's own waiting leaves this change out,
/// which fails at once while another program opens the file for the first time, too.
fn change_to_wal(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < BUSY => {
                thread::sleep(AGAIN);
            }
            done => return done,
        }
    }
}

/// A path as SQLite reads it in an address.
fn percent_encoded(path: &Path) -> String {
    let mut encoded = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(*byte));
            }
            b'\\' if cfg!(windows) => encoded.push('/'),
            byte => {
                // Writing to a text does not fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

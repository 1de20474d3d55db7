//! What recording writes, and whether the file is still the one that it writes into. Knows no
//! thread.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::log::data::entry::{Entry, Session, SessionStart};
use crate::log::data::keep::Keep;
use crate::log::data::views::KeptView;
use crate::log::error::LogError;
use crate::log::store::{Store, file_alone, rows};
use crate::log::threads::meanings::Meaning;
use crate::log::threads::sink::{EventUpdate, Extension, Log};

impl Log for Store {
    fn begin(&mut self, start: &SessionStart) -> Result<i64, LogError> {
        let session = Session { start: start.clone(), ..Session::default() };
        let id = self.change(|c| rows::insert_session(c, &session))?;
        // The sooner the file itself has the session, the sooner it is known whose file it is.
        self.checkpoint("PASSIVE");
        self.content.begin(id, start.began.ms);
        self.content.is_ours(&self.path, || file_alone(&self.path));
        Ok(id)
    }

    fn add(
        &mut self,
        entry: &Entry,
        thumbnail: Option<&[u8]>,
        ended: Option<Extension>,
        lost: u64,
    ) -> Result<i64, LogError> {
        self.change(|c| {
            if let Some(ended) = ended {
                extend(c, ended)?;
            }
            add_lost(c, entry.session, lost)?;
            let id = rows::insert_entry(c, entry)?;
            if let Some(jpeg) = thumbnail {
                rows::insert_thumbnail(c, id, jpeg)?;
            }
            Ok(id)
        })
    }

    fn extend(&mut self, extension: Extension) -> Result<(), LogError> {
        self.change(|c| extend(c, extension))
    }

    fn add_view(&mut self, view: &KeptView) -> Result<(), LogError> {
        Self::add_view(self, view)
    }

    fn add_meaning(&mut self, meaning: &Meaning) -> Result<(), LogError> {
        let Meaning { entry, model, vector } = meaning;
        self.add_meanings(model, &[(*entry, vector.clone())]).map(drop)
    }

    fn update_event(&mut self, update: EventUpdate<'_>) -> Result<(), LogError> {
        let EventUpdate { entry, frame, duration_ms, facts, thumbnail } = update;
        self.change(|c| {
            c.execute(
                "UPDATE entry SET frame = ?2, duration_ms = max(duration_ms, ?3), peak = ?4, probability = ?5, is_over = ?6
                 WHERE id = ?1",
                (entry, frame, duration_ms, facts.peak, facts.probability, facts.is_over),
            )?;
            if let Some(jpeg) = thumbnail {
                c.execute("UPDATE thumbnail SET jpeg = ?2 WHERE entry = ?1", (entry, jpeg))?;
            }
            Ok(())
        })
    }

    fn end(&mut self, session: i64, ended_ms: i64, lost: u64) -> Result<(), LogError> {
        self.change(|c| {
            add_lost(c, session, lost)?;
            c.execute("UPDATE session SET ended_ms = ?2 WHERE id = ?1", (session, ended_ms)).map(|_| ())
        })
    }

    fn tidy(&mut self, keep: &Keep) -> Result<(), LogError> {
        self.keep_to(keep).map(|_| ())
    }

    fn look(&mut self) -> Result<(), LogError> {
        let is_kept = self.place.is_kept();
        if !self.content.is_ours(&self.path, || file_alone(&self.path)) || (!is_kept && self.content.is_doubtful()) {
            self.let_go();
        } else if is_kept {
            return Ok(());
        } else {
            // SQLite leaves that out when it closes a file that has moved.
            self.checkpoint("TRUNCATE");
        }
        Err(LogError::Gone(self.path.clone()))
    }
}

impl Store {
    /// Writes what lies ahead of the file into it, wherever it is now. Where that can't be done,
    /// the file is deleted or its disk is full, and there is nothing else to try.
    fn checkpoint(&self, mode: &str) {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        if let Err(error) = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
            tracing::warn!(%error, "what lies ahead of the log was not written into it");
        }
    }

    /// Leaves a file that somebody has written over as it is: what lies ahead of it belongs to what
    /// was there before.
    fn let_go(&self) {
        if let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            tracing::warn!(%error, "the log that was written over may be changed");
        }
        self.place.remove_ahead();
    }
}

fn extend(connection: &Connection, extension: Extension) -> rusqlite::Result<()> {
    let Extension { entry, duration_ms, repeats, dropped, skipped } = extension;
    connection
        .prepare_cached(
            "UPDATE entry SET duration_ms = max(duration_ms, ?2), repeats = repeats + ?3, dropped = dropped + ?4,
             skipped = skipped + ?5 WHERE id = ?1",
        )?
        .execute((entry, duration_ms, repeats, dropped, skipped))
        .map(|_| ())
}

fn add_lost(connection: &Connection, session: i64, lost: u64) -> rusqlite::Result<()> {
    if lost > 0 {
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        connection.execute("UPDATE session SET lost = lost + ?2 WHERE id = ?1", (session, lost))?;
    }
    Ok(())
}

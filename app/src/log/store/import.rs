//! Reading an export in JSONL back into a log. All of a file is taken, or nothing.
//!
//! Into an empty log everything comes under its old numbers, so that export and import give the same log again. Otherwise
//! everything gets new numbers, and sessions that the log has already (the same source, model, instruction and beginning)
//! are left out with their entries.

use std::collections::HashMap;
use std::io::BufRead;

use rusqlite::{Connection, OptionalExtension as _};

use crate::log::data::entry::Session;
use crate::log::error::LogError;
use crate::log::json::Line;
use crate::log::store::Store;
use crate::log::store::rows;

/// What was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Sessions.
    pub sessions: u64,
    /// Captions and answers.
    pub entries: u64,
    /// Sessions that were there already.
    pub known: u64,
}

/// Why reading a line failed.
enum Fault {
    Line(usize, String),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Store {
    /// Takes in every line of an export.
    ///
    /// # Errors
    /// When a line is none of an export, or the log can't be written. Nothing is taken in then.
    pub fn import(&mut self, lines: impl BufRead) -> Result<Imported, LogError> {
        let mut fault = None;
        let imported = self.change(|connection| match read(connection, lines) {
            Ok(imported) => Ok(imported),
            Err(Fault::Sql(error)) => Err(error),
            Err(Fault::Line(number, why)) => {
                fault = Some(LogError::Request(format!(
                    "Line {number} is none of an exported log ({why}). Nothing was imported. Import a file that was made by \
                     `sightline log export --format jsonl`."
                )));
                // Only what fails is undone.
                Err(rusqlite::Error::InvalidQuery)
            }
        });
        imported.map_err(|error| fault.unwrap_or(error))
    }
}

fn read(connection: &Connection, lines: impl BufRead) -> Result<Imported, Fault> {
    let is_empty: bool = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM session)", [], |row| row.get(0))?;
    let mut imported = Imported::default();
    // The file's numbers of sessions, and ours; none for those that are left out.
    let mut sessions: HashMap<i64, Option<i64>> = HashMap::new();
    for (number, line) in lines.lines().enumerate() {
        let broken = |why: String| Fault::Line(number + 1, why);
        let line = line.map_err(|error| broken(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line).map_err(|error| broken(error.to_string()))? {
            Line::Session(line) => {
                let session = line.into_session().ok_or_else(|| broken("its beginning is no time".to_owned()))?;
                let id = session.id;
                let ours = if is_known(connection, &session)? {
                    imported.known += 1;
                    None
                } else {
                    imported.sessions += 1;
                    let session = Session { id: if is_empty { id } else { 0 }, ..session };
                    Some(rows::insert_session(connection, &session)?)
                };
                if sessions.insert(id, ours).is_some() {
                    return Err(broken(format!("there were two sessions {id}")));
                }
            }
            Line::Entry(line) => {
                let Some(session) = sessions.get(&line.session()) else {
                    return Err(broken(format!("session {} does not come before it", line.session())));
                };
                let (mut entry, thumbnail) = line.into_entry().map_err(broken)?;
                let Some(session) = session else { continue };
                entry.session = *session;
                if !is_empty {
                    entry.id = 0;
                }
                let id = rows::insert_entry(connection, &entry)?;
                if let Some(jpeg) = thumbnail {
                    rows::insert_thumbnail(connection, id, &jpeg)?;
                }
                imported.entries += 1;
            }
        }
    }
    Ok(imported)
}

fn is_known(connection: &Connection, session: &Session) -> rusqlite::Result<bool> {
    let start = &session.start;
    connection
        .prepare_cached(
            "SELECT 1 FROM session WHERE began_ms = ?1 AND source = ?2 AND model = ?3 AND instruction = ?4 LIMIT 1",
        )?
        .query_row((start.began.ms, &start.source, &start.card.model, &start.instruction), |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Filter;
    use crate::log::export::{Export, Format};
    use crate::testing::log::{Scratch, filled};

    fn exported(log: &Scratch) -> String {
        let export = Export { format: Format::Jsonl, filter: Filter::default(), thumbnails: true };
        let mut out = Vec::new();
        export.write(&log.store, &mut out).expect("exported");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_was_exported_comes_back_equal() {
        let mut log = filled();
        // A gap in the numbers must not matter.
        assert!(log.store.delete(2).expect("deleted"));
        let lines = exported(&log);
        let mut copy = Scratch::new();
        let imported = copy.store.import(lines.as_bytes()).expect("imported");
        assert_eq!(imported, Imported { sessions: 2, entries: 5, known: 0 });
        assert_eq!(exported(&copy), lines);
        assert_eq!(copy.store.thumbnail(1).expect("read"), log.store.thumbnail(1).expect("read"));
        assert!(copy.store.thumbnail(1).expect("read").is_some());
    }

    #[test]
    fn sessions_that_are_there_already_are_left_out() {
        let mut log = filled();
        let lines = exported(&log);
        let again = log.store.import(lines.as_bytes()).expect("imported");
        assert_eq!(again, Imported { sessions: 0, entries: 0, known: 2 });
        assert_eq!(exported(&log), lines);

        let mut other = Scratch::new();
        other.session("Garden", "256m", "2026-11-24T12:00:00.000+01:00");
        other.store.import(lines.as_bytes()).expect("imported");
        let sources: Vec<_> =
            other.store.sessions(&Filter::default()).expect("read").into_iter().map(|s| s.start.source).collect();
        assert_eq!(sources, ["Garden", "Front door", "film.mp4"]);
    }

    #[test]
    fn a_bad_line_is_named_and_nothing_is_taken_in() {
        let lines = exported(&filled());
        for (bad, line) in [("{}", 9), ("not JSON", 9), ("{\"type\":\"entry\"}", 9)] {
            let mut log = Scratch::new();
            let failed = log.store.import(format!("{lines}{bad}\n").as_bytes());
            assert!(failed.is_err_and(|error| error.to_string().contains(&format!("Line {line} "))), "{bad}");
            assert!(log.store.sessions(&Filter::default()).expect("read").is_empty());
        }
        let orphans: String = lines.lines().skip(1).fold(String::new(), |all, line| all + line + "\n");
        let failed = Scratch::new().store.import(orphans.as_bytes());
        assert!(failed.is_err_and(|error| error.to_string().contains("session 1 does not come before it")));
    }
}

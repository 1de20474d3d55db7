//! Reading an export in JSONL back into a log. All of a file is taken, or nothing.
//!
//! Into an empty log everything comes under its old numbers, so that export and import give the
//! same log again. Otherwise everything gets new numbers, and sessions that the log has already
//! (the same source, model, instruction and beginning) are left out with their entries.

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};

use crate::log::data::entry::Session;
use crate::log::error::LogError;
use crate::log::json::ExportLine;
use crate::log::store::Store;
use crate::log::store::import_lines::{ImportLines, bad};
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

/// Why a line was not taken in.
enum ImportFault {
    Line(LogError),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for ImportFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<LogError> for ImportFault {
    fn from(error: LogError) -> Self {
        Self::Line(error)
    }
}

impl Store {
    /// Takes in every line of an export.
    ///
    /// # Errors
    /// When the lines do not go together, or the log can't be written. Nothing is taken in then.
    pub fn import(&mut self, lines: ImportLines) -> Result<Imported, LogError> {
        let mut fault = None;
        let imported = self.change(|connection| match take_in(connection, lines) {
            Ok(imported) => Ok(imported),
            Err(ImportFault::Sql(error)) => Err(error),
            Err(ImportFault::Line(error)) => {
                fault = Some(error);
                // Only what fails is undone.
                Err(rusqlite::Error::InvalidQuery)
            }
        });
        imported.map_err(|error| fault.unwrap_or(error))
    }
}

fn take_in(connection: &Connection, mut lines: ImportLines) -> Result<Imported, ImportFault> {
    let is_empty: bool = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM session)", [], |row| row.get(0))?;
    let mut imported = Imported::default();
    // The file's numbers of sessions, and ours; none for those that are left out.
    let mut sessions: HashMap<i64, Option<i64>> = HashMap::new();
    lines.each(|number, line| -> Result<(), ImportFault> {
        match line {
            ExportLine::Session(line) => {
                let session = line.into_session().ok_or_else(|| bad(number, "unknown time of its beginning"))?;
                let id = session.id;
                let ours = if is_known(connection, &session)? {
                    imported.known += 1;
                    None
                } else {
                    imported.sessions += 1;
                    let session = Session { id: if is_empty { id } else { 0 }, ..session };
                    Some(rows::insert_session(connection, &session).map_err(|error| twice(number, error))?)
                };
                if sessions.insert(id, ours).is_some() {
                    return Err(bad(number, &format!("session {id} came before")).into());
                }
            }
            ExportLine::Entry(line) => {
                let session = line.session();
                let Some(ours) = sessions.get(&session) else {
                    return Err(bad(number, &format!("session {session} does not come before it")).into());
                };
                let (mut entry, thumbnail) = line.into_entry().map_err(|why| bad(number, &why))?;
                let Some(ours) = ours else { return Ok(()) };
                entry.session = *ours;
                if !is_empty {
                    entry.id = 0;
                }
                let id = rows::insert_entry(connection, &entry).map_err(|error| twice(number, error))?;
                if let Some(jpeg) = thumbnail {
                    rows::insert_thumbnail(connection, id, &jpeg)?;
                }
                imported.entries += 1;
            }
        }
        Ok(())
    })?;
    Ok(imported)
}

/// A number that is taken is the file's fault, anything else the log's.
fn twice(line: u64, error: rusqlite::Error) -> ImportFault {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => bad(line, "its number came before").into(),
        _ => error.into(),
    }
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
        let export =
            Export { format: Format::Jsonl, filter: Filter::default(), thumbnails: true, byte_order_mark: false };
        let mut out = Vec::new();
        export.write(&log.store, &mut out).expect("exported");
        String::from_utf8(out).expect("UTF-8")
    }

    fn of(lines: &str) -> ImportLines {
        ImportLines::kept(lines.as_bytes()).expect("lines of an export")
    }

    #[test]
    fn what_was_exported_comes_back_equal() {
        let mut log = filled();
        // A gap in the numbers must not matter.
        assert!(log.store.delete(2).expect("deleted"));
        let lines = exported(&log);
        let mut copy = Scratch::new();
        let imported = copy.store.import(of(&lines)).expect("imported");
        assert_eq!(imported, Imported { sessions: 2, entries: 5, known: 0 });
        assert_eq!(exported(&copy), lines);
        assert_eq!(copy.store.thumbnail(1).expect("read"), log.store.thumbnail(1).expect("read"));
        assert!(copy.store.thumbnail(1).expect("read").is_some());
    }

    #[test]
    fn sessions_that_are_there_already_are_left_out() {
        let mut log = filled();
        let lines = exported(&log);
        let again = log.store.import(of(&lines)).expect("imported");
        assert_eq!(again, Imported { sessions: 0, entries: 0, known: 2 });
        assert_eq!(exported(&log), lines);

        let mut other = Scratch::new();
        other.session("Garden", "256m", "2026-11-24T12:00:00.000+01:00");
        other.store.import(of(&lines)).expect("imported");
        let sources: Vec<_> =
            other.store.sessions(&Filter::default()).expect("read").into_iter().map(|s| s.start.source).collect();
        assert_eq!(sources, ["Garden", "Front door", "film.mp4"]);
    }

    #[test]
    fn a_bad_line_is_named_and_nothing_is_taken_in() {
        let lines = exported(&filled());
        for bad in ["{}", "not JSON", "{\"type\":\"entry\"}"] {
            let failed = ImportLines::kept(format!("{lines}{bad}\n").as_bytes());
            assert!(failed.is_err_and(|error| error.to_string().contains("Line 9 ")), "{bad}");
        }
        let first_entry = lines.lines().nth(1).expect("an entry");
        for bad in [first_entry.to_owned(), first_entry.replace("\"since_ms\":1000", "\"since_ms\":-1")] {
            let mut log = Scratch::new();
            let failed = log.store.import(of(&format!("{lines}{bad}\n")));
            assert!(failed.is_err_and(|error| error.to_string().contains("Line 9 ")), "{bad}");
            assert!(log.store.sessions(&Filter::default()).expect("read").is_empty());
        }
        let orphans: String = lines.lines().skip(1).fold(String::new(), |all, line| all + line + "\n");
        let failed = Scratch::new().store.import(of(&orphans));
        assert!(failed.is_err_and(|error| error.to_string().contains("session 1 does not come before it")));
    }
}

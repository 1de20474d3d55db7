//! Looking for damage. The log is only read, so that nobody who records has to wait meanwhile: FTS5
//! compares its index with the entries by a statement that writes, which therefore runs on a copy
//! of the texts and the index.

use rusqlite::Connection;

use crate::base::files::private_file;
use crate::log::error::LogError;
use crate::log::store::Store;

/// Copies what the comparison needs into the attached database, from one moment of the log.
const COPY: &str = r#"
CREATE TABLE copy.searched AS SELECT id, text, question, note FROM main.searched;
CREATE UNIQUE INDEX copy.searched_id ON searched (id);
CREATE VIRTUAL TABLE copy.entry_words USING fts5 (
    text, question, note, content = 'searched', content_rowid = 'id',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
DELETE FROM copy.entry_words_data;
DELETE FROM copy.entry_words_idx;
DELETE FROM copy.entry_words_docsize;
INSERT INTO copy.entry_words_data SELECT * FROM main.entry_words_data;
INSERT INTO copy.entry_words_idx SELECT * FROM main.entry_words_idx;
INSERT INTO copy.entry_words_docsize SELECT * FROM main.entry_words_docsize;
"#;

impl Store {
    /// Looks for damage: in the file, in the index of words and in what refers to what. Returns
    /// what was found, a line each.
    ///
    /// # Errors
    /// When the log can't be read at all, or there is no room for the copy.
    pub fn check(&self) -> Result<Vec<String>, LogError> {
        let connection = self.connection();
        let mut found: Vec<String> = connection
            .prepare("PRAGMA integrity_check")
            .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect())
            .map_err(|error| self.error(&error))?;
        found.retain(|line| line != "ok");
        let is_only_read = connection.is_readonly("main").map_err(|error| self.error(&error))?;
        // The texts of a damaged file can't be copied, and what is attached to a file that is only
        // read is only read.
        if found.is_empty() && !is_only_read {
            found.extend(self.index_fault()?);
        }
        let strays: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .map_err(|error| self.error(&error))?;
        if strays > 0 {
            found.push(format!("{strays} rows belong to nothing."));
        }
        Ok(found)
    }

    /// What is wrong with the index of words, if anything is.
    fn index_fault(&self) -> Result<Option<String>, LogError> {
        let folder = tempfile::tempdir().map_err(|error| LogError::of_file(&std::env::temp_dir(), &error))?;
        let copy = folder.path().join("words.db");
        // SQLite opens what is attached as it has opened the log: without making a file.
        private_file(&copy).map_err(|error| LogError::of_file(&copy, &error))?;
        let connection = self.connection();
        let copied = || -> rusqlite::Result<()> {
            connection.execute("ATTACH ?1 AS copy", [copy.to_string_lossy()])?;
            let done = connection.execute_batch(&format!("BEGIN; {COPY} COMMIT;"));
            if done.is_err() && !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            connection.execute_batch("DETACH copy")?;
            done
        };
        copied().map_err(|error| self.error(&error))?;
        // A connection of its own has nothing of the new tables in mind that the copied rows
        // contradict.
        let compared = Connection::open(&copy).and_then(|connection| {
            connection.execute("INSERT INTO entry_words (entry_words, rank) VALUES ('integrity-check', 1)", [])
        });
        Ok(compared.err().map(|error| format!("The index of words does not agree with the entries: {error}")))
    }
}

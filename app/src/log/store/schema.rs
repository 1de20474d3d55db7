//! The tables of the log, and how those of an older version become today's. Knows SQLite and no
//! row's meaning beyond it.
//!
//! `user_version` counts the steps that a file has taken. Steps are only ever added: one that was
//! released stays as it is.

use rusqlite::{Connection, TransactionBehavior};

use crate::log::store::{pooled, search_form};

/// `SLog`, in the header of every file that is a log, so that no other program's database is taken
/// for one.
pub const APPLICATION_ID: i64 = 0x534C_6F67;

/// A step from the tables of one version to those of the next.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What SQL does.
    pub sql: &'static str,
    /// What it can't do, done after it, and the SQL that ends the step.
    pub then: Option<(Fill, &'static str)>,
}

/// Fills tables that a step has made.
pub type Fill = fn(&Connection) -> rusqlite::Result<()>;

impl Step {
    /// A step of SQL alone.
    const fn of(sql: &'static str) -> Self {
        Self { sql, then: None }
    }
}

/// The steps from an empty file to today's tables.
pub const STEPS: [Step; 8] = [
    Step::of(FIRST),
    Step::of(RARE),
    Step { sql: FORMS, then: Some((search_form::fill, FORMS_IN_USE)) },
    Step::of(PREFIX),
    Step::of(EVENTS),
    Step::of(VIEWS),
    Step { sql: POOLED, then: Some((pooled::fill, "")) },
    Step::of(MEANINGS),
];

/// Times are milliseconds since 1970 in UTC (`…_ms`), with the offset of the place in seconds
/// beside them; `since_ms` is counted from the session's start on the monotonic clock, so that a
/// wall clock that is set back disturbs no order. Stage timings are microseconds.
const FIRST: &str = "
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    model TEXT NOT NULL,
    device TEXT NOT NULL,
    precision TEXT NOT NULL,
    instruction TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    offset_s INTEGER NOT NULL,
    -- Null while it runs, and for ever when the program was killed.
    ended_ms INTEGER,
    -- Records that the disk was too slow or too full for.
    lost INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    -- 1 a caption, 2 an answer.
    kind INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    offset_s INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL,
    question TEXT,
    note TEXT,
    bookmarked INTEGER NOT NULL DEFAULT 0,
    -- How often the same words came again.
    repeats INTEGER NOT NULL DEFAULT 0,
    age_ms INTEGER,
    preprocess_us INTEGER NOT NULL,
    vision_us INTEGER NOT NULL,
    prefill_us INTEGER NOT NULL,
    decode_us INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    stop TEXT NOT NULL,
    draft_offered INTEGER NOT NULL,
    draft_accepted INTEGER NOT NULL,
    dropped INTEGER,
    skipped INTEGER,
    -- The mean log-probability of the reply's tokens, where the model tells.
    mean_log_prob REAL
);
CREATE INDEX entry_at ON entry (at_ms);
CREATE INDEX entry_of_session ON entry (session);
CREATE INDEX entry_bookmarked ON entry (id) WHERE bookmarked;
CREATE TABLE thumbnail (
    entry INTEGER PRIMARY KEY REFERENCES entry ON DELETE CASCADE,
    jpeg BLOB NOT NULL
);
CREATE VIRTUAL TABLE entry_words USING fts5 (
    text, question, note, content = 'entry', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
    INSERT INTO entry_words (rowid, text, question, note) VALUES (new.id, new.text, new.question, new.note);
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
    INSERT INTO entry_words (entry_words, rowid, text, question, note)
        VALUES ('delete', old.id, old.text, old.question, old.note);
END;
CREATE TRIGGER entry_reworded AFTER UPDATE OF text, question, note ON entry BEGIN
    INSERT INTO entry_words (entry_words, rowid, text, question, note)
        VALUES ('delete', old.id, old.text, old.question, old.note);
    INSERT INTO entry_words (rowid, text, question, note) VALUES (new.id, new.text, new.question, new.note);
END;
";

/// What is rare among captions is found without looking at all of them, in the order of the list.
const RARE: &str = "
DROP INDEX entry_bookmarked;
CREATE INDEX entry_bookmarked ON entry (at_ms) WHERE bookmarked;
CREATE INDEX entry_noted ON entry (at_ms) WHERE note IS NOT NULL;
CREATE INDEX entry_answers ON entry (at_ms) WHERE kind = 2;
";

/// Words are found in every script, case and accents alike: the index is of the search form of
/// texts, where they have one. Marks are parts of words (the vowels of Hindi and Thai).
const FORMS: &str = r#"
DROP TRIGGER entry_added;
DROP TRIGGER entry_removed;
DROP TRIGGER entry_reworded;
DROP TABLE entry_words;
-- Of entries with anything but ASCII in their texts: see search_form.rs.
CREATE TABLE search_form (
    entry INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    question TEXT,
    note TEXT
);
CREATE VIEW searched AS SELECT entry.id AS id,
    CASE WHEN form.entry IS NULL THEN entry.text ELSE form.text END AS text,
    CASE WHEN form.entry IS NULL THEN entry.question ELSE form.question END AS question,
    CASE WHEN form.entry IS NULL THEN entry.note ELSE form.note END AS note
    FROM entry LEFT JOIN search_form form ON form.entry = entry.id;
CREATE VIRTUAL TABLE entry_words USING fts5 (
    text, question, note, content = 'searched', content_rowid = 'id',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
"#;

/// What the index has of an entry is always its row of `searched`: taken out before that changes,
/// put in after. A form is written after its entry, and removed by every change of the entry's
/// texts.
const FORMS_IN_USE: &str = "
INSERT INTO entry_words (entry_words) VALUES ('rebuild');
CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
    INSERT INTO entry_words (rowid, text, question, note) VALUES (new.id, new.text, new.question, new.note);
END;
CREATE TRIGGER entry_removed BEFORE DELETE ON entry BEGIN
    INSERT INTO entry_words (entry_words, rowid, text, question, note)
        SELECT 'delete', id, text, question, note FROM searched WHERE id = old.id;
    DELETE FROM search_form WHERE entry = old.id;
END;
CREATE TRIGGER entry_rewording BEFORE UPDATE OF text, question, note ON entry BEGIN
    INSERT INTO entry_words (entry_words, rowid, text, question, note)
        SELECT 'delete', id, text, question, note FROM searched WHERE id = old.id;
    DELETE FROM search_form WHERE entry = old.id;
END;
CREATE TRIGGER entry_reworded AFTER UPDATE OF text, question, note ON entry BEGIN
    INSERT INTO entry_words (rowid, text, question, note) VALUES (new.id, new.text, new.question, new.note);
END;
CREATE TRIGGER form_adding BEFORE INSERT ON search_form BEGIN
    INSERT INTO entry_words (entry_words, rowid, text, question, note)
        SELECT 'delete', id, text, question, note FROM searched WHERE id = new.entry;
END;
CREATE TRIGGER form_added AFTER INSERT ON search_form BEGIN
    INSERT INTO entry_words (rowid, text, question, note)
        SELECT id, text, question, note FROM searched WHERE id = new.entry;
END;
";

/// What a model was told and shown before every picture: the text, and the labels of the pictures
/// as an array of JSON.
const PREFIX: &str = "
ALTER TABLE session ADD COLUMN standing TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN reference TEXT NOT NULL DEFAULT '[]';
";

/// What rules have to tell are entries of kinds 3 (an event) and 4 (a near miss), with the rule's
/// sentence as their text.
const EVENTS: &str = "
ALTER TABLE entry ADD COLUMN rule TEXT;
-- In nats, as the model says.
ALTER TABLE entry ADD COLUMN peak REAL;
-- The same as it was told.
ALTER TABLE entry ADD COLUMN probability REAL;
ALTER TABLE entry ADD COLUMN is_over INTEGER;
-- 1 right, 0 wrong, as the user says.
ALTER TABLE entry ADD COLUMN tick INTEGER;
CREATE INDEX entry_events ON entry (at_ms) WHERE kind = 3;
CREATE INDEX entry_near_misses ON entry (at_ms) WHERE kind = 4;
CREATE INDEX entry_ticked ON entry (text) WHERE tick IS NOT NULL;
";

/// What stands for pictures, where it is kept: bytes with a scale (f32, little endian) a row.
/// Features go with their last view.
const VIEWS: &str = "
CREATE TABLE feature (
    id INTEGER PRIMARY KEY,
    width INTEGER NOT NULL,
    scales BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE TABLE view (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    offset_s INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    feature INTEGER NOT NULL REFERENCES feature,
    UNIQUE (session, frame)
);
CREATE INDEX view_at ON view (at_ms);
CREATE INDEX view_feature ON view (feature);
CREATE TRIGGER view_removed AFTER DELETE ON view BEGIN
    DELETE FROM feature WHERE id = old.feature AND NOT EXISTS (SELECT 1 FROM view WHERE feature = old.feature);
END;
";

/// The means of features, by which views are compared, apart from them: see pooled.rs.
const POOLED: &str = "
CREATE TABLE pool (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    precision TEXT NOT NULL,
    width INTEGER NOT NULL,
    UNIQUE (model, precision, width)
);
CREATE TABLE pooled (
    feature INTEGER PRIMARY KEY REFERENCES feature ON DELETE CASCADE,
    pool INTEGER NOT NULL REFERENCES pool,
    bytes BLOB NOT NULL
);
";

/// Vectors of entries' words, by which they are found by meaning: see meaning.rs. Other words want
/// another vector.
const MEANINGS: &str = "
CREATE TABLE meaning (
    entry INTEGER PRIMARY KEY REFERENCES entry ON DELETE CASCADE,
    pool INTEGER NOT NULL REFERENCES pool,
    bytes BLOB NOT NULL
);
CREATE TABLE meaning_block (
    block INTEGER PRIMARY KEY,
    -- Which of its slots are taken, a bit each: 0 to 63, and 64 to 127.
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    codes BLOB NOT NULL
);
CREATE TRIGGER entry_meaning_changed AFTER UPDATE OF text, question ON entry BEGIN
    DELETE FROM meaning WHERE entry = old.id;
END;
CREATE TRIGGER meaning_removed AFTER DELETE ON meaning BEGIN
    UPDATE meaning_block SET low = low & ~(1 << (old.entry & 63))
        WHERE block = old.entry >> 7 AND old.entry & 64 = 0;
    UPDATE meaning_block SET high = high & ~(1 << (old.entry & 63))
        WHERE block = old.entry >> 7 AND old.entry & 64 != 0;
    DELETE FROM meaning_block WHERE block = old.entry >> 7 AND low = 0 AND high = 0;
END;
";

/// What a file is, before any step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing yet.
    Empty,
    /// A log that has taken this many steps.
    Log(i64),
    /// Another program's database.
    Foreign,
}

/// Looks at the header and at whether there are tables.
///
/// # Errors
/// When SQLite can't read the file.
pub fn find(connection: &Connection) -> rusqlite::Result<FileKind> {
    // All from one moment: another program may be making the log right now.
    let moment = connection.unchecked_transaction()?;
    let pragma = |name: &str| moment.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version")?;
    if pragma("application_id")? == APPLICATION_ID {
        return Ok(FileKind::Log(version));
    }
    let tables: i64 = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 && version == 0 { FileKind::Empty } else { FileKind::Foreign })
}

/// Takes the steps that the file has not taken, all or none: two programs that do so at once take
/// them once.
///
/// # Errors
/// When SQLite can't write the file; it then is as it was.
pub fn migrate(connection: &mut Connection, steps: &[Step]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked within the transaction: another program may have come first.
    let taken: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in steps.iter().skip(usize::try_from(taken).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step.sql)?;
        if let Some((then, sql)) = step.then {
            then(&transaction)?;
            transaction.execute_batch(sql)?;
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", (steps.len() as i64).max(taken))?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log::fill_as_version_one;

    fn of_version_one() -> Connection {
        let mut connection = Connection::open_in_memory().expect("opened");
        fill_as_version_one(&mut connection);
        connection
    }

    fn found_words(connection: &Connection, words: &str) -> i64 {
        connection
            .query_row("SELECT count(*) FROM entry_words WHERE entry_words MATCH ?1", [words], |row| row.get(0))
            .expect("searched")
    }

    #[test]
    fn rows_of_the_first_version_live_through_every_later_step() {
        let mut connection = of_version_one();
        let later: Vec<Step> = STEPS.into_iter().chain([Step::of("ALTER TABLE entry ADD COLUMN mood TEXT")]).collect();
        migrate(&mut connection, &later).expect("migrated");
        assert_eq!(find(&connection).expect("read"), FileKind::Log(later.len() as i64));
        let text: String =
            connection.query_row("SELECT text FROM entry WHERE mood IS NULL", [], |row| row.get(0)).expect("read");
        assert_eq!(text, "A cup of tea");
        assert_eq!(found_words(&connection, "tea"), 1);
    }

    #[test]
    fn a_step_that_fails_leaves_everything_as_it_was() {
        let mut connection = of_version_one();
        let later = [FIRST, "ALTER TABLE entry ADD COLUMN mood TEXT", "CREATE TABLE session (id)"].map(Step::of);
        assert!(migrate(&mut connection, &later).is_err());
        assert_eq!(find(&connection).expect("read"), FileKind::Log(1));
        assert!(connection.prepare("SELECT mood FROM entry").is_err());
    }

    #[test]
    fn steps_are_not_taken_twice() {
        let mut connection = of_version_one();
        for _ in 0..2 {
            migrate(&mut connection, &STEPS).expect("migrated, or nothing to do");
        }
        assert_eq!(found_words(&connection, "tea"), 1);
    }

    #[test]
    fn the_index_of_words_follows_changes_and_removals() {
        let connection = of_version_one();
        connection.execute("UPDATE entry SET note = 'for grandma'", []).expect("changed");
        assert_eq!((found_words(&connection, "grandma"), found_words(&connection, "tea")), (1, 1));
        connection.execute_batch("PRAGMA foreign_keys = ON; DELETE FROM session").expect("removed");
        assert_eq!(found_words(&connection, "tea"), 0);
    }

    #[test]
    fn other_databases_are_known_as_such() {
        let connection = Connection::open_in_memory().expect("opened");
        assert_eq!(find(&connection).expect("read"), FileKind::Empty);
        connection.execute_batch("CREATE TABLE bills (amount)").expect("made");
        assert_eq!(find(&connection).expect("read"), FileKind::Foreign);
    }
}

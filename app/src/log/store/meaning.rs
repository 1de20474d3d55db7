//! Vectors of entries' words, by which they are found by meaning. Knows the tables; what makes the
//! vectors, and what is nearest to one, are others'.
//!
//! A vector is kept twice. In bytes it has a row of its own, as the means of views have
//! ([`Pooled`]). In two bits a number ([`codes`]) those of 128 entries that follow each other stand
//! in one block, so that a search reads a million of them in 96 MB: see
//! [`nearest`](super::nearest). A block of 128 times 96 bytes fills SQLite's pages; its `low` and
//! `high` say which of its slots are taken, a bit each.

use rusqlite::{Connection, OptionalExtension as _};

use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::codes::codes;
use crate::log::store::pooled::{self, Pooled};

/// Entries of a block, in bits of their number.
pub const SLOT_BITS: u32 = 7;
/// Vectors are of this precision.
pub const PRECISION: &str = "f32";

/// The block of an entry, and its place in there.
pub fn place(entry: i64) -> (i64, usize) {
    (entry >> SLOT_BITS, (entry & ((1 << SLOT_BITS) - 1)) as usize)
}

/// The entry at a place of a block.
pub fn entry_at(block: i64, slot: u32) -> i64 {
    (block << SLOT_BITS) | i64::from(slot)
}

/// Slots of a block as its row has them.
pub fn slots(low: i64, high: i64) -> u128 {
    (u128::from(high.cast_unsigned()) << 64) | u128::from(low.cast_unsigned())
}

/// An entry's words, to be turned into a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryWords {
    /// The entry's number.
    pub entry: i64,
    /// What it says: the text, behind the question where it is an answer.
    pub text: String,
}

impl EntryWords {
    /// Of an entry.
    #[must_use]
    pub fn of(entry: i64, text: &str, question: Option<&str>) -> Self {
        let text = question.map_or_else(|| text.to_owned(), |question| format!("{question} {text}"));
        Self { entry, text }
    }
}

impl Store {
    /// Keeps the vectors of entries, made by `model`. One that was kept before is replaced. Entries
    /// that are gone are left out. Says how many were kept.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn add_meanings(&mut self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<u64, LogError> {
        let mut vectors: Vec<&(i64, Vec<f32>)> = vectors.iter().collect();
        vectors.sort_by_key(|(entry, _)| *entry);
        self.change(|c| {
            let of_blocks = vectors.chunk_by(|(a, _), (b, _)| place(*a).0 == place(*b).0);
            of_blocks.map(|vectors| insert(c, model, vectors)).sum()
        })
    }

    /// The words of the newest entries before `before` that have no vector of `model`, at most
    /// `most`, newest first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn without_meaning(&self, model: &str, before: i64, most: usize) -> Result<Vec<EntryWords>, LogError> {
        let sql = "SELECT e.id, e.text, e.question FROM entry e WHERE e.id < ?2 AND NOT EXISTS
                 (SELECT 1 FROM meaning m JOIN pool p ON p.id = m.pool WHERE m.entry = e.id AND p.model = ?1)
             ORDER BY e.id DESC LIMIT ?3";
        let words = |row: &rusqlite::Row<'_>| {
            let (text, question): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok(EntryWords::of(row.get(0)?, &text, question.as_deref()))
        };
        self.connection()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map((model, before, most as i64), words)?.collect())
            .map_err(|error| self.error(&error))
    }

    /// How many entries have a vector of `model`, and how many have none.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn count_meanings(&self, model: &str) -> Result<(u64, u64), LogError> {
        let sql = "SELECT (SELECT count(*) FROM entry),
             (SELECT count(*) FROM meaning m JOIN pool p ON p.id = m.pool WHERE p.model = ?1)";
        let (all, with): (i64, i64) = self
            .connection()
            .query_row(sql, [model], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| self.error(&error))?;
        Ok((with.unsigned_abs(), all.saturating_sub(with).unsigned_abs()))
    }

    /// Whether any entry has a vector of `model`.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn has_meanings(&self, model: &str) -> Result<bool, LogError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM meaning m JOIN pool p ON p.id = m.pool WHERE p.model = ?1)";
        self.connection().query_row(sql, [model], |row| row.get(0)).map_err(|error| self.error(&error))
    }
}

/// Keeps vectors of one block. Says of how many there is an entry.
fn insert(connection: &Connection, model: &str, vectors: &[&(i64, Vec<f32>)]) -> rusqlite::Result<u64> {
    let mut row = connection.prepare_cached(
        "INSERT OR REPLACE INTO meaning (entry, pool, bytes) SELECT id, ?2, ?3 FROM entry WHERE id = ?1",
    )?;
    let mut kept = Vec::with_capacity(vectors.len());
    for (entry, vector) in vectors {
        let pool = pooled::pool_or_new(connection, model, PRECISION, vector.len())?;
        if row.execute((entry, pool, Pooled::of_mean(vector).row()))? > 0 {
            kept.push((*entry, codes(vector)));
        }
    }
    insert_codes(connection, &kept)?;
    Ok(kept.len() as u64)
}

/// Writes the codes of vectors of one block at their places. A block of another width is of another
/// model, and begun anew.
fn insert_codes(connection: &Connection, kept: &[(i64, Vec<u8>)]) -> rusqlite::Result<()> {
    let Some((first, codes)) = kept.first() else { return Ok(()) };
    let ((block, _), width) = (place(*first), codes.len());
    let there: Option<(u128, Vec<u8>)> = connection
        .prepare_cached("SELECT low, high, codes FROM meaning_block WHERE block = ?1")?
        .query_row([block], |row| Ok((slots(row.get(0)?, row.get(1)?), row.get(2)?)))
        .optional()?;
    let there = there.filter(|(_, all)| all.len() == width << SLOT_BITS);
    let (mut taken, mut all) = there.unwrap_or_else(|| (0, vec![0; width << SLOT_BITS]));
    for (entry, codes) in kept.iter().filter(|(_, codes)| codes.len() == width) {
        let (_, slot) = place(*entry);
        all[slot * width..][..width].copy_from_slice(codes);
        taken |= 1 << slot;
    }
    let (low, high) = ((taken as u64).cast_signed(), ((taken >> 64) as u64).cast_signed());
    connection
        .prepare_cached("INSERT OR REPLACE INTO meaning_block (block, low, high, codes) VALUES (?1, ?2, ?3, ?4)")?
        .execute((block, low, high, all))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Entry;
    use crate::testing::log::{Scratch, entry};

    const BEGAN: &str = "2026-11-23T10:00:00.000+01:00";
    const MODEL: &str = "tiny";

    /// Entries 1 to `count`.
    fn filled(count: i64) -> Scratch {
        let mut log = Scratch::new();
        let session = log.session("door", "256m", BEGAN);
        for second in 1..=count {
            log.add(&entry(session, BEGAN, 1000 * second, "A cup"));
        }
        log
    }

    /// How many slots of each block are taken.
    fn blocks(log: &Scratch) -> Vec<(i64, u32)> {
        let read = || -> rusqlite::Result<Vec<(i64, u32)>> {
            let sql = "SELECT block, low, high FROM meaning_block ORDER BY block";
            let block = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, slots(row.get(1)?, row.get(2)?).count_ones()));
            log.store.connection().prepare(sql)?.query_map([], block)?.collect()
        };
        read().expect("read")
    }

    #[test]
    fn places_and_entries_are_each_others_inverse() {
        for entry in [0, 1, 127, 128, 1_000_000, i64::MAX, -1, -128] {
            let (block, slot) = place(entry);
            assert!(slot < 128 && entry_at(block, slot as u32) == entry, "{entry}");
        }
        assert_eq!(slots(5, -1), 5 | (u128::from(u64::MAX) << 64));
    }

    #[test]
    fn vectors_are_made_newest_first_and_go_with_their_entries() {
        let mut log = filled(140);
        let newest = log.store.without_meaning(MODEL, i64::MAX, 3).expect("read");
        assert_eq!(newest.iter().map(|words| words.entry).collect::<Vec<_>>(), [140, 139, 138]);
        let vectors: Vec<_> = (1..=141).map(|entry| (entry, vec![entry as f32, -1.0])).collect();
        assert_eq!(log.store.add_meanings(MODEL, &vectors), Ok(140), "there is no entry 141");
        assert_eq!(log.store.count_meanings(MODEL), Ok((140, 0)));
        assert_eq!(log.store.count_meanings("another"), Ok((0, 140)));
        assert_eq!(blocks(&log), [(0, 127), (1, 13)]);
        assert!(log.store.delete(3).expect("deleted") && log.store.delete(70).expect("deleted"));
        assert_eq!((blocks(&log), log.store.count_meanings(MODEL)), (vec![(0, 125), (1, 13)], Ok((138, 0))));
        log.store.change(|c| c.execute("DELETE FROM entry WHERE id > 127", [])).expect("deleted");
        assert_eq!(blocks(&log), [(0, 125)], "an empty block goes");
        log.store.change(|c| c.execute("DELETE FROM session", [])).expect("deleted");
        assert_eq!((blocks(&log), log.store.has_meanings(MODEL)), (vec![], Ok(false)));
        assert_eq!(log.store.check(), Ok(Vec::new()));
    }

    #[test]
    fn other_words_want_another_vector() {
        let mut log = filled(2);
        let vectors = [(1, vec![1.0, 0.5]), (2, vec![1.0, 0.5])];
        log.store.add_meanings(MODEL, &vectors).expect("written");
        log.store.set_note(1, Some("mine")).expect("written");
        assert_eq!(log.store.count_meanings(MODEL), Ok((2, 0)), "a note is beside the words");
        log.store.change(|c| c.execute("UPDATE entry SET text = 'A jug' WHERE id = 1", [])).expect("changed");
        let without = log.store.without_meaning(MODEL, i64::MAX, 9).expect("read");
        assert_eq!(without, [EntryWords::of(1, "A jug", None)]);
        assert_eq!(blocks(&log), [(0, 1)]);
    }

    #[test]
    fn an_answer_is_found_by_its_question_too() {
        let mut log = filled(1);
        let question = Some("What is there?".to_owned());
        let id = log.add(&Entry { question, ..entry(1, BEGAN, 9000, "A dog") });
        let without = log.store.without_meaning(MODEL, i64::MAX, 1).expect("read");
        assert_eq!(without, [EntryWords { entry: id, text: "What is there? A dog".to_owned() }]);
    }

    #[test]
    fn another_model_begins_a_block_anew() {
        let mut log = filled(3);
        let wide = |entry| (entry, vec![1.0; 70]);
        log.store.add_meanings("wide", &[wide(1), wide(2)]).expect("written");
        log.store.add_meanings(MODEL, &[(2, vec![1.0, -1.0])]).expect("written");
        assert_eq!((blocks(&log), log.store.count_meanings("wide")), (vec![(0, 1)], Ok((1, 2))));
    }
}

//! The list of entries as rows with numbers, so that a window can show any part of a million
//! without holding them: how many there are, and a few places to start reading from. Knows the
//! tables; holds no entry.
//!
//! Rows are numbered from the oldest, so that a number stays what it is while entries are added
//! behind it.

use rusqlite::{OptionalExtension as _, Row};

use crate::log::data::entry::FoundEntry;
use crate::log::data::filter::{EntryFilter, Filter};
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::search::RowKey;

/// The most places that a row index holds: 64 KiB, however long the log is.
const PLACES: usize = 4096;
/// Rows from one place to the next in a short list. In a longer one it is doubled as often as need
/// be.
const STRIDE: u64 = 64;

/// The rows of one filter, as they were when it was made or last grown.
#[derive(Clone, Debug)]
pub struct RowIndex {
    filter: Filter,
    rows: u64,
    stride: u64,
    /// The place of every row whose number `stride` divides.
    places: Vec<RowKey>,
    last: Option<RowKey>,
    /// All entries of the log, whether the filter lets them through or not: by this a removal is
    /// noticed.
    all: i64,
    /// The entry with the highest number. When it is removed, its number is given to another one.
    newest: Option<RowKey>,
}

impl RowIndex {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn add(&mut self, place: RowKey) {
        if self.rows.is_multiple_of(self.stride) {
            if self.places.len() == PLACES {
                self.stride *= 2;
                let mut kept = 0;
                self.places.retain(|_| {
                    kept += 1;
                    kept % 2 == 1
                });
            }
            if self.rows.is_multiple_of(self.stride) {
                self.places.push(place);
            }
        }
        self.rows += 1;
        self.last = Some(place);
    }
}

impl Store {
    /// Counts the rows that the filter lets through. Takes some 0.1 s for a million, and longer
    /// where words or kinds have to be looked at; [`Store::interrupter`] ends it early.
    ///
    /// # Errors
    /// When the log can't be read, or there are no words in `filter.words`.
    pub fn row_index(&self, filter: &Filter) -> Result<RowIndex, LogError> {
        let (all, newest) = self.extent()?;
        let mut row_index =
            RowIndex { filter: filter.clone(), rows: 0, stride: STRIDE, places: Vec::new(), last: None, all, newest };
        self.extend_row_index(&mut row_index)?;
        Ok(row_index)
    }

    /// Counts the rows that were added behind the last one. Says whether the row index still holds:
    /// not when entries were removed, or added before the last one, or may have been marked; then a
    /// new one has to be made.
    ///
    /// # Errors
    /// As [`Store::row_index`].
    pub fn grow(&self, row_index: &mut RowIndex) -> Result<bool, LogError> {
        if row_index.filter.kinds.iter().any(|sort| !matches!(sort, EntryFilter::Of(_))) {
            return Ok(false);
        }
        let (all, newest) = self.extent()?;
        let added = match row_index.newest {
            Some(known) => self.added_behind(known)?,
            None => Some(all),
        };
        let Some(added) = added.filter(|added| row_index.all + added == all) else { return Ok(false) };
        if added > 0 && row_index.filter.words.is_none() && self.is_any_before(row_index)? {
            return Ok(false);
        }
        (row_index.all, row_index.newest) = (all, newest);
        if added > 0 {
            self.extend_row_index(row_index)?;
        }
        Ok(true)
    }

    /// The entries of the rows from `from` on, at most `most`, oldest first.
    ///
    /// # Errors
    /// As [`Store::row_index`].
    pub fn rows_of(&self, row_index: &RowIndex, from: u64, most: usize) -> Result<Vec<FoundEntry>, LogError> {
        let Some(start) = row_index.places.get(usize::try_from(from / row_index.stride).unwrap_or(usize::MAX)) else {
            return Ok(Vec::new());
        };
        let skipped = from % row_index.stride;
        self.list(&row_index.filter, Some(*start), skipped, most)
    }

    /// The row of the first entry that was captured at this moment or later, or of the last one of
    /// all. None when there is no row.
    ///
    /// # Errors
    /// As [`Store::row_index`].
    pub fn row_at(&self, row_index: &RowIndex, at_ms: i64) -> Result<Option<u64>, LogError> {
        let from = Filter {
            since_ms: Some(at_ms.max(row_index.filter.since_ms.unwrap_or(i64::MIN))),
            ..row_index.filter.clone()
        };
        match self.list(&from, None, 0, 1)?.first() {
            Some(found) => self.row_of(row_index, RowKey::from(found)).map(Some),
            None => Ok(row_index.rows.checked_sub(1)),
        }
    }

    fn row_of(&self, row_index: &RowIndex, place: RowKey) -> Result<u64, LogError> {
        let by_id = row_index.filter.words.is_some();
        let key = |place: &RowKey| if by_id { (0, place.id) } else { (place.at_ms, place.id) };
        let index = row_index.places.partition_point(|start| key(start) <= key(&place)).saturating_sub(1);
        let Some(start) = row_index.places.get(index) else { return Ok(0) };
        let mut row = index as u64 * row_index.stride;
        self.each_place(&row_index.filter, Some(*start), |found| {
            let is_before = key(&found) < key(&place);
            row += u64::from(is_before);
            is_before
        })?;
        Ok(row.min(row_index.rows.saturating_sub(1)))
    }

    fn extend_row_index(&self, row_index: &mut RowIndex) -> Result<(), LogError> {
        let filter = row_index.filter.clone();
        let behind = row_index.last;
        self.each_place(&filter, behind, |place| {
            if Some(place) != behind {
                row_index.add(place);
            }
            true
        })
    }

    /// Whether an entry that is new to the row index stands before its last row.
    fn is_any_before(&self, row_index: &RowIndex) -> Result<bool, LogError> {
        let Some((last, newest)) = row_index.last.zip(row_index.newest) else { return Ok(false) };
        self.connection()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE id > ?1 AND at_ms < ?2)")
            .and_then(|mut statement| statement.query_row([newest.id, last.at_ms], |row| row.get(0)))
            .map_err(|error| self.error(&error))
    }

    /// How many entries there are, and the one with the highest number.
    fn extent(&self) -> Result<(i64, Option<RowKey>), LogError> {
        let newest = |row: &Row<'_>| Ok((row.get(0)?, Some(RowKey { at_ms: row.get(1)?, id: row.get(2)? })));
        self.connection()
            .prepare_cached("SELECT (SELECT count(*) FROM entry), at_ms, id FROM entry ORDER BY id DESC LIMIT 1")
            .and_then(|mut statement| statement.query_row([], newest).optional())
            .map(Option::unwrap_or_default)
            .map_err(|error| self.error(&error))
    }

    /// How many entries have a higher number than this one. None when it is no longer there.
    fn added_behind(&self, known: RowKey) -> Result<Option<i64>, LogError> {
        let sql = "SELECT (SELECT count(*) FROM entry WHERE id > ?1) FROM entry WHERE id = ?1 AND at_ms = ?2";
        self.connection()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([known.id, known.at_ms], |row| row.get(0)).optional())
            .map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryKind;
    use crate::testing::log::{Scratch, entry, filled};

    fn ids(log: &Scratch, row_index: &RowIndex, from: u64, most: usize) -> Vec<i64> {
        log.store.rows_of(row_index, from, most).expect("read").iter().map(|found| found.entry.id).collect()
    }

    fn words(text: &str) -> Filter {
        Filter { words: Some(text.to_owned()), ..Filter::default() }
    }

    /// Entries 1 to `count`, a second apart.
    fn long(count: i64) -> (Scratch, i64) {
        let mut log = Scratch::new();
        let session = log.session("camera", "256m", "2026-11-24T10:00:00.000+00:00");
        for number in 1..=count {
            add(&mut log, session, number);
        }
        (log, session)
    }

    fn add(log: &mut Scratch, session: i64, number: i64) {
        let mut caption =
            entry(session, "2026-11-24T10:00:00.000+00:00", number * 1000, if number % 3 == 0 { "tea" } else { "jug" });
        caption.at.ms += number * 1000;
        log.add(&caption);
    }

    #[test]
    fn rows_are_the_list_the_other_way_round() {
        let log = filled();
        let caption = Filter { kinds: vec![EntryFilter::Of(EntryKind::Caption)], ..Filter::default() };
        for filter in [Filter::default(), caption, words("cat"), words("a OR black"), words("bill:cat")] {
            let mut list: Vec<_> =
                log.store.search(&filter, None, 99).expect("read").iter().map(|f| f.entry.id).collect();
            list.reverse();
            let row_index = log.store.row_index(&filter).expect("counted");
            assert_eq!(row_index.rows(), list.len() as u64);
            assert_eq!(ids(&log, &row_index, 0, 99), list);
            for (row, id) in list.iter().enumerate() {
                assert_eq!(ids(&log, &row_index, row as u64, 1), [*id], "{filter:?}");
            }
            assert!(ids(&log, &row_index, 99, 1).is_empty());
        }
    }

    #[test]
    fn a_long_list_has_few_places_and_every_row() {
        let (log, _) = long(1000);
        let mut row_index = log.store.row_index(&Filter::default()).expect("counted");
        assert_eq!((row_index.rows(), row_index.places.len()), (1000, 16));
        for row in [0, 63, 64, 65, 500, 999] {
            assert_eq!(ids(&log, &row_index, row, 2)[0], row as i64 + 1);
        }
        // As it would be with the most places that may be held.
        let whole = row_index.clone();
        (row_index.rows, row_index.stride, row_index.last) = (0, 1, None);
        row_index.places.clear();
        for id in 1..=10_000 {
            row_index.add(RowKey { at_ms: id, id });
        }
        assert!(
            row_index.places.len() <= PLACES && row_index.stride == 4,
            "{} {}",
            row_index.places.len(),
            row_index.stride
        );
        for (i, place) in row_index.places.iter().enumerate() {
            assert_eq!(place.id, i as i64 * 4 + 1);
        }
        assert_eq!(whole.rows(), 1000);
    }

    #[test]
    fn it_grows_with_the_log() {
        let (mut log, session) = long(100);
        for filter in [Filter::default(), words("tea")] {
            let mut row_index = log.store.row_index(&filter).expect("counted");
            let before = row_index.rows();
            let added: i64 = log.store.row_index(&Filter::default()).expect("counted").rows() as i64;
            for number in added + 1..=added + 30 {
                add(&mut log, session, number);
            }
            assert!(log.store.grow(&mut row_index).expect("counted"));
            assert_eq!(row_index.rows(), log.store.row_index(&filter).expect("counted").rows());
            assert!(row_index.rows() > before);
            let last = row_index.rows() - 1;
            assert_eq!(ids(&log, &row_index, last, 9).len(), 1);
        }
    }

    #[test]
    fn a_removal_and_a_clock_set_back_are_noticed() {
        let (mut log, session) = long(10);
        let mut row_index = log.store.row_index(&Filter::default()).expect("counted");
        assert!(log.store.delete(4).expect("written"));
        assert!(!log.store.grow(&mut row_index).expect("counted"));
        let mut row_index = log.store.row_index(&Filter::default()).expect("counted");
        add(&mut log, session, 2);
        assert!(!log.store.grow(&mut row_index).expect("counted"));
    }

    #[test]
    fn a_number_that_is_given_again_is_another_entry() {
        let (mut log, session) = long(10);
        let mut row_index = log.store.row_index(&Filter::default()).expect("counted");
        assert!(log.store.delete(10).expect("written"));
        add(&mut log, session, 20);
        assert!(!log.store.grow(&mut row_index).expect("counted"));
        let mut empty = Scratch::new();
        let session = empty.session("camera", "256m", "2026-11-24T10:00:00.000+00:00");
        let mut row_index = empty.store.row_index(&Filter::default()).expect("counted");
        add(&mut empty, session, 1);
        assert!(empty.store.grow(&mut row_index).expect("counted"));
        assert_eq!(row_index.rows(), 1);
    }

    #[test]
    fn what_was_marked_elsewhere_is_noticed() {
        let (mut log, _) = long(10);
        let marked = Filter { kinds: vec![EntryFilter::Bookmarked], ..Filter::default() };
        let mut row_index = log.store.row_index(&marked).expect("counted");
        assert!(log.store.set_bookmark(4, true).expect("written"));
        assert!(!log.store.grow(&mut row_index).expect("counted"));
    }

    #[test]
    fn a_moment_has_a_row() {
        let (log, _) = long(200);
        let start = crate::testing::log::moment("2026-11-24T10:00:00.000+00:00").ms;
        let all = log.store.row_index(&Filter::default()).expect("counted");
        let tea = log.store.row_index(&words("tea")).expect("counted");
        for (after_ms, row, tea_row) in
            [(-5000, 0, 0), (1000, 0, 0), (1001, 1, 0), (100_000, 99, 33), (999_000, 199, 65)]
        {
            assert_eq!(log.store.row_at(&all, start + after_ms).expect("read"), Some(row), "{after_ms}");
            assert_eq!(log.store.row_at(&tea, start + after_ms).expect("read"), Some(tea_row), "{after_ms}");
        }
        let none = log.store.row_index(&words("coffee")).expect("counted");
        assert_eq!(log.store.row_at(&none, start).expect("read"), None);
    }
}

//! Finding entries: a page of the list, a page of what has certain words, and every one of them in
//! the order in which they were recorded. Knows the tables; formats nothing.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::log::data::entry::{FoundEntry, Session};
use crate::log::data::filter::{Condition, Filter};
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::{query, rows};

/// The columns of a [`RowKey`].
const ROW_KEY: &str = "e.at_ms, e.id";

/// Where a page of the list ended, and the next one goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// The time of the last entry, milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Its number.
    pub id: i64,
}

impl From<&FoundEntry> for RowKey {
    fn from(found: &FoundEntry) -> Self {
        Self { at_ms: found.entry.at.ms, id: found.entry.id }
    }
}

impl Store {
    /// The newest entries before `before` that the filter lets through, at most `most`, newest
    /// first. With words, those that were recorded last come first, otherwise those of the latest
    /// time.
    ///
    /// All words must be there; `"a phrase"`, `begin*`, `NOT` and `OR` work. Case and accents do
    /// not count, and in scripts without spaces between words any part of a text is found.
    ///
    /// # Errors
    /// When the log can't be read, or there are no words in `filter.words`.
    pub fn search(&self, filter: &Filter, before: Option<RowKey>, most: usize) -> Result<Vec<FoundEntry>, LogError> {
        let mut condition = filter.condition();
        let words = words(filter)?;
        let (tables, order) = if words.is_some() {
            if let Some(RowKey { id, .. }) = before {
                condition.and("w.rowid < ?", [id.into()]);
            }
            // CROSS keeps the order: the index of words gives rows by their number, newest first,
            // and stops at the limit.
            (
                "entry_words w CROSS JOIN entry e ON e.id = w.rowid CROSS JOIN session s ON s.id = e.session",
                "w.rowid DESC",
            )
        } else {
            if let Some(RowKey { at_ms, id }) = before {
                condition.and("(e.at_ms, e.id) < (?, ?)", [at_ms.into(), id.into()]);
            }
            ("entry e CROSS JOIN session s ON s.id = e.session", "e.at_ms DESC, e.id DESC")
        };
        add_words(&mut condition, words);
        condition.values.push(Value::from(i64::try_from(most).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT {}, {} FROM {tables} WHERE {} ORDER BY {order} LIMIT ?",
            rows::ENTRY,
            rows::FOUND,
            condition.sql
        );
        self.connection()
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map(params_from_iter(condition.values), rows::found)?.collect())
            .map_err(|error| self.error(&error))
    }

    /// A part of the same list the other way round, oldest first: from `from` on, which is part of
    /// it, without the first `skipped`, at most `most`.
    ///
    /// # Errors
    /// As [`Store::search`].
    pub(crate) fn list(
        &self,
        filter: &Filter,
        from: Option<RowKey>,
        skipped: u64,
        most: usize,
    ) -> Result<Vec<FoundEntry>, LogError> {
        let columns = format!("{}, {}", rows::ENTRY, rows::FOUND);
        let (sql, mut values) = listing(filter, &columns, from)?;
        for number in [most as u64, skipped] {
            values.push(Value::from(i64::try_from(number).unwrap_or(i64::MAX)));
        }
        self.connection()
            .prepare_cached(&format!("{sql} LIMIT ? OFFSET ?"))
            .and_then(|mut statement| statement.query_map(params_from_iter(values), rows::found)?.collect())
            .map_err(|error| self.error(&error))
    }

    /// Gives every place of that list from `from` on to `each`, until it says no.
    ///
    /// # Errors
    /// As [`Store::search`].
    pub(crate) fn each_place(
        &self,
        filter: &Filter,
        from: Option<RowKey>,
        mut each: impl FnMut(RowKey) -> bool,
    ) -> Result<(), LogError> {
        let (sql, values) = listing(filter, ROW_KEY, from)?;
        let read = || -> rusqlite::Result<()> {
            let mut statement = self.connection().prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                if !each(RowKey { at_ms: row.get(0)?, id: row.get(1)? }) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.error(&error))
    }

    /// Gives every entry that the filter lets through to `each`, in the order in which they were
    /// recorded, session by session, until `each` fails.
    ///
    /// # Errors
    /// When the log can't be read, or with the error of `each`.
    pub fn each<E: From<LogError>>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(FoundEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut condition = filter.condition();
        narrow(&mut condition, filter)?;
        let sql = format!(
            "SELECT {}, {} FROM session s CROSS JOIN entry e ON e.session = s.id WHERE {} ORDER BY s.id, e.id",
            rows::ENTRY,
            rows::FOUND,
            condition.sql
        );
        let failed = |error: rusqlite::Error| E::from(self.error(&error));
        let mut statement = self.connection().prepare(&sql).map_err(failed)?;
        let mut entries = statement.query(params_from_iter(condition.values)).map_err(failed)?;
        while let Some(row) = entries.next().map_err(failed)? {
            each(rows::found(row).map_err(failed)?)?;
        }
        Ok(())
    }

    /// The sessions of the entries that the filter lets through, oldest first. Without any filter,
    /// also those that have none.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn sessions(&self, filter: &Filter) -> Result<Vec<Session>, LogError> {
        let mut condition = filter.condition();
        narrow(&mut condition, filter)?;
        let which = if *filter == Filter::default() {
            "1".to_owned()
        } else {
            format!("EXISTS (SELECT 1 FROM entry e WHERE e.session = s.id AND {})", condition.sql)
        };
        let sql = format!("SELECT {} FROM session s WHERE {which} ORDER BY s.id", rows::SESSION);
        self.connection()
            .prepare(&sql)
            .and_then(|mut statement| statement.query_map(params_from_iter(condition.values), rows::session)?.collect())
            .map_err(|error| self.error(&error))
    }
}

/// The list from `from` on, oldest first, as SQL.
fn listing(filter: &Filter, columns: &str, from: Option<RowKey>) -> Result<(String, Vec<Value>), LogError> {
    let mut condition = filter.condition();
    let words = words(filter)?;
    // Where only places are wanted, what is in the index is not looked up in the tables as well.
    let is_narrow = columns == ROW_KEY;
    let by_words_alone = Filter { words: None, ..filter.clone() } == Filter::default();
    let (columns, tables, order) = match (&words, is_narrow) {
        (Some(_), true) if by_words_alone => ("0, w.rowid", "entry_words w", "w.rowid"),
        (Some(_), true) => (columns, "entry_words w CROSS JOIN entry e ON e.id = w.rowid", "w.rowid"),
        (Some(_), false) => (
            columns,
            "entry_words w CROSS JOIN entry e ON e.id = w.rowid CROSS JOIN session s ON s.id = e.session",
            "w.rowid",
        ),
        (None, true) => (columns, "entry e", "e.at_ms, e.id"),
        (None, false) => (columns, "entry e CROSS JOIN session s ON s.id = e.session", "e.at_ms, e.id"),
    };
    if let Some(RowKey { at_ms, id }) = from {
        match &words {
            Some(_) => condition.and("w.rowid >= ?", [id.into()]),
            None => condition.and("(e.at_ms, e.id) >= (?, ?)", [at_ms.into(), id.into()]),
        }
    }
    add_words(&mut condition, words);
    let sql = format!("SELECT {columns} FROM {tables} WHERE {} ORDER BY {order}", condition.sql);
    Ok((sql, condition.values))
}

/// Adds the filter's words to a condition on entries.
pub(crate) fn narrow(condition: &mut Condition, filter: &Filter) -> Result<(), LogError> {
    if let Some(words) = words(filter)? {
        condition.and("e.id IN (SELECT rowid FROM entry_words WHERE entry_words MATCH ?)", [words.into()]);
    }
    Ok(())
}

/// The filter's words as FTS5 reads them.
fn words(filter: &Filter) -> Result<Option<String>, LogError> {
    let Some(words) = &filter.words else { return Ok(None) };
    let expression = query::expression(words);
    expression.map(Some).ok_or_else(|| LogError::request("There is no word to search for.", "Write at least one."))
}

fn add_words(condition: &mut Condition, words: Option<String>) {
    if let Some(words) = words {
        condition.and("entry_words MATCH ?", [words.into()]);
    }
}

#[cfg(test)]
mod tests;

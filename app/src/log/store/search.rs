//! Finding entries: a page of the list, a page of what has certain words, and every one of them in
//! the order in which they were recorded. Knows the tables; formats nothing.
//!
//! Entries that are near in meaning ([`Filter::near`]) are read apart, for they are few, and take
//! their places among those that the index of words gives in its order.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::log::data::entry::{FoundEntry, Session};
use crate::log::data::filter::{Condition, Filter};
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::{query, rows};

/// The columns of a [`RowKey`].
const ROW_KEY: &str = "e.at_ms, e.id";

/// Whether an entry is one of those whose numbers are an array of JSON.
const IS_NEAR: &str = "e.id IN (SELECT value FROM json_each(?))";

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
        let near = self.near(filter, &columns, from, rows::found)?;
        // Which rows are skipped is known only when both are in one order.
        let (limit, offset) = if near.is_empty() { (most as u64, skipped) } else { (most as u64 + skipped, 0) };
        let (sql, mut values) = listing(filter, &columns, from)?;
        for number in [limit, offset] {
            values.push(Value::from(i64::try_from(number).unwrap_or(i64::MAX)));
        }
        let mut listed: Vec<FoundEntry> = self
            .connection()
            .prepare_cached(&format!("{sql} LIMIT ? OFFSET ?"))
            .and_then(|mut statement| statement.query_map(params_from_iter(values), rows::found)?.collect())
            .map_err(|error| self.error(&error))?;
        if !near.is_empty() {
            listed.extend(near);
            listed.sort_by_key(|found| found.entry.id);
            listed.dedup_by_key(|found| found.entry.id);
            listed = listed.into_iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).take(most).collect();
        }
        Ok(listed)
    }

    /// The entries of [`Filter::near`] from `from` on that the filter lets through besides, in
    /// ascending order; none where there are no words.
    fn near<T>(
        &self,
        filter: &Filter,
        columns: &str,
        from: Option<RowKey>,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LogError> {
        if filter.words.is_none() || filter.near.is_empty() {
            return Ok(Vec::new());
        }
        let mut condition = filter.condition();
        condition.and(IS_NEAR, [ids(&filter.near)]);
        if let Some(RowKey { id, .. }) = from {
            condition.and("e.id >= ?", [id.into()]);
        }
        let sql = format!(
            "SELECT {columns} FROM entry e CROSS JOIN session s ON s.id = e.session WHERE {} ORDER BY e.id",
            condition.sql
        );
        self.connection()
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map(params_from_iter(condition.values), read)?.collect())
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
        let key = |row: &Row<'_>| -> rusqlite::Result<RowKey> { Ok(RowKey { at_ms: row.get(0)?, id: row.get(1)? }) };
        let mut near = self.near(filter, ROW_KEY, from, key)?.into_iter().peekable();
        let (sql, values) = listing(filter, ROW_KEY, from)?;
        let read = || -> rusqlite::Result<()> {
            let mut statement = self.connection().prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let listed = key(row)?;
                while let Some(before) = near.next_if(|near| near.id <= listed.id) {
                    if before.id < listed.id && !each(before) {
                        return Ok(());
                    }
                }
                if !each(listed) {
                    return Ok(());
                }
            }
            near.all(&mut each);
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
    let by_words_alone = Filter { words: None, near: Vec::new(), ..filter.clone() } == Filter::default();
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
    const HAS_WORDS: &str = "e.id IN (SELECT rowid FROM entry_words WHERE entry_words MATCH ?)";
    match words(filter)? {
        None => {}
        Some(words) if filter.near.is_empty() => condition.and(HAS_WORDS, [words.into()]),
        Some(words) => condition.and(&format!("({HAS_WORDS} OR {IS_NEAR})"), [words.into(), ids(&filter.near)]),
    }
    Ok(())
}

/// Numbers as an array of JSON.
fn ids(ids: &[i64]) -> Value {
    serde_json::Value::from(ids).to_string().into()
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
